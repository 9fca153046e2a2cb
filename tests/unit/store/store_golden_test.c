/* The bytes of format version 1, as they were written once: they stay readable, and what is written today is the same.
 * `store_golden_test --write NAME` makes a file; a change of it needs a new format version. */
#include "base/check.h"
#include "store/key.h"
#include "store/store.h"
#include "store/value.h"
#include "unit/store/kv_under_test.h"

static const uint8_t uuid[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
enum { PARTITIONS = 4, LARGE = 5000 };

/* One of everything that is counted of all clicks. */
static void write_plain(const struct kv *kv) {
    struct store *store = NULL;
    struct kv_batch batch = {0};
    assert_int_equal(store_open(kv, uuid, PARTITIONS, &store, NULL), STATUS_OK);
    const struct bytes ids[] = {BYTES_LITERAL("ad001"), BYTES_LITERAL("\xC3\xA4"), BYTES_LITERAL("x/y z")};
    store_put_ads(store, &batch, 0, ids, 3);
    struct partition_checkpoint checkpoint = {.offset = {123456789012}, .rules_number = 2, .totals = {9, 8, 7, 6, 5, 4, 3}};
    watermark_init(&checkpoint.watermark);
    checkpoint.watermark.seen.ms = 1609459261123;
    checkpoint.watermark.w.ms = 1609459246123;
    checkpoint.watermark.clicks = 35;
    checkpoint.watermark.guard_count = 1;
    checkpoint.watermark.guard[0].identity = (struct identity){0x1122334455667788, 0x99AABBCCDDEEFF00};
    checkpoint.watermark.guard[0].time.ms = 1609469261123;
    store_put_partition(store, &batch, 3, &checkpoint);
    const struct cell few[] = {{0, {14059}, 1}, {2, {0}, 300}, {2, {17575}, UINT64_MAX}};
    store_put_open(store, &batch, 3, &(struct open_minute){{26824321}, few, 3}, 1);
    store_put_block(store, &batch, 3, (struct minute){26824320}, few, 3);
    assert_int_equal(store_put_amendments(store, &batch, 3, (struct minute){26824320}, few, 2, NULL), STATUS_OK);
    static struct cell many[LARGE];
    for (uint32_t i = 0; i < LARGE; i++) many[i] = (struct cell){i * 3, {(uint16_t)(i % 7)}, 1 + i % 5};
    store_put_block(store, &batch, 0, (struct minute){26824320}, many, LARGE);
    assert_int_equal(store_write(store, &batch, NULL), STATUS_OK);
    kv_batch_fini(&batch);
    store_destroy(store);
}

static void check_ad(void *context, uint32_t index, struct bytes ad_id) {
    const struct bytes ids[] = {BYTES_LITERAL("ad001"), BYTES_LITERAL("\xC3\xA4"), BYTES_LITERAL("x/y z")};
    assert_true(index < 3 && bytes_equal(ad_id, ids[index]));
    ++*(uint32_t *)context;
}

static void note(void *context, struct minute minute, const struct cell *cell) {
    buffer_printf(context, "%u:%u/%u=%llu ", minute.index, cell->ad, cell->country.code, (unsigned long long)cell->count);
}

static void check_large(void *context, struct minute minute, const struct cell *cell) {
    uint32_t i = (*(uint32_t *)context)++;
    assert_int_equal(minute.index, 26824320);
    assert_int_equal(cell->ad, i * 3);
    assert_int_equal(cell->country.code, i % 7);
    assert_int_equal(cell->count, 1 + i % 5);
}

static void read_plain(const struct kv *kv) {
    struct store *store = NULL;
    struct failure failure = {0};
    if (store_open(kv, uuid, PARTITIONS, &store, &failure) != STATUS_OK) fail_msg("%s", failure.text);
    uint32_t ads = 0, cells = 0;
    assert_int_equal(store_load_ads(store, check_ad, &ads, NULL), STATUS_OK);
    assert_int_equal(ads, 3);
    struct partition_checkpoint got;
    struct buffer seen = {0};
    assert_int_equal(store_load_partition(store, 3, &got, note, &seen, NULL), STATUS_OK);
    assert_true(got.offset.at == 123456789012 && got.rules_number == 2 && got.totals.late_amended == 3);
    assert_true(got.totals.counted == 9 && got.totals.too_late == 6 && got.watermark.seen.ms == 1609459261123);
    assert_true(got.watermark.clicks == 35 && event_time_is_none(got.watermark.s) && got.watermark.guard_count == 1);
    assert_true(got.watermark.guard[0].identity.high == 0x99AABBCCDDEEFF00);
    buffer_append_text(&seen, "| ");
    assert_int_equal(store_visit_all(store, NULL, 3, (struct minute){0}, (struct minute){UINT32_MAX}, note, &seen, NULL),
                     STATUS_OK);
    buffer_append(&seen, "", 1);
    assert_string_equal((const char *)seen.at, "26824321:0/14059=1 26824321:2/0=300 26824321:2/17575=18446744073709551615 | "
                                               "26824320:0/14059=1 26824320:2/0=300 26824320:2/17575=18446744073709551615 "
                                               "26824320:0/14059=1 26824320:2/0=300 ");
    assert_int_equal(
        store_visit_all(store, NULL, 0, (struct minute){0}, (struct minute){UINT32_MAX}, check_large, &cells, NULL),
        STATUS_OK);
    assert_int_equal(cells, LARGE);
    buffer_fini(&seen);
    store_destroy(store);
}

static const struct atom_cell few_of_atoms[] = {
    {1, 7, {14059}, 1}, {1, 9, {0}, 300}, {2, 0, {17575}, UINT64_MAX}, {70000, UINT32_MAX, {3}, 5}};

/* One of everything that stands beside it: atoms, their history, rankings. */
static void write_atoms(const struct kv *kv) {
    struct store *store = NULL;
    struct kv_batch batch = {0};
    const struct minute minute = {26824320};
    assert_int_equal(store_open(kv, uuid, PARTITIONS, &store, NULL), STATUS_OK);
    store_put_open_atoms(store, &batch, 3, &(struct open_atom_minute){{26824321}, few_of_atoms, 4}, 1);
    store_put_atom_block(store, &batch, 3, minute, few_of_atoms, 4);
    assert_int_equal(store_put_atom_amendments(store, &batch, 3, minute, few_of_atoms, 2, NULL), STATUS_OK);
    static struct atom_cell many[LARGE];
    for (uint32_t i = 0; i < LARGE; i++) many[i] = (struct atom_cell){1 + i / 300, i % 300, {(uint16_t)(i % 7)}, 1 + i % 5};
    store_put_atom_block(store, &batch, 0, minute, many, LARGE);
    assert_int_equal(store_write(store, &batch, NULL), STATUS_OK);
    kv_batch_fini(&batch);
    assert_int_equal(store_write_history(store, 8, 3, minute, few_of_atoms, 3, NULL), STATUS_OK);
    assert_int_equal(store_mark_history_partition(store, 8, 3, NULL), STATUS_OK);
    assert_int_equal(store_mark_backfilled(store, 8, (const uint32_t[]){1}, 1, NULL), STATUS_OK);
    assert_int_equal(store_write_ranking(store, 12, 60, minute, BYTES_LITERAL("a ranking"), NULL), STATUS_OK);
    store_destroy(store);
}

static void note_atom(void *context, struct minute minute, const struct atom_cell *cell) {
    buffer_printf(context, "%u:%u.%u/%u=%llu ", minute.index, cell->atom, cell->ad, cell->country.code,
                  (unsigned long long)cell->count);
}

static void check_large_atoms(void *context, struct minute minute, const struct atom_cell *cell) {
    uint32_t i = (*(uint32_t *)context)++;
    assert_int_equal(minute.index, 26824320);
    assert_true(cell->atom == 1 + i / 300 && cell->ad == i % 300);
    assert_true(cell->country.code == i % 7 && cell->count == 1 + i % 5);
}

static void note_mark(void *context, uint32_t atom, uint32_t run) {
    buffer_printf(context, "| %u:%u ", atom, run);
}

static void read_atoms(const struct kv *kv) {
    struct store *store = NULL;
    struct failure failure = {0};
    if (store_open(kv, uuid, PARTITIONS, &store, &failure) != STATUS_OK) fail_msg("%s", failure.text);
    const uint32_t runs[] = {0, 8};
    const struct store_history history = {runs, 2};
    const struct minute first = {0}, past = {UINT32_MAX};
    struct buffer seen = {0}, ranking = {0};
    uint32_t cells = 0;
    bool done = false;
    assert_int_equal(store_load_open_atoms(store, 3, note_atom, &seen, NULL), STATUS_OK);
    assert_int_equal(store_load_backfilled(store, note_mark, &seen, NULL), STATUS_OK);
    buffer_append_text(&seen, "| ");
    assert_int_equal(store_visit_atoms(store, NULL, 3, &history, 0, first, past, note_atom, &seen, NULL), STATUS_OK);
    buffer_append(&seen, "", 1);
    assert_string_equal(
        (const char *)seen.at,
        "26824321:1.7/14059=1 26824321:1.9/0=300 26824321:2.0/17575=18446744073709551615 26824321:70000.4294967295/3=5 "
        "| 1:8 | "
        "26824320:1.7/14059=1 26824320:1.9/0=300 26824320:2.0/17575=18446744073709551615 26824320:70000.4294967295/3=5 "
        "26824320:1.7/14059=1 26824320:1.9/0=300 "
        "26824320:1.7/14059=1 26824320:1.9/0=300 ");
    assert_int_equal(store_visit_atoms(store, NULL, 0, &history, 0, first, past, check_large_atoms, &cells, NULL),
                     STATUS_OK);
    assert_int_equal(cells, LARGE);
    assert_int_equal(store_history_partition_done(store, 8, 3, &done, NULL), STATUS_OK);
    assert_true(done);
    assert_int_equal(store_read_ranking(store, 12, 60, (struct minute){26824320}, &ranking, NULL), STATUS_OK);
    assert_true(bytes_equal(buffer_view(&ranking), BYTES_LITERAL("a ranking")));
    buffer_fini(&seen);
    buffer_fini(&ranking);
    store_destroy(store);
}

static const struct golden {
    const char *path;
    size_t key_count;
    void (*write)(const struct kv *kv);
    void (*read)(const struct kv *kv);
} goldens[] = {
    {"tests/golden/store-v1.txt", 9, write_plain, read_plain},
    {"tests/golden/store-atoms-v1.txt", 11, write_atoms, read_atoms},
};
enum { GOLDENS = sizeof goldens / sizeof goldens[0] };

static void put_hex(FILE *file, struct bytes bytes, char end) {
    for (size_t i = 0; i < bytes.len; i++) (void)fprintf(file, "%02x", bytes.at[i]);
    (void)fputc(end, file);
}

static int write_golden(const struct golden *golden) {
    struct fake_kv *fake = fake_kv_create();
    struct kv kv = fake_kv_table(fake);
    golden->write(&kv);
    FILE *file = fopen(golden->path, "w");
    if (file == NULL) return 1;
    struct kv_iterator *iterator = kv.iterate(kv.self, NULL);
    for (kv.iterator_seek(iterator, (struct bytes){NULL, 0}); kv.iterator_valid(iterator); kv.iterator_next(iterator)) {
        put_hex(file, kv.iterator_key(iterator), ' ');
        put_hex(file, kv.iterator_value(iterator), '\n');
    }
    kv.iterator_close(iterator);
    fake_kv_destroy(fake);
    return fclose(file) == 0 ? 0 : 1;
}

static struct buffer take_hex(const char **text) {
    struct buffer bytes = {0};
    unsigned byte;
    while (sscanf(*text, "%2x", &byte) == 1 && **text != ' ' && **text != '\n') {
        uint8_t one = (uint8_t)byte;
        buffer_append(&bytes, &one, 1);
        *text += 2;
    }
    if (**text != 0) ++*text;
    return bytes;
}

static void read_golden(const struct golden *golden, const struct kv *kv) {
    FILE *file = fopen(golden->path, "r");
    assert_non_null(file);
    char *line = NULL;
    size_t capacity = 0;
    struct kv_batch batch = {0};
    while (getline(&line, &capacity, file) > 0) {
        const char *at = line;
        struct buffer key = take_hex(&at), value = take_hex(&at);
        kv_batch_put(&batch, buffer_view(&key), buffer_view(&value));
        buffer_fini(&key);
        buffer_fini(&value);
    }
    assert_int_equal(kv->write(kv->self, &batch, NULL), STATUS_OK);
    kv_batch_fini(&batch);
    free(line);
    assert_int_equal(fclose(file), 0);
}

static void what_version_1_wrote_is_still_read(void **state) {
    (void)state;
    for (size_t i = 0; i < GOLDENS; i++) {
        struct fake_kv *fake = fake_kv_create();
        struct kv kv = fake_kv_table(fake);
        read_golden(&goldens[i], &kv);
        assert_int_equal(fake_kv_key_count(fake), goldens[i].key_count);
        goldens[i].read(&kv);
        fake_kv_destroy(fake);
    }
}

/* Another zstd may compress otherwise: compressed values are compared by what they say. */
static void assert_same_values(const struct kv *golden, const struct kv *today) {
    struct kv_iterator *a = golden->iterate(golden->self, NULL), *b = today->iterate(today->self, NULL);
    struct value_reader *reader_a = value_reader_create(), *reader_b = value_reader_create();
    golden->iterator_seek(a, (struct bytes){NULL, 0});
    today->iterator_seek(b, (struct bytes){NULL, 0});
    for (; golden->iterator_valid(a); golden->iterator_next(a), today->iterator_next(b)) {
        struct bytes key = golden->iterator_key(a), old = golden->iterator_value(a), new = today->iterator_value(b);
        struct bytes old_content, new_content;
        assert_true(bytes_equal(key, today->iterator_key(b)));
        assert_int_equal(value_open(reader_a, key, old, &old_content, NULL), STATUS_OK);
        assert_int_equal(value_open(reader_b, key, new, &new_content, NULL), STATUS_OK);
        assert_true(bytes_equal(old_content, new_content));
        if (old.at[1] == VALUE_RAW) assert_true(bytes_equal(old, new));
    }
    value_reader_destroy(reader_a);
    value_reader_destroy(reader_b);
    golden->iterator_close(a);
    today->iterator_close(b);
}

static void what_is_written_today_is_version_1(void **state) {
    (void)state;
    for (size_t i = 0; i < GOLDENS; i++) {
        struct fake_kv *then = fake_kv_create(), *now = fake_kv_create();
        struct kv golden = fake_kv_table(then), today = fake_kv_table(now);
        read_golden(&goldens[i], &golden);
        goldens[i].write(&today);
        assert_int_equal(fake_kv_key_count(then), fake_kv_key_count(now));
        assert_same_values(&golden, &today);
        fake_kv_destroy(then);
        fake_kv_destroy(now);
    }
}

int main(int argc, char **argv) {
    for (size_t i = 0; argc == 3 && strcmp(argv[1], "--write") == 0 && i < GOLDENS; i++)
        if (strstr(goldens[i].path, argv[2]) != NULL) return write_golden(&goldens[i]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_version_1_wrote_is_still_read),
        cmocka_unit_test(what_is_written_today_is_version_1),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
