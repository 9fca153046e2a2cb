/* Filter records: what a commit of them writes, and that it comes back. */
#include "small_log.h"

#include "journal/segment.h"

static uint64_t highest_minute(const struct fixture *fixture, int64_t behind_ms) {
    return (uint64_t)(fixture->clock.wall_ms - behind_ms) / MINUTE_MS;
}

static void a_filters_record_holds_a_copy_for_every_partition_and_comes_back(void **state) {
    (void)state;
    struct fixture *fixture = fixture_new();
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    assert_int_equal(fixture_filters(fixture, 2), STATUS_OK);
    assert_int_equal(fixture_clicks(fixture, 4), STATUS_OK);
    assert_int_equal(fixture_filters(fixture, 1), STATUS_OK);
    const struct filter_change changes[] = {{FILTER_DELETE, 1, NULL}, {FILTER_RECALCULATE, 3, NULL}};
    assert_int_equal(fixture_commit_filters(fixture, changes, 2, NULL), STATUS_OK);
    assert_int_equal(journal_end(fixture->journal, 0).at, 1 + 2 + 2 + 1 + 2);
    assert_int_equal(journal_end(fixture->journal, 1).at, 1 + 2 + 2 + 1 + 2);
    fixture_kill(fixture);
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    assert_same_records(&fixture->replayed, &fixture->acknowledged, 5);

    const struct record_list *lists[] = {&fixture->acknowledged, &fixture->replayed};
    for (int side = 0; side < 2; side++) {
        const struct journal_record *two = lists[side]->at[1], *one = lists[side]->at[3], *rest = lists[side]->at[4];
        assert_int_equal(two->sub_block_count, FIXTURE_PARTITIONS);
        for (uint32_t i = 0; i < FIXTURE_PARTITIONS; i++) {
            const struct sub_block *block = &two->sub_blocks[i];
            assert_int_equal(block->partition, i);
            assert_int_equal(block->kind, SUB_BLOCK_FILTERS);
            assert_int_equal(block->count, 2);
            assert_int_equal(block->first_offset.at, 1);
            assert_ptr_equal(block->filter_records, two->sub_blocks[0].filter_records);
        }
        for (uint32_t i = 0; i < 2; i++) {
            const struct filter_record *record = &two->sub_blocks[0].filter_records[i];
            struct filter *expected = fixture_filter(i + 1);
            assert_int_equal(record->number, i + 1);
            assert_int_equal(record->action, FILTER_CREATE);
            assert_int_equal(record->id, i + 1);
            assert_true(filter_equal(record->filter, expected));
            assert_int_equal(record->filter->ranked, i % 2);
            assert_false(record->has_clicks);
            filter_destroy(expected);
        }
        assert_int_equal(one->sub_blocks[1].filter_records[0].number, 3);
        assert_true(one->sub_blocks[1].filter_records[0].has_clicks);
        assert_int_equal(rest->sub_blocks[1].filter_records[0].number, 4);
        assert_int_equal(rest->sub_blocks[1].filter_records[0].action, FILTER_DELETE);
        assert_int_equal(rest->sub_blocks[1].filter_records[0].id, 1);
        assert_int_equal(rest->sub_blocks[1].filter_records[1].number, 5);
        assert_int_equal(rest->sub_blocks[1].filter_records[1].action, FILTER_RECALCULATE);
    }
    fixture_free(fixture);
}

static void a_filter_covers_from_the_minute_behind_the_highest_click_of_the_whole_log(void **state) {
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture->options.segment_bytes = 4096;
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    struct fixture_batch batch;
    fixture_batch_init(&batch);
    /* The clock's skew allows clicks ahead of it: the watermark does not follow them, this does. */
    fixture_add(fixture, &batch, fixture->clock.wall_ms, 0);
    fixture_add(fixture, &batch, fixture->clock.wall_ms + 50 * SECOND_MS, 1);
    fixture_add(fixture, &batch, fixture->clock.wall_ms - HOUR_MS, 0);
    assert_int_equal(fixture_commit(fixture, &batch, NULL), STATUS_OK);
    fixture_batch_fini(&batch);
    uint64_t minute = highest_minute(fixture, -50 * SECOND_MS);
    assert_int_not_equal(minute, highest_minute(fixture, 0));
    /* Whatever is read back, and over a segment's end: older clicks change nothing. */
    for (int round = 0; round < 3; round++) {
        assert_int_equal(fixture_filters(fixture, 1), STATUS_OK);
        const struct journal_record *record = fixture->acknowledged.at[fixture->acknowledged.count - 1];
        assert_int_equal(record->sub_blocks[0].filter_records[0].covers_from.index, minute + 1);
        fixture_batch_init(&batch);
        for (uint32_t i = 0; i < 60; i++) fixture_add(fixture, &batch, FIXTURE_WALL_MS - i * MINUTE_MS, i % 2);
        assert_int_equal(fixture_commit(fixture, &batch, NULL), STATUS_OK);
        fixture_batch_fini(&batch);
        if (round == 0)
            assert_int_equal(fixture_close(fixture), STATUS_OK);
        else
            fixture_kill(fixture);
        assert_int_equal(fixture_up(fixture), STATUS_OK);
    }
    assert_true(journal_totals(fixture->journal).segments >= 3);
    fixture_free(fixture);
}

static void an_untrusted_clock_writes_no_filters(void **state) {
    (void)state;
    struct fixture *fixture = fixture_new();
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    assert_int_equal(fixture_clicks(fixture, 2), STATUS_OK);
    fake_clock_step(&fixture->clock, -5000);
    uint64_t changes = fake_files_changes(fixture->fake);
    struct filter *filter = fixture_filter(1);
    const struct filter_change change = {FILTER_CREATE, 1, filter};
    assert_int_equal(fixture_commit_filters(fixture, &change, 1, NULL), STATUS_AGAIN);
    assert_int_equal(fake_files_changes(fixture->fake), changes);
    fake_clock_step(&fixture->clock, 5000);
    assert_int_equal(fixture_commit_filters(fixture, &change, 1, NULL), STATUS_OK);
    filter_destroy(filter);
    fixture_free(fixture);
}

/* 16,500 filters of 1,024 atoms each. */
static void more_filters_than_there_is_room_for_are_refused_and_nothing_is_written(void **state) {
    (void)state;
    struct fixture *fixture = fixture_new();
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    struct buffer ips = {0}, users = {0};
    for (int i = 0; i < 31; i++) {
        buffer_printf(&ips, "%s10.0.0.%d", i == 0 ? "!" : "|", i);
        buffer_printf(&users, "%suser %d", i == 0 ? "!" : "|", i);
    }
    struct filter *filter;
    struct filter_flaw flaw;
    assert_true(filter_parse(1, BYTES_LITERAL("*"), buffer_view(&ips), buffer_view(&users), false, &filter, &flaw));
    assert_int_equal(filter_term_count(filter), FILTER_TERMS_MAX);
    enum { CHANGES = 16500 };
    struct filter_change *changes = memory_allocate(CHANGES * sizeof *changes);
    for (uint32_t i = 0; i < CHANGES; i++) changes[i] = (struct filter_change){FILTER_CREATE, 1, filter};
    uint64_t before = fake_files_changes(fixture->fake);
    assert_int_equal(fixture_commit_filters(fixture, changes, CHANGES, NULL), STATUS_FULL);
    assert_int_equal(fake_files_changes(fixture->fake), before);
    assert_int_equal(fixture_commit_filters(fixture, changes, 1, NULL), STATUS_OK);
    free(changes);
    filter_destroy(filter);
    buffer_fini(&ips);
    buffer_fini(&users);
    fixture_free(fixture);
}

/* Header and footer then take 1.5 MB each, which is more than any window and more than a segment. */
static void twenty_thousand_filters_go_through_headers_and_footers(void **state) {
    (void)state;
    struct fixture *fixture = fixture_new();
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    assert_int_equal(fixture_clicks(fixture, 3), STATUS_OK);
    assert_int_equal(fixture_filters(fixture, 20000), STATUS_OK);
    for (int i = 0; i < 20; i++) assert_int_equal(fixture_clicks(fixture, 17), STATUS_OK);
    /* The filters do not count for where a segment ends: a record does not get a segment of its own. */
    assert_true(journal_totals(fixture->journal).segments <= 6);
    assert_int_equal(fixture_close(fixture), STATUS_OK);
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    assert_same_records(&fixture->replayed, &fixture->acknowledged, fixture->acknowledged.count);
    assert_int_equal(fixture_clicks(fixture, 3), STATUS_OK); /* a new segment with a large header */
    fixture_kill(fixture);
    fake_files_delete(fixture->fake, SEGMENT_1); /* now they come from a header alone */
    fake_files_delete(fixture->fake, SEGMENT_2);
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    assert_int_equal(fixture_filters(fixture, 1), STATUS_OK);
    const struct journal_record *record = fixture->acknowledged.at[fixture->acknowledged.count - 1];
    assert_int_equal(record->sub_blocks[0].filter_records[0].number, 20001);
    fixture_kill(fixture);

    /* A flip within the filters of the newest header. */
    char path[SEGMENT_PATH_BYTES];
    uint64_t number = 3;
    for (segment_path(path, number, ""); fake_files_exists(fixture->fake, path); segment_path(path, ++number, "")) continue;
    segment_path(path, number - 1, "");
    assert_true(header_length(fixture->fake, path) > 1000000);
    fake_files_flip(fixture->fake, path, 777777, 4);
    assert_int_equal(fixture_open(fixture), STATUS_CORRUPT);
    assert_names_the_place(&fixture->failure, path);
    fixture_free(fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_filters_record_holds_a_copy_for_every_partition_and_comes_back),
        cmocka_unit_test(a_filter_covers_from_the_minute_behind_the_highest_click_of_the_whole_log),
        cmocka_unit_test(an_untrusted_clock_writes_no_filters),
        cmocka_unit_test(more_filters_than_there_is_room_for_are_refused_and_nothing_is_written),
        cmocka_unit_test(twenty_thousand_filters_go_through_headers_and_footers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
