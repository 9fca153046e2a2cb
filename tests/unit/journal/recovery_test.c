/* What a journal makes of files that are cut, flipped, torn, missing or left over. */
#include "small_log.h"

#include "journal/segment.h"

static void a_log_cut_at_any_byte_keeps_the_whole_records_before(void **state) {
    (void)state;
    struct small_log log = small_log(3, 3);
    fixture_kill(log.fixture);
    uint64_t end = log.ends[3];
    for (uint64_t cut = 0; cut <= end + 1; cut++) {
        struct fixture *fixture = fixture_on(fake_files_clone(log.fixture->fake, 1));
        fake_files_cut(fixture->fake, SEGMENT_1, cut);
        struct buffer before = {0};
        buffer_append_bytes(&before, fake_files_content(fixture->fake, SEGMENT_1));
        enum status status = fixture_up(fixture);
        if (cut < log.begin) {
            assert_int_equal(status, STATUS_CORRUPT);
            assert_names_the_place(&fixture->failure, SEGMENT_1);
        } else {
            assert_int_equal(status, STATUS_OK);
            size_t whole = whole_records_before(&log, cut);
            /* Without even the rules record, the log begins anew with one. */
            assert_same_records(&fixture->replayed, &log.fixture->acknowledged, whole);
            uint64_t valid_end = whole == 0 ? log.begin : log.ends[whole - 1];
            uint64_t torn_end = cut;
            while (torn_end > valid_end && before.at[torn_end - 1] == 0) torn_end--;
            assert_int_equal(journal_totals(fixture->journal).torn_bytes, torn_end - valid_end);
            if (torn_end > valid_end) {
                assert_string_equal(journal_torn_path(fixture->journal), SEGMENT_1 ".torn");
                struct bytes torn = fake_files_content(fixture->fake, SEGMENT_1 ".torn");
                assert_true(bytes_equal(torn, (struct bytes){before.at + valid_end, torn_end - valid_end}));
            } else {
                assert_null(journal_torn_path(fixture->journal));
                assert_false(fake_files_exists(fixture->fake, SEGMENT_1 ".torn"));
            }
            assert_int_equal(fixture_clicks(fixture, 2), STATUS_OK);
        }
        buffer_fini(&before);
        fixture_free(fixture);
    }
    fixture_free(log.fixture);
}

static void a_byte_flipped_in_an_unsealed_segment_is_refused_or_in_the_torn_last_record(void **state) {
    (void)state;
    struct small_log log = small_log(3, 3);
    fixture_kill(log.fixture);
    struct bytes whole = fake_files_content(log.fixture->fake, SEGMENT_1);
    for (uint64_t at = 0; at < log.ends[3] + 16; at++) {
        struct fixture *fixture = fixture_on(fake_files_clone(log.fixture->fake, 1));
        fake_files_flip(fixture->fake, SEGMENT_1, at, (uint8_t)(1 + at % 255));
        struct fake_files *found = fake_files_clone(fixture->fake, 1);
        enum status status = fixture_up(fixture);
        bool sealed_by_flip = at == SEGMENT_MARK_AT; /* whatever it became, it is not open any more */
        if (at < log.ends[2] || sealed_by_flip) {
            assert_true(status == STATUS_CORRUPT || (status == STATUS_UNSUPPORTED && at >= 8 && at < 12));
            assert_names_the_place(&fixture->failure, SEGMENT_1);
            assert_true(fake_files_same(fixture->fake, found)); /* nothing on disk was changed */
        } else {
            assert_int_equal(status, STATUS_OK);
            size_t kept = at < log.ends[3] ? 3 : 4;
            assert_same_records(&fixture->replayed, &log.fixture->acknowledged, kept);
            assert_non_null(journal_torn_path(fixture->journal));
        }
        fake_files_destroy(found);
        fixture_free(fixture);
    }
    assert_true(whole.len > log.ends[3] + 16);
    fixture_free(log.fixture);
}

static void a_byte_flipped_in_a_sealed_segment_is_refused(void **state) {
    (void)state;
    struct small_log log = small_log(3, 3);
    assert_int_equal(fixture_close(log.fixture), STATUS_OK);
    size_t len = fake_files_content(log.fixture->fake, SEGMENT_1).len;
    for (uint64_t at = 0; at < len; at++) {
        struct fixture *fixture = fixture_on(fake_files_clone(log.fixture->fake, 1));
        fake_files_flip(fixture->fake, SEGMENT_1, at, (uint8_t)(1 + at % 255));
        struct fake_files *found = fake_files_clone(fixture->fake, 1);
        enum status status = fixture_up(fixture);
        assert_true(status == STATUS_CORRUPT || (status == STATUS_UNSUPPORTED && at >= 8 && at < 12));
        assert_names_the_place(&fixture->failure, SEGMENT_1);
        assert_true(fake_files_same(fixture->fake, found));
        fake_files_destroy(found);
        fixture_free(fixture);
    }
    for (uint64_t cut = 0; cut < len; cut++) {
        struct fixture *fixture = fixture_on(fake_files_clone(log.fixture->fake, 1));
        fake_files_cut(fixture->fake, SEGMENT_1, cut);
        assert_int_equal(fixture_up(fixture), STATUS_CORRUPT);
        assert_names_the_place(&fixture->failure, SEGMENT_1);
        fixture_free(fixture);
    }
    fixture_free(log.fixture);
}

static void a_seal_mark_that_was_lost_costs_nothing(void **state) {
    (void)state;
    struct small_log log = small_log(3, 3);
    assert_int_equal(fixture_close(log.fixture), STATUS_OK);
    fake_files_flip(log.fixture->fake, SEGMENT_1, SEGMENT_MARK_AT, SEGMENT_MARK_SEALED);
    assert_int_equal(fixture_up(log.fixture), STATUS_OK);
    assert_same_records(&log.fixture->replayed, &log.fixture->acknowledged, 4);
    assert_null(journal_torn_path(log.fixture->journal)); /* a whole footer is not a torn tail */
    fixture_free(log.fixture);
}

/* A sync of the mark that failed, a process that was started again and read the mark in the page cache, and then the power
 * went: the footer was durable before. */
static void a_seal_mark_that_was_lost_after_the_log_went_on_costs_nothing(void **state) {
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture->options.segment_bytes = 4096;
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    while (journal_totals(fixture->journal).segments < 3) assert_int_equal(fixture_clicks(fixture, 9), STATUS_OK);
    fixture_kill(fixture);
    fake_files_flip(fixture->fake, SEGMENT_1, SEGMENT_MARK_AT, SEGMENT_MARK_SEALED);
    fake_files_flip(fixture->fake, SEGMENT_2, SEGMENT_MARK_AT, SEGMENT_MARK_SEALED);
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    assert_same_records(&fixture->replayed, &fixture->acknowledged, fixture->acknowledged.count);
    struct journal_scan *scan = journal_scan_create(fixture->journal, fixture->acknowledged.count + 1);
    struct journal_record *record;
    for (size_t i = 0; i < fixture->acknowledged.count; i++) {
        assert_int_equal(journal_scan_next(scan, &record, NULL), STATUS_OK);
        journal_record_release(record);
    }
    journal_scan_destroy(scan);
    fixture_kill(fixture);
    fake_files_flip(fixture->fake, SEGMENT_1, fake_files_content(fixture->fake, SEGMENT_1).len - 20, 1);
    assert_int_equal(fixture_up(fixture), STATUS_CORRUPT); /* without mark and footer it is not whole */
    assert_names_the_place(&fixture->failure, SEGMENT_1);
    fixture_free(fixture);
}

static void damage_with_only_a_footer_behind_it_is_refused(void **state) {
    (void)state;
    struct small_log log = small_log(3, 3);
    assert_int_equal(fixture_close(log.fixture), STATUS_OK);
    fake_files_flip(log.fixture->fake, SEGMENT_1, SEGMENT_MARK_AT, SEGMENT_MARK_SEALED);
    fake_files_flip(log.fixture->fake, SEGMENT_1, log.ends[3] - 1, 1);
    assert_int_equal(fixture_open(log.fixture), STATUS_CORRUPT);
    assert_names_the_place(&log.fixture->failure, SEGMENT_1);
    fixture_free(log.fixture);
}

static void damage_in_a_sealed_segment_leaves_a_torn_tail_where_it_is(void **state) {
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture->options.segment_bytes = 4096;
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    while (journal_totals(fixture->journal).segments < 2) assert_int_equal(fixture_clicks(fixture, 9), STATUS_OK);
    fixture_kill(fixture);
    fake_files_flip(fixture->fake, SEGMENT_1, header_length(fixture->fake, SEGMENT_1) + 100, 1);
    fake_files_flip(fixture->fake, SEGMENT_2, fake_files_content(fixture->fake, SEGMENT_2).len - 1, 1);
    fake_files_put(fixture->fake, SEGMENT_3 ".new", BYTES_LITERAL("half a segment"));
    struct fake_files *found = fake_files_clone(fixture->fake, 1);
    assert_int_equal(fixture_up(fixture), STATUS_CORRUPT);
    assert_names_the_place(&fixture->failure, SEGMENT_1);
    assert_true(fake_files_same(fixture->fake, found));
    fake_files_destroy(found);
    fixture_free(fixture);
}

static void an_earlier_torn_tail_is_never_overwritten(void **state) {
    (void)state;
    struct small_log log = small_log(1, 2);
    static const char *const paths[] = {SEGMENT_1 ".torn", SEGMENT_1 ".2.torn", SEGMENT_1 ".3.torn"};
    for (uint8_t i = 0; i < 3; i++) {
        fixture_kill(log.fixture);
        fake_files_flip(log.fixture->fake, SEGMENT_1, log.ends[1] + i, (uint8_t)(i + 1));
        assert_int_equal(fixture_up(log.fixture), STATUS_OK);
        assert_string_equal(journal_torn_path(log.fixture->journal), paths[i]);
        assert_int_equal(journal_totals(log.fixture->journal).torn_bytes, i + 1);
    }
    for (uint8_t i = 0; i < 3; i++) {
        struct bytes torn = fake_files_content(log.fixture->fake, paths[i]);
        assert_int_equal(torn.len, i + 1);
        assert_int_equal(torn.at[i], i + 1);
    }
    fixture_free(log.fixture);
}

static void a_torn_tail_is_durable_before_the_segment_loses_it(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct small_log log = small_log(1, 2);
        fixture_kill(log.fixture);
        struct fake_files *fake = log.fixture->fake;
        for (uint64_t at = 0; at < 1500; at++) fake_files_flip(fake, SEGMENT_1, log.ends[1] + at, 0xAB);
        assert_int_equal(fixture_up(log.fixture), STATUS_OK);
        assert_int_equal(journal_totals(log.fixture->journal).torn_bytes, 1500);
        journal_destroy(log.fixture->journal);
        log.fixture->journal = NULL;
        struct random_sequence random = {seed};
        fake_files_crash(fake, &random);
        struct bytes torn = fake_files_content(fake, SEGMENT_1 ".torn");
        assert_int_equal(torn.len, 1500);
        for (size_t i = 0; i < torn.len; i++) assert_int_equal(torn.at[i], 0xAB);
        fixture_free(log.fixture);
    }
}

static void the_unsealed_segment_is_copied_and_durable_before_it_is_read(void **state) {
    (void)state;
    struct small_log log = small_log(3, 3);
    struct fixture *fixture = log.fixture;
    /* The sync fails, the bytes stay visible in the page cache and perhaps only there. */
    fake_files_fail(fixture->fake, FAKE_SYNC, 1, false, STATUS_IO_ERROR);
    assert_int_equal(fixture_clicks(fixture, 3), STATUS_IO_ERROR);
    fixture_kill(fixture);
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    size_t seen = fixture->replayed.count;
    assert_int_equal(seen, 5); /* the page cache showed it */
    journal_destroy(fixture->journal);
    fixture->journal = NULL;
    struct random_sequence random = {3};
    fake_files_crash(fixture->fake, &random);
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    assert_int_equal(fixture->replayed.count, seen);
    fixture_free(fixture);
}

static void a_log_that_ends_below_what_was_counted_is_refused(void **state) {
    (void)state;
    struct small_log log = small_log(2, 4);
    struct journal_offset counted[FIXTURE_PARTITIONS] = {journal_end(log.fixture->journal, 0),
                                                         journal_end(log.fixture->journal, 1)};
    fixture_kill(log.fixture);
    log.fixture->options.counted_below = counted;
    log.fixture->options.counted_below_count = FIXTURE_PARTITIONS;
    assert_int_equal(fixture_up(log.fixture), STATUS_OK);
    fixture_kill(log.fixture);
    fake_files_cut(log.fixture->fake, SEGMENT_1, log.ends[2] - 1);
    struct fake_files *found = fake_files_clone(log.fixture->fake, 1);
    assert_int_equal(fixture_open(log.fixture), STATUS_CORRUPT);
    assert_names_the_place(&log.fixture->failure, SEGMENT_1);
    assert_true(fake_files_same(log.fixture->fake, found));
    fake_files_delete(log.fixture->fake, SEGMENT_1);
    assert_int_equal(fixture_open(log.fixture), STATUS_CORRUPT);
    assert_false(fake_files_exists(log.fixture->fake, SEGMENT_1));
    fake_files_destroy(found);
    fixture_free(log.fixture);
}

static void a_segment_missing_in_the_middle_is_refused_by_name(void **state) {
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture->options.segment_bytes = 4096;
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    while (journal_totals(fixture->journal).segments < 4) assert_int_equal(fixture_clicks(fixture, 9), STATUS_OK);
    fixture_kill(fixture);
    fake_files_delete(fixture->fake, SEGMENT_2);
    assert_int_equal(fixture_open(fixture), STATUS_CORRUPT);
    assert_non_null(strstr(fixture->failure.text, SEGMENT_2 " is missing"));
    fixture_free(fixture);
}

static void another_logs_segment_in_the_middle_is_refused(void **state) {
    (void)state;
    struct fixture *fixtures[2];
    for (int i = 0; i < 2; i++) {
        fixtures[i] = fixture_new();
        fixtures[i]->random_state.state = (uint64_t)i + 100;
        fixtures[i]->options.segment_bytes = 4096;
        assert_int_equal(fixture_up(fixtures[i]), STATUS_OK);
        while (journal_totals(fixtures[i]->journal).segments < 4)
            assert_int_equal(fixture_clicks(fixtures[i], 9), STATUS_OK);
        fixture_kill(fixtures[i]);
    }
    fake_files_put(fixtures[0]->fake, SEGMENT_2, fake_files_content(fixtures[1]->fake, SEGMENT_2));
    assert_int_equal(fixture_open(fixtures[0]), STATUS_CORRUPT);
    assert_names_the_place(&fixtures[0]->failure, SEGMENT_2);
    fixture_free(fixtures[0]);
    fixture_free(fixtures[1]);
}

static void another_format_version_is_refused_with_both_numbers(void **state) {
    (void)state;
    struct small_log log = small_log(1, 2);
    fixture_kill(log.fixture);
    fake_files_flip(log.fixture->fake, SEGMENT_1, 8, 0x02 ^ 0x03);
    assert_int_equal(fixture_open(log.fixture), STATUS_UNSUPPORTED);
    assert_non_null(strstr(log.fixture->failure.text, "format version 3"));
    assert_non_null(strstr(log.fixture->failure.text, "reads versions 1 to 2"));
    fixture_free(log.fixture);
}

static void half_made_files_are_removed_and_others_left_alone(void **state) {
    (void)state;
    struct small_log log = small_log(1, 2);
    fixture_kill(log.fixture);
    struct fake_files *fake = log.fixture->fake;
    fake_files_put(fake, SEGMENT_1 ".new", BYTES_LITERAL("half a copy"));
    fake_files_put(fake, SEGMENT_2 ".new", BYTES_LITERAL("half a segment"));
    fake_files_put(fake, SEGMENT_1 ".torn.new", BYTES_LITERAL("half a tail"));
    fake_files_put(fake, "journal/notes.new", BYTES_LITERAL("somebody's"));
    assert_int_equal(fixture_up(log.fixture), STATUS_OK);
    assert_false(fake_files_exists(fake, SEGMENT_1 ".new"));
    assert_false(fake_files_exists(fake, SEGMENT_2 ".new"));
    assert_false(fake_files_exists(fake, SEGMENT_1 ".torn.new"));
    assert_true(fake_files_exists(fake, "journal/notes.new"));
    fixture_free(log.fixture);
}

/* Two segments whose footer and header agree with each other and are whole, but tell of a click more than there is. */
static void a_state_that_the_records_do_not_add_up_to_is_refused_by_the_replay(void **state) {
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture->options.segment_bytes = 4096;
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    while (journal_totals(fixture->journal).segments < 2) assert_int_equal(fixture_clicks(fixture, 9), STATUS_OK);
    assert_int_equal(fixture_close(fixture), STATUS_OK);

    struct buffer first = {0}, second = {0};
    buffer_append_bytes(&first, fake_files_content(fixture->fake, SEGMENT_1));
    buffer_append_bytes(&second, fake_files_content(fixture->fake, SEGMENT_2));
    struct segment_header header;
    struct log_state *told = memory_allocate(sizeof *told);
    struct filter_log *filters = filter_log_create();
    struct bytes state_bytes;
    assert_int_equal(segment_header_decode(buffer_view(&second), "", &header, told, filters, &state_bytes, NULL), STATUS_OK);
    told->received++;
    told->rejected_by[REJECT_BAD_JSON]++;
    uint32_t footer_length;
    assert_true(segment_footer_length(first.at + first.len - FOOTER_TRAILER_BYTES, &footer_length));
    first.len -= footer_length;
    segment_footer_encode(&header.log, 1, header.version, told, &first);
    fake_files_put(fixture->fake, SEGMENT_1, buffer_view(&first));
    assert_int_equal(fixture_open(fixture), STATUS_CORRUPT); /* the second begins elsewhere */
    assert_names_the_place(&fixture->failure, SEGMENT_2);

    struct buffer forged = {0};
    segment_header_encode(&header.log, 2, told, &forged);
    buffer_append(&forged, second.at + header.length, second.len - header.length);
    forged.at[SEGMENT_MARK_AT] = SEGMENT_MARK_SEALED;
    fake_files_put(fixture->fake, SEGMENT_2, buffer_view(&forged));
    assert_int_equal(fixture_open(fixture), STATUS_OK);
    assert_int_equal(fixture_replay(fixture), STATUS_CORRUPT);
    assert_names_the_place(&fixture->failure, SEGMENT_1);
    assert_non_null(strstr(fixture->failure.text, "add up"));
    buffer_fini(&first);
    buffer_fini(&second);
    buffer_fini(&forged);
    filter_log_destroy(filters);
    free(told);
    fixture_free(fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_cut_at_any_byte_keeps_the_whole_records_before),
        cmocka_unit_test(a_byte_flipped_in_an_unsealed_segment_is_refused_or_in_the_torn_last_record),
        cmocka_unit_test(a_byte_flipped_in_a_sealed_segment_is_refused),
        cmocka_unit_test(a_seal_mark_that_was_lost_costs_nothing),
        cmocka_unit_test(a_seal_mark_that_was_lost_after_the_log_went_on_costs_nothing),
        cmocka_unit_test(damage_with_only_a_footer_behind_it_is_refused),
        cmocka_unit_test(damage_in_a_sealed_segment_leaves_a_torn_tail_where_it_is),
        cmocka_unit_test(an_earlier_torn_tail_is_never_overwritten),
        cmocka_unit_test(a_torn_tail_is_durable_before_the_segment_loses_it),
        cmocka_unit_test(the_unsealed_segment_is_copied_and_durable_before_it_is_read),
        cmocka_unit_test(a_log_that_ends_below_what_was_counted_is_refused),
        cmocka_unit_test(a_segment_missing_in_the_middle_is_refused_by_name),
        cmocka_unit_test(another_logs_segment_in_the_middle_is_refused),
        cmocka_unit_test(another_format_version_is_refused_with_both_numbers),
        cmocka_unit_test(a_state_that_the_records_do_not_add_up_to_is_refused_by_the_replay),
        cmocka_unit_test(half_made_files_are_removed_and_others_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
