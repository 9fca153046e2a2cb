/* Filters records that are torn, damaged, or could not have been written: none is taken. */
#include "small_log.h"

#include "checksum/crc32c.h"
#include "journal/record_format.h"
#include "journal/segment.h"

/* A log of rules, clicks, two filters; `ends[2]` is the end of the filters record. */
static struct small_log filter_log_of_two(void) {
    struct small_log log = small_log(1, 3);
    assert_int_equal(fixture_filters(log.fixture, 2), STATUS_OK);
    log.ends[2] = log.ends[1] + log.fixture->acknowledged.at[2]->bytes.len;
    return log;
}

static void a_torn_filters_record_leaves_none_of_its_filters(void **state) {
    (void)state;
    struct small_log log = filter_log_of_two();
    fixture_kill(log.fixture);
    for (uint64_t cut = log.ends[1]; cut < log.ends[2]; cut++) {
        struct fixture *fixture = fixture_on(fake_files_clone(log.fixture->fake, 1));
        fake_files_cut(fixture->fake, SEGMENT_1, cut);
        assert_int_equal(fixture_up(fixture), STATUS_OK);
        assert_same_records(&fixture->replayed, &log.fixture->acknowledged, 2);
        assert_int_equal(fixture_filters(fixture, 2), STATUS_OK); /* the same ids again */
        assert_int_equal(fixture->acknowledged.at[0]->sub_blocks[0].filter_records[0].number, 1);
        fixture_free(fixture);
    }
    fixture_free(log.fixture);
}

static void a_byte_flipped_in_a_filters_record_is_seen(void **state) {
    (void)state;
    struct small_log log = filter_log_of_two();
    assert_int_equal(fixture_clicks(log.fixture, 1), STATUS_OK);
    fixture_kill(log.fixture);
    for (uint64_t at = log.ends[1]; at < log.ends[2]; at++) {
        struct fixture *fixture = fixture_on(fake_files_clone(log.fixture->fake, 1));
        fake_files_flip(fixture->fake, SEGMENT_1, at, (uint8_t)(1 + at % 255));
        assert_int_equal(fixture_open(fixture), STATUS_CORRUPT); /* a valid record follows */
        assert_names_the_place(&fixture->failure, SEGMENT_1);
        fixture_free(fixture);
    }
    fixture_free(log.fixture);
}

/* Records that no writer makes, under right checksums, behind a log in which filters 1 and 2 stand. */
enum forgery {
    COPIES_DIFFER,
    COPY_MISSING,
    WRONG_NUMBER,
    WRONG_COVERS_FROM,
    COVERS_EVERYTHING,
    SAME_AGAIN,
    ID_TAKEN,
    UNKNOWN_DELETED,
    DELETED_TWICE,
    WITH_REJECTS,
    MALFORMED,
    RIGHT,
    FORGERIES,
};
static const char *const forgery_texts[FORGERIES] = {
    [COPIES_DIFFER] = "the copies of the filters differ",
    [COPY_MISSING] = "one copy for each partition",
    [WRONG_NUMBER] = "number is not the next one",
    [WRONG_COVERS_FROM] = "does not cover from",
    [COVERS_EVERYTHING] = "does not cover from",
    [SAME_AGAIN] = "what is there already",
    [ID_TAKEN] = "whose id is taken",
    [UNKNOWN_DELETED] = "never created",
    [DELETED_TWICE] = "was deleted",
    [WITH_REJECTS] = "and nothing else",
    [MALFORMED] = "contradicts itself",
};

struct forged {
    struct record_draft draft;
    struct filter_record records[2];
    struct filter *filter;
    struct buffer frame;
};

static void forge_records(struct forged *forged, enum forgery forgery, uint64_t minute) {
    forged->filter = fixture_filter(forgery == SAME_AGAIN ? 2 : 3);
    if (forgery == ID_TAKEN) forged->filter->id = 2;
    forged->records[0] = (struct filter_record){
        .number = 3,
        .action = FILTER_CREATE,
        .id = forged->filter->id,
        .filter = forged->filter,
        .has_clicks = forgery != COVERS_EVERYTHING,
        .covers_from = {forgery == COVERS_EVERYTHING ? 0 : (uint32_t)minute + 1 + (forgery == WRONG_COVERS_FROM)},
    };
    forged->records[1] = (struct filter_record){.number = 4, .action = FILTER_DELETE, .id = forged->filter->id};
    if (forgery == WRONG_NUMBER) forged->records[1].number = 5;
    if (forgery == UNKNOWN_DELETED) forged->records[1].id = 4;
    if (forgery == DELETED_TWICE) {
        forged->records[1].id = 1;
        forged->records[0] = forged->records[1];
        forged->records[0].number = 3;
    }
    for (int i = 0; i < 2; i++) filter_frame_append(&forged->frame, &forged->records[i]);
}

/* Flips a byte of the last partition's frame: the last byte before the padding is the last record's id. */
static void forge_bytes(uint8_t *record, enum forgery forgery, size_t frame_len, uint32_t seed) {
    uint32_t covered = get_u32(record + RECORD_AT_COVERED);
    size_t frames = RECORD_HEADER_BYTES + get_u16(record + RECORD_AT_REJECTS) * (size_t)RECORD_REJECT_BYTES +
                    get_u32(record + RECORD_AT_SUB_BLOCKS) * (size_t)RECORD_SUB_BLOCK_BYTES;
    if (forgery == COPIES_DIFFER) record[frames + 2 * frame_len - 1] ^= 1;
    if (forgery == MALFORMED) record[frames] ^= 1;
    put_u32(record + RECORD_AT_CRC, crc32c(seed, (struct bytes){record + RECORD_AT_LENGTH, covered - RECORD_AT_LENGTH}));
}

static struct buffer forge(const struct fixture *fixture, enum forgery forgery, uint32_t seed) {
    struct forged *forged = memory_allocate_zeroed(1, sizeof *forged);
    forge_records(forged, forgery, (uint64_t)(fixture->clock.wall_ms - 40) / MINUTE_MS); /* the clicks came 40 ms ago */
    struct record_draft *draft = &forged->draft;
    draft->number = 4;
    draft->arrival = fixture_wall(fixture);
    draft->filter_frame = buffer_view(&forged->frame);
    draft->sub_block_count = forgery == COPY_MISSING ? 1 : FIXTURE_PARTITIONS;
    if (forgery == WITH_REJECTS) draft->counts.received = draft->counts.rejected_by[REJECT_BAD_JSON] = 1;
    for (uint32_t i = 0; i < draft->sub_block_count; i++) {
        draft->sub_blocks[i].partition = (uint16_t)i;
        draft->sub_blocks[i].kind = SUB_BLOCK_FILTERS;
        draft->sub_blocks[i].count = 2;
        draft->sub_blocks[i].first_offset = journal_end(fixture->journal, i);
    }
    struct journal_record *record = record_build(draft, seed, &fixture->random);
    struct buffer bytes = {0};
    buffer_append_bytes(&bytes, record->bytes);
    forge_bytes(bytes.at, forgery, forged->frame.len, seed);
    journal_record_release(record);
    filter_destroy(forged->filter);
    buffer_fini(&forged->frame);
    free(forged);
    return bytes;
}

static void a_filters_record_that_cannot_be_the_next_is_damage_though_its_checksum_is_right(void **state) {
    (void)state;
    for (int forgery = 0; forgery < FORGERIES; forgery++) {
        struct small_log log = filter_log_of_two();
        struct fixture *fixture = log.fixture;
        struct log_identity identity = {.key = *journal_identity_key(fixture->journal)};
        struct journal_uuid uuid = journal_uuid(fixture->journal);
        memcpy(identity.uuid, uuid.at, sizeof uuid.at);
        struct buffer bytes = forge(fixture, (enum forgery)forgery, log_seed(&identity));
        fixture_kill(fixture);
        struct buffer segment = {0};
        buffer_append_bytes(&segment, fake_files_content(fixture->fake, SEGMENT_1));
        segment.len = log.ends[2];
        buffer_append_bytes(&segment, buffer_view(&bytes));
        fake_files_put(fixture->fake, SEGMENT_1, buffer_view(&segment));
        enum status status = fixture_up(fixture);
        if (forgery == RIGHT) {
            assert_int_equal(status, STATUS_OK);
            assert_int_equal(fixture->replayed.count, 4);
        } else {
            assert_int_equal(status, STATUS_CORRUPT);
            assert_names_the_place(&fixture->failure, SEGMENT_1);
            assert_non_null(strstr(fixture->failure.text, forgery_texts[forgery]));
        }
        buffer_fini(&segment);
        buffer_fini(&bytes);
        fixture_free(fixture);
    }
}

/* The second segment's header tells of the filters, its footer, whole as it is, does not. */
static void a_footer_that_has_lost_the_filters_is_refused(void **state) {
    (void)state;
    struct fixture *fixture = fixture_new();
    fixture->options.segment_bytes = 4096;
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    assert_int_equal(fixture_filters(fixture, 2), STATUS_OK);
    while (journal_totals(fixture->journal).segments < 2) assert_int_equal(fixture_clicks(fixture, 9), STATUS_OK);
    assert_int_equal(fixture_close(fixture), STATUS_OK);
    struct buffer segment = {0};
    buffer_append_bytes(&segment, fake_files_content(fixture->fake, SEGMENT_2));
    struct segment_header header;
    struct log_state *told = memory_allocate(sizeof *told);
    struct bytes state_bytes;
    uint32_t length, found;
    assert_int_equal(segment_header_decode(buffer_view(&segment), "", &header, told, NULL, &state_bytes, NULL), STATUS_OK);
    assert_int_equal(told->filter_count, 2);
    assert_true(segment_footer_length(segment.at + segment.len - FOOTER_TRAILER_BYTES, &length));
    segment.len -= length;
    struct bytes footer = {segment.at + segment.len, length};
    assert_true(segment_footer_decode(footer, &header, &found, told, NULL, &state_bytes));
    told->filter_count = 0;
    told->filter_bytes = 0;
    segment_footer_encode(&header.log, 2, header.version, told, &segment);
    fake_files_put(fixture->fake, SEGMENT_2, buffer_view(&segment));
    assert_int_equal(fixture_open(fixture), STATUS_CORRUPT);
    assert_names_the_place(&fixture->failure, SEGMENT_2);
    buffer_fini(&segment);
    free(told);
    fixture_free(fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_torn_filters_record_leaves_none_of_its_filters),
        cmocka_unit_test(a_byte_flipped_in_a_filters_record_is_seen),
        cmocka_unit_test(a_filters_record_that_cannot_be_the_next_is_damage_though_its_checksum_is_right),
        cmocka_unit_test(a_footer_that_has_lost_the_filters_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
