/* A replay that begins in a later segment: what is wanted is there, filters too, and damage before it is nobody's business
 * until somebody reads it. */
#include "small_log.h"

#include "journal/segment.h"

static struct fixture *fixture_with_segments(bool sealed) {
    struct fixture *fixture = fixture_new();
    fixture->options.segment_bytes = 4096;
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    for (int i = 0; i < 40; i++)
        assert_int_equal(i % 5 == 2 ? fixture_filters(fixture, 2) : fixture_clicks(fixture, 9), STATUS_OK);
    assert_true(journal_totals(fixture->journal).segments >= 4);
    if (sealed)
        assert_int_equal(fixture_close(fixture), STATUS_OK);
    else
        fixture_kill(fixture);
    return fixture;
}

/* Of the record with this index, the first offsets that it has or that come next. */
static void offsets_before(const struct fixture *fixture, size_t index, struct journal_offset from[FIXTURE_PARTITIONS]) {
    from[0].at = from[1].at = 0;
    for (size_t i = 0; i < index; i++) {
        const struct journal_record *record = fixture->acknowledged.at[i];
        for (uint32_t b = 0; b < record->sub_block_count; b++)
            from[record->sub_blocks[b].partition].at = record->sub_blocks[b].first_offset.at + record->sub_blocks[b].count;
    }
}

struct seen_filters {
    uint32_t count;
};

static void count_filters(void *context, const struct filter_record *records, uint32_t count) {
    struct seen_filters *seen = context;
    for (uint32_t i = 0; i < count; i++) assert_int_equal(records[i].number, i + 1);
    seen->count += count;
}

static void what_is_wanted_is_handed_out_and_the_filters_before_are_known(void **state) {
    (void)state;
    for (int sealed = 0; sealed < 2; sealed++) {
        struct fixture *fixture = fixture_with_segments(sealed != 0);
        size_t count = fixture->acknowledged.count;
        uint64_t most_skipped = 0;
        for (size_t index = 0; index <= count; index++) {
            struct journal_offset from[FIXTURE_PARTITIONS], begins[FIXTURE_PARTITIONS];
            uint64_t skipped;
            offsets_before(fixture, index, from);
            assert_int_equal(fixture_open(fixture), STATUS_OK);
            assert_int_equal(journal_replay_from(fixture->journal, from, begins, &skipped, &fixture->failure), STATUS_OK);
            assert_true(begins[0].at <= from[0].at && begins[1].at <= from[1].at);
            struct seen_filters seen = {0};
            journal_visit_filters(fixture->journal, count_filters, &seen);
            assert_int_equal(fixture_replay(fixture), STATUS_OK);
            size_t first = count - fixture->replayed.count;
            assert_true(first <= index);
            offsets_before(fixture, first, from);
            assert_true(begins[0].at == from[0].at && begins[1].at == from[1].at);
            uint32_t filters = 0;
            for (size_t i = 0; i < count; i++) {
                const struct journal_record *record = fixture->acknowledged.at[i];
                if (i < first && record->sub_blocks[0].kind == SUB_BLOCK_FILTERS) filters += record->sub_blocks[0].count;
                if (i >= first) assert_true(bytes_equal(fixture->replayed.at[i - first]->bytes, record->bytes));
            }
            assert_int_equal(seen.count, filters);
            assert_int_equal(filters_number(journal_filters(fixture->journal)), fixture->filters_made);
            if (skipped > most_skipped) most_skipped = skipped;
            fixture_kill(fixture);
        }
        assert_true(most_skipped >= 3);
        fixture_free(fixture);
    }
}

static void after_it_the_journal_writes_on_as_ever(void **state) {
    (void)state;
    struct fixture *fixture = fixture_with_segments(false);
    struct journal_offset from[FIXTURE_PARTITIONS];
    offsets_before(fixture, fixture->acknowledged.count, from);
    assert_int_equal(fixture_open(fixture), STATUS_OK);
    assert_int_equal(journal_replay_from(fixture->journal, from, NULL, NULL, &fixture->failure), STATUS_OK);
    assert_int_equal(fixture_replay(fixture), STATUS_OK);
    assert_int_equal(fixture_start(fixture), STATUS_OK);
    for (int i = 0; i < 10; i++) assert_int_equal(fixture_clicks(fixture, 9), STATUS_OK);
    assert_int_equal(fixture_filters(fixture, 2), STATUS_OK);
    assert_int_equal(fixture_close(fixture), STATUS_OK);
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    assert_same_records(&fixture->replayed, &fixture->acknowledged, fixture->acknowledged.count);
    fixture_free(fixture);
}

static void damage_is_refused_where_it_is_read_and_the_ends_of_segments_always_are(void **state) {
    (void)state;
    struct fixture *fixture = fixture_with_segments(true);
    struct journal_offset from[FIXTURE_PARTITIONS], nothing[FIXTURE_PARTITIONS] = {{0}};
    uint64_t size = fake_files_content(fixture->fake, SEGMENT_1).len;
    offsets_before(fixture, fixture->acknowledged.count, from);
    fake_files_flip(fixture->fake, SEGMENT_1, size / 2, 1); /* of a record */
    assert_int_equal(fixture_open(fixture), STATUS_OK);
    assert_int_equal(journal_replay_from(fixture->journal, from, NULL, NULL, &fixture->failure), STATUS_OK);
    assert_int_equal(fixture_replay(fixture), STATUS_OK);
    fixture_kill(fixture);
    assert_int_equal(fixture_open(fixture), STATUS_OK);
    assert_int_equal(journal_replay_from(fixture->journal, nothing, NULL, NULL, &fixture->failure), STATUS_OK);
    assert_int_equal(fixture_replay(fixture), STATUS_CORRUPT);
    fixture_kill(fixture);
    fake_files_flip(fixture->fake, SEGMENT_1, size - 20, 1); /* of the footer */
    assert_int_equal(fixture_open(fixture), STATUS_CORRUPT);
    fixture_free(fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_wanted_is_handed_out_and_the_filters_before_are_known),
        cmocka_unit_test(after_it_the_journal_writes_on_as_ever),
        cmocka_unit_test(damage_is_refused_where_it_is_read_and_the_ends_of_segments_always_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
