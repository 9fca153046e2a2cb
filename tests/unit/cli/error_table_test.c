#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "cli/error_table.h"
#include "click/decode.h"

static void every_code_of_a_rejected_line_is_explained(void **state) {
    (void)state;
    for (unsigned i = 0; i < REJECT_CODES; i++) {
        struct reject_explanation explanation = reject_explain((enum reject)i); /* CHECKs that it is there */
        assert_true(strlen(explanation.example) > 10 && strlen(explanation.advice) > 20);
        assert_int_equal(reject_find(reject_code((enum reject)i)), i);
    }
}

static void the_example_of_a_code_gets_that_code(void **state) {
    (void)state;
    struct decoder *decoder = decoder_create();
    const struct decode_rules rules = {.now = {INT64_C(1800000000000)}, .max_skew_ms = 60000};
    char detail[DECODE_DETAIL_BYTES];
    for (unsigned i = 0; i < REJECT_CODES; i++) {
        /* Not a line by itself, or one that would not print. */
        if (i == REJECT_BAD_UTF8 || i == REJECT_LINE_TOO_LONG || i == REJECT_REFUSED_BATCH) continue;
        struct buffer line = {0};
        struct click click;
        buffer_append_text(&line, reject_explain((enum reject)i).example);
        memset(buffer_reserve(&line, DECODE_PADDING_BYTES), 0, DECODE_PADDING_BYTES);
        bool is_log_line = i == REJECT_BAD_LOG_LINE;
        enum reject got = is_log_line ? decode_log_line(decoder, buffer_view(&line), &rules, &click, detail)
                                      : decode_json(decoder, buffer_view(&line), &rules, &click, detail);
        assert_int_equal(got, i);
        buffer_fini(&line);
    }
    decoder_destroy(decoder);
}

static void the_good_lines_are_good(void **state) {
    (void)state;
    struct decoder *decoder = decoder_create();
    const struct decode_rules rules = {.now = {INT64_C(1800000000000)}, .max_skew_ms = 60000};
    char detail[DECODE_DETAIL_BYTES];
    struct click click;
    struct buffer line = {0};
    buffer_append_text(&line, good_json_line);
    memset(buffer_reserve(&line, DECODE_PADDING_BYTES), 0, DECODE_PADDING_BYTES);
    assert_int_equal(decode_json(decoder, buffer_view(&line), &rules, &click, detail), REJECT_NONE);
    assert_int_equal(decode_log_line(decoder, bytes_of_text(good_log_line), &rules, &click, detail), REJECT_NONE);
    buffer_fini(&line);
    decoder_destroy(decoder);
}

static void every_problem_is_explained_and_found_once(void **state) {
    (void)state;
    for (size_t i = 0; i < problem_explanation_count; i++) {
        const struct problem_explanation *problem = &problem_explanations[i];
        assert_true(strlen(problem->text) > 10 && strlen(problem->example) > 10 && strlen(problem->advice) > 10);
        assert_in_range(problem->http_status, 400, 599);
        assert_ptr_equal(problem_find(problem->type), problem);
        assert_int_equal(reject_find(problem->type), REJECT_NONE);
    }
}

static void a_code_is_found_with_hyphens_or_underscores_and_in_full(void **state) {
    (void)state;
    assert_int_equal(reject_find("bad-json"), REJECT_BAD_JSON);
    assert_non_null(problem_find("not_now"));
    assert_ptr_equal(problem_find("urn:tally:problem:not-now"), problem_find("not-now"));
    assert_null(problem_find("not-now-"));
    assert_null(problem_find("not"));
    assert_null(problem_find(""));
    assert_int_equal(reject_find(""), REJECT_NONE);
    assert_int_equal(reject_find("bad_jso"), REJECT_NONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_of_a_rejected_line_is_explained),
        cmocka_unit_test(the_example_of_a_code_gets_that_code),
        cmocka_unit_test(the_good_lines_are_good),
        cmocka_unit_test(every_problem_is_explained_and_found_once),
        cmocka_unit_test(a_code_is_found_with_hyphens_or_underscores_and_in_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
