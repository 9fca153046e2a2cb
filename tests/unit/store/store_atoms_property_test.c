/* Random checkpoints with cells of atoms, two runs of recalculation and crashes, against plain arrays. */
#include "base/check.h"
#include "base/random_sequence.h"
#include "store/store.h"
#include "unit/store/kv_under_test.h"

enum { PARTITIONS = 2, MINUTES = 6, ATOMS = 5, ADS = 4, COUNTRIES = 2, RUNS = 3, KEPT_MAX = 40 };
enum { CELLS_MAX = ATOMS * ADS * COUNTRIES, HIGHEST_ATOM = 70000 };

typedef uint64_t minute_counts[ATOMS][ADS][COUNTRIES]; /* row 0: atom 0 */
typedef minute_counts counts[PARTITIONS][MINUTES];

/* What the store must hold. */
struct model {
    counts block, amended, open;
    counts history[RUNS]; /* by run; there is no run 0 */
    bool done[RUNS][PARTITIONS];
    uint32_t run_of_atom[ATOMS];
};

struct world {
    struct kv_under_test test;
    struct store *store;
    struct random_sequence random;
    uint64_t offset;
    struct model now;
    struct model after[KEPT_MAX]; /* after[0] as flushed, after[i] with i batches more */
    size_t unflushed;
    uint32_t runs[HIGHEST_ATOM + 1]; /* as struct store_history has it */
};

static const uint8_t uuid[16] = "atoms";
static const uint32_t minute_of_row[MINUTES] = {0, 1, 2, 256, 26824321, UINT32_MAX - 1};
static const uint32_t atom_of_row[ATOMS] = {0, 1, 2, 256, HIGHEST_ATOM};
static const uint32_t ad_of_row[ADS] = {0, 1, 255, UINT32_MAX};
static const uint16_t country_of_row[COUNTRIES] = {0, COUNTRY_UNKNOWN};

static uint64_t below(struct world *world, uint64_t bound) {
    return random_sequence_below(&world->random, bound);
}

static size_t row_of(uint32_t value, const uint32_t *rows, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (rows[i] == value) return i;
    fail_msg("%u was never put", value);
    return 0;
}

/* Random counts of some cells, which are added to `sum` or replace it, and the cells as lists. */
struct random_minute {
    struct cell plain[CELLS_MAX];
    struct atom_cell of_atoms[CELLS_MAX];
    size_t plain_count, atom_count;
};

static void random_minute(struct world *world, struct random_minute *out, bool plain, bool add, minute_counts sum) {
    out->plain_count = out->atom_count = 0;
    if (!add) memset(plain ? sum[0] : sum[1], 0, (plain ? ATOMS : ATOMS - 1) * sizeof sum[0]);
    for (size_t t = plain ? 0 : 1; t < ATOMS; t++)
        for (size_t a = 0; a < ADS; a++)
            for (size_t c = 0; c < COUNTRIES; c++) {
                if (below(world, 3) != 0) continue;
                uint64_t count = 1 + below(world, 1000);
                struct country country = {country_of_row[c]};
                sum[t][a][c] += count;
                if (t == 0)
                    out->plain[out->plain_count++] = (struct cell){ad_of_row[a], country, count};
                else
                    out->of_atoms[out->atom_count++] = (struct atom_cell){atom_of_row[t], ad_of_row[a], country, count};
            }
}

static void wrote(struct world *world) {
    world->after[++world->unflushed] = world->now;
}

static void flushed(struct world *world) {
    world->after[0] = world->now;
    world->unflushed = 0;
}

static void put_minute(struct world *world, struct kv_batch *batch, uint32_t p, size_t m) {
    static struct random_minute cells;
    struct minute minute = {minute_of_row[m]};
    if (below(world, 4) == 0) {
        random_minute(world, &cells, true, false, world->now.block[p][m]);
        store_put_block(world->store, batch, p, minute, cells.plain, cells.plain_count);
        store_put_atom_block(world->store, batch, p, minute, cells.of_atoms, cells.atom_count);
    }
    if (below(world, 3) == 0) {
        random_minute(world, &cells, true, true, world->now.amended[p][m]);
        assert_int_equal(store_put_amendments(world->store, batch, p, minute, cells.plain, cells.plain_count, NULL),
                         STATUS_OK);
        assert_int_equal(store_put_atom_amendments(world->store, batch, p, minute, cells.of_atoms, cells.atom_count, NULL),
                         STATUS_OK);
    }
}

static void put_open(struct world *world, struct kv_batch *batch, uint32_t p) {
    static struct random_minute cells[MINUTES];
    struct open_minute minutes[MINUTES];
    struct open_atom_minute atom_minutes[MINUTES];
    size_t count = 0;
    memset(world->now.open[p], 0, sizeof world->now.open[p]);
    for (size_t m = 0; m < MINUTES; m++) {
        if (below(world, 3) != 0) continue;
        struct minute minute = {minute_of_row[m]};
        random_minute(world, &cells[m], true, false, world->now.open[p][m]);
        minutes[count] = (struct open_minute){minute, cells[m].plain, cells[m].plain_count};
        atom_minutes[count++] = (struct open_atom_minute){minute, cells[m].of_atoms, cells[m].atom_count};
    }
    store_put_open(world->store, batch, p, minutes, count);
    store_put_open_atoms(world->store, batch, p, atom_minutes, count);
}

static void checkpoint(struct world *world) {
    struct kv_batch batch = {0};
    uint32_t p = (uint32_t)below(world, PARTITIONS);
    for (size_t m = 0; m < MINUTES; m++) put_minute(world, &batch, p, m);
    put_open(world, &batch, p);
    struct partition_checkpoint at = {.offset = {++world->offset}};
    watermark_init(&at.watermark);
    store_put_partition(world->store, &batch, p, &at);
    assert_int_equal(store_write(world->store, &batch, NULL), STATUS_OK);
    kv_batch_fini(&batch);
    wrote(world);
}

static void write_history(struct world *world) {
    static struct random_minute cells;
    uint32_t run = 1 + (uint32_t)below(world, RUNS - 1), p = (uint32_t)below(world, PARTITIONS);
    size_t m = (size_t)below(world, MINUTES);
    random_minute(world, &cells, false, false, world->now.history[run][p][m]);
    assert_int_equal(
        store_write_history(world->store, run, p, (struct minute){minute_of_row[m]}, cells.of_atoms, cells.atom_count, NULL),
        STATUS_OK);
    wrote(world);
}

static void mark(struct world *world) {
    uint32_t run = 1 + (uint32_t)below(world, RUNS - 1), p = (uint32_t)below(world, PARTITIONS), atoms[ATOMS];
    size_t count = 0;
    if (below(world, 2) == 0) {
        assert_int_equal(store_mark_history_partition(world->store, run, p, NULL), STATUS_OK);
        world->now.done[run][p] = true;
        wrote(world);
        return;
    }
    for (size_t t = 1; t < ATOMS; t++) {
        if (below(world, 3) != 0) continue;
        atoms[count++] = atom_of_row[t];
        world->now.run_of_atom[t] = run;
    }
    assert_int_equal(store_mark_backfilled(world->store, run, atoms, count, NULL), STATUS_OK);
    flushed(world);
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
        world->now = world->after[keep];
        flushed(world);
    } else {
        kv_under_test_restart(&world->test);
    }
    open_store(world);
}

struct collect {
    counts into;
    uint32_t partition;
    uint32_t last_minute;
};

static void collect_atom(void *context, struct minute minute, const struct atom_cell *cell) {
    struct collect *collect = context;
    assert_true(minute.index >= collect->last_minute);
    collect->last_minute = minute.index;
    size_t m = row_of(minute.index, minute_of_row, MINUTES), a = row_of(cell->ad, ad_of_row, ADS);
    size_t t = row_of(cell->atom, atom_of_row, ATOMS);
    collect->into[collect->partition][m][t][a][cell->country.code == 0 ? 0 : 1] += cell->count;
}

static void collect_plain(void *context, struct minute minute, const struct cell *cell) {
    collect_atom(context, minute, &(struct atom_cell){ATOM_ALL, cell->ad, cell->country, cell->count});
}

/* What a visit must have collected: of one atom or (ATOMS) all others than 0, of one ad or (ADS) all. */
static void assert_collected(const struct world *world, const struct collect *got, struct minute from, struct minute to,
                             size_t atom, size_t ad) {
    const struct model *now = &world->now;
    uint32_t p = got->partition;
    for (size_t m = 0; m < MINUTES; m++)
        for (size_t t = 0; t < ATOMS; t++)
            for (size_t a = 0; a < ADS; a++)
                for (size_t c = 0; c < COUNTRIES; c++) {
                    uint64_t wanted = now->block[p][m][t][a][c] + now->amended[p][m][t][a][c];
                    wanted += now->history[now->run_of_atom[t]][p][m][t][a][c];
                    bool asked = (t == atom || (t > 0 && atom == ATOMS)) && (a == ad || ad == ADS);
                    bool in_range = minute_of_row[m] >= from.index && minute_of_row[m] < to.index;
                    assert_true(got->into[p][m][t][a][c] == (asked && in_range ? wanted : 0));
                }
}

static struct store_history history_of(struct world *world) {
    for (size_t t = 1; t < ATOMS; t++) world->runs[atom_of_row[t]] = world->now.run_of_atom[t];
    return (struct store_history){world->runs, HIGHEST_ATOM + 1};
}

static void compare_visits(struct world *world, uint32_t p, struct minute from, struct minute to) {
    struct store_history history = history_of(world);
    size_t t = 1 + (size_t)below(world, ATOMS - 1), a = (size_t)below(world, ADS);
    struct collect got = {.partition = p};
    assert_int_equal(store_visit_atoms(world->store, NULL, p, &history, 0, from, to, collect_atom, &got, NULL), STATUS_OK);
    assert_collected(world, &got, from, to, ATOMS, ADS);
    got = (struct collect){.partition = p};
    assert_int_equal(store_visit_atoms(world->store, NULL, p, &history, atom_of_row[t], from, to, collect_atom, &got, NULL),
                     STATUS_OK);
    assert_collected(world, &got, from, to, t, ADS);
    got = (struct collect){.partition = p};
    assert_int_equal(store_visit_atom_ad(world->store, NULL, p, &history, atom_of_row[t], ad_of_row[a], from, to,
                                         collect_atom, &got, NULL),
                     STATUS_OK);
    assert_collected(world, &got, from, to, t, a);
    got = (struct collect){.partition = p};
    assert_int_equal(store_visit_all(world->store, NULL, p, from, to, collect_plain, &got, NULL), STATUS_OK);
    assert_collected(world, &got, from, to, 0, ADS);
    got = (struct collect){.partition = p};
    assert_int_equal(store_visit_ad(world->store, NULL, p, ad_of_row[a], from, to, collect_plain, &got, NULL), STATUS_OK);
    assert_collected(world, &got, from, to, 0, a);
}

static void check_mark(void *context, uint32_t atom, uint32_t run) {
    uint32_t *marks = context;
    marks[row_of(atom, atom_of_row, ATOMS)] = run;
}

static void compare_loaded(struct world *world, uint32_t p) {
    struct collect got = {.partition = p};
    assert_int_equal(store_load_open_atoms(world->store, p, collect_atom, &got, NULL), STATUS_OK);
    for (size_t m = 0; m < MINUTES; m++)
        assert_memory_equal(got.into[p][m][1], world->now.open[p][m][1], (ATOMS - 1) * sizeof got.into[p][m][1]);
    uint32_t marks[ATOMS] = {0};
    assert_int_equal(store_load_backfilled(world->store, check_mark, marks, NULL), STATUS_OK);
    assert_memory_equal(marks, world->now.run_of_atom, sizeof marks);
    for (uint32_t run = 1; run < RUNS; run++) {
        bool done;
        assert_int_equal(store_history_partition_done(world->store, run, p, &done, NULL), STATUS_OK);
        assert_int_equal(done, world->now.done[run][p]);
    }
}

static void take_step(struct world *world) {
    if (world->unflushed + 1 == KEPT_MAX || below(world, 10) == 0) {
        assert_int_equal(store_flush(world->store, NULL), STATUS_OK);
        flushed(world);
        return;
    }
    uint64_t choice = below(world, 10);
    if (choice == 0)
        crash(world);
    else if (choice < 4)
        write_history(world);
    else if (choice < 6)
        mark(world);
    else
        checkpoint(world);
}

static void run(enum kv_kind kind, uint64_t seed, int steps) {
    struct world *world = memory_allocate_zeroed(1, sizeof *world);
    world->random.state = seed;
    kv_under_test_open(&world->test, kind);
    open_store(world);
    assert_int_equal(store_flush(world->store, NULL), STATUS_OK);
    for (int i = 0; i < steps; i++) {
        take_step(world);
        for (uint32_t p = 0; p < PARTITIONS; p++) {
            struct minute from = {minute_of_row[below(world, MINUTES)]}, to = {minute_of_row[below(world, MINUTES)]};
            compare_visits(world, p, (struct minute){0}, (struct minute){UINT32_MAX});
            compare_visits(world, p, from, to);
            compare_loaded(world, p);
        }
    }
    store_destroy(world->store);
    kv_under_test_close(&world->test);
    free(world);
}

static void any_course_with_atoms_and_crashes_equals_the_arrays_on_the_fake(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) run(KV_FAKE, seed, 60);
}

static void any_course_with_atoms_and_restarts_equals_the_arrays_on_rocksdb(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) run(KV_ROCKS, seed, 60);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_course_with_atoms_and_crashes_equals_the_arrays_on_the_fake),
        cmocka_unit_test(any_course_with_atoms_and_restarts_equals_the_arrays_on_rocksdb),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
