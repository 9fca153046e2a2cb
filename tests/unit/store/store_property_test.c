/* Random checkpoints, rewrites, amendments and crashes, against plain arrays. */
#include "base/check.h"
#include "base/random_sequence.h"
#include "store/store.h"
#include "unit/store/kv_under_test.h"

enum { PARTITIONS = 2, MINUTES = 12, ADS = 9, COUNTRIES = 3, KEPT_MAX = 40 };

typedef uint64_t counts[PARTITIONS][MINUTES][ADS][COUNTRIES];

/* What the store must hold. */
struct model {
    counts block, amended, open;
    uint64_t offset[PARTITIONS];
};

struct world {
    struct kv_under_test test;
    struct store *store;
    struct random_sequence random;
    struct model now;
    struct model after[KEPT_MAX]; /* after[0] as flushed, after[i] with i batches more */
    size_t unflushed;
};

static const uint8_t uuid[16] = "property";
static const uint32_t minute_of_row[MINUTES] = {0, 1, 2, 3, 60, 61, 255, 256, 65535, 65536, 26824321, UINT32_MAX - 1};
static const uint32_t ad_of_row[ADS] = {0, 1, 2, 255, 256, 65536, 1000000, 16777215, UINT32_MAX};
static const uint16_t country_of_row[COUNTRIES] = {0, 300, COUNTRY_UNKNOWN};

static uint64_t below(struct world *world, uint64_t bound) {
    return random_sequence_below(&world->random, bound);
}

static size_t row_of(uint32_t value, const uint32_t *rows, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (rows[i] == value) return i;
    fail_msg("%u was never put", value);
    return 0;
}

static size_t country_row(uint16_t code) {
    return code == 0 ? 0 : code == 300 ? 1 : 2;
}

/* Some cells, sorted, as a list and as an array. */
static size_t random_cells(struct world *world, struct cell *cells, uint64_t array[ADS][COUNTRIES]) {
    size_t count = 0;
    memset(array, 0, sizeof(uint64_t) * ADS * COUNTRIES);
    for (size_t a = 0; a < ADS; a++)
        for (size_t c = 0; c < COUNTRIES; c++) {
            if (below(world, 3) != 0) continue;
            array[a][c] = 1 + below(world, 1000);
            cells[count++] = (struct cell){ad_of_row[a], {country_of_row[c]}, array[a][c]};
        }
    return count;
}

static void put_blocks(struct world *world, struct kv_batch *batch, uint32_t p) {
    for (size_t m = 0; m < MINUTES; m++) {
        if (below(world, 6) != 0) continue;
        struct cell cells[ADS * COUNTRIES];
        size_t count = random_cells(world, cells, world->now.block[p][m]);
        store_put_block(world->store, batch, p, (struct minute){minute_of_row[m]}, cells, count);
    }
}

static void put_amendments(struct world *world, struct kv_batch *batch, uint32_t p) {
    for (size_t m = 0; m < MINUTES; m++) {
        if (below(world, 4) != 0) continue;
        struct cell cells[ADS * COUNTRIES];
        uint64_t array[ADS][COUNTRIES];
        size_t count = random_cells(world, cells, array);
        struct minute minute = {minute_of_row[m]};
        assert_int_equal(store_put_amendments(world->store, batch, p, minute, cells, count, NULL), STATUS_OK);
        for (size_t a = 0; a < ADS; a++)
            for (size_t c = 0; c < COUNTRIES; c++) world->now.amended[p][m][a][c] += array[a][c];
    }
}

static void put_open(struct world *world, struct kv_batch *batch, uint32_t p) {
    static struct cell cells[MINUTES][ADS * COUNTRIES];
    struct open_minute minutes[MINUTES];
    size_t count = 0;
    memset(world->now.open[p], 0, sizeof world->now.open[p]);
    for (size_t m = 0; m < MINUTES; m++) {
        if (below(world, 3) != 0) continue;
        size_t cell_count = random_cells(world, cells[m], world->now.open[p][m]);
        minutes[count++] = (struct open_minute){{minute_of_row[m]}, cells[m], cell_count};
    }
    store_put_open(world->store, batch, p, minutes, count);
}

static void checkpoint(struct world *world) {
    if (world->unflushed + 1 == KEPT_MAX) return;
    struct kv_batch batch = {0};
    uint32_t p = (uint32_t)below(world, PARTITIONS);
    put_blocks(world, &batch, p);
    put_amendments(world, &batch, p);
    put_open(world, &batch, p);
    struct partition_checkpoint at = {.offset = {world->now.offset[p] += below(world, 100)}};
    watermark_init(&at.watermark);
    store_put_partition(world->store, &batch, p, &at);
    assert_int_equal(store_write(world->store, &batch, NULL), STATUS_OK);
    kv_batch_fini(&batch);
    world->after[++world->unflushed] = world->now;
}

static void flush(struct world *world) {
    assert_int_equal(store_flush(world->store, NULL), STATUS_OK);
    world->after[0] = world->now;
    world->unflushed = 0;
}

static void open_store(struct world *world) {
    struct failure failure = {0};
    if (store_open(&world->test.kv, uuid, PARTITIONS, &world->store, &failure) != STATUS_OK) fail_msg("%s", failure.text);
}

static void crash(struct world *world) {
    size_t keep = (size_t)below(world, world->unflushed + 1);
    store_destroy(world->store);
    if (world->test.kind == KV_FAKE) {
        fake_kv_crash(world->test.fake, keep);
        world->now = world->after[0] = world->after[keep];
        world->unflushed = 0;
    } else {
        kv_under_test_restart(&world->test);
    }
    open_store(world);
}

struct collect {
    counts *into;
    uint32_t partition;
    uint32_t last_minute;
};

static void collect(void *context, struct minute minute, const struct cell *cell) {
    struct collect *collect = context;
    assert_true(minute.index >= collect->last_minute);
    collect->last_minute = minute.index;
    size_t m = row_of(minute.index, minute_of_row, MINUTES), a = row_of(cell->ad, ad_of_row, ADS);
    (*collect->into)[collect->partition][m][a][country_row(cell->country.code)] += cell->count;
}

static bool in_range(size_t m, struct minute from, struct minute to) {
    return minute_of_row[m] >= from.index && minute_of_row[m] < to.index;
}

static void compare_all(struct world *world, struct minute from, struct minute to, uint32_t p) {
    static counts got;
    memset(got, 0, sizeof got);
    struct collect into = {&got, p, 0};
    assert_int_equal(store_visit_all(world->store, NULL, p, from, to, collect, &into, NULL), STATUS_OK);
    for (size_t m = 0; m < MINUTES; m++)
        for (size_t a = 0; a < ADS; a++)
            for (size_t c = 0; c < COUNTRIES; c++) {
                uint64_t wanted = world->now.block[p][m][a][c] + world->now.amended[p][m][a][c];
                assert_true(got[p][m][a][c] == (in_range(m, from, to) ? wanted : 0));
            }
}

static void compare_ad(struct world *world, struct minute from, struct minute to, uint32_t p, size_t a) {
    static counts got;
    memset(got, 0, sizeof got);
    struct collect into = {&got, p, 0};
    assert_int_equal(store_visit_ad(world->store, NULL, p, ad_of_row[a], from, to, collect, &into, NULL), STATUS_OK);
    for (size_t m = 0; m < MINUTES; m++)
        for (size_t other = 0; other < ADS; other++)
            for (size_t c = 0; c < COUNTRIES; c++) {
                uint64_t wanted = world->now.block[p][m][a][c] + world->now.amended[p][m][a][c];
                assert_true(got[p][m][other][c] == (other == a && in_range(m, from, to) ? wanted : 0));
            }
}

static void compare_loaded(struct world *world, uint32_t p) {
    static counts got;
    memset(got, 0, sizeof got);
    struct collect into = {&got, p, 0};
    struct partition_checkpoint at;
    enum status status = store_load_partition(world->store, p, &at, collect, &into, NULL);
    if (status == STATUS_NOT_FOUND) {
        assert_true(world->now.offset[p] == 0);
        return;
    }
    assert_int_equal(status, STATUS_OK);
    assert_true(at.offset.at == world->now.offset[p]);
    assert_memory_equal(got[p], world->now.open[p], sizeof got[p]);
}

static void compare(struct world *world) {
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        struct minute from = {minute_of_row[below(world, MINUTES)]}, to = {minute_of_row[below(world, MINUTES)]};
        compare_all(world, (struct minute){0}, (struct minute){UINT32_MAX}, p);
        compare_all(world, from, to, p);
        compare_ad(world, from, to, p, (size_t)below(world, ADS));
        compare_ad(world, (struct minute){0}, (struct minute){UINT32_MAX}, p, (size_t)below(world, ADS));
        compare_loaded(world, p);
    }
}

static void run(enum kv_kind kind, uint64_t seed, int steps) {
    struct world *world = memory_allocate_zeroed(1, sizeof *world);
    world->random.state = seed;
    kv_under_test_open(&world->test, kind);
    open_store(world);
    flush(world);
    for (int step = 0; step < steps; step++) {
        switch (below(world, 10)) {
        case 0:
            crash(world);
            break;
        case 1:
        case 2:
            flush(world);
            break;
        default:
            checkpoint(world);
        }
        compare(world);
    }
    store_destroy(world->store);
    kv_under_test_close(&world->test);
    free(world);
}

static void any_course_of_checkpoints_and_crashes_equals_the_arrays_on_the_fake(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) run(KV_FAKE, seed, 60);
}

static void any_course_of_checkpoints_and_restarts_equals_the_arrays_on_rocksdb(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) run(KV_ROCKS, seed, 60);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_course_of_checkpoints_and_crashes_equals_the_arrays_on_the_fake),
        cmocka_unit_test(any_course_of_checkpoints_and_restarts_equals_the_arrays_on_rocksdb),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
