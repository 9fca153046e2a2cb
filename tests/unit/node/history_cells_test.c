/* Whatever the bound, the store ends with the same: each minute's clicks, added up. */
#include "node/history_cells.h"

#include "base/check.h"
#include "unit/store/store_under_test.h"

enum { RUN = 5, PARTITION = 1, MINUTES = 12, ATOMS = 3, ADS = 40, COUNTRIES = 4, CLICKS = 6000 };

static uint32_t below(uint64_t *seed, uint32_t bound) {
    *seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)(*seed >> 33) % bound;
}

static uint64_t wanted[MINUTES][ATOMS + 1][ADS][COUNTRIES];

static void take_away(void *context, struct minute minute, const struct atom_cell *cell) {
    CHECK(cell->count > 0);
    *(uint64_t *)context += cell->count;
    uint64_t *left = &wanted[minute.index][cell->atom][cell->ad][cell->country.code];
    assert_int_equal(*left, cell->count); /* one cell, with all of it */
    *left = 0;
}

static void click(struct history_cells *cells, uint64_t *spills, const struct atom_increment *increment) {
    while (!history_cells_add(cells, increment)) {
        bool more = true;
        while (more) assert_int_equal(history_cells_spill(cells, &more, NULL), STATUS_OK);
        assert_true(cells->bytes <= cells->bytes_max / 2);
        ++*spills;
    }
    wanted[increment->minute.index][increment->atom][increment->ad][increment->country.code]++;
}

/* Clicks of minutes that slide forward, a few late ones among them; then what the store holds. */
static uint64_t spills_under(uint64_t bytes_max, uint64_t seed) {
    struct history_cells cells = {0};
    uint64_t spills = 0, read = 0;
    history_cells_begin(&cells, store, RUN, PARTITION, bytes_max);
    for (uint32_t i = 0; i < CLICKS; i++) {
        uint32_t sealed = i * MINUTES / CLICKS / 2;
        uint32_t newest = i * MINUTES / CLICKS, minute = below(&seed, 8) == 0 ? sealed : newest;
        struct atom_increment increment = {
            {minute}, below(&seed, ADS), 1 + below(&seed, ATOMS), {(uint16_t)below(&seed, COUNTRIES)}};
        click(&cells, &spills, &increment);
        if (below(&seed, 200) == 0)
            assert_int_equal(history_cells_write_sealed(&cells, minute_start((struct minute){sealed}), NULL), STATUS_OK);
        assert_true(cells.bytes <= bytes_max || cells.bytes <= 64 * sizeof(struct atom_cell));
    }
    assert_int_equal(history_cells_write_all(&cells, NULL), STATUS_OK);
    history_cells_clear(&cells);
    for (uint32_t m = 0; m < MINUTES; m++)
        assert_int_equal(store_read_history(store, RUN, PARTITION, (struct minute){m}, take_away, &read, NULL), STATUS_OK);
    assert_int_equal(read, CLICKS);
    return spills;
}

static void a_tiny_bound_gives_the_same_numbers_as_none(void **state) {
    (void)state;
    /* Each finds what the one before it left of the same run, as after a crash. */
    assert_int_equal(spills_under(UINT64_MAX, 1), 0);
    assert_true(spills_under(1, 2) > 100);
    assert_true(spills_under(8 << 10, 3) > 10);
    assert_true(spills_under(40 << 10, 4) > 1);
    assert_int_equal(spills_under(1 << 30, 5), 0);
}

static void what_was_not_written_is_let_go(void **state) {
    (void)state;
    struct history_cells cells = {0};
    const struct atom_increment increment = {{3}, 1, 1, {1}};
    history_cells_begin(&cells, store, RUN, PARTITION, 1 << 20);
    assert_true(history_cells_add(&cells, &increment));
    assert_true(cells.bytes > 0);
    history_cells_clear(&cells);
    assert_int_equal(cells.bytes, 0);
    uint64_t read = 0;
    assert_int_equal(store_read_history(store, RUN, PARTITION, (struct minute){3}, take_away, &read, NULL), STATUS_OK);
    assert_int_equal(read, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ON_FAKE(a_tiny_bound_gives_the_same_numbers_as_none),
        ON_ROCKS(a_tiny_bound_gives_the_same_numbers_as_none),
        ON_FAKE(what_was_not_written_is_let_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
