#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "click/reject.h"

/* Counters of the codes are on disk in this order: an entry that moves gives old counts another meaning. */
static void the_codes_keep_their_order(void **state) {
    (void)state;
    static const char *const codes[] = {"bad_json",      "not_object",       "missing_field", "duplicate_field",
                                        "wrong_type",    "bad_ad_id",        "bad_user_id",   "bad_event_id",
                                        "bad_timestamp", "future_timestamp", "bad_ip",        "bad_country",
                                        "bad_utf8",      "line_too_long",    "bad_log_line",  "refused_batch"};
    const size_t count = sizeof codes / sizeof codes[0];
    assert_true(REJECT_CODES >= count);
    for (size_t i = 0; i < count; i++) assert_string_equal(reject_code((enum reject)i), codes[i]);
}

static void every_code_has_a_sentence_without_a_full_stop(void **state) {
    (void)state;
    for (int i = 0; i < REJECT_CODES; i++) {
        const char *text = reject_text((enum reject)i);
        assert_true(strlen(text) > 10);
        assert_true(text[strlen(text) - 1] != '.');
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_codes_keep_their_order),
        cmocka_unit_test(every_code_has_a_sentence_without_a_full_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
