/* Ticks: which partition gets one, and with which floor. */
#include "journal_fixture.h"

#include "journal/tick.h"

static struct fixture *started(void) {
    struct fixture *fixture = fixture_new();
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    return fixture;
}

static void commit_click(struct fixture *fixture, int64_t time_ms, uint32_t partition) {
    struct fixture_batch batch;
    fixture_batch_init(&batch);
    fixture_add(fixture, &batch, time_ms, partition);
    assert_int_equal(fixture_commit(fixture, &batch, NULL), STATUS_OK);
    fixture_batch_fini(&batch);
}

static struct journal_record *idle_commit(struct fixture *fixture) {
    struct journal_record *record;
    assert_int_equal(fixture_commit(fixture, NULL, &record), STATUS_OK);
    return record;
}

static void a_node_without_a_click_never_ticks(void **state) {
    (void)state;
    struct fixture *fixture = started();
    fake_clock_pass(&fixture->clock, 100 * SECOND_MS);
    assert_null(idle_commit(fixture));
    fixture_free(fixture);
}

static void an_idle_live_node_ticks_to_the_clock_and_empty_partitions_too(void **state) {
    (void)state;
    struct fixture *fixture = started();
    commit_click(fixture, FIXTURE_WALL_MS - 3000, 0);
    fake_clock_pass(&fixture->clock, 999);
    assert_null(idle_commit(fixture));
    fake_clock_pass(&fixture->clock, 1);
    const struct journal_record *record = idle_commit(fixture);
    assert_non_null(record);
    assert_int_equal(record->sub_block_count, 2);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(record->sub_blocks[i].kind, SUB_BLOCK_TICK);
        assert_int_equal(record->sub_blocks[i].partition, i);
        assert_int_equal(record->sub_blocks[i].count, 1);
        assert_int_equal(record->sub_blocks[i].floor.ms, FIXTURE_WALL_MS + 1000);
        assert_int_equal(journal_watermark(fixture->journal, i)->seen.ms, FIXTURE_WALL_MS + 1000);
        assert_int_equal(journal_watermark(fixture->journal, i)->w.ms, FIXTURE_WALL_MS + 1000 - 15000);
    }
    assert_null(idle_commit(fixture)); /* moved just now */
    fake_clock_pass(&fixture->clock, 1000);
    assert_non_null(idle_commit(fixture));
    fixture_free(fixture);
}

static void only_the_idle_partition_ticks_beside_anothers_clicks(void **state) {
    (void)state;
    struct fixture *fixture = started();
    commit_click(fixture, FIXTURE_WALL_MS, 1);
    fake_clock_pass(&fixture->clock, 600);
    commit_click(fixture, FIXTURE_WALL_MS + 600, 1);
    fake_clock_pass(&fixture->clock, 600);
    commit_click(fixture, FIXTURE_WALL_MS + 1200, 1);
    const struct journal_record *record = fixture->acknowledged.at[fixture->acknowledged.count - 1];
    assert_int_equal(record->sub_block_count, 2);
    assert_int_equal(record->sub_blocks[0].kind, SUB_BLOCK_TICK);
    assert_int_equal(record->sub_blocks[0].partition, 0);
    assert_int_equal(record->sub_blocks[1].kind, SUB_BLOCK_CLICKS);
    fixture_free(fixture);
}

static void a_tick_follows_the_clicks_of_its_partition_in_one_record(void **state) {
    (void)state;
    struct fixture *fixture = started();
    commit_click(fixture, FIXTURE_WALL_MS, 0);
    fake_clock_pass(&fixture->clock, 2000);
    commit_click(fixture, FIXTURE_WALL_MS - 500, 0); /* does not move seen */
    const struct journal_record *record = fixture->acknowledged.at[fixture->acknowledged.count - 1];
    assert_int_equal(record->sub_block_count, 3);
    assert_int_equal(record->sub_blocks[0].kind, SUB_BLOCK_CLICKS);
    assert_int_equal(record->sub_blocks[1].kind, SUB_BLOCK_TICK);
    assert_int_equal(record->sub_blocks[1].partition, 0);
    assert_int_equal(record->sub_blocks[1].first_offset.at, record->sub_blocks[0].first_offset.at + 1);
    assert_int_equal(record->sub_blocks[2].kind, SUB_BLOCK_TICK);
    assert_int_equal(record->sub_blocks[2].partition, 1);
    fixture_free(fixture);
}

static void a_historical_load_ticks_by_the_time_that_passed_only(void **state) {
    (void)state;
    struct fixture *fixture = started();
    int64_t past_ms = FIXTURE_WALL_MS - 48 * (int64_t)HOUR_MS;
    commit_click(fixture, past_ms, 0);
    commit_click(fixture, past_ms - 7000, 1);
    fake_clock_pass(&fixture->clock, 1500);
    const struct journal_record *record = idle_commit(fixture);
    assert_int_equal(record->sub_block_count, 2);
    assert_int_equal(record->sub_blocks[0].floor.ms, past_ms + 1500);
    assert_int_equal(record->sub_blocks[1].floor.ms, past_ms + 1500);
    fake_clock_pass(&fixture->clock, 1000);
    record = idle_commit(fixture);
    assert_int_equal(record->sub_blocks[0].floor.ms, past_ms + 2500);
    fixture_free(fixture);
}

static void one_old_click_among_the_last_16_makes_the_node_historical(void **state) {
    (void)state;
    struct fixture *fixture = started();
    commit_click(fixture, FIXTURE_WALL_MS, 0);
    commit_click(fixture, FIXTURE_WALL_MS - RECENT_LIVE_MS_MAX - 1, 0);
    for (int i = 0; i < 15; i++) commit_click(fixture, FIXTURE_WALL_MS - RECENT_LIVE_MS_MAX, 0);
    fake_clock_step(&fixture->clock, 10000); /* tells the clock from the monotonic time */
    fixture->clock.mono_ns += 1000000000;
    fixture->clock.wall_ms += 1000;
    assert_int_equal(idle_commit(fixture)->sub_blocks[0].floor.ms, FIXTURE_WALL_MS + 1000);
    commit_click(fixture, FIXTURE_WALL_MS, 0); /* the 16th live one */
    fake_clock_pass(&fixture->clock, 1000);
    assert_int_equal(idle_commit(fixture)->sub_blocks[0].floor.ms, FIXTURE_WALL_MS + 12000);
    fixture_free(fixture);
}

static void every_click_of_a_commit_counts_for_the_live_test(void **state) {
    (void)state;
    for (int restart = 0; restart < 2; restart++) {
        struct fixture *fixture = started();
        struct fixture_batch batch;
        fixture_batch_init(&batch);
        fixture_add(fixture, &batch, FIXTURE_WALL_MS - RECENT_LIVE_MS_MAX - 1, 0); /* the 16th from the end */
        for (int i = 0; i < 15; i++) fixture_add(fixture, &batch, FIXTURE_WALL_MS - 7000, (uint32_t)i % 2);
        assert_int_equal(fixture_commit(fixture, &batch, NULL), STATUS_OK);
        fixture_batch_fini(&batch);
        if (restart) {
            fixture_kill(fixture);
            assert_int_equal(fixture_up(fixture), STATUS_OK);
        }
        fake_clock_pass(&fixture->clock, 1000);
        assert_int_equal(idle_commit(fixture)->sub_blocks[0].floor.ms, FIXTURE_WALL_MS - 7000 + 1000);
        fixture_free(fixture);
    }
}

static void a_tick_that_would_not_raise_is_not_written(void **state) {
    (void)state;
    struct fixture *fixture = started();
    commit_click(fixture, FIXTURE_WALL_MS, 0);
    commit_click(fixture, FIXTURE_WALL_MS, 1);
    fixture->clock.mono_ns += 2000000000; /* time passed, but the wall clock stands still */
    assert_null(idle_commit(fixture));
    fixture_free(fixture);
}

static void the_last_clicks_are_read_back_and_the_clocks_start_anew_after_a_restart(void **state) {
    (void)state;
    struct fixture *fixture = started();
    int64_t past_ms = FIXTURE_WALL_MS - 48 * (int64_t)HOUR_MS;
    commit_click(fixture, past_ms, 0);
    for (int clean = 0; clean < 2; clean++) {
        if (clean)
            assert_int_equal(fixture_close(fixture), STATUS_OK);
        else
            fixture_kill(fixture);
        fake_clock_pass(&fixture->clock, HOUR_MS);
        assert_int_equal(fixture_up(fixture), STATUS_OK);
        fake_clock_pass(&fixture->clock, 900);
        assert_null(idle_commit(fixture));
        fake_clock_pass(&fixture->clock, 100);
        int64_t floor_ms = past_ms + 1000 * (clean + 1);
        assert_int_equal(idle_commit(fixture)->sub_blocks[0].floor.ms, floor_ms);
    }
    fixture_free(fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_without_a_click_never_ticks),
        cmocka_unit_test(an_idle_live_node_ticks_to_the_clock_and_empty_partitions_too),
        cmocka_unit_test(only_the_idle_partition_ticks_beside_anothers_clicks),
        cmocka_unit_test(a_tick_follows_the_clicks_of_its_partition_in_one_record),
        cmocka_unit_test(a_historical_load_ticks_by_the_time_that_passed_only),
        cmocka_unit_test(one_old_click_among_the_last_16_makes_the_node_historical),
        cmocka_unit_test(every_click_of_a_commit_counts_for_the_live_test),
        cmocka_unit_test(a_tick_that_would_not_raise_is_not_written),
        cmocka_unit_test(the_last_clicks_are_read_back_and_the_clocks_start_anew_after_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
