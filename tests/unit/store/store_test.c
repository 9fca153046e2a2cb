/* The store's contract, on the fake kv and on RocksDB. */
#include "base/check.h"
#include "unit/store/store_under_test.h"

/* The visited cells as text: "minute:ad/country=count " each. */
static void note(void *context, struct minute minute, const struct cell *cell) {
    buffer_printf(context, "%u:%u/%u=%llu ", minute.index, cell->ad, cell->country.code, (unsigned long long)cell->count);
}

static void assert_ad(uint32_t partition, uint32_t ad, uint32_t from, uint32_t to, const char *wanted) {
    struct buffer got = {0};
    assert_int_equal(
        store_visit_ad(store, NULL, partition, ad, (struct minute){from}, (struct minute){to}, note, &got, NULL), STATUS_OK);
    assert_text(&got, wanted);
}

static void assert_all(const struct kv_snapshot *snapshot, uint32_t partition, uint32_t from, uint32_t to,
                       const char *wanted) {
    struct buffer got = {0};
    assert_int_equal(
        store_visit_all(store, snapshot, partition, (struct minute){from}, (struct minute){to}, note, &got, NULL),
        STATUS_OK);
    assert_text(&got, wanted);
}

#define PUT_BLOCK(partition, at_minute, ...)                                                                                \
    do {                                                                                                                    \
        const struct cell put_cells[] = {__VA_ARGS__};                                                                      \
        store_put_block(store, &batch, partition, (struct minute){at_minute}, put_cells,                                    \
                        sizeof put_cells / sizeof put_cells[0]);                                                            \
    } while (false)
#define PUT_AMENDMENTS(partition, at_minute, ...)                                                                           \
    do {                                                                                                                    \
        const struct cell put_cells[] = {__VA_ARGS__};                                                                      \
        assert_int_equal(store_put_amendments(store, &batch, partition, (struct minute){at_minute}, put_cells,              \
                                              sizeof put_cells / sizeof put_cells[0], NULL),                                \
                         STATUS_OK);                                                                                        \
    } while (false)

static void a_cell_is_its_block_and_its_amendment(void **state) {
    (void)state;
    PUT_BLOCK(1, 100, {1, {7}, 10}, {1, {9}, 1}, {4, {7}, 3});
    PUT_BLOCK(1, 103, {2, {7}, 5}, {4, {8}, 6});
    PUT_BLOCK(0, 100, {1, {7}, 77});
    write_batch();
    PUT_AMENDMENTS(1, 100, {1, {7}, 2}, {4, {9}, 1});
    PUT_AMENDMENTS(1, 101, {4, {7}, 1});
    write_batch();
    PUT_AMENDMENTS(1, 100, {1, {7}, 3}, {2, {1}, 1});
    write_batch();
    assert_all(NULL, 1, 0, UINT32_MAX,
               "100:1/7=10 100:1/9=1 100:4/7=3 100:1/7=5 100:2/1=1 100:4/9=1 101:4/7=1 103:2/7=5 103:4/8=6 ");
    assert_all(NULL, 1, 101, 103, "101:4/7=1 ");
    assert_all(NULL, 2, 0, UINT32_MAX, "");
    assert_ad(1, 1, 0, 200, "100:1/7=10 100:1/9=1 100:1/7=5 ");
    assert_ad(1, 4, 100, 104, "100:4/7=3 100:4/9=1 101:4/7=1 103:4/8=6 ");
    assert_ad(1, 4, 101, 103, "101:4/7=1 ");
    assert_ad(1, 3, 0, 200, "");
    assert_ad(1, 0, 0, UINT32_MAX, "");
    assert_ad(0, 1, 0, UINT32_MAX, "100:1/7=77 ");
    assert_ad(2, 1, 0, UINT32_MAX, "");
    restart();
    assert_ad(1, 1, 0, 200, "100:1/7=10 100:1/9=1 100:1/7=5 ");
}

static void a_snapshot_does_not_see_what_came_after(void **state) {
    (void)state;
    PUT_BLOCK(0, 5, {1, {2}, 3});
    write_batch();
    struct kv_snapshot *snapshot = test.kv.snapshot_take(test.kv.self);
    PUT_BLOCK(0, 6, {1, {2}, 4});
    PUT_AMENDMENTS(0, 5, {1, {2}, 1});
    write_batch();
    assert_all(snapshot, 0, 0, 10, "5:1/2=3 ");
    assert_all(NULL, 0, 0, 10, "5:1/2=3 5:1/2=1 6:1/2=4 ");
    test.kv.snapshot_drop(test.kv.self, snapshot);
}

static void a_block_written_again_has_the_new_content_only(void **state) {
    (void)state;
    size_t count = 20000;
    struct cell *cells = memory_allocate(count * sizeof *cells);
    for (size_t i = 0; i < count; i++) cells[i] = (struct cell){(uint32_t)i, {5}, i + 1};
    store_put_block(store, &batch, 0, (struct minute){50}, cells, count);
    PUT_BLOCK(0, 49, {1, {1}, 1});
    PUT_BLOCK(0, 51, {1, {1}, 2});
    write_batch();
    assert_ad(0, 19999, 0, 100, "50:19999/5=20000 ");
    PUT_BLOCK(0, 50, {1, {6}, 9}, {19999, {5}, 8});
    write_batch();
    assert_all(NULL, 0, 0, 100, "49:1/1=1 50:1/6=9 50:19999/5=8 51:1/1=2 ");
    store_put_block(store, &batch, 0, (struct minute){50}, NULL, 0);
    write_batch();
    assert_all(NULL, 0, 0, 100, "49:1/1=1 51:1/1=2 ");
    free(cells);
}

struct sum {
    uint64_t cells, clicks;
    uint32_t last_ad;
};
static void add_up(void *context, struct minute minute, const struct cell *cell) {
    struct sum *sum = context;
    (void)minute;
    sum->cells++;
    sum->clicks += cell->count;
    sum->last_ad = cell->ad;
}

static void every_ad_of_a_large_block_is_found(void **state) {
    (void)state;
    size_t count = 3 * COUNTRY_CODES; /* ads with 1, 2 or 3 countries; ad 5000 has all there are */
    struct cell *cells = memory_allocate(count * sizeof *cells);
    size_t filled = 0;
    for (uint32_t ad = 0; filled < count; ad++)
        for (uint32_t c = 0; c < (ad == 5000 ? (uint32_t)COUNTRY_CODES : 1 + ad % 3) && filled < count; c++)
            cells[filled++] = (struct cell){ad * 2, {(uint16_t)c}, 1 + ad % 7};
    store_put_block(store, &batch, 2, (struct minute){50}, cells, count);
    store_put_block(store, &batch, 2, (struct minute){52}, cells, count);
    write_batch();
    struct sum sum = {0};
    assert_int_equal(store_visit_all(store, NULL, 2, (struct minute){50}, (struct minute){51}, add_up, &sum, NULL),
                     STATUS_OK);
    assert_int_equal(sum.cells, count);
    for (uint32_t ad = 0; ad <= cells[count - 1].ad / 2; ad += ad < 4990 || ad > 5010 ? 97 : 1) {
        struct sum one = {0}, none = {0};
        uint64_t wanted = 0;
        for (size_t i = 0; i < count; i++) wanted += cells[i].ad == ad * 2 ? cells[i].count : 0;
        assert_int_equal(store_visit_ad(store, NULL, 2, ad * 2, (struct minute){0}, (struct minute){99}, add_up, &one, NULL),
                         STATUS_OK);
        assert_int_equal(one.clicks, 2 * wanted);
        assert_int_equal(
            store_visit_ad(store, NULL, 2, ad * 2 + 1, (struct minute){0}, (struct minute){99}, add_up, &none, NULL),
            STATUS_OK);
        assert_int_equal(none.cells, 0);
    }
    free(cells);
}

static void the_minute_range_covers_blocks_and_amendments_of_all_partitions(void **state) {
    (void)state;
    struct minute lowest = {0}, highest = {0};
    assert_int_equal(store_minute_range(store, NULL, &lowest, &highest, NULL), STATUS_NOT_FOUND);
    PUT_BLOCK(1, 500, {1, {1}, 1});
    write_batch();
    assert_int_equal(store_minute_range(store, NULL, &lowest, &highest, NULL), STATUS_OK);
    assert_int_equal(lowest.index, 500);
    assert_int_equal(highest.index, 500);
    PUT_BLOCK(2, 700, {1, {1}, 1});
    PUT_AMENDMENTS(0, 300, {1, {1}, 1});
    PUT_AMENDMENTS(0, 600, {1, {1}, 1});
    write_batch();
    assert_int_equal(store_minute_range(store, NULL, &lowest, &highest, NULL), STATUS_OK);
    assert_int_equal(lowest.index, 300);
    assert_int_equal(highest.index, 700);
}

static struct partition_checkpoint checkpoint_at(uint64_t offset) {
    struct partition_checkpoint checkpoint = {.offset = {offset}, .rules_number = 3, .totals = {1, 2, 3, 4, 5, 6, 7}};
    watermark_init(&checkpoint.watermark);
    checkpoint.watermark.clicks = 15;
    checkpoint.watermark.seen.ms = 1700000000000;
    checkpoint.watermark.guard_count = 1;
    checkpoint.watermark.guard[0].identity = (struct identity){11, 12};
    checkpoint.watermark.guard[0].time.ms = 1700009999999;
    return checkpoint;
}

static void a_checkpoint_reads_back_with_its_open_minutes(void **state) {
    (void)state;
    struct partition_checkpoint put = checkpoint_at(900), got;
    struct buffer seen = {0};
    assert_int_equal(store_load_partition(store, 1, &got, note, &seen, NULL), STATUS_NOT_FOUND);
    const struct cell first[] = {{1, {2}, 3}, {1, {3}, 4}}, second[] = {{0, {0}, 1}};
    const struct open_minute minutes[] = {{{70}, first, 2}, {{71}, NULL, 0}, {{80}, second, 1}};
    store_put_open(store, &batch, 1, minutes, 3);
    store_put_partition(store, &batch, 1, &put);
    write_batch();
    restart();
    assert_int_equal(store_load_partition(store, 1, &got, note, &seen, NULL), STATUS_OK);
    assert_text(&seen, "70:1/2=3 70:1/3=4 80:0/0=1 ");
    assert_int_equal(got.offset.at, 900);
    assert_int_equal(got.rules_number, 3);
    assert_memory_equal(&got.totals, &put.totals, sizeof got.totals);
    assert_true(watermark_equal(&got.watermark, &put.watermark));
    struct buffer none = {0};
    assert_int_equal(store_load_partition(store, 0, &got, note, &none, NULL), STATUS_NOT_FOUND);
    assert_int_equal(store_load_partition(store, 2, &got, note, &none, NULL), STATUS_NOT_FOUND);
}

static void smaller_open_minutes_leave_nothing_of_larger_ones(void **state) {
    (void)state;
    size_t count = 1000000;
    struct cell *cells = memory_allocate(count * sizeof *cells);
    for (size_t i = 0; i < count; i++) cells[i] = (struct cell){(uint32_t)i * 3, {5}, (i * 2654435761u) % 100000};
    struct partition_checkpoint checkpoint = checkpoint_at(1), got;
    store_put_open(store, &batch, 0, &(struct open_minute){{70}, cells, count}, 1);
    store_put_open(store, &batch, 1, &(struct open_minute){{70}, cells, 2}, 1);
    store_put_partition(store, &batch, 0, &checkpoint);
    store_put_partition(store, &batch, 1, &checkpoint);
    assert_true(batch.entry_count > 5); /* several parts */
    write_batch();
    struct sum sum = {0};
    assert_int_equal(store_load_partition(store, 0, &got, add_up, &sum, NULL), STATUS_OK);
    assert_int_equal(sum.cells, count);
    assert_int_equal(sum.last_ad, (count - 1) * 3);
    store_put_open(store, &batch, 0, &(struct open_minute){{71}, cells, 1}, 1);
    write_batch();
    sum = (struct sum){0};
    assert_int_equal(store_load_partition(store, 0, &got, add_up, &sum, NULL), STATUS_OK);
    assert_int_equal(sum.cells, 1);
    store_put_open(store, &batch, 0, NULL, 0);
    write_batch();
    sum = (struct sum){0};
    assert_int_equal(store_load_partition(store, 0, &got, add_up, &sum, NULL), STATUS_OK);
    assert_int_equal(sum.cells, 0);
    assert_int_equal(store_load_partition(store, 1, &got, add_up, &sum, NULL), STATUS_OK);
    assert_int_equal(sum.cells, 2);
    free(cells);
}

static void check_id(void *context, uint32_t index, struct bytes ad_id) {
    uint32_t *next = context;
    char wanted[32];
    (void)snprintf(wanted, sizeof wanted, "ad%06u", index);
    assert_int_equal(index, (*next)++);
    assert_true(bytes_equal(ad_id, bytes_of_text(wanted)));
}

static void the_ad_dictionary_reads_back_in_order(void **state) {
    (void)state;
    enum { ADS = 10000 };
    static char texts[ADS][16];
    static struct bytes ids[ADS];
    for (uint32_t i = 0; i < ADS; i++) {
        (void)snprintf(texts[i], sizeof texts[i], "ad%06u", i);
        ids[i] = bytes_of_text(texts[i]);
    }
    uint32_t next = 0;
    assert_int_equal(store_load_ads(store, check_id, &next, NULL), STATUS_OK);
    assert_int_equal(next, 0);
    store_put_ads(store, &batch, 0, ids, 5);
    store_put_ads(store, &batch, 5, ids + 5, 0);
    write_batch();
    store_put_ads(store, &batch, 5, ids + 5, ADS - 5);
    write_batch();
    restart();
    assert_int_equal(store_load_ads(store, check_id, &next, NULL), STATUS_OK);
    assert_int_equal(next, ADS);
}

static void another_journals_store_is_refused_with_both_names(void **state) {
    (void)state;
    struct store *other = NULL;
    struct failure failure = {0}, count_failure = {0};
    assert_int_equal(store_open(&test.kv, (const uint8_t *)"journal no. two", 3, &other, &failure), STATUS_BAD_CONFIG);
    assert_non_null(strstr(failure.text, "6a6f75726e616c206e6f2e206f6e6500"));
    assert_non_null(strstr(failure.text, "6a6f75726e616c206e6f2e2074776f00"));
    assert_int_equal(store_open(&test.kv, uuid, 4, &other, &count_failure), STATUS_BAD_CONFIG);
    assert_non_null(strstr(count_failure.text, "3 partitions, the journal 4"));
    assert_null(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ON_BOTH(a_cell_is_its_block_and_its_amendment),
        ON_BOTH(a_snapshot_does_not_see_what_came_after),
        ON_BOTH(a_block_written_again_has_the_new_content_only),
        ON_BOTH(every_ad_of_a_large_block_is_found),
        ON_BOTH(the_minute_range_covers_blocks_and_amendments_of_all_partitions),
        ON_BOTH(a_checkpoint_reads_back_with_its_open_minutes),
        ON_BOTH(smaller_open_minutes_leave_nothing_of_larger_ones),
        ON_BOTH(the_ad_dictionary_reads_back_in_order),
        ON_BOTH(another_journals_store_is_refused_with_both_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
