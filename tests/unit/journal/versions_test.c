/* Logs that an older program began: segments of format version 1 are read, sealed as they were begun, and gone on from. */
#include "small_log.h"

#include "checksum/crc32c.h"
#include "journal/record_format.h"
#include "journal/segment.h"

#define GOLDEN_1 "tests/golden/journal-v1.seg"

static struct buffer golden_1(void) {
    struct buffer content = {0};
    FILE *file = fopen(GOLDEN_1, "rb");
    CHECKF(file != NULL, "%s: run the test at the top of the tree", GOLDEN_1);
    content.len = fread(buffer_reserve(&content, 65536), 1, 65536, file);
    (void)fclose(file);
    return content;
}

/* A log of the golden segment alone, later than all in it. */
static struct fixture *fixture_of_version_1(struct bytes segment) {
    struct fixture *fixture = fixture_new();
    struct fake_files *fake = fixture->fake;
    fake_files_put(fake, SEGMENT_1, segment);
    fake_clock_pass(&fixture->clock, 5 * MINUTE_MS);
    return fixture;
}

static uint32_t version_of(const struct fixture *fixture, const char *path) {
    return get_u32(fake_files_content(fixture->fake, path).at + 8);
}

/* As the program left it that crashed: without footer and mark. */
static void unseal(struct buffer *segment) {
    uint32_t footer;
    assert_true(segment_footer_length(segment->at + segment->len - FOOTER_TRAILER_BYTES, &footer));
    segment->len -= footer;
    segment->at[SEGMENT_MARK_AT] = SEGMENT_MARK_OPEN;
}

static void assert_goes_on_in_version_2(struct fixture *fixture, size_t records_before) {
    struct buffer golden = golden_1();
    assert_int_equal(fixture_filters(fixture, 2), STATUS_OK);
    assert_true(bytes_equal(fake_files_content(fixture->fake, SEGMENT_1), buffer_view(&golden))); /* its footer, too */
    assert_int_equal(version_of(fixture, SEGMENT_2), 2);
    const struct journal_record *record = fixture->acknowledged.at[0];
    assert_int_equal(record->number, records_before + 1);
    assert_int_equal(record->sub_blocks[1].filter_records[1].covers_from.index, FIXTURE_WALL_MS / MINUTE_MS + 1);
    assert_int_equal(fixture_clicks(fixture, 3), STATUS_OK);
    fixture_kill(fixture);
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    assert_int_equal(fixture->replayed.count, records_before + 2);
    assert_int_equal(fixture_filters(fixture, 1), STATUS_OK);
    assert_int_equal(fixture_close(fixture), STATUS_OK);
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    assert_int_equal(fixture->replayed.count, records_before + 3);
    assert_int_equal(fixture->replayed.at[records_before + 2]->sub_blocks[0].filter_records[0].number, 3);
    buffer_fini(&golden);
}

static void a_sealed_segment_of_version_1_is_gone_on_from_in_version_2(void **state) {
    (void)state;
    struct buffer golden = golden_1();
    struct fixture *fixture = fixture_of_version_1(buffer_view(&golden));
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    assert_int_equal(fixture->replayed.count, 3);
    assert_goes_on_in_version_2(fixture, 3);
    buffer_fini(&golden);
    fixture_free(fixture);
}

static void an_open_segment_of_version_1_is_sealed_in_it_before_the_next_record(void **state) {
    (void)state;
    struct buffer golden = golden_1();
    unseal(&golden);
    struct fixture *fixture = fixture_of_version_1(buffer_view(&golden));
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    assert_int_equal(fixture->replayed.count, 3);
    assert_int_equal(version_of(fixture, SEGMENT_1), 1);
    assert_goes_on_in_version_2(fixture, 3);
    buffer_fini(&golden);
    fixture_free(fixture);
}

static void an_open_segment_of_version_1_is_closed_as_it_was_begun(void **state) {
    (void)state;
    struct buffer golden = golden_1(), open = golden_1();
    unseal(&open);
    struct fixture *fixture = fixture_of_version_1(buffer_view(&open));
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    assert_int_equal(fixture_close(fixture), STATUS_OK);
    assert_true(bytes_equal(fake_files_content(fixture->fake, SEGMENT_1), buffer_view(&golden)));
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    assert_int_equal(fixture->replayed.count, 3);
    buffer_fini(&golden);
    buffer_fini(&open);
    fixture_free(fixture);
}

static void a_segment_of_version_1_without_a_record_is_sealed_empty(void **state) {
    (void)state;
    struct buffer golden = golden_1();
    unseal(&golden);
    golden.len = get_u32(golden.at + 12);
    struct fixture *fixture = fixture_of_version_1(buffer_view(&golden));
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    assert_int_equal(fixture->replayed.count, 0);
    assert_int_equal(version_of(fixture, SEGMENT_1), 1);
    assert_int_equal(version_of(fixture, SEGMENT_2), 2);
    assert_int_equal(fixture_filters(fixture, 1), STATUS_OK);
    assert_false(fixture->acknowledged.at[1]->sub_blocks[0].filter_records[0].has_clicks);
    fixture_kill(fixture);
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    assert_same_records(&fixture->replayed, &fixture->acknowledged, 2);
    buffer_fini(&golden);
    fixture_free(fixture);
}

/* Rewrites a segment as version 1 had it: the records are the same. */
static void make_version_1(struct fixture *fixture, uint64_t number) {
    char path[SEGMENT_PATH_BYTES];
    segment_path(path, number, "");
    struct bytes from = fake_files_content(fixture->fake, path), state_bytes;
    struct buffer to = {0};
    struct segment_header header;
    struct log_state *told = memory_allocate(sizeof *told);
    assert_int_equal(segment_header_decode(from, path, &header, told, NULL, &state_bytes, NULL), STATUS_OK);
    buffer_append(&to, from.at, SEGMENT_FIXED_BYTES);
    log_state_encode(told, 1, &to);
    while (to.len % RECORD_ALIGNMENT != 4) buffer_put_u8(&to, 0);
    put_u32(to.at + 8, 1);
    put_u32(to.at + 12, (uint32_t)to.len + 4);
    uint32_t crc = crc32c(0, (struct bytes){to.at, SEGMENT_MARK_AT});
    buffer_put_u32(&to, crc32c(crc, (struct bytes){to.at + SEGMENT_MARK_AT + 8, to.len - SEGMENT_MARK_AT - 8}));
    uint32_t footer = 0, found;
    if (header.sealed) {
        assert_true(segment_footer_length(from.at + from.len - FOOTER_TRAILER_BYTES, &footer));
        struct bytes view = {from.at + from.len - footer, footer};
        assert_true(segment_footer_decode(view, &header, &found, told, NULL, &state_bytes));
    }
    buffer_append(&to, from.at + header.length, from.len - header.length - footer);
    if (header.sealed) segment_footer_encode(&header.log, number, 1, told, &to);
    fake_files_put(fixture->fake, path, buffer_view(&to));
    buffer_fini(&to);
    free(told);
}

/* Three segments of version 1 and one of version 2. */
static struct fixture *upgraded_log(void) {
    struct fixture *fixture = fixture_new();
    fixture->options.segment_bytes = 4096;
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    while (journal_totals(fixture->journal).segments < 4) assert_int_equal(fixture_clicks(fixture, 9), STATUS_OK);
    assert_int_equal(fixture_close(fixture), STATUS_OK);
    for (uint64_t number = 1; number <= 3; number++) make_version_1(fixture, number);
    return fixture;
}

/* That of the filter that is created now. */
static uint32_t covers_from_now(struct fixture *fixture) {
    assert_int_equal(fixture_filters(fixture, 1), STATUS_OK);
    const struct journal_record *record = fixture->acknowledged.at[fixture->acknowledged.count - 1];
    assert_true(record->sub_blocks[0].filter_records[0].has_clicks);
    return record->sub_blocks[0].filter_records[0].covers_from.index;
}

static void a_log_of_both_versions_is_read_from_whichever_segment_is_the_first(void **state) {
    (void)state;
    static const char *const paths[] = {SEGMENT_1, SEGMENT_2, SEGMENT_3};
    for (size_t gone = 0; gone <= 3; gone++) {
        struct fixture *fixture = upgraded_log();
        for (size_t i = 0; i < gone; i++) fake_files_delete(fixture->fake, paths[i]);
        for (int life = 0; life < 3; life++) {
            assert_int_equal(fixture_up(fixture), STATUS_OK);
            /* With or without the beginning: the segment of version 2 tells of the clicks that are not there any more. */
            assert_int_equal(covers_from_now(fixture), FIXTURE_WALL_MS / MINUTE_MS + 1);
            if (life % 2 == 0)
                fixture_kill(fixture);
            else
                assert_int_equal(fixture_close(fixture), STATUS_OK);
        }
        fixture_free(fixture);
    }
}

static void
a_version_1_log_without_its_beginning_lets_filters_cover_from_a_minute_that_no_click_can_have_passed(void **state) {
    (void)state;
    struct fixture *fixture = upgraded_log();
    fake_files_delete(fixture->fake, SEGMENT_1);
    fake_files_delete(fixture->fake, "journal/00000000000000000004.seg");
    uint32_t first = 0;
    for (int life = 0; life < 3; life++) {
        assert_int_equal(fixture_up(fixture), STATUS_OK);
        uint32_t covers_from = covers_from_now(fixture);
        if (life == 0) first = covers_from;
        assert_int_equal(covers_from, first);
        fixture_kill(fixture);
    }
    assert_in_range(first, FIXTURE_WALL_MS / MINUTE_MS + 399 * 1440, FIXTURE_WALL_MS / MINUTE_MS + 401 * 1440);
    fixture_free(fixture);
}

static void filters_in_a_segment_of_version_1_are_damage(void **state) {
    (void)state;
    struct small_log log = small_log(1, 3);
    assert_int_equal(fixture_filters(log.fixture, 2), STATUS_OK);
    fixture_kill(log.fixture);
    make_version_1(log.fixture, 1);
    assert_int_equal(fixture_open(log.fixture), STATUS_CORRUPT);
    assert_names_the_place(&log.fixture->failure, SEGMENT_1);
    assert_non_null(strstr(log.fixture->failure.text, "version 1 holds no filters"));
    fixture_free(log.fixture);
}

/* As if somebody had put old segments behind new ones. */
static void a_segment_of_version_1_behind_filters_is_refused(void **state) {
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture->options.segment_bytes = 4096;
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    while (journal_totals(fixture->journal).segments < 2) assert_int_equal(fixture_clicks(fixture, 9), STATUS_OK);
    assert_int_equal(fixture_close(fixture), STATUS_OK);
    make_version_1(fixture, 2);
    struct buffer old = {0};
    buffer_append_bytes(&old, fake_files_content(fixture->fake, SEGMENT_2));
    fake_files_delete(fixture->fake, SEGMENT_2);
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    assert_int_equal(fixture_filters(fixture, 1), STATUS_OK);
    assert_int_equal(fixture_close(fixture), STATUS_OK);
    put_u64(old.at + 56, 3);
    uint32_t length = get_u32(old.at + 12), crc = crc32c(0, (struct bytes){old.at, SEGMENT_MARK_AT});
    put_u32(old.at + length - 4,
            crc32c(crc, (struct bytes){old.at + SEGMENT_MARK_AT + 8, length - 4 - SEGMENT_MARK_AT - 8}));
    fake_files_put(fixture->fake, SEGMENT_3, buffer_view(&old));
    assert_int_equal(fixture_open(fixture), STATUS_CORRUPT);
    assert_names_the_place(&fixture->failure, SEGMENT_3);
    buffer_fini(&old);
    fixture_free(fixture);
}

/* Found by the fuzzer of codecs: what bounds the highest click was made of the arrival before that was looked at. */
static void a_state_of_version_1_with_an_impossible_arrival_is_damage(void **state) {
    (void)state;
    static struct log_state told, read;
    struct buffer encoded = {0};
    log_state_init(&told, 1, NULL);
    told.next_record = 2;
    told.received = told.accepted = 1;
    told.rules = (struct rules){.number = 1,
                                .partition_count = 1,
                                .delay_ms = 15000,
                                .lateness_ms = 86400000,
                                .horizon_ms = 86460000,
                                .max_skew_ms = 60000,
                                .canonical_version = 1};
    told.last_arrival.ms = FIXTURE_WALL_MS;
    told.partitions[0].next.at = 2;
    watermark_init(&told.partitions[0].watermark);
    watermark_click(&told.partitions[0].watermark, &told.rules, (struct event_time){FIXTURE_WALL_MS},
                    (struct wall_time){FIXTURE_WALL_MS}, &(struct identity){1, 2});
    log_state_encode(&told, 1, &encoded);
    struct reader reader = reader_of(buffer_view(&encoded));
    log_state_decode(&read, 1, 1, NULL, &reader);
    assert_false(reader.bad);
    assert_false(read.highest_known);
    put_u64(encoded.at + 8, INT64_MAX - 1); /* the last arrival */
    reader = reader_of(buffer_view(&encoded));
    log_state_decode(&read, 1, 1, NULL, &reader);
    assert_true(reader.bad);
    buffer_fini(&encoded);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_state_of_version_1_with_an_impossible_arrival_is_damage),
        cmocka_unit_test(a_sealed_segment_of_version_1_is_gone_on_from_in_version_2),
        cmocka_unit_test(an_open_segment_of_version_1_is_sealed_in_it_before_the_next_record),
        cmocka_unit_test(an_open_segment_of_version_1_is_closed_as_it_was_begun),
        cmocka_unit_test(a_segment_of_version_1_without_a_record_is_sealed_empty),
        cmocka_unit_test(a_log_of_both_versions_is_read_from_whichever_segment_is_the_first),
        cmocka_unit_test(
            a_version_1_log_without_its_beginning_lets_filters_cover_from_a_minute_that_no_click_can_have_passed),
        cmocka_unit_test(filters_in_a_segment_of_version_1_are_damage),
        cmocka_unit_test(a_segment_of_version_1_behind_filters_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
