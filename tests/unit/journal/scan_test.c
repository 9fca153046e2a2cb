/* The log read once more beside its writer. */
#include "small_log.h"

#include "journal/segment.h"

static struct fixture *fixture_of_small_segments(void) {
    struct fixture *fixture = fixture_new();
    fixture->options.segment_bytes = 4096;
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    return fixture;
}

static void write_one(struct fixture *fixture, int n) {
    assert_int_equal(n % 5 == 2 ? fixture_filters(fixture, 2) : fixture_clicks(fixture, 9), STATUS_OK);
}

static uint64_t next_record(const struct fixture *fixture) {
    return journal_totals(fixture->journal).records + 1;
}

/* Asserts that the record is the one that was acknowledged under its number. */
static void assert_scanned(const struct fixture *fixture, struct journal_record *record, uint64_t number) {
    assert_int_equal(record->number, number);
    assert_true(bytes_equal(record->bytes, fixture->acknowledged.at[number - 1]->bytes));
    journal_record_release(record);
}

/* What it hands out from `number` on, and how it ends. */
static enum status scan_rest(const struct fixture *fixture, struct journal_scan *scan, uint64_t *number,
                             struct failure *failure) {
    for (;;) {
        struct journal_record *record;
        enum status status = journal_scan_next(scan, &record, failure);
        if (status != STATUS_OK) return status;
        assert_scanned(fixture, record, (*number)++);
    }
}

static void a_scan_reads_the_whole_log_and_needs_the_journal_no_more(void **state) {
    (void)state;
    struct fixture *fixture = fixture_of_small_segments();
    for (int i = 0; i < 40; i++) write_one(fixture, i);
    assert_true(journal_totals(fixture->journal).segments >= 4);
    uint64_t end = next_record(fixture);
    struct journal_scan *scan = journal_scan_create(fixture->journal, end);
    journal_destroy(fixture->journal);
    fixture->journal = NULL;
    uint64_t number = 1;
    struct failure failure = {0};
    assert_int_equal(scan_rest(fixture, scan, &number, &failure), STATUS_END);
    assert_int_equal(number, end);
    assert_int_equal(scan_rest(fixture, scan, &number, &failure), STATUS_END); /* and stays there */
    journal_scan_destroy(scan);
    fixture_free(fixture);
}

/* The writer is `lead` records ahead of the scan at first, then both take turns: the segment that is read grows, and is
 * sealed while it is read, at every place there is. */
static void a_scan_beside_the_writer_reads_what_was_durable_when_it_began(void **state) {
    (void)state;
    uint64_t sealed_meanwhile = 0;
    for (int lead = 0; lead < 24; lead++) {
        for (int writes = 0; writes <= 3; writes++) {
            struct fixture *fixture = fixture_of_small_segments();
            for (int i = 0; i < lead; i++) write_one(fixture, i);
            uint64_t end = next_record(fixture), segments = journal_totals(fixture->journal).segments;
            struct journal_scan *scan = journal_scan_create(fixture->journal, end);
            struct failure failure = {0};
            for (uint64_t number = 1; number < end; number++) {
                struct journal_record *record;
                assert_int_equal(journal_scan_next(scan, &record, &failure), STATUS_OK);
                assert_scanned(fixture, record, number);
                for (int i = 0; i < writes; i++) write_one(fixture, i);
            }
            struct journal_record *record;
            assert_int_equal(journal_scan_next(scan, &record, &failure), STATUS_END);
            sealed_meanwhile += journal_totals(fixture->journal).segments - segments;
            journal_scan_destroy(scan);
            fixture_free(fixture);
        }
    }
    assert_true(sealed_meanwhile > 100);
}

/* The writer seals and cuts the file between the scan's looking at its size and its reading the header. */
static struct {
    struct files files;
    struct fixture *fixture;
} sealing;

static enum status size_then_seal(struct file *file, uint64_t *out, struct failure *failure) {
    enum status status = sealing.files.size(file, out, failure);
    struct fixture *fixture = sealing.fixture;
    sealing.fixture = NULL;
    if (fixture != NULL) assert_int_equal(fixture_close(fixture), STATUS_OK);
    return status;
}

static void a_segment_that_is_sealed_while_it_is_opened_is_read_to_its_footer(void **state) {
    (void)state;
    struct fixture *fixture = fixture_new();
    sealing.files = fixture->files;
    fixture->files.size = size_then_seal;
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    for (int i = 0; i < 5; i++) write_one(fixture, i);
    uint64_t number = 1, end = next_record(fixture);
    struct failure failure = {0};
    struct journal_scan *scan = journal_scan_create(fixture->journal, end);
    sealing.fixture = fixture;
    assert_int_equal(scan_rest(fixture, scan, &number, &failure), STATUS_END);
    assert_null(sealing.fixture);
    assert_int_equal(number, end);
    journal_scan_destroy(scan);
    fixture_free(fixture);
}

static void a_scan_of_a_log_whose_first_segments_are_gone_begins_where_it_does(void **state) {
    (void)state;
    struct fixture *fixture = fixture_of_small_segments();
    for (int i = 0; i < 40; i++) write_one(fixture, i);
    assert_int_equal(fixture_close(fixture), STATUS_OK);
    fake_files_delete(fixture->fake, SEGMENT_1);
    fake_files_delete(fixture->fake, SEGMENT_2);
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    uint64_t first = fixture->replayed.at[0]->number, number = first, end = next_record(fixture);
    assert_true(first > 1);
    struct failure failure = {0};
    struct journal_scan *scan = journal_scan_create(fixture->journal, end);
    assert_int_equal(scan_rest(fixture, scan, &number, &failure), STATUS_END);
    assert_int_equal(number, end);
    journal_scan_destroy(scan);
    scan = journal_scan_create(fixture->journal, first); /* all of it is gone */
    number = 1;
    assert_int_equal(scan_rest(fixture, scan, &number, &failure), STATUS_END);
    assert_int_equal(number, 1);
    journal_scan_destroy(scan);
    fixture_free(fixture);
}

/* Scans to the end and expects damage in `path`. */
static void assert_scan_refuses(const struct fixture *fixture, const char *path, const char *why) {
    struct failure failure = {0};
    uint64_t number = 1;
    struct journal_scan *scan = journal_scan_create(fixture->journal, next_record(fixture));
    assert_int_equal(scan_rest(fixture, scan, &number, &failure), STATUS_CORRUPT);
    assert_names_the_place(&failure, path);
    assert_non_null(strstr(failure.text, why));
    journal_scan_destroy(scan);
}

static void a_scan_refuses_damage_with_file_and_place(void **state) {
    (void)state;
    struct fixture *fixture = fixture_of_small_segments();
    while (journal_totals(fixture->journal).segments < 3) write_one(fixture, 1);
    write_one(fixture, 1);
    struct fake_files *fake = fixture->fake;
    uint64_t begin = header_length(fake, SEGMENT_3);
    fake_files_flip(fake, SEGMENT_3, begin + 100, 1); /* the open one */
    assert_scan_refuses(fixture, SEGMENT_3, "CRC-32C");
    fake_files_flip(fake, SEGMENT_3, begin + 100, 1);
    fake_files_flip(fake, SEGMENT_3, begin, 1);
    assert_scan_refuses(fixture, SEGMENT_3, "no record begins here");
    fake_files_flip(fake, SEGMENT_3, begin, 1);
    struct buffer whole = {0};
    buffer_append_bytes(&whole, fake_files_content(fake, SEGMENT_3));
    fake_files_cut(fake, SEGMENT_3, begin); /* a durable record is gone without a trace */
    assert_scan_refuses(fixture, SEGMENT_3, "no record begins here");
    fake_files_put(fake, SEGMENT_3, buffer_view(&whole));
    buffer_fini(&whole);
    uint64_t footer_at = fake_files_content(fake, SEGMENT_2).len - 40;
    fake_files_flip(fake, SEGMENT_2, footer_at, 1);
    assert_scan_refuses(fixture, SEGMENT_2, "add up");
    fake_files_flip(fake, SEGMENT_2, footer_at, 1);
    fake_files_flip(fake, SEGMENT_1, header_length(fake, SEGMENT_1) + 60, 1);
    assert_scan_refuses(fixture, SEGMENT_1, "CRC-32C");
    fixture_free(fixture);
}

static void a_scan_gives_back_what_the_disk_says(void **state) {
    (void)state;
    struct fixture *fixture = fixture_of_small_segments();
    for (int i = 0; i < 20; i++) write_one(fixture, i);
    const enum fake_call calls[] = {FAKE_OPEN, FAKE_READ};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        bool finished = false;
        for (uint64_t nth = 1; !finished; nth++) {
            CHECK(nth < 100);
            struct failure failure = {0};
            uint64_t number = 1, injected = fake_files_counts(fixture->fake).injected;
            fake_files_fail(fixture->fake, calls[i], nth, false, STATUS_IO_ERROR);
            struct journal_scan *scan = journal_scan_create(fixture->journal, next_record(fixture));
            enum status status = scan_rest(fixture, scan, &number, &failure);
            finished = fake_files_counts(fixture->fake).injected == injected;
            assert_int_equal(status, finished ? STATUS_END : STATUS_IO_ERROR);
            assert_int_equal(failure.status, finished ? STATUS_OK : STATUS_IO_ERROR);
            journal_scan_destroy(scan);
            fake_files_heal(fixture->fake);
        }
    }
    fixture_free(fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scan_reads_the_whole_log_and_needs_the_journal_no_more),
        cmocka_unit_test(a_scan_beside_the_writer_reads_what_was_durable_when_it_began),
        cmocka_unit_test(a_segment_that_is_sealed_while_it_is_opened_is_read_to_its_footer),
        cmocka_unit_test(a_scan_of_a_log_whose_first_segments_are_gone_begins_where_it_does),
        cmocka_unit_test(a_scan_refuses_damage_with_file_and_place),
        cmocka_unit_test(a_scan_gives_back_what_the_disk_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
