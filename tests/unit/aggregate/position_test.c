/* What an aggregator goes on with, as bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "aggregate/position.h"
#include "dedup/dedup.h"

static struct position a_position(void) {
    struct position position = {
        .rules = {.number = 3,
                  .partition_count = 4,
                  .delay_ms = 15000,
                  .lateness_ms = 60000,
                  .horizon_ms = 120000,
                  .max_skew_ms = 60000,
                  .canonical_version = 1},
        .totals = {.counted = 7,
                   .duplicate = 6,
                   .conflict = 5,
                   .too_late = 4,
                   .invalid = 3,
                   .duplicate_content = 2,
                   .late_amended = 1},
        .filters_number = 9,
    };
    watermark_init(&position.watermark);
    for (uint64_t i = 0; i < 25; i++) /* some in the guard's list */
        watermark_click(&position.watermark, &position.rules,
                        (struct event_time){1700000000000 + (i > 15 ? 2 * HOUR_MS : 0) + (int64_t)i},
                        (struct wall_time){1800000000000}, &(struct identity){i, i});
    assert_true(position.watermark.guard_count > 0);
    return position;
}

static void it_comes_back_as_it_was(void **state) {
    (void)state;
    struct position position = a_position(), back;
    struct buffer bytes = {0};
    position_encode(&position, &bytes);
    assert_true(bytes.len <= DEDUP_STATE_BYTES_MAX);
    assert_true(position_decode(buffer_view(&bytes), &back));
    assert_true(watermark_equal(&back.watermark, &position.watermark));
    assert_true(rules_equal(&back.rules, &position.rules));
    assert_int_equal(back.rules.number, 3);
    assert_memory_equal(&back.totals, &position.totals, sizeof back.totals);
    assert_int_equal(back.filters_number, 9);
    buffer_fini(&bytes);
}

static void what_is_cut_or_longer_or_of_another_version_or_does_not_add_up_is_refused(void **state) {
    (void)state;
    struct position position = a_position(), back;
    struct buffer bytes = {0};
    position_encode(&position, &bytes);
    for (size_t len = 0; len < bytes.len; len++) assert_false(position_decode((struct bytes){bytes.at, len}, &back));
    bytes.at[0]++;
    assert_false(position_decode(buffer_view(&bytes), &back));
    bytes.at[0]--;
    buffer_append(&bytes, "", 1);
    assert_false(position_decode(buffer_view(&bytes), &back));
    buffer_clear(&bytes);
    position.totals.counted++;
    position_encode(&position, &bytes);
    assert_false(position_decode(buffer_view(&bytes), &back));
    buffer_fini(&bytes);
}

static void its_largest_fits_into_a_list_of_runs(void **state) {
    (void)state;
    struct position position = a_position();
    struct buffer bytes = {0};
    position.watermark.guard_count = WATERMARK_JUMP_CLICKS - 1; /* with one more they are believed */
    position_encode(&position, &bytes);
    assert_true(bytes.len <= DEDUP_STATE_BYTES_MAX);
    buffer_fini(&bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_comes_back_as_it_was),
        cmocka_unit_test(what_is_cut_or_longer_or_of_another_version_or_does_not_add_up_is_refused),
        cmocka_unit_test(its_largest_fits_into_a_list_of_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
