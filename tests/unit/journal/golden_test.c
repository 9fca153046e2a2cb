/* tests/golden/journal-vN.seg: a segment of each format version. That of the version that is written today is made byte for
 * byte from a fixed clock and fixed random bytes; all of them stay readable for ever. TALLY_WRITE_GOLDEN=1 writes the
 * newest: only when a new version is born. */
#include "journal_fixture.h"

#define GOLDEN_1 "tests/golden/journal-v1.seg"
#define GOLDEN_2 "tests/golden/journal-v2.seg"

static struct buffer file_read(const char *path) {
    struct buffer content = {0};
    FILE *file = fopen(path, "rb");
    CHECKF(file != NULL, "%s: run the test at the top of the tree", path);
    size_t got = fread(buffer_reserve(&content, 65536), 1, 65536, file);
    content.len = got;
    (void)fclose(file);
    return content;
}

static void make_golden(struct fixture *fixture) {
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    assert_int_equal(fixture_filters(fixture, 2), STATUS_OK);
    struct fixture_batch batch;
    fixture_batch_init(&batch);
    for (int i = 0; i < 5; i++) fixture_add(fixture, &batch, FIXTURE_WALL_MS - 1000 * i, (uint32_t)i % 2);
    struct click click = fixture_click(1000, FIXTURE_WALL_MS, 1);
    click.ip = (struct ip){.kind = IP_V4_MASKED, .mask = 6, .bytes = {207, 0, 0, 22}};
    click.ip_form = IP_VERBATIM;
    click.ip_text = BYTES_LITERAL("207.xxx.XX.22");
    click.time_form = TIME_VERBATIM;
    click.time_text = BYTES_LITERAL("2023-11-14T23:13:20+01:00");
    columns_append(&batch.columns[1], &click);
    batch.batch.counts.received++;
    fixture_reject(&batch, REJECT_BAD_JSON, 2);
    assert_int_equal(fixture_commit(fixture, &batch, NULL), STATUS_OK);
    fixture_batch_fini(&batch);
    fake_clock_pass(&fixture->clock, 1500);
    assert_int_equal(fixture_commit(fixture, NULL, NULL), STATUS_OK); /* ticks */
    struct filter *filter = fixture_filter(3);
    const struct filter_change changes[] = {
        {FILTER_DELETE, 1, NULL}, {FILTER_CREATE, 3, filter}, {FILTER_RECALCULATE, 3, NULL}};
    assert_int_equal(fixture_commit_filters(fixture, changes, 3, NULL), STATUS_OK);
    filter_destroy(filter);
    assert_int_equal(fixture_close(fixture), STATUS_OK);
}

static void the_golden_segment_is_made_byte_for_byte(void **state) {
    (void)state;
    struct fixture *fixture = fixture_new();
    make_golden(fixture);
    struct bytes made = fake_files_content(fixture->fake, SEGMENT_1);
    if (getenv("TALLY_WRITE_GOLDEN") != NULL) {
        FILE *file = fopen(GOLDEN_2, "wb");
        assert_non_null(file);
        assert_int_equal(fwrite(made.at, 1, made.len, file), made.len);
        assert_int_equal(fclose(file), 0);
    }
    struct buffer golden = file_read(GOLDEN_2);
    assert_int_equal(golden.len, made.len);
    assert_memory_equal(golden.at, made.at, made.len);
    buffer_fini(&golden);
    fixture_free(fixture);
}

struct seen {
    uint32_t records, clicks, ticks, rules, filters;
    char texts[64];
};

static void visit(void *context, struct journal_record *record) {
    struct seen *seen = context;
    seen->records++;
    for (uint32_t i = 0; i < record->sub_block_count; i++) {
        const struct sub_block *block = &record->sub_blocks[i];
        seen->rules += block->kind == SUB_BLOCK_RULES;
        seen->ticks += block->kind == SUB_BLOCK_TICK;
        if (block->kind == SUB_BLOCK_FILTERS) {
            seen->filters += block->count;
            const struct filter_record *last = &block->filter_records[block->count - 1];
            if (last->filter != NULL) assert_int_equal(last->filter->id, last->id);
        }
        if (block->kind != SUB_BLOCK_CLICKS) continue;
        struct click_cursor cursor = click_cursor_of(&block->clicks);
        struct click click;
        while (click_cursor_next(&cursor, &click)) {
            seen->clicks++;
            if (click.ip_form == IP_VERBATIM)
                (void)snprintf(seen->texts, sizeof seen->texts, "%.*s %.*s", (int)click.time_text.len,
                               (const char *)click.time_text.at, (int)click.ip_text.len, (const char *)click.ip_text.at);
        }
    }
}

static struct seen seen_in(const char *path) {
    struct buffer golden = file_read(path);
    struct seen seen = {0};
    struct failure failure = {0};
    assert_int_equal(segment_read(buffer_view(&golden), visit, &seen, &failure), STATUS_OK);
    buffer_fini(&golden);
    assert_int_equal(seen.clicks, 6);
    assert_int_equal(seen.rules, 2);
    assert_int_equal(seen.ticks, 2);
    assert_string_equal(seen.texts, "2023-11-14T23:13:20+01:00 207.xxx.XX.22");
    return seen;
}

static void the_golden_segment_of_version_1_is_readable(void **state) {
    (void)state;
    struct seen seen = seen_in(GOLDEN_1);
    assert_int_equal(seen.records, 3);
    assert_int_equal(seen.filters, 0);
}

static void the_golden_segment_of_version_2_is_readable(void **state) {
    (void)state;
    struct seen seen = seen_in(GOLDEN_2);
    assert_int_equal(seen.records, 5);
    assert_int_equal(seen.filters, (2 + 3) * FIXTURE_PARTITIONS);
}

static void a_golden_segment_with_one_bad_byte_is_refused_with_its_place(void **state) {
    (void)state;
    static const char *const paths[] = {GOLDEN_1, GOLDEN_2};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct buffer golden = file_read(paths[i]);
        for (size_t at = 0; at < golden.len; at++) {
            struct seen seen = {0};
            struct failure failure = {0};
            golden.at[at] ^= 0x5A;
            enum status status = segment_read(buffer_view(&golden), visit, &seen, &failure);
            golden.at[at] ^= 0x5A;
            /* The seal mark alone may go: the footer is there. */
            if (at == 16) continue;
            assert_true(status == STATUS_CORRUPT || status == STATUS_UNSUPPORTED);
            assert_non_null(strstr(failure.text, "byte"));
        }
        buffer_fini(&golden);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_golden_segment_is_made_byte_for_byte),
        cmocka_unit_test(the_golden_segment_of_version_1_is_readable),
        cmocka_unit_test(the_golden_segment_of_version_2_is_readable),
        cmocka_unit_test(a_golden_segment_with_one_bad_byte_is_refused_with_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
