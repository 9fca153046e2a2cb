/* columns.h and record.h: what goes in comes out, and nothing that contradicts itself does. */
#include "journal_fixture.h"

#include "journal/record_format.h"

enum { SEED = 0x1234 };

static struct bytes text(const char *literal) {
    return bytes_of_text(literal);
}

/* Clicks in every form there is. */
static size_t clicks_of_all_forms(struct click out[8]) {
    struct click base = {
        .source = text("shop"),
        .event_id = text("e1"),
        .ad_id = text("ad001"),
        .user_id = text("user 1"),
        .time = {1609459201000},
        .ip = {.kind = IP_V4, .bytes = {207, 148, 22, 22}},
        .country = {COUNTRY_UNKNOWN},
        .time_form = TIME_SPACE,
        .country_form = COUNTRY_ALPHA3,
        .ip_form = IP_CANONICAL,
        .identity = {1, 2},
        .content_tag = 3,
    };
    size_t count = 0;
    out[count++] = base;
    base.event_id = (struct bytes){NULL, 0};
    base.ip = (struct ip){.kind = IP_V6, .bytes = {0x20, 1, [15] = 9}};
    base.time_form = TIME_VERBATIM;
    base.time_text = text("2021-01-01T01:00:01+01:00");
    out[count++] = base;
    base.ip = (struct ip){.kind = IP_V4_MASKED, .mask = 6, .bytes = {207, 0, 0, 22}};
    base.ip_form = IP_VERBATIM;
    base.ip_text = text("207.XXX.xx.22");
    base.country_form = COUNTRY_VERBATIM;
    base.country_text = text("uSa");
    out[count++] = base;
    base.time_form = TIME_RFC3339_MS_Z;
    base.time_text = (struct bytes){NULL, 0};
    base.ip_text = (struct bytes){NULL, 0};
    base.ip_form = IP_CANONICAL;
    base.country_form = COUNTRY_MISSING;
    base.country_text = (struct bytes){NULL, 0};
    base.time.ms = 0;
    out[count++] = base;
    static uint8_t long_id[ID_BYTES_MAX];
    memset(long_id, 'x', sizeof long_id);
    base.ad_id = base.user_id = base.event_id = base.source = (struct bytes){long_id, sizeof long_id};
    base.time.ms = RECORD_TIME_MS_MAX;
    base.country_form = COUNTRY_ALPHA2;
    base.country.code = 0;
    out[count++] = base;
    return count;
}

static void assert_click_equal(const struct click *a, const struct click *b) {
    assert_true(bytes_equal(a->source, b->source) && bytes_equal(a->event_id, b->event_id));
    assert_true(bytes_equal(a->ad_id, b->ad_id) && bytes_equal(a->user_id, b->user_id));
    assert_true(a->time.ms == b->time.ms && a->country.code == b->country.code);
    assert_memory_equal(&a->ip, &b->ip, sizeof a->ip);
    assert_true(a->time_form == b->time_form && a->country_form == b->country_form && a->ip_form == b->ip_form);
    assert_true(bytes_equal(a->time_text, b->time_text) && bytes_equal(a->country_text, b->country_text));
    assert_true(bytes_equal(a->ip_text, b->ip_text));
    assert_true(identity_equal(a->identity, b->identity) && a->content_tag == b->content_tag);
}

static struct journal_record *build(const struct columns *columns, uint32_t count) {
    static struct random_sequence sequence = {5};
    struct random random = fake_random_table(&sequence);
    struct record_draft draft = {.number = 1, .arrival = {10}, .sub_block_count = 1};
    draft.columns[0].at = &columns;
    draft.columns[0].count = 1;
    draft.counts.received = count + 2;
    draft.counts.rejected_by[REJECT_BAD_UTF8] = 2;
    draft.sub_blocks[0].kind = SUB_BLOCK_CLICKS;
    draft.sub_blocks[0].count = count;
    return record_build(&draft, SEED, &random);
}

static struct journal_record *parsed_copy(struct bytes bytes, enum record_flaw *flaw) {
    struct journal_record *copy = record_allocate(bytes.len);
    memcpy(record_writable(copy), bytes.at, bytes.len);
    *flaw = record_parse(copy, SEED);
    return copy;
}

static void clicks_of_every_form_come_back_as_they_were(void **state) {
    (void)state;
    struct click clicks[8];
    size_t count = clicks_of_all_forms(clicks);
    struct columns first = {0}, columns = {0};
    for (size_t i = 0; i < count; i++) columns_append(&first, &clicks[i]);
    columns_append_all(&columns, &first);
    columns_append_all(&columns, &first);
    assert_int_equal(columns_bytes(&columns), 2 * columns_bytes(&first));
    struct journal_record *built = build(&columns, 2 * (uint32_t)count);
    enum record_flaw flaw;
    struct journal_record *read = parsed_copy(built->bytes, &flaw);
    assert_int_equal(flaw, RECORD_GOOD);
    assert_int_equal(read->bytes.len % 8, 0);
    const struct journal_record *both[] = {built, read};
    for (int side = 0; side < 2; side++) {
        assert_int_equal(both[side]->sub_block_count, 1);
        assert_int_equal(both[side]->counts.received, 2 * count + 2);
        struct click_cursor cursor = click_cursor_of(&both[side]->sub_blocks[0].clicks);
        struct click click;
        for (size_t i = 0; i < 2 * count; i++) {
            assert_true(click_cursor_next(&cursor, &click));
            assert_click_equal(&click, &clicks[i % count]);
        }
        assert_false(click_cursor_next(&cursor, &click));
    }
    columns_clear(&first);
    assert_int_equal(columns_bytes(&first), 0);
    journal_record_release(built);
    journal_record_release(read);
    columns_fini(&first);
    columns_fini(&columns);
}

static void no_flipped_byte_of_a_record_goes_unseen(void **state) {
    (void)state;
    struct click clicks[8];
    size_t count = clicks_of_all_forms(clicks);
    struct columns columns = {0};
    for (size_t i = 0; i < count; i++) columns_append(&columns, &clicks[i]);
    struct journal_record *built = build(&columns, (uint32_t)count);
    for (size_t at = 0; at < built->bytes.len; at++) {
        enum record_flaw flaw;
        struct journal_record *copy = record_allocate(built->bytes.len);
        memcpy(record_writable(copy), built->bytes.at, built->bytes.len);
        record_writable(copy)[at] ^= (uint8_t)(1 + at % 255);
        flaw = record_parse(copy, SEED);
        assert_int_not_equal(flaw, RECORD_GOOD);
        assert_int_not_equal(flaw, RECORD_MALFORMED); /* a checksum told, before anything was believed */
        journal_record_release(copy);
    }
    enum record_flaw flaw;
    struct journal_record *copy = record_allocate(built->bytes.len);
    memcpy(record_writable(copy), built->bytes.at, built->bytes.len);
    flaw = record_parse(copy, SEED + 1);
    assert_int_equal(flaw, RECORD_BAD_CHECKSUM); /* another log's */
    journal_record_release(copy);
    journal_record_release(built);
    columns_fini(&columns);
}

/* Values that no writer makes, under right checksums. */
static void values_out_of_range_are_refused_though_the_checksums_are_right(void **state) {
    (void)state;
    struct click clicks[8];
    (void)clicks_of_all_forms(clicks);
    for (int fault = 0; fault < 9; fault++) {
        struct columns columns = {0};
        columns_append(&columns, &clicks[0]);
        switch (fault) {
        case 0:
            columns.ad_lengths.at[0] = 0;
            break;
        case 1:
            columns.ad_lengths.at[0] = ID_BYTES_MAX + 1;
            break;
        case 2:
            columns.event_id_lengths.at[0]++;
            break;
        case 3:
            put_u64(columns.times.at, (uint64_t)INT64_MIN);
            break;
        case 4:
            put_u16(columns.countries.at, COUNTRY_CODES);
            break;
        case 5:
            columns.user_lengths.at[0]--;
            break;
        case 6:
            columns.ips.at[0] = 5;
            break;
        case 7:
            columns.forms.at[0] = TIME_VERBATIM | COUNTRY_ALPHA3 << 3 | IP_CANONICAL << 5;
            break;
        default:
            columns.forms.at[0] = 0x80;
            break;
        }
        struct journal_record *built = build(&columns, 1);
        enum record_flaw flaw;
        struct journal_record *read = parsed_copy(built->bytes, &flaw);
        assert_int_equal(flaw, RECORD_MALFORMED);
        journal_record_release(read);
        journal_record_release(built);
        columns_fini(&columns);
    }
}

static void an_erased_frames_digest_says_nothing_and_the_mark_alone_is_not_enough(void **state) {
    (void)state;
    struct click clicks[8];
    (void)clicks_of_all_forms(clicks);
    struct columns columns = {0};
    columns_append(&columns, &clicks[0]);
    struct journal_record *one = build(&columns, 1), *two = build(&columns, 1);
    struct bytes frame = one->sub_blocks[0].clicks.personal;
    /* Equal contents under different salts: different digests. */
    uint8_t digests[2][PERSONAL_DIGEST_BYTES];
    personal_frame_digest(frame, digests[0]);
    personal_frame_digest(two->sub_blocks[0].clicks.personal, digests[1]);
    assert_memory_not_equal(digests[0], digests[1], PERSONAL_DIGEST_BYTES);

    uint8_t *at = record_writable(one) + (frame.at - one->bytes.at);
    personal_frame_erase(at, frame.len);
    assert_true(personal_frame_erased(frame));
    enum record_flaw flaw;
    struct journal_record *read = parsed_copy(one->bytes, &flaw);
    assert_int_equal(flaw, RECORD_GOOD);
    assert_int_equal(read->sub_blocks[0].clicks.personal.len, 0);
    journal_record_release(read);
    memset(at, 0, frame.len); /* lost sectors are not an erasure */
    read = parsed_copy(one->bytes, &flaw);
    assert_int_equal(flaw, RECORD_BAD_DIGEST);
    journal_record_release(read);
    journal_record_release(one);
    journal_record_release(two);
    columns_fini(&columns);
}

static void the_last_holder_frees_a_record(void **state) {
    (void)state;
    struct click clicks[8];
    (void)clicks_of_all_forms(clicks);
    struct columns columns = {0};
    columns_append(&columns, &clicks[0]);
    struct journal_record *record = build(&columns, 1);
    assert_ptr_equal(journal_record_hold(record), record);
    journal_record_release(record);
    assert_int_equal(record->number, 1); /* still there: the sanitizer would tell */
    journal_record_release(record);
    journal_record_release(NULL);
    columns_fini(&columns);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clicks_of_every_form_come_back_as_they_were),
        cmocka_unit_test(no_flipped_byte_of_a_record_goes_unseen),
        cmocka_unit_test(values_out_of_range_are_refused_though_the_checksums_are_right),
        cmocka_unit_test(an_erased_frames_digest_says_nothing_and_the_mark_alone_is_not_enough),
        cmocka_unit_test(the_last_holder_frees_a_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
