#include "view/cell_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random_sequence.h"

enum { ADS = 300, COUNTRIES = 7 };

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
    struct cell *cells = malloc(table.cell_count * sizeof *cells);
    cell_table_sorted(&table, cells);
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_counts_like_an_array),
        cmocka_unit_test(an_ad_without_clicks_counts_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
