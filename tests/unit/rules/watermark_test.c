#include "rules/watermark.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct rules rules = {.number = 1,
                                   .partition_count = 1,
                                   .delay_ms = 15 * SECOND_MS,
                                   .lateness_ms = HOUR_MS,
                                   .horizon_ms = HOUR_MS + MINUTE_MS,
                                   .max_skew_ms = MINUTE_MS,
                                   .canonical_version = 1};
enum { NOON_MS = 12 * HOUR_MS };

static void click(struct watermark *watermark, int64_t time_ms, uint64_t identity) {
    struct identity id = {identity, identity};
    watermark_click(watermark, &rules, (struct event_time){time_ms}, (struct wall_time){INT64_C(1) << 50}, &id);
}

static void before_the_first_click_there_is_no_time(void **state) {
    (void)state;
    struct watermark watermark;
    watermark_init(&watermark);
    assert_true(event_time_is_none(watermark.w) && event_time_is_none(watermark.s) && event_time_is_none(watermark.d));
    watermark_rules(&watermark, &rules);
    assert_true(event_time_is_none(watermark.w));
}

static void the_first_click_moves_it_at_once(void **state) {
    (void)state;
    struct watermark watermark;
    watermark_init(&watermark);
    click(&watermark, NOON_MS, 1);
    assert_int_equal(watermark.w.ms, NOON_MS - rules.delay_ms);
    assert_int_equal(watermark.s.ms, NOON_MS - rules.delay_ms - rules.lateness_ms);
    assert_int_equal(watermark.d.ms, NOON_MS - rules.delay_ms - rules.horizon_ms);
}

static void a_first_click_after_a_tick_still_moves_it_at_once(void **state) {
    (void)state;
    struct watermark watermark;
    watermark_init(&watermark);
    watermark_tick(&watermark, &rules, (struct event_time){NOON_MS});
    click(&watermark, NOON_MS + 5 * HOUR_MS, 1);
    assert_int_equal(watermark.seen.ms, NOON_MS + 5 * HOUR_MS);
}

static void a_late_click_moves_nothing(void **state) {
    (void)state;
    struct watermark watermark;
    watermark_init(&watermark);
    click(&watermark, NOON_MS, 1);
    click(&watermark, NOON_MS - 30 * MINUTE_MS, 2);
    assert_int_equal(watermark.seen.ms, NOON_MS);
    assert_int_equal(watermark.clicks, 2);
}

static void arrival_caps_what_a_click_of_the_future_moves(void **state) {
    (void)state;
    struct watermark watermark;
    struct identity id = {1, 1};
    watermark_init(&watermark);
    watermark_click(&watermark, &rules, (struct event_time){NOON_MS + 50 * SECOND_MS}, (struct wall_time){NOON_MS}, &id);
    assert_int_equal(watermark.seen.ms, NOON_MS);
}

static void exactly_one_hour_ahead_is_no_jump(void **state) {
    (void)state;
    struct watermark watermark;
    watermark_init(&watermark);
    click(&watermark, NOON_MS, 1);
    click(&watermark, NOON_MS + HOUR_MS, 2);
    assert_int_equal(watermark.seen.ms, NOON_MS + HOUR_MS);
}

static void sixteen_different_clicks_in_a_row_make_a_jump_believed(void **state) {
    (void)state;
    struct watermark watermark;
    watermark_init(&watermark);
    click(&watermark, NOON_MS, 1);
    for (uint64_t i = 0; i < 15; i++) click(&watermark, NOON_MS + 3 * HOUR_MS + (int64_t)i, 100 + i);
    assert_int_equal(watermark.seen.ms, NOON_MS);
    assert_int_equal(watermark.guard_count, 15);
    click(&watermark, NOON_MS + 2 * HOUR_MS, 200); /* the lowest of the sixteen is where it goes */
    assert_int_equal(watermark.seen.ms, NOON_MS + 2 * HOUR_MS);
    assert_int_equal(watermark.guard_count, 0);
}

static void the_same_click_sixteen_times_is_not_believed(void **state) {
    (void)state;
    struct watermark watermark;
    watermark_init(&watermark);
    click(&watermark, NOON_MS, 1);
    for (int i = 0; i < 100; i++) click(&watermark, NOON_MS + 3 * HOUR_MS, 7);
    assert_int_equal(watermark.seen.ms, NOON_MS);
    assert_int_equal(watermark.guard_count, 1);
}

static void any_other_click_empties_the_guard_list(void **state) {
    (void)state;
    struct watermark watermark;
    watermark_init(&watermark);
    click(&watermark, NOON_MS, 1);
    for (uint64_t i = 0; i < 15; i++) click(&watermark, NOON_MS + 3 * HOUR_MS, 100 + i);
    click(&watermark, NOON_MS - 1, 2);
    assert_int_equal(watermark.guard_count, 0);
    for (uint64_t i = 0; i < 15; i++) click(&watermark, NOON_MS + 3 * HOUR_MS, 200 + i);
    assert_int_equal(watermark.seen.ms, NOON_MS);
}

static void a_tick_raises_and_never_lowers(void **state) {
    (void)state;
    struct watermark watermark;
    watermark_init(&watermark);
    click(&watermark, NOON_MS, 1);
    watermark_tick(&watermark, &rules, (struct event_time){NOON_MS - 1});
    assert_int_equal(watermark.seen.ms, NOON_MS);
    watermark_tick(&watermark, &rules, (struct event_time){NOON_MS + 5 * HOUR_MS});
    assert_int_equal(watermark.w.ms, NOON_MS + 5 * HOUR_MS - rules.delay_ms);
}

static void new_rules_take_nothing_back(void **state) {
    (void)state;
    struct watermark watermark;
    struct rules longer = rules;
    watermark_init(&watermark);
    click(&watermark, NOON_MS, 1);
    struct watermark before = watermark;
    longer.delay_ms = longer.lateness_ms = 5 * HOUR_MS;
    longer.horizon_ms = longer.lateness_ms + MINUTE_MS;
    watermark_rules(&watermark, &longer);
    assert_true(watermark_equal(&watermark, &before));
    longer.delay_ms = longer.lateness_ms = 0;
    longer.horizon_ms = MINUTE_MS;
    watermark_rules(&watermark, &longer);
    assert_int_equal(watermark.w.ms, NOON_MS);
    assert_int_equal(watermark.s.ms, NOON_MS);
    assert_int_equal(watermark.d.ms, NOON_MS - MINUTE_MS);
}

static void it_reads_back_as_it_was_written(void **state) {
    (void)state;
    struct watermark watermark;
    struct buffer buffer = {0};
    watermark_init(&watermark);
    click(&watermark, NOON_MS, 1);
    for (uint64_t i = 0; i < 9; i++) click(&watermark, NOON_MS + 3 * HOUR_MS, 100 + i);
    watermark_encode(&watermark, &buffer);
    for (size_t len = 0; len <= buffer.len; len++) {
        struct reader reader = reader_of((struct bytes){buffer.at, len});
        struct watermark read = watermark_decode(&reader);
        assert_int_equal(reader.bad, len < buffer.len);
        if (!reader.bad) assert_true(watermark_equal(&read, &watermark));
    }
    buffer_fini(&buffer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_the_first_click_there_is_no_time),
        cmocka_unit_test(the_first_click_moves_it_at_once),
        cmocka_unit_test(a_first_click_after_a_tick_still_moves_it_at_once),
        cmocka_unit_test(a_late_click_moves_nothing),
        cmocka_unit_test(arrival_caps_what_a_click_of_the_future_moves),
        cmocka_unit_test(exactly_one_hour_ahead_is_no_jump),
        cmocka_unit_test(sixteen_different_clicks_in_a_row_make_a_jump_believed),
        cmocka_unit_test(the_same_click_sixteen_times_is_not_believed),
        cmocka_unit_test(any_other_click_empties_the_guard_list),
        cmocka_unit_test(a_tick_raises_and_never_lowers),
        cmocka_unit_test(new_rules_take_nothing_back),
        cmocka_unit_test(it_reads_back_as_it_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
