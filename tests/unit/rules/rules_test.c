#include "rules/rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct rules good = {.number = 3,
                                  .partition_count = 4,
                                  .delay_ms = 15 * SECOND_MS,
                                  .lateness_ms = 24 * HOUR_MS,
                                  .horizon_ms = 24 * HOUR_MS + MINUTE_MS,
                                  .max_skew_ms = MINUTE_MS,
                                  .canonical_version = 1};

static void a_horizon_shorter_than_lateness_and_a_minute_is_refused_with_both_values(void **state) {
    (void)state;
    struct rules rules = good;
    struct failure failure = {0};
    assert_int_equal(rules_validate(&rules, NULL), STATUS_OK);
    rules.horizon_ms--;
    assert_int_equal(rules_validate(&rules, &failure), STATUS_BAD_CONFIG);
    assert_non_null(strstr(failure.text, "horizon is 86459 s"));
    assert_non_null(strstr(failure.text, "lateness is 86400 s"));
}

static void spans_and_partitions_have_bounds(void **state) {
    (void)state;
    struct rules rules = good;
    rules.delay_ms = -1;
    assert_int_equal(rules_validate(&rules, NULL), STATUS_BAD_CONFIG);
    rules = good;
    rules.partition_count = 0;
    assert_int_equal(rules_validate(&rules, NULL), STATUS_BAD_CONFIG);
    rules.partition_count = PARTITIONS_MAX + 1;
    assert_int_equal(rules_validate(&rules, NULL), STATUS_BAD_CONFIG);
    rules = good;
    rules.lateness_ms = rules.horizon_ms = INT64_MAX;
    assert_int_equal(rules_validate(&rules, NULL), STATUS_BAD_CONFIG);
}

static void they_read_back_as_they_were_written_and_invalid_ones_do_not(void **state) {
    (void)state;
    struct buffer buffer = {0};
    rules_encode(&good, &buffer);
    assert_int_equal(buffer.len, RULES_BYTES);
    for (size_t len = 0; len <= buffer.len; len++) {
        struct reader reader = reader_of((struct bytes){buffer.at, len});
        struct rules read = rules_decode(&reader);
        assert_int_equal(reader.bad, len < buffer.len);
        if (!reader.bad) assert_true(rules_equal(&read, &good) && read.number == good.number);
    }
    buffer.at[4] = 200; /* partitions */
    struct reader reader = reader_of(buffer_view(&buffer));
    (void)rules_decode(&reader);
    assert_true(reader.bad);
    buffer_fini(&buffer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_horizon_shorter_than_lateness_and_a_minute_is_refused_with_both_values),
        cmocka_unit_test(spans_and_partitions_have_bounds),
        cmocka_unit_test(they_read_back_as_they_were_written_and_invalid_ones_do_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
