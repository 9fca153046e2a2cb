/* Cells of atoms, and rankings: the contract, on the fake kv and on RocksDB. */
#include "base/check.h"
#include "unit/store/store_under_test.h"

static const struct minute first = {0}, past = {UINT32_MAX};

/* The visited cells as text: "minute:atom.ad/country=count " each. */
static void note(void *context, struct minute minute, const struct atom_cell *cell) {
    buffer_printf(context, "%u:%u.%u/%u=%llu ", minute.index, cell->atom, cell->ad, cell->country.code,
                  (unsigned long long)cell->count);
}

struct sum {
    uint64_t cells, clicks;
};
static void add_up(void *context, struct minute minute, const struct atom_cell *cell) {
    struct sum *sum = context;
    (void)minute;
    sum->cells++;
    sum->clicks += cell->count;
}

/* Chunks hold cells of several atoms, an atom fills several chunks, an ad with every country is longer than a chunk. */
static size_t large_minute(struct atom_cell *cells, size_t capacity) {
    size_t count = 0;
    for (uint32_t atom = 1; count < capacity; atom++) {
        uint32_t ads = atom == 40 ? 10000 : atom % 5;
        for (uint32_t ad = 0; ad < ads && count < capacity; ad++)
            for (uint32_t c = 0; c < (atom == 60 && ad == 0 ? COUNTRY_CODES : 1 + ad % 3u) && count < capacity; c++)
                cells[count++] = (struct atom_cell){atom * 2, ad * 2, {(uint16_t)c}, 1 + (atom + ad) % 7};
    }
    return count;
}

static struct sum scan(const struct atom_cell *cells, size_t count, uint32_t atom, uint32_t ad) {
    struct sum sum = {0};
    for (size_t i = 0; i < count; i++)
        if (cells[i].atom == atom && (ad == UINT32_MAX || cells[i].ad == ad)) add_up(&sum, first, &cells[i]);
    return sum;
}

/* Minutes 50 and 52 hold the cells, as blocks and as history of run 1. */
static void assert_found(const struct store_history *history, const struct atom_cell *cells, size_t count, uint32_t atom,
                         uint32_t ad) {
    struct sum wanted = scan(cells, count, atom, ad), got = {0};
    enum status status = ad == UINT32_MAX
                             ? store_visit_atoms(store, NULL, 2, history, atom, first, past, add_up, &got, NULL)
                             : store_visit_atom_ad(store, NULL, 2, history, atom, ad, first, past, add_up, &got, NULL);
    assert_int_equal(status, STATUS_OK);
    assert_int_equal(got.cells, 4 * wanted.cells);
    assert_int_equal(got.clicks, 4 * wanted.clicks);
}

static void every_atom_and_ad_of_a_large_block_is_found(void **state) {
    (void)state;
    size_t capacity = 3 * COUNTRY_CODES;
    struct atom_cell *cells = memory_allocate(capacity * sizeof *cells);
    size_t count = large_minute(cells, capacity);
    uint32_t atoms = cells[count - 1].atom + 2;
    uint32_t *runs = memory_allocate(atoms * sizeof *runs);
    for (uint32_t i = 0; i < atoms; i++) runs[i] = 1;
    struct store_history history = {runs, atoms};
    for (uint32_t minute = 50; minute <= 52; minute += 2) {
        store_put_atom_block(store, &batch, 2, (struct minute){minute}, cells, count);
        assert_int_equal(store_write_history(store, 1, 2, (struct minute){minute}, cells, count, NULL), STATUS_OK);
    }
    write_batch();
    struct sum all = {0};
    assert_int_equal(store_visit_atoms(store, NULL, 2, &history, 0, first, past, add_up, &all, NULL), STATUS_OK);
    assert_int_equal(all.cells, 4 * count);
    for (uint32_t atom = 1; atom < atoms; atom += atom < 130 ? 1 : 97) {
        assert_found(&history, cells, count, atom, UINT32_MAX);
        for (uint32_t ad = 0; ad < 6; ad++) assert_found(&history, cells, count, atom, ad);
    }
    for (uint32_t ad = 0; ad < 20000; ad += 501) assert_found(&history, cells, count, 80, ad);
    store_put_atom_block(store, &batch, 2, (struct minute){50}, NULL, 0);
    store_put_atom_block(store, &batch, 2, (struct minute){52}, NULL, 0);
    write_batch();
    all = (struct sum){0};
    assert_int_equal(store_visit_atoms(store, NULL, 2, &(struct store_history){0}, 0, first, past, add_up, &all, NULL),
                     STATUS_OK);
    assert_int_equal(all.cells, 0);
    free(runs);
    free(cells);
}

static void smaller_open_minutes_of_atoms_leave_nothing_of_larger_ones(void **state) {
    (void)state;
    size_t count = 500000;
    struct atom_cell *cells = memory_allocate(count * sizeof *cells);
    for (size_t i = 0; i < count; i++)
        cells[i] = (struct atom_cell){1 + (uint32_t)(i / 1000), (uint32_t)(i % 1000) * 3, {5}, (i * 2654435761u) % 100000};
    store_put_open_atoms(store, &batch, 0, &(struct open_atom_minute){{70}, cells, count}, 1);
    assert_true(batch.entry_count > 1); /* several parts */
    write_batch();
    struct sum sum = {0};
    assert_int_equal(store_load_open_atoms(store, 0, add_up, &sum, NULL), STATUS_OK);
    assert_int_equal(sum.cells, count);
    store_put_open_atoms(store, &batch, 0, (struct open_atom_minute[]){{{70}, NULL, 0}, {{71}, cells, 1}, {{75}, cells, 2}},
                         3);
    write_batch();
    struct buffer got = {0};
    assert_int_equal(store_load_open_atoms(store, 0, note, &got, NULL), STATUS_OK);
    assert_text(&got, "71:1.0/5=0 75:1.0/5=0 75:1.3/5=35761 ");
    store_put_open_atoms(store, &batch, 0, NULL, 0);
    write_batch();
    assert_int_equal(store_load_open_atoms(store, 0, note, &got, NULL), STATUS_OK);
    assert_int_equal(got.len, 0);
    free(cells);
}

static void count_plain(void *context, struct minute minute, const struct cell *cell) {
    (void)minute;
    *(uint64_t *)context += cell->count;
}

/* A look-up that walked them would meet the read that fails. */
static void amendments_of_many_atoms_cost_the_others_nothing(void **state) {
    (void)state;
    enum { MANY = 5000, READS_MAX = 40 };
    struct atom_cell *cells = memory_allocate(MANY * sizeof *cells);
    for (uint32_t i = 0; i < MANY; i++) cells[i] = (struct atom_cell){1 + i, 7, {1}, 1};
    for (uint32_t minute = 10; minute <= 12; minute++) {
        assert_int_equal(store_put_amendments(store, &batch, 1, (struct minute){minute}, &(struct cell){7, {1}, 2}, 1, NULL),
                         STATUS_OK);
        assert_int_equal(store_put_atom_amendments(store, &batch, 1, (struct minute){minute}, cells, MANY, NULL), STATUS_OK);
    }
    write_batch();
    free(cells);
    uint64_t of_ad = 0, of_all = 0;
    struct sum of_atom = {0};
    struct store_history history = {0};
    fake_kv_fail_read(test.fake, READS_MAX, STATUS_IO_ERROR);
    assert_int_equal(store_visit_ad(store, NULL, 1, 7, first, past, count_plain, &of_ad, NULL), STATUS_OK);
    fake_kv_fail_read(test.fake, READS_MAX, STATUS_IO_ERROR);
    assert_int_equal(store_visit_all(store, NULL, 1, first, past, count_plain, &of_all, NULL), STATUS_OK);
    fake_kv_fail_read(test.fake, READS_MAX, STATUS_IO_ERROR);
    assert_int_equal(store_visit_atom_ad(store, NULL, 1, &history, 2500, 7, first, past, add_up, &of_atom, NULL), STATUS_OK);
    assert_true(of_ad == 6 && of_all == 6 && of_atom.clicks == 3);
}

static enum status note_ranking(void *context, uint32_t filter_id, uint32_t window, struct minute minute,
                                struct bytes ranking, struct failure *failure) {
    buffer_printf(context, "%u/%u/%u=%.*s ", filter_id, window, minute.index, (int)ranking.len, (const char *)ranking.at);
    return minute.index == 666 ? failure_set(failure, STATUS_END, "enough") : STATUS_OK;
}

static void a_ranking_reads_back_as_it_was_last_written(void **state) {
    (void)state;
    struct buffer got = {0};
    buffer_append_text(&got, "what was there");
    assert_int_equal(store_read_ranking(store, 0, 5, (struct minute){9}, &got, NULL), STATUS_NOT_FOUND);
    assert_int_equal(store_write_ranking(store, 300, 5, (struct minute){9}, BYTES_LITERAL("x"), NULL), STATUS_OK);
    assert_int_equal(store_write_ranking(store, 0, 60, (struct minute){9}, BYTES_LITERAL("y"), NULL), STATUS_OK);
    assert_int_equal(store_write_ranking(store, 0, 5, (struct minute){256}, BYTES_LITERAL("z"), NULL), STATUS_OK);
    assert_int_equal(store_write_ranking(store, 0, 5, (struct minute){9}, BYTES_LITERAL("old"), NULL), STATUS_OK);
    assert_int_equal(store_write_ranking(store, 0, 5, (struct minute){9}, BYTES_LITERAL("amended"), NULL), STATUS_OK);
    restart();
    assert_int_equal(store_read_ranking(store, 0, 5, (struct minute){9}, &got, NULL), STATUS_OK);
    assert_text(&got, "amended");
    assert_int_equal(store_visit_rankings(store, NULL, note_ranking, &got, NULL), STATUS_OK);
    assert_text(&got, "0/5/9=amended 0/5/256=z 0/60/9=y 300/5/9=x ");
    assert_int_equal(store_write_ranking(store, 0, 5, (struct minute){666}, BYTES_LITERAL(""), NULL), STATUS_OK);
    assert_int_equal(store_visit_rankings(store, NULL, note_ranking, &got, NULL), STATUS_END);
    assert_text(&got, "0/5/9=amended 0/5/256=z 0/5/666= ");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ON_BOTH(every_atom_and_ad_of_a_large_block_is_found),
        ON_BOTH(smaller_open_minutes_of_atoms_leave_nothing_of_larger_ones),
        ON_BOTH(a_ranking_reads_back_as_it_was_last_written),
        ON_FAKE(amendments_of_many_atoms_cost_the_others_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
