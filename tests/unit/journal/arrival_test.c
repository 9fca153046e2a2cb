/* I8: the clock that clicks arrive by. */
#include "journal_fixture.h"

#define NOW FIXTURE_WALL_MS

static bool read_at(struct arrival_clock *clock, int64_t wall_ms, int64_t mono_ms, int64_t *arrival_ms) {
    struct wall_time arrival = {-1};
    bool trusted = arrival_clock_read(clock, (struct wall_time){wall_ms}, (struct mono_time){mono_ms * 1000000}, &arrival);
    *arrival_ms = arrival.ms;
    return trusted;
}

static struct arrival_clock journalled_at(int64_t ms) {
    struct arrival_clock clock;
    arrival_clock_init(&clock, 60 * SECOND_MS);
    arrival_clock_journalled(&clock, (struct wall_time){ms});
    return clock;
}

static void a_clock_up_to_a_second_behind_takes_the_last_arrival(void **state) {
    (void)state;
    struct arrival_clock clock = journalled_at(NOW);
    int64_t arrival_ms;
    assert_true(read_at(&clock, NOW - 1000, 0, &arrival_ms));
    assert_int_equal(arrival_ms, NOW);
    assert_true(read_at(&clock, NOW + 5, 1005, &arrival_ms));
    assert_int_equal(arrival_ms, NOW + 5);
}

static void a_clock_further_behind_is_not_trusted_until_it_is_back(void **state) {
    (void)state;
    struct arrival_clock clock = journalled_at(NOW);
    int64_t arrival_ms;
    assert_false(read_at(&clock, NOW - 1001, 0, &arrival_ms));
    assert_false(read_at(&clock, NOW - 1001, 500, &arrival_ms));
    assert_true(read_at(&clock, NOW - 1000, 501, &arrival_ms));
    assert_int_equal(arrival_ms, NOW);
}

static void a_clock_that_steps_by_more_than_max_skew_is_not_trusted_until_it_is_back(void **state) {
    (void)state;
    for (int64_t sign = -1; sign <= 1; sign += 2) {
        struct arrival_clock clock;
        arrival_clock_init(&clock, 60 * SECOND_MS);
        int64_t arrival_ms;
        assert_true(read_at(&clock, NOW, 0, &arrival_ms));
        assert_true(read_at(&clock, NOW + 1000, 1000, &arrival_ms));
        assert_false(read_at(&clock, NOW + 2000 + sign * 60001, 2000, &arrival_ms));
        assert_false(read_at(&clock, NOW + 9000 + sign * 60001, 9000, &arrival_ms)); /* time does not heal it */
        assert_true(read_at(&clock, NOW + 10000, 10000, &arrival_ms));
        assert_int_equal(arrival_ms, NOW + 10000);
        assert_true(read_at(&clock, NOW + 11000 + sign * 60000, 11000, &arrival_ms)); /* exactly max skew is no step */
    }
}

static void a_restart_takes_a_forward_step_as_it_is(void **state) {
    (void)state;
    struct arrival_clock clock = journalled_at(NOW);
    int64_t arrival_ms;
    assert_true(read_at(&clock, NOW + 7 * (int64_t)HOUR_MS, 0, &arrival_ms));
    assert_int_equal(arrival_ms, NOW + 7 * (int64_t)HOUR_MS);
}

static void a_clock_outside_all_years_is_not_trusted(void **state) {
    (void)state;
    struct arrival_clock clock;
    arrival_clock_init(&clock, 60 * SECOND_MS);
    int64_t arrival_ms;
    assert_false(read_at(&clock, -1, 0, &arrival_ms));
    assert_false(read_at(&clock, INT64_MAX, 0, &arrival_ms));
    assert_false(read_at(&clock, INT64_MIN, 0, &arrival_ms));
    assert_true(read_at(&clock, NOW, 0, &arrival_ms));
}

static void small_steps_do_not_add_up(void **state) {
    (void)state;
    struct arrival_clock clock;
    arrival_clock_init(&clock, 60 * SECOND_MS);
    int64_t arrival_ms;
    for (int64_t i = 0; i < 100; i++) assert_true(read_at(&clock, NOW + i * 41000, i * 1000, &arrival_ms));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clock_up_to_a_second_behind_takes_the_last_arrival),
        cmocka_unit_test(a_clock_further_behind_is_not_trusted_until_it_is_back),
        cmocka_unit_test(a_clock_that_steps_by_more_than_max_skew_is_not_trusted_until_it_is_back),
        cmocka_unit_test(a_restart_takes_a_forward_step_as_it_is),
        cmocka_unit_test(a_clock_outside_all_years_is_not_trusted),
        cmocka_unit_test(small_steps_do_not_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
