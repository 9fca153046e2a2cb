/* What recalculation writes: the contract, on the fake kv and on RocksDB. */
#include <pthread.h>

#include "base/check.h"
#include "unit/store/store_under_test.h"

static const struct minute first = {0}, past = {UINT32_MAX};

/* The visited cells as text: "minute:atom.ad/country=count " each. */
static void note(void *context, struct minute minute, const struct atom_cell *cell) {
    buffer_printf(context, "%u:%u.%u/%u=%llu ", minute.index, cell->atom, cell->ad, cell->country.code,
                  (unsigned long long)cell->count);
}

static const uint32_t no_runs[10] = {0}, run_5_of_atom_2[10] = {[2] = 5};

/* `ad` UINT32_MAX: of all. */
static void assert_cells(const struct kv_snapshot *snapshot, const uint32_t runs[10], uint32_t atom, uint32_t ad,
                         const char *wanted) {
    struct buffer got = {0};
    struct store_history history = {runs, 10};
    enum status status = ad == UINT32_MAX
                             ? store_visit_atoms(store, snapshot, 1, &history, atom, first, past, note, &got, NULL)
                             : store_visit_atom_ad(store, snapshot, 1, &history, atom, ad, first, past, note, &got, NULL);
    assert_int_equal(status, STATUS_OK);
    assert_text(&got, wanted);
}

#define LIST(...)                                                                                                           \
    (const struct atom_cell[]){__VA_ARGS__}, sizeof((const struct atom_cell[]){__VA_ARGS__}) / sizeof(struct atom_cell)

static void history_counts_once_its_atom_is_marked(void **state) {
    (void)state;
    store_put_atom_block(store, &batch, 1, (struct minute){100}, LIST({1, 7, {3}, 10}, {2, 7, {3}, 4}, {2, 9, {3}, 1}));
    assert_int_equal(
        store_put_atom_amendments(store, &batch, 1, (struct minute){100}, LIST({2, 7, {3}, 5}, {2, 7, {4}, 6}), NULL),
        STATUS_OK);
    write_batch();
    struct kv_snapshot *before = test.kv.snapshot_take(test.kv.self);
    assert_int_equal(store_write_history(store, 4, 1, (struct minute){99}, LIST({2, 7, {3}, 1000}), NULL), STATUS_OK);
    assert_int_equal(store_write_history(store, 5, 1, (struct minute){99}, LIST({1, 7, {3}, 70}, {2, 7, {3}, 80}), NULL),
                     STATUS_OK);
    assert_int_equal(store_write_history(store, 5, 1, (struct minute){100}, LIST({2, 7, {3}, 90}), NULL), STATUS_OK);
    const char *unmarked = "100:2.7/3=4 100:2.7/3=5 100:2.7/4=6 ";
    const char *marked = "99:2.7/3=80 100:2.7/3=4 100:2.7/3=5 100:2.7/4=6 100:2.7/3=90 ";
    assert_cells(NULL, no_runs, 2, 7, unmarked);
    assert_cells(NULL, run_5_of_atom_2, 2, 7, marked);
    assert_cells(before, run_5_of_atom_2, 2, 7, unmarked);
    assert_cells(NULL, run_5_of_atom_2, 2, UINT32_MAX,
                 "99:2.7/3=80 100:2.7/3=4 100:2.9/3=1 100:2.7/3=5 100:2.7/4=6 100:2.7/3=90 ");
    assert_cells(NULL, run_5_of_atom_2, 1, UINT32_MAX, "100:1.7/3=10 ");
    assert_cells(NULL, run_5_of_atom_2, 0, UINT32_MAX,
                 "99:2.7/3=80 100:1.7/3=10 100:2.7/3=4 100:2.9/3=1 100:2.7/3=5 100:2.7/4=6 100:2.7/3=90 ");
    assert_cells(NULL, run_5_of_atom_2, 3, UINT32_MAX, "");
    assert_cells(NULL, run_5_of_atom_2, 11, UINT32_MAX, ""); /* above what the runs cover */
    test.kv.snapshot_drop(test.kv.self, before);
    restart();
    assert_cells(NULL, run_5_of_atom_2, 2, 7, marked);
}

static void a_repeated_pass_replaces_its_history(void **state) {
    (void)state;
    size_t count = 9000;
    struct atom_cell *cells = memory_allocate(count * sizeof *cells);
    for (size_t i = 0; i < count; i++) cells[i] = (struct atom_cell){2, (uint32_t)i, {1}, 1};
    assert_int_equal(store_write_history(store, 4, 1, (struct minute){50}, LIST({2, 1, {1}, 44}), NULL), STATUS_OK);
    assert_int_equal(store_write_history(store, 5, 1, (struct minute){50}, cells, count, NULL), STATUS_OK);
    assert_int_equal(store_write_history(store, 6, 1, (struct minute){50}, LIST({2, 1, {1}, 66}), NULL), STATUS_OK);
    assert_cells(NULL, run_5_of_atom_2, 2, 8999, "50:2.8999/1=1 ");
    assert_int_equal(store_write_history(store, 5, 1, (struct minute){50}, LIST({2, 1, {1}, 7}), NULL), STATUS_OK);
    assert_cells(NULL, run_5_of_atom_2, 0, UINT32_MAX, "50:2.1/1=7 ");
    assert_int_equal(store_write_history(store, 5, 1, (struct minute){50}, NULL, 0, NULL), STATUS_OK);
    assert_cells(NULL, run_5_of_atom_2, 0, UINT32_MAX, "");
    const uint32_t run_4[10] = {[2] = 4}, run_6[10] = {[2] = 6};
    assert_cells(NULL, run_4, 2, 1, "50:2.1/1=44 ");
    assert_cells(NULL, run_6, 2, 1, "50:2.1/1=66 ");
    free(cells);
}

static void note_mark(void *context, uint32_t atom, uint32_t run) {
    buffer_printf(context, "%u:%u ", atom, run);
}

static void assert_marks(const char *wanted) {
    struct buffer got = {0};
    assert_int_equal(store_load_backfilled(store, note_mark, &got, NULL), STATUS_OK);
    assert_text(&got, wanted);
}

static void a_mark_outlives_the_machine_with_its_history(void **state) {
    (void)state;
    assert_marks("");
    assert_int_equal(store_write_history(store, 5, 1, (struct minute){50}, LIST({2, 1, {1}, 7}), NULL), STATUS_OK);
    assert_int_equal(store_mark_history_partition(store, 5, 1, NULL), STATUS_OK);
    assert_int_equal(store_mark_backfilled(store, 5, (const uint32_t[]){300, 2}, 2, NULL), STATUS_OK);
    store_destroy(store);
    if (test.kind == KV_FAKE)
        fake_kv_crash(test.fake, 0);
    else
        kv_under_test_restart(&test);
    open_store();
    assert_marks("2:5 300:5 ");
    assert_cells(NULL, run_5_of_atom_2, 2, 1, "50:2.1/1=7 ");
    bool done;
    assert_int_equal(store_history_partition_done(store, 5, 1, &done, NULL), STATUS_OK);
    assert_true(done);
    assert_int_equal(store_history_partition_done(store, 5, 2, &done, NULL), STATUS_OK);
    assert_false(done);
    assert_int_equal(store_mark_backfilled(store, 6, (const uint32_t[]){2}, 1, NULL), STATUS_OK);
    assert_marks("2:6 300:5 ");
}

static void add_up(void *context, struct minute minute, const struct atom_cell *cell) {
    (void)minute;
    *(uint64_t *)context += cell->count;
}

static void *write_much_history(void *context) {
    (void)context;
    for (uint32_t i = 0; i < 200; i++)
        if (store_write_history(store, 5, 1, (struct minute){i}, LIST({2, 1, {1}, 7}, {2, i + 2, {1}, 1}), NULL) !=
            STATUS_OK)
            return (void *)1;
    return store_mark_backfilled(store, 5, (const uint32_t[]){2}, 1, NULL) == STATUS_OK ? NULL : (void *)1;
}

static void history_is_written_beside_the_writer(void **state) {
    (void)state;
    pthread_t thread;
    void *failed = NULL;
    assert_int_equal(pthread_create(&thread, NULL, write_much_history, NULL), 0);
    for (uint32_t i = 0; i < 200; i++) {
        store_put_atom_block(store, &batch, 1, (struct minute){i}, LIST({2, 1, {1}, 100}, {3, 1, {1}, 1}));
        write_batch();
        if (i % 50 == 0) assert_int_equal(store_flush(store, NULL), STATUS_OK);
    }
    assert_int_equal(pthread_join(thread, &failed), 0);
    assert_null(failed);
    uint64_t clicks = 0;
    struct store_history history = {run_5_of_atom_2, 10};
    assert_int_equal(store_visit_atom_ad(store, NULL, 1, &history, 2, 1, first, past, add_up, &clicks, NULL), STATUS_OK);
    assert_int_equal(clicks, 200 * 107);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ON_BOTH(history_counts_once_its_atom_is_marked),
        ON_BOTH(a_repeated_pass_replaces_its_history),
        ON_BOTH(a_mark_outlives_the_machine_with_its_history),
        ON_ROCKS(history_is_written_beside_the_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
