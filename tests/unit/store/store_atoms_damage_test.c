/* Damaged values of atoms, their history and rankings, and disks that fail: a status with the place in words, never a crash,
 * never a wrong count. */
#include "base/check.h"
#include "unit/store/damage.h"

static const uint32_t runs[3] = {0, 0, 5};
static const struct store_history history = {runs, 3};
static const struct minute first = {0}, past = {UINT32_MAX}, at = {26824321};

static void ignore_cell(void *context, struct minute minute, const struct atom_cell *cell) {
    (void)context, (void)minute, (void)cell;
}
static void ignore_plain(void *context, struct minute minute, const struct cell *cell) {
    (void)context, (void)minute, (void)cell;
}
static void ignore_mark(void *context, uint32_t atom, uint32_t run) {
    (void)context, (void)atom, (void)run;
}
static enum status ignore_ranking(void *context, uint32_t filter_id, uint32_t window, struct minute minute,
                                  struct bytes ranking, struct failure *failure) {
    (void)context, (void)filter_id, (void)window, (void)minute, (void)ranking, (void)failure;
    return STATUS_OK;
}

static enum status visit_all(struct failure *failure) {
    return store_visit_atoms(store, NULL, 0, &history, 0, first, past, ignore_cell, NULL, failure);
}
static enum status visit_atom(struct failure *failure) {
    return store_visit_atoms(store, NULL, 0, &history, 2, first, past, ignore_cell, NULL, failure);
}
static enum status visit_ad(struct failure *failure) {
    return store_visit_atom_ad(store, NULL, 0, &history, 2, 5, first, past, ignore_cell, NULL, failure);
}
static enum status load_open(struct failure *failure) {
    return store_load_open_atoms(store, 0, ignore_cell, NULL, failure);
}
static enum status load_marks(struct failure *failure) {
    return store_load_backfilled(store, ignore_mark, NULL, failure);
}
static enum status ask_done(struct failure *failure) {
    bool done;
    return store_history_partition_done(store, 5, 1, &done, failure);
}
static enum status read_ranking(struct failure *failure) {
    struct buffer ranking = {0};
    enum status status = store_read_ranking(store, 12, 60, at, &ranking, failure);
    buffer_fini(&ranking);
    return status;
}
static enum status visit_rankings(struct failure *failure) {
    return store_visit_rankings(store, NULL, ignore_ranking, NULL, failure);
}
static enum status amend(struct failure *failure) {
    struct kv_batch batch = {0};
    enum status status = store_put_atom_amendments(store, &batch, 0, at, &(struct atom_cell){2, 5, {6}, 1}, 1, failure);
    kv_batch_fini(&batch);
    return status;
}
static enum status write_history(struct failure *failure) {
    return store_write_history(store, 5, 0, at, &(struct atom_cell){2, 5, {6}, 1}, 1, failure);
}

static void a_damaged_chunk_of_atoms_is_named(void **state) {
    (void)state;
    const char *words =
        "the block of atoms of minute 2021-01-01T00:01Z (26824321), partition 0, generation 1, from atom 2, ad 3";
    const struct store_key block = {.table = STORE_ATOM_BLOCK, .generation = 1, .minute = at.index, .atom = 2, .ad = 3};
    assert_named(&block, words, visit_all);
    assert_named(&block, words, visit_atom);
    assert_named(&block, words, visit_ad);
}

static void damaged_history_is_named(void **state) {
    (void)state;
    const char *words =
        "the history of minute 2021-01-01T00:01Z (26824321), partition 0, generation 1, run 5, from atom 2, ad 3";
    const struct store_key key = {.table = STORE_HISTORY, .generation = 1, .minute = at.index, .run = 5, .atom = 2, .ad = 3};
    assert_named(&key, words, visit_all);
    assert_named(&key, words, visit_atom);
    assert_named(&key, words, visit_ad);
    assert_int_equal(write_history(NULL), STATUS_OK); /* a pass that is repeated heals it */
    assert_int_equal(visit_all(NULL), STATUS_OK);
}

static void a_damaged_amendment_of_an_atom_is_named_and_hurts_no_other(void **state) {
    (void)state;
    const char *words = "atom 2, ad 5, country code 6";
    const struct store_key key = {
        .table = STORE_AMENDMENT, .generation = 1, .minute = at.index, .atom = 2, .ad = 5, .country = 6};
    assert_named(&key, words, visit_all);
    assert_named(&key, words, visit_atom);
    assert_named(&key, words, visit_ad);
    assert_named(&key, words, amend);
    assert_int_equal(store_visit_atoms(store, NULL, 0, &history, 1, first, past, ignore_cell, NULL, NULL), STATUS_OK);
    assert_int_equal(store_visit_all(store, NULL, 0, first, past, ignore_plain, NULL, NULL), STATUS_OK);
    struct store_key nowhere = key;
    nowhere.atom = 3;
    nowhere.country = COUNTRY_CODES;
    put_sealed(&nowhere, BYTES_LITERAL("\1\0\0\0\0\0\0\0"));
    assert_int_equal(store_visit_atoms(store, NULL, 0, &history, 3, first, past, ignore_cell, NULL, NULL), STATUS_CORRUPT);
}

static void the_other_tables_of_atoms_are_named_too(void **state) {
    (void)state;
    assert_named(&(struct store_key){.table = STORE_ATOM_OPEN, .generation = 1}, "part 0 of the open minutes of atoms",
                 load_open);
    assert_named(&(struct store_key){.table = STORE_BACKFILLED, .generation = 1, .atom = 70},
                 "the mark that atom 70 is backfilled", load_marks);
    put_sealed(&(struct store_key){.table = STORE_BACKFILLED, .generation = 1, .atom = 70}, BYTES_LITERAL("\0\0\0\0"));
    assert_int_equal(load_marks(NULL), STATUS_CORRUPT);
    const struct store_key done = {.table = STORE_HISTORY_DONE, .generation = 1, .run = 5, .partition = 1};
    put_sealed(&done, BYTES_LITERAL("more than a mark"));
    struct failure failure = {0};
    assert_int_equal(ask_done(&failure), STATUS_CORRUPT);
    assert_non_null(strstr(failure.text, "the mark that run 5 is done with partition 1"));
}

static void a_missing_part_of_the_open_minutes_is_damage(void **state) {
    (void)state;
    /* minute 1, one cell: atom 2, ad 3, country 4, count 9 */
    const struct bytes part = BYTES_LITERAL("\1\0\0\0\1\1\0\0\0\1\0\0\0\1\0\0\0\2\3\4\11");
    put_sealed(&(struct store_key){.table = STORE_ATOM_OPEN, .generation = 1, .part = 1}, part);
    struct failure failure = {0};
    assert_int_equal(load_open(&failure), STATUS_CORRUPT);
    assert_non_null(strstr(failure.text, "the part before it is missing"));
    put_sealed(&(struct store_key){.table = STORE_ATOM_OPEN, .generation = 1, .part = 0}, part);
    assert_int_equal(load_open(NULL), STATUS_OK);
}

/* What a ranking says is not the store's to judge. */
static void a_ranking_that_is_not_sealed_is_named(void **state) {
    (void)state;
    const struct store_key key = {
        .table = STORE_RANKING, .generation = 1, .filter_id = 12, .window = 60, .minute = at.index};
    put_raw(&key, BYTES_LITERAL("not sealed at all"));
    enum status (*const reads[])(struct failure *) = {read_ranking, visit_rankings};
    for (size_t i = 0; i < 2; i++) {
        struct failure failure = {0};
        assert_int_equal(reads[i](&failure), STATUS_CORRUPT);
        assert_non_null(strstr(failure.text, "the ranking of filter 12, window 60, minute 2021-01-01T00:01Z"));
    }
}

/* A chunk with a good envelope whose key is not that of its first cell. */
static void a_chunk_under_another_atoms_key_is_damage(void **state) {
    (void)state;
    struct store_key key = {.table = STORE_ATOM_BLOCK, .generation = 1, .minute = at.index, .atom = 2, .ad = 3};
    /* one cell: atom 2, ad 3, country 4, count 9 */
    const struct bytes chunk = BYTES_LITERAL("\1\1\0\0\0\1\0\0\0\1\0\0\0\2\3\4\11");
    put_sealed(&key, chunk);
    assert_int_equal(visit_all(NULL), STATUS_OK);
    struct kv_batch batch = {0};
    store_put_atom_block(store, &batch, 0, at, NULL, 0);
    assert_int_equal(store_write(store, &batch, NULL), STATUS_OK);
    kv_batch_fini(&batch);
    key.atom = 1;
    put_sealed(&key, chunk);
    assert_int_equal(visit_all(NULL), STATUS_CORRUPT);
}

static void fill(void) {
    struct kv_batch batch = {0};
    const struct atom_cell cells[] = {{1, 1, {1}, 1}, {2, 5, {1}, 1}, {2, 6, {1}, 1}};
    for (uint32_t minute = 1; minute < 5; minute++) {
        store_put_atom_block(store, &batch, 0, (struct minute){minute}, cells, 3);
        assert_int_equal(store_put_atom_amendments(store, &batch, 0, (struct minute){minute}, cells, 3, NULL), STATUS_OK);
        assert_int_equal(store_write_history(store, 5, 0, (struct minute){minute}, cells, 3, NULL), STATUS_OK);
    }
    store_put_open_atoms(store, &batch, 0, &(struct open_atom_minute){{9}, cells, 3}, 1);
    assert_int_equal(store_write(store, &batch, NULL), STATUS_OK);
    kv_batch_fini(&batch);
    assert_int_equal(store_mark_backfilled(store, 5, (const uint32_t[]){1, 2}, 2, NULL), STATUS_OK);
    assert_int_equal(store_mark_history_partition(store, 5, 1, NULL), STATUS_OK);
    assert_int_equal(store_write_ranking(store, 12, 60, at, BYTES_LITERAL("ranking"), NULL), STATUS_OK);
}

/* Whichever of its reads it is. */
static void a_read_that_fails_fails_the_question_about_atoms(void **state) {
    (void)state;
    enum status (*const reads[])(struct failure *) = {visit_all, visit_atom,   visit_ad,       load_open, load_marks,
                                                      ask_done,  read_ranking, visit_rankings, amend,     write_history};
    fill();
    for (size_t i = 0; i < sizeof reads / sizeof reads[0]; i++) {
        enum status status = STATUS_IO_ERROR;
        for (unsigned nth = 1; nth < 100 && status != STATUS_OK; nth++) {
            struct failure failure = {0};
            fake_kv_fail_read(fake, nth, STATUS_IO_ERROR);
            status = reads[i](&failure);
            assert_int_equal(failure.status, status);
            assert_true(status == STATUS_IO_ERROR || (status == STATUS_OK && nth > 1));
        }
        assert_int_equal(status, STATUS_OK); /* in the end there are not that many reads */
    }
    fake_kv_fail_read(fake, 0, STATUS_OK);
}

static void a_failed_write_or_flush_of_a_mark_is_handed_on(void **state) {
    (void)state;
    fill();
    const uint32_t atom = 1;
    fake_kv_fail_flush(fake, 1, STATUS_NO_SPACE);
    assert_int_equal(store_mark_backfilled(store, 6, &atom, 1, NULL), STATUS_NO_SPACE);
    fake_kv_fail_write(fake, 1, STATUS_IO_ERROR);
    assert_int_equal(store_mark_backfilled(store, 6, &atom, 1, NULL), STATUS_IO_ERROR);
    assert_int_equal(store_mark_history_partition(store, 6, 0, NULL), STATUS_IO_ERROR);
    assert_int_equal(write_history(NULL), STATUS_IO_ERROR);
    assert_int_equal(store_write_ranking(store, 12, 60, at, BYTES_LITERAL("ranking"), NULL), STATUS_IO_ERROR);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_all, close_all)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_damaged_chunk_of_atoms_is_named),
        TEST(damaged_history_is_named),
        TEST(a_damaged_amendment_of_an_atom_is_named_and_hurts_no_other),
        TEST(the_other_tables_of_atoms_are_named_too),
        TEST(a_missing_part_of_the_open_minutes_is_damage),
        TEST(a_ranking_that_is_not_sealed_is_named),
        TEST(a_chunk_under_another_atoms_key_is_damage),
        TEST(a_read_that_fails_fails_the_question_about_atoms),
        TEST(a_failed_write_or_flush_of_a_mark_is_handed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
