#include "view/cell_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random_sequence.h"

enum { ADS = 300, COUNTRIES = 7 };

static struct cell *sorted(const struct cell_table *table) {
    struct slice *items = malloc(table->cell_count * sizeof *items), *scratch = malloc(table->cell_count * sizeof *scratch);
    struct cell *cells = malloc(table->cell_count * sizeof *cells);
    const struct slice *slices = cell_table_sorted(table, items, scratch);
    for (uint32_t i = 0; i < table->cell_count; i++)
        cells[i] = (struct cell){cell_key_ad(slices[i].key), cell_key_country(slices[i].key), slices[i].count};
    free(items);
    free(scratch);
    return cells;
}

static void it_counts_like_an_array(void **state) {
    (void)state;
    static uint64_t model[ADS][COUNTRIES];
    struct random_sequence random = {7};
    struct cell_table table = {0};
    for (int i = 0; i < 50000; i++) {
        uint32_t ad = (uint32_t)random_sequence_below(&random, ADS),
                 country = (uint32_t)random_sequence_below(&random, COUNTRIES);
        cell_table_add(&table, cell_key(ad, (struct country){(uint16_t)(country * 1000)}), 1 + i % 3);
        model[ad][country] += 1 + (uint64_t)i % 3;
    }
    assert_int_equal(table.cell_count, ADS * COUNTRIES);
    assert_int_equal(table.country_count, COUNTRIES);
    struct cell *cells = sorted(&table);
    for (uint32_t ad = 0; ad < ADS; ad++) {
        uint64_t sum = 0;
        for (uint32_t country = 0; country < COUNTRIES; country++) {
            const struct cell *cell = &cells[ad * COUNTRIES + country];
            assert_int_equal(cell->ad, ad);
            assert_int_equal(cell->country.code, country * 1000);
            assert_int_equal(cell->count, model[ad][country]);
            sum += cell->count;
        }
        assert_int_equal(cell_table_ad_count(&table, ad), sum);
    }
    free(cells);
    cell_table_fini(&table);
}

static void an_ad_without_clicks_counts_nothing(void **state) {
    (void)state;
    struct cell_table table = {0};
    assert_int_equal(cell_table_ad_count(&table, 5), 0);
    cell_table_add(&table, cell_key(0, (struct country){0}), 2);
    assert_int_equal(cell_table_ad_count(&table, 5), 0);
    assert_int_equal(cell_table_ad_count(&table, 0), 2);
    cell_table_fini(&table);
}

/* What a table must equal: the key of each index -> what was added to it. */
enum { MODEL_KEYS_MAX = 400 * 1000 };
struct model {
    uint32_t key_count, cell_count;
    uint64_t counts[MODEL_KEYS_MAX];
};
static struct model model;

/* Keys that differ from the `shift`th bit on only. */
static uint64_t model_key(uint32_t at, unsigned shift) {
    return ((uint64_t)at << shift) + 1;
}

static void add_at_random(struct cell_table *table, unsigned shift, struct random_sequence *random) {
    uint32_t at = (uint32_t)random_sequence_below(random, model.key_count);
    uint64_t count = 1 + random_sequence_below(random, 3);
    cell_table_prefetch(table, model_key(at, shift));
    cell_table_add(table, model_key(at, shift), count);
    model.cell_count += model.counts[at] == 0;
    model.counts[at] += count;
}

/* Every cell of the table is the model's, each is given once, and there are as many. */
static void assert_equals_model(const struct cell_table *table, unsigned shift) {
    struct cell_cursor cursor = {0};
    uint8_t *seen = calloc(model.key_count, 1);
    uint32_t cell_count = 0;
    for (const struct cell_slot *slot; (slot = cell_table_next(table, &cursor)) != NULL; cell_count++) {
        uint64_t at = (slot->key - 1) >> shift;
        assert_true(at < model.key_count && slot->key == model_key((uint32_t)at, shift));
        assert_false(seen[at]);
        seen[at] = 1;
        assert_int_equal(slot->count, model.counts[at]);
    }
    assert_null(cell_table_next(table, &cursor));
    assert_int_equal(cell_count, model.cell_count);
    assert_int_equal(table->cell_count, model.cell_count);
    free(seen);
}

/* `expected`: what the table was told to expect, 0: nothing. */
static void assert_grows_like_model(uint32_t key_count, uint32_t add_count, unsigned shift, uint32_t expected) {
    struct random_sequence random = {key_count + shift};
    struct cell_table table = {0};
    model = (struct model){.key_count = key_count};
    if (expected > 0) cell_table_expect(&table, expected);
    uint32_t check_at = 1;
    for (uint32_t i = 0; i < add_count; i++) {
        add_at_random(&table, shift, &random);
        if (i + 1 < check_at && i + 1 < add_count) continue;
        assert_equals_model(&table, shift);
        check_at = check_at * 3 / 2 + 1;
    }
    cell_table_fini(&table);
}

static void a_table_that_is_cut_into_shards_keeps_every_cell(void **state) {
    (void)state;
    assert_grows_like_model(MODEL_KEYS_MAX, 600 * 1000, 16, 0);
}

static void keys_that_differ_in_any_bits_are_spread(void **state) {
    (void)state;
    assert_grows_like_model(60 * 1000, 150 * 1000, 31, 0);
    assert_grows_like_model(60 * 1000, 150 * 1000, 40, 0); /* takes minutes when these bits move nothing */
    assert_grows_like_model(60 * 1000, 150 * 1000, 47, 0);
}

static void a_wrong_expectation_changes_no_count(void **state) {
    (void)state;
    static const uint32_t expected[] = {1, 11, 12, 5000, 11519, 11520, 11521, 20000, 1000 * 1000, UINT32_MAX};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        assert_grows_like_model(10, 30, 16, expected[i]);
        assert_grows_like_model(20 * 1000, 40 * 1000, 16, expected[i]);
    }
}

static void what_was_expected_fits_without_growing(void **state) {
    (void)state;
    for (uint32_t expected = 1; expected < 30 * 1000; expected = expected * 5 / 4 + 1) {
        struct cell_table table = {0};
        cell_table_expect(&table, expected);
        uint64_t slot_count = table.slot_count;
        assert_true(slot_count <= 64 + 8 * (uint64_t)expected);
        for (uint32_t i = 0; i < expected - expected / 8; i++) cell_table_add(&table, model_key(i, 16), 1);
        assert_int_equal(table.slot_count, slot_count);
        cell_table_fini(&table);
    }
}

static void keys_that_all_fall_into_few_shards_have_room(void **state) {
    (void)state;
    struct cell_table spread = {0}, uneven = {0};
    for (uint32_t i = 0; i < 300 * 1000; i++) cell_table_add(&spread, model_key(i, 16), 1 + i % 7);
    for (uint32_t s = 0; s < 6; s++)
        for (uint32_t i = 0; i < spread.shards[s].slot_count; i++)
            if (spread.shards[s].slots[i].key != 0)
                cell_table_add(&uneven, spread.shards[s].slots[i].key, spread.shards[s].slots[i].count);
    assert_true(uneven.shards != NULL && uneven.cell_count > 11520);
    struct cell_cursor cursor = {0};
    uint32_t cell_count = 0;
    for (const struct cell_slot *slot; (slot = cell_table_next(&uneven, &cursor)) != NULL; cell_count++)
        assert_int_equal(slot->count, 1 + (slot->key - 1) / 65536 % 7);
    assert_int_equal(cell_count, uneven.cell_count);
    cell_table_fini(&spread);
    cell_table_fini(&uneven);
}

/* What a publication waits for: no add moves more than a small part. */
static void a_large_table_grows_in_small_steps(void **state) {
    (void)state;
    struct cell_table table = {0};
    uint32_t growths = 0;
    for (uint32_t i = 0; i < 300 * 1000; i++) {
        uint64_t before = table.slot_count;
        cell_table_add(&table, model_key(i, 16), 1);
        if (i < 20 * 1000) continue;
        assert_true(table.slot_count - before <= table.slot_count / 32);
        growths += table.slot_count > before;
        assert_true(table.slot_count < 5 * (uint64_t)table.cell_count);
    }
    assert_true(growths > 2 * CELL_SHARDS);
    cell_table_fini(&table);
}

/* There are thousands of minutes with few clicks. */
static void a_small_table_stays_in_one_piece(void **state) {
    (void)state;
    struct cell_table table = {0};
    assert_int_equal(cell_table_bytes(&table), 0);
    for (uint32_t i = 0; i < 10; i++) cell_table_add(&table, cell_key(i, (struct country){0}), 1);
    assert_true(cell_table_bytes(&table) <= 16 * sizeof(struct cell_slot) + 16 * sizeof(uint16_t));
    for (uint32_t i = 10; i < 11000; i++) cell_table_add(&table, cell_key(i, (struct country){0}), 1);
    assert_null(table.shards);
    cell_table_fini(&table);
}

static void a_table_in_shards_gives_its_cells_sorted(void **state) {
    (void)state;
    struct cell_table table = {0};
    struct random_sequence random = {11};
    for (int i = 0; i < 100 * 1000; i++) {
        struct country country = {(uint16_t)(random_sequence_below(&random, 5) * 100)};
        cell_table_add(&table, cell_key((uint32_t)random_sequence_below(&random, 20 * 1000), country), 1);
    }
    assert_non_null(table.shards);
    struct cell *cells = sorted(&table);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < table.cell_count; i++) {
        if (i > 0) assert_true(cell_compare(&cells[i - 1], &cells[i]) < 0);
        sum += cells[i].count;
    }
    assert_int_equal(sum, 100 * 1000);
    for (uint32_t i = 0, ad = 0; ad < 20 * 1000; ad++) {
        uint64_t of_ad = 0;
        for (; i < table.cell_count && cells[i].ad == ad; i++) of_ad += cells[i].count;
        assert_int_equal(cell_table_ad_count(&table, ad), of_ad);
    }
    free(cells);
    cell_table_fini(&table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_counts_like_an_array),
        cmocka_unit_test(an_ad_without_clicks_counts_nothing),
        cmocka_unit_test(a_table_that_is_cut_into_shards_keeps_every_cell),
        cmocka_unit_test(keys_that_differ_in_any_bits_are_spread),
        cmocka_unit_test(a_wrong_expectation_changes_no_count),
        cmocka_unit_test(what_was_expected_fits_without_growing),
        cmocka_unit_test(keys_that_all_fall_into_few_shards_have_room),
        cmocka_unit_test(a_large_table_grows_in_small_steps),
        cmocka_unit_test(a_small_table_stays_in_one_piece),
        cmocka_unit_test(a_table_in_shards_gives_its_cells_sorted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
