/* journal.h: life, commits, rotation, restart, rules. */
#include "journal_fixture.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void a_new_log_begins_with_rules_in_every_partition(void **state) {
    (void)state;
    struct fixture *fixture = fixture_new();
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    assert_int_equal(fixture->acknowledged.count, 1);
    const struct journal_record *record = fixture->acknowledged.at[0];
    assert_int_equal(record->number, 1);
    assert_int_equal(record->arrival.ms, FIXTURE_WALL_MS);
    assert_int_equal(record->sub_block_count, FIXTURE_PARTITIONS);
    for (uint32_t i = 0; i < record->sub_block_count; i++) {
        assert_int_equal(record->sub_blocks[i].kind, SUB_BLOCK_RULES);
        assert_int_equal(record->sub_blocks[i].partition, i);
        assert_int_equal(record->sub_blocks[i].first_offset.at, 0);
        assert_int_equal(record->sub_blocks[i].rules.number, 1);
        assert_int_equal(record->sub_blocks[i].rules.horizon_ms, 24 * HOUR_MS + MINUTE_MS);
        assert_int_equal(journal_end(fixture->journal, i).at, 1);
    }
    fixture_free(fixture);
}

static void a_commit_holds_all_batches_as_one_sub_block_a_partition(void **state) {
    (void)state;
    struct fixture *fixture = fixture_new();
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    struct fixture_batch one, two;
    fixture_batch_init(&one);
    fixture_batch_init(&two);
    fixture_add(fixture, &one, FIXTURE_WALL_MS, 0);
    fixture_add(fixture, &one, FIXTURE_WALL_MS + 1, 1);
    fixture_add(fixture, &two, FIXTURE_WALL_MS + 2, 0);
    fixture_reject(&two, REJECT_BAD_IP, 3);
    const struct journal_batch *const batches[] = {&one.batch, &two.batch};
    struct journal_record *record;
    assert_int_equal(journal_commit(fixture->journal, batches, 2, fixture_wall(fixture), fixture_mono(fixture), &record,
                                    &fixture->failure),
                     STATUS_OK);
    assert_int_equal(record->sub_block_count, 2);
    assert_int_equal(record->sub_blocks[0].count, 2);
    assert_int_equal(record->sub_blocks[0].first_offset.at, 1);
    assert_int_equal(get_u64(record->sub_blocks[0].clicks.times), FIXTURE_WALL_MS);
    assert_int_equal(get_u64(record->sub_blocks[0].clicks.times + 8), FIXTURE_WALL_MS + 2);
    assert_int_equal(record->sub_blocks[1].count, 1);
    assert_int_equal(record->counts.received, 6);
    assert_int_equal(record->counts.rejected_by[REJECT_BAD_IP], 3);
    assert_int_equal(journal_end(fixture->journal, 0).at, 3);
    assert_int_equal(journal_watermark(fixture->journal, 0)->clicks, 2);
    struct journal_totals totals = journal_totals(fixture->journal);
    assert_int_equal(totals.received, 6);
    assert_int_equal(totals.accepted, 3);
    assert_int_equal(totals.rejected_by[REJECT_BAD_IP], 3);
    assert_int_equal(totals.records, 2);
    journal_record_release(record);
    fixture_batch_fini(&one);
    fixture_batch_fini(&two);
    fixture_free(fixture);
}

static void a_commit_with_nothing_in_it_writes_nothing(void **state) {
    (void)state;
    struct fixture *fixture = fixture_new();
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    struct fixture_batch batch;
    fixture_batch_init(&batch);
    uint64_t changes = fake_files_changes(fixture->fake);
    struct journal_record *record;
    assert_int_equal(fixture_commit(fixture, NULL, &record), STATUS_OK);
    assert_null(record);
    assert_int_equal(fixture_commit(fixture, &batch, &record), STATUS_OK);
    assert_null(record);
    assert_int_equal(fake_files_changes(fixture->fake), changes);
    fixture_batch_fini(&batch);
    fixture_free(fixture);
}

static void rejected_lines_alone_are_a_record(void **state) {
    (void)state;
    struct fixture *fixture = fixture_new();
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    struct fixture_batch batch;
    fixture_batch_init(&batch);
    fixture_reject(&batch, REJECT_BAD_JSON, 2);
    fixture_reject(&batch, REJECT_REFUSED_BATCH, 1);
    assert_int_equal(fixture_commit(fixture, &batch, NULL), STATUS_OK);
    fixture_batch_fini(&batch);
    fixture_kill(fixture);
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    struct journal_totals totals = journal_totals(fixture->journal);
    assert_int_equal(totals.received, 3);
    assert_int_equal(totals.rejected_by[REJECT_BAD_JSON], 2);
    assert_int_equal(totals.rejected_by[REJECT_REFUSED_BATCH], 1);
    fixture_free(fixture);
}

static void a_commit_is_one_write_and_one_sync(void **state) {
    (void)state;
    struct fixture *fixture = fixture_new();
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    struct fake_files_counts before = fake_files_counts(fixture->fake);
    assert_int_equal(fixture_clicks(fixture, 10), STATUS_OK);
    struct fake_files_counts after = fake_files_counts(fixture->fake);
    assert_int_equal(after.calls[FAKE_WRITE] - before.calls[FAKE_WRITE], 1);
    assert_int_equal(after.calls[FAKE_SYNC] - before.calls[FAKE_SYNC], 1);
    assert_int_equal(after.calls[FAKE_READ], before.calls[FAKE_READ]);
    fixture_free(fixture);
}

static void segments_seal_rotate_and_replay_the_same_bytes(void **state) {
    (void)state;
    struct fixture *fixture = fixture_new();
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    for (int i = 0; i < 60; i++) assert_int_equal(fixture_clicks(fixture, 17), STATUS_OK);
    struct journal_totals before = journal_totals(fixture->journal);
    assert_true(before.segments >= 3);
    struct watermark watermark = *journal_watermark(fixture->journal, 1);
    assert_int_equal(fixture_close(fixture), STATUS_OK);

    assert_int_equal(fixture_open(fixture), STATUS_OK);
    /* The ends are known before anything was replayed. */
    assert_int_equal(journal_totals(fixture->journal).accepted, 60 * 17);
    assert_int_equal(journal_rules(fixture->journal)->number, 1);
    assert_int_equal(fixture_replay(fixture), STATUS_OK);
    assert_same_records(&fixture->replayed, &fixture->acknowledged, fixture->acknowledged.count);
    assert_int_equal(fixture_start(fixture), STATUS_OK);
    struct journal_totals after = journal_totals(fixture->journal);
    assert_int_equal(after.records, before.records);
    assert_int_equal(after.bytes, before.bytes);
    assert_int_equal(after.segments, before.segments); /* a clean restart begins no segment before it has a record */
    assert_true(watermark_equal(&watermark, journal_watermark(fixture->journal, 1)));
    assert_int_equal(fixture_clicks(fixture, 3), STATUS_OK);
    assert_int_equal(journal_totals(fixture->journal).segments, before.segments + 1);
    fixture_free(fixture);
}

static void a_log_can_be_read_when_its_first_segments_are_deleted(void **state) {
    (void)state;
    struct fixture *fixture = fixture_new();
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    for (int i = 0; i < 60; i++) assert_int_equal(fixture_clicks(fixture, 17), STATUS_OK);
    struct watermark watermark = *journal_watermark(fixture->journal, 0);
    struct journal_totals before = journal_totals(fixture->journal);
    assert_int_equal(fixture_close(fixture), STATUS_OK);
    fake_files_delete(fixture->fake, SEGMENT_1);
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    assert_true(fixture->replayed.count > 0 && fixture->replayed.count < fixture->acknowledged.count);
    assert_int_equal(journal_totals(fixture->journal).received, before.received);
    assert_true(watermark_equal(&watermark, journal_watermark(fixture->journal, 0)));
    fixture_free(fixture);
}

static void a_record_larger_than_a_segment_gets_its_own(void **state) {
    (void)state;
    struct fixture *fixture = fixture_new();
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    assert_int_equal(fixture_clicks(fixture, 3), STATUS_OK);
    assert_int_equal(fixture_clicks(fixture, 1000), STATUS_OK);
    assert_int_equal(journal_totals(fixture->journal).segments, 2);
    assert_int_equal(fixture_clicks(fixture, 3), STATUS_OK);
    assert_int_equal(journal_totals(fixture->journal).segments, 3);
    fixture_kill(fixture);
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    assert_same_records(&fixture->replayed, &fixture->acknowledged, fixture->acknowledged.count);
    fixture_free(fixture);
}

static void unchanged_rules_write_no_record_and_changed_ones_do(void **state) {
    (void)state;
    struct fixture *fixture = fixture_new();
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    assert_int_equal(fixture_clicks(fixture, 4), STATUS_OK);
    assert_int_equal(fixture_close(fixture), STATUS_OK);
    fixture->options.proposal = (struct rules_proposal){.has_delay = true, .delay_ms = 15 * SECOND_MS};
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    assert_int_equal(fixture->acknowledged.count, 2);
    assert_int_equal(fixture_close(fixture), STATUS_OK);

    fixture->options.proposal = (struct rules_proposal){.has_lateness = true, .lateness_ms = 96 * HOUR_MS};
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    assert_int_equal(fixture->acknowledged.count, 3);
    const struct rules *rules = journal_rules(fixture->journal);
    assert_int_equal(rules->number, 2);
    assert_int_equal(rules->lateness_ms, 96 * HOUR_MS);
    assert_int_equal(rules->horizon_ms, 96 * HOUR_MS + MINUTE_MS); /* followed the lateness */
    assert_int_equal(journal_end(fixture->journal, 0).at, 1 + 2 + 1);
    assert_int_equal(fixture_close(fixture), STATUS_OK);

    /* A shorter lateness leaves the journal's longer horizon. */
    fixture->options.proposal = (struct rules_proposal){.has_lateness = true, .lateness_ms = HOUR_MS};
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    assert_int_equal(journal_rules(fixture->journal)->number, 3);
    assert_int_equal(journal_rules(fixture->journal)->horizon_ms, 96 * HOUR_MS + MINUTE_MS);
    fixture_free(fixture);
}

static void contradicting_rules_are_refused_with_both_values(void **state) {
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture->options.proposal.has_lateness = fixture->options.proposal.has_horizon = true;
    fixture->options.proposal.lateness_ms = fixture->options.proposal.horizon_ms = HOUR_MS;
    assert_int_equal(fixture_open(fixture), STATUS_BAD_CONFIG);
    assert_non_null(strstr(fixture->failure.text, "horizon is 3600 s and lateness is 3600 s"));
    assert_false(fake_files_exists(fixture->fake, SEGMENT_1)); /* nothing was made */
    fixture->options.proposal = (struct rules_proposal){.has_partitions = true, .partition_count = 2};
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    assert_int_equal(fixture_close(fixture), STATUS_OK);

    fixture->options.proposal = (struct rules_proposal){.has_partitions = true, .partition_count = 8};
    assert_int_equal(fixture_open(fixture), STATUS_BAD_CONFIG);
    assert_non_null(strstr(fixture->failure.text, "partitions is 8, but the journal has 2"));
    fixture->options.proposal = (struct rules_proposal){.has_horizon = true, .horizon_ms = HOUR_MS};
    assert_int_equal(fixture_open(fixture), STATUS_BAD_CONFIG);
    assert_non_null(strstr(fixture->failure.text, "horizon is 3600 s and lateness is 86400 s"));
    fixture_free(fixture);
}

static void another_logs_uuid_is_refused(void **state) {
    (void)state;
    struct fixture *fixture = fixture_new();
    uint8_t other[16] = {1};
    fixture->options.expected_uuid = other;
    assert_int_equal(fixture_open(fixture), STATUS_BAD_CONFIG);
    assert_false(fake_files_exists(fixture->fake, SEGMENT_1));
    fixture->options.expected_uuid = NULL;
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    struct journal_uuid uuid = journal_uuid(fixture->journal);
    struct identity_key key = *journal_identity_key(fixture->journal);
    assert_int_equal(fixture_close(fixture), STATUS_OK);
    fixture->options.expected_uuid = other;
    assert_int_equal(fixture_open(fixture), STATUS_BAD_CONFIG);
    fixture->options.expected_uuid = uuid.at;
    assert_int_equal(fixture_open(fixture), STATUS_OK);
    assert_memory_equal(journal_identity_key(fixture->journal)->at, key.at, IDENTITY_KEY_BYTES);
    fixture_free(fixture);
}

static void a_failed_write_sync_or_seal_fails_the_journal(void **state) {
    (void)state;
    const enum fake_call calls[] = {FAKE_WRITE, FAKE_SYNC, FAKE_ALLOCATE, FAKE_RENAME, FAKE_DIRECTORY_SYNC, FAKE_TRUNCATE};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        struct fixture *fixture = fixture_new();
        assert_int_equal(fixture_up(fixture), STATUS_OK);
        fake_files_fail(fixture->fake, calls[i], 1, false, STATUS_NO_SPACE);
        enum status status = STATUS_OK;
        for (int commit = 0; commit < 60 && status == STATUS_OK; commit++) status = fixture_clicks(fixture, 17);
        assert_int_equal(status, STATUS_NO_SPACE);
        assert_int_equal(fake_files_counts(fixture->fake).injected, 1);
        fixture_kill(fixture); /* the process restarts; the page cache may lie about what a failed sync left */
        assert_int_equal(fixture_up(fixture), STATUS_OK);
        size_t kept = fixture->replayed.count;
        assert_true(kept >= fixture->acknowledged.count && kept <= fixture->acknowledged.count + 1);
        size_t same = fixture->acknowledged.count;
        for (size_t r = 0; r < same; r++)
            assert_true(bytes_equal(fixture->replayed.at[r]->bytes, fixture->acknowledged.at[r]->bytes));
        /* What was read is durable now. */
        struct random_sequence random = {i};
        journal_destroy(fixture->journal);
        fixture->journal = NULL;
        fake_files_crash(fixture->fake, &random);
        assert_int_equal(fixture_up(fixture), STATUS_OK);
        assert_int_equal(fixture->replayed.count, kept);
        fixture_free(fixture);
    }
}

/* I3: what a failed sync left is unknown, so no byte more is written behind it, whoever asks. */
static void after_a_failed_sync_a_further_commit_ends_the_process(void **state) {
    (void)state;
    struct fixture *fixture = fixture_new();
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    fake_files_fail(fixture->fake, FAKE_SYNC, 1, false, STATUS_IO_ERROR);
    assert_int_equal(fixture_clicks(fixture, 3), STATUS_IO_ERROR);
    const pid_t child = fork();
    if (child == 0) {
        (void)close(STDERR_FILENO); /* the check's message */
        _exit(fixture_clicks(fixture, 3) == STATUS_OK ? 1 : 2);
    }
    int how = 0;
    assert_true(child > 0 && waitpid(child, &how, 0) == child);
    assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGABRT);
    fixture_free(fixture);
}

static void an_untrusted_clock_writes_nothing(void **state) {
    (void)state;
    struct fixture *fixture = fixture_new();
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    assert_int_equal(fixture_clicks(fixture, 2), STATUS_OK);
    fake_clock_step(&fixture->clock, -5000);
    uint64_t changes = fake_files_changes(fixture->fake);
    assert_int_equal(fixture_clicks(fixture, 1), STATUS_AGAIN);
    assert_int_equal(fake_files_changes(fixture->fake), changes);
    fake_clock_step(&fixture->clock, 5000);
    assert_int_equal(fixture_clicks(fixture, 1), STATUS_OK);
    fixture_free(fixture);
}

static void an_arrival_is_never_before_what_a_line_was_checked_against(void **state) {
    (void)state;
    struct fixture *fixture = fixture_new();
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    struct fixture_batch batch;
    fixture_batch_init(&batch);
    fixture_add(fixture, &batch, FIXTURE_WALL_MS, 0);
    batch.batch.arrival_floor.ms = FIXTURE_WALL_MS + 700;
    struct journal_record *record;
    assert_int_equal(fixture_commit(fixture, &batch, &record), STATUS_OK);
    assert_int_equal(record->arrival.ms, FIXTURE_WALL_MS + 700);
    batch.batch.arrival_floor.ms = 0;
    assert_int_equal(fixture_commit(fixture, &batch, &record), STATUS_OK);
    assert_int_equal(record->arrival.ms, FIXTURE_WALL_MS + 700); /* nor before the arrival ahead of it */
    fixture_batch_fini(&batch);
    fixture_free(fixture);
}

/* I8: read while a broken clock told the year 10000 and more, journalled when it is right again. */
static void a_line_that_was_read_by_a_broken_clock_is_not_taken(void **state) {
    (void)state;
    struct fixture *fixture = fixture_new();
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    struct fixture_batch batch;
    fixture_batch_init(&batch);
    fixture_add(fixture, &batch, FIXTURE_WALL_MS, 0);
    struct journal_record *record;
    static const int64_t readings[] = {INT64_C(253402300799999), INT64_C(253402300800000), INT64_C(1) << 60, INT64_MAX};
    for (size_t i = 0; i < sizeof readings / sizeof *readings; i++) {
        batch.batch.arrival_floor.ms = readings[i];
        assert_int_equal(fixture_commit(fixture, &batch, &record), STATUS_AGAIN);
    }
    batch.batch.arrival_floor.ms = FIXTURE_WALL_MS;
    assert_int_equal(fixture_commit(fixture, &batch, &record), STATUS_OK);
    fixture_batch_fini(&batch);
    fixture_free(fixture);
}

static void two_records_of_the_same_clicks_have_different_salts(void **state) {
    (void)state;
    struct fixture *fixture = fixture_new();
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    struct fixture_batch batch;
    fixture_batch_init(&batch);
    fixture_add(fixture, &batch, FIXTURE_WALL_MS, 0);
    fixture_add(fixture, &batch, FIXTURE_WALL_MS, 1);
    struct journal_record *one, *two;
    assert_int_equal(fixture_commit(fixture, &batch, &one), STATUS_OK);
    assert_int_equal(fixture_commit(fixture, &batch, &two), STATUS_OK);
    struct bytes a = one->sub_blocks[0].clicks.personal, b = two->sub_blocks[0].clicks.personal;
    struct bytes c = one->sub_blocks[1].clicks.personal;
    assert_int_equal(a.len, b.len);
    assert_memory_not_equal(a.at, b.at, 16);
    assert_memory_not_equal(a.at, c.at, 16);
    assert_memory_equal(a.at + 16, b.at + 16, a.len - 16);
    fixture_batch_fini(&batch);
    fixture_free(fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_log_begins_with_rules_in_every_partition),
        cmocka_unit_test(a_commit_holds_all_batches_as_one_sub_block_a_partition),
        cmocka_unit_test(a_commit_with_nothing_in_it_writes_nothing),
        cmocka_unit_test(rejected_lines_alone_are_a_record),
        cmocka_unit_test(a_commit_is_one_write_and_one_sync),
        cmocka_unit_test(segments_seal_rotate_and_replay_the_same_bytes),
        cmocka_unit_test(a_log_can_be_read_when_its_first_segments_are_deleted),
        cmocka_unit_test(a_record_larger_than_a_segment_gets_its_own),
        cmocka_unit_test(unchanged_rules_write_no_record_and_changed_ones_do),
        cmocka_unit_test(contradicting_rules_are_refused_with_both_values),
        cmocka_unit_test(another_logs_uuid_is_refused),
        cmocka_unit_test(a_failed_write_sync_or_seal_fails_the_journal),
        cmocka_unit_test(after_a_failed_sync_a_further_commit_ends_the_process),
        cmocka_unit_test(an_untrusted_clock_writes_nothing),
        cmocka_unit_test(an_arrival_is_never_before_what_a_line_was_checked_against),
        cmocka_unit_test(a_line_that_was_read_by_a_broken_clock_is_not_taken),
        cmocka_unit_test(two_records_of_the_same_clicks_have_different_salts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
