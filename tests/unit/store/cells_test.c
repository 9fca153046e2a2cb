#include "store/cells.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on
#include <stdlib.h>

#include "base/random_sequence.h"
#include "store/key.h"
#include "store/value.h"

static struct cells decode(struct bytes bytes, bool *bad) {
    struct cells cells = {0};
    struct reader reader = reader_of(bytes);
    cells_decode(&reader, &cells);
    *bad = reader.bad || reader_left(&reader) > 0;
    return cells;
}

static void assert_cells_equal(const struct cell *a, const struct cell *b, size_t count) {
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(cell_compare(&a[i], &b[i]), 0);
        assert_true(a[i].count == b[i].count);
    }
}

/* Sorted, no two equal; steps that need 1 to 5 bytes, counts that need 1 to 10. */
static size_t random_cells(struct random_sequence *random, struct cell *cells, size_t count) {
    uint64_t ad = 0;
    uint32_t country = 0;
    for (size_t i = 0; i < count; i++) {
        bool same_ad = i > 0 && random_sequence_below(random, 3) == 0 && country + 1 < COUNTRY_CODES;
        if (same_ad) {
            country += 1 + (uint32_t)random_sequence_below(random, COUNTRY_CODES - country - 1);
        } else {
            ad += (i > 0) + random_sequence_below(random, UINT64_C(1) << random_sequence_below(random, 24));
            country = (uint32_t)random_sequence_below(random, COUNTRY_CODES);
        }
        if (ad > UINT32_MAX) return i;
        cells[i] = (struct cell){
            (uint32_t)ad, {(uint16_t)country}, random_sequence_next(random) >> random_sequence_below(random, 64)};
    }
    return count;
}

static void a_run_reads_back_as_it_was_written(void **state) {
    (void)state;
    struct random_sequence random = {1};
    struct cell *cells = memory_allocate(CELLS_RUN_MAX * sizeof *cells);
    for (int round = 0; round < 300; round++) {
        size_t count = random_cells(&random, cells, 1 + random_sequence_below(&random, 2000));
        struct buffer bytes = {0};
        bool bad;
        cells_encode(cell_list_plain(cells, count), count, &bytes);
        struct cells got = decode(buffer_view(&bytes), &bad);
        assert_false(bad);
        assert_int_equal(got.count, count);
        assert_cells_equal(got.at, cells, count);
        cells_fini(&got);
        buffer_fini(&bytes);
    }
    free(cells);
}

static void one_ad_is_found_without_the_others(void **state) {
    (void)state;
    struct random_sequence random = {2};
    struct cell *cells = memory_allocate(CELLS_RUN_MAX * sizeof *cells);
    for (int round = 0; round < 300; round++) {
        size_t count = random_cells(&random, cells, 1 + random_sequence_below(&random, 500));
        uint32_t ad = cells[random_sequence_below(&random, count)].ad + (round % 5 == 0);
        struct buffer bytes = {0};
        struct cells got = {0};
        cells_encode(cell_list_plain(cells, count), count, &bytes);
        struct reader reader = reader_of(buffer_view(&bytes));
        cells_decode_ad(&reader, ad, &got);
        assert_false(reader.bad);
        size_t first = 0, past;
        while (first < count && cells[first].ad < ad) first++;
        for (past = first; past < count && cells[past].ad == ad;) past++;
        assert_int_equal(got.count, past - first);
        assert_cells_equal(got.at, cells + first, got.count);
        cells_fini(&got);
        buffer_fini(&bytes);
    }
    free(cells);
}

/* Three atoms or more in every run that has so many cells; the second begins with ads below those before. */
static size_t random_atom_cells(struct random_sequence *random, struct atom_cell *cells, size_t count) {
    static struct cell plain[2000];
    uint32_t atom = 0;
    size_t filled = 0;
    while (filled < count) {
        size_t of_atom = random_cells(random, plain, 1 + random_sequence_below(random, count - filled));
        atom += 1 + (uint32_t)random_sequence_below(random, UINT64_C(1) << random_sequence_below(random, 22));
        for (size_t i = 0; i < of_atom; i++)
            cells[filled++] = (struct atom_cell){atom, plain[i].ad, plain[i].country, plain[i].count};
    }
    return filled;
}

static void assert_atom_cells_equal(const struct cells *got, const struct atom_cell *wanted, size_t count) {
    assert_int_equal(got->count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(got->atoms[i], wanted[i].atom);
        assert_int_equal(got->at[i].ad, wanted[i].ad);
        assert_int_equal(got->at[i].country.code, wanted[i].country.code);
        assert_true(got->at[i].count == wanted[i].count);
    }
}

static void a_run_of_atoms_reads_back_whole_and_from_place_to_place(void **state) {
    (void)state;
    struct random_sequence random = {5};
    static struct atom_cell cells[2000];
    struct cells got = {0}; /* reused: what one run leaves behind is not seen in the next */
    for (int round = 0; round < 500; round++) {
        size_t count = random_atom_cells(&random, cells, 1 + random_sequence_below(&random, 1000));
        struct buffer bytes = {0};
        cells_encode(cell_list_of_atoms(cells, count), count, &bytes);
        struct reader reader = reader_of(buffer_view(&bytes));
        cells_decode_atoms(&reader, &got);
        assert_false(reader.bad || reader_left(&reader) > 0);
        assert_atom_cells_equal(&got, cells, count);
        size_t a = random_sequence_below(&random, count), b = a + random_sequence_below(&random, count - a);
        uint64_t first = cell_place(cells[a].atom, round % 2 == 0 ? cells[a].ad : 0);
        uint64_t last = cell_place(cells[b].atom, round % 3 == 0 ? cells[b].ad : UINT32_MAX);
        while (a > 0 && cell_place(cells[a - 1].atom, cells[a - 1].ad) >= first) a--;
        while (b < count && cell_place(cells[b].atom, cells[b].ad) <= last) b++;
        reader = reader_of(buffer_view(&bytes));
        cells_decode_places(&reader, first, last, &got);
        assert_false(reader.bad);
        assert_atom_cells_equal(&got, cells + a, b > a ? b - a : 0);
        buffer_fini(&bytes);
    }
    cells_fini(&got);
}

static void a_run_of_atoms_ends_with_an_ad_of_an_atom(void **state) {
    (void)state;
    size_t count = 2 * CELLS_RUN;
    struct atom_cell *cells = memory_allocate(count * sizeof *cells);
    for (size_t i = 0; i < count; i++) /* one ad of ever more atoms */
        cells[i] = (struct atom_cell){1 + (uint32_t)(i / 5), 7, {(uint16_t)(i % 5)}, 1};
    assert_int_equal(cells_run_length(cell_list_of_atoms(cells, count)), CELLS_RUN - CELLS_RUN % 5);
    for (size_t i = 0; i < count; i++) cells[i] = (struct atom_cell){3, i == 0 ? 7 : 8, {(uint16_t)i}, 1};
    assert_int_equal(cells_run_length(cell_list_of_atoms(cells, count)), 1);
    assert_int_equal(cells_run_length(cell_list_of_atoms(cells + 1, count - 1)), count - 1);
    free(cells);
}

static void a_run_of_atoms_that_is_cut_or_out_of_order_is_bad(void **state) {
    (void)state;
    struct random_sequence random = {6};
    struct atom_cell cells[50];
    struct buffer bytes = {0};
    struct cells got = {0};
    cells_encode(cell_list_of_atoms(cells, random_atom_cells(&random, cells, 50)), 50, &bytes);
    for (size_t len = 0; len < bytes.len; len++) {
        uint8_t *copy = memory_allocate(len + 1); /* so that a read past the end is noticed */
        memcpy(copy, bytes.at, len);
        struct reader reader = reader_of((struct bytes){copy, len});
        cells_decode_atoms(&reader, &got);
        assert_true(reader.bad && got.count == 0);
        free(copy);
    }
    buffer_fini(&bytes);
#define RUN(atoms, ads, countries) BYTES_LITERAL("\2\2\0\0\0\2\0\0\0\2\0\0\0" atoms ads countries "\1\1")
    const struct {
        struct bytes bytes;
        bool good;
    } runs[] = {
        {RUN("\1\0", "\5\0", "\7\10"), true}, {RUN("\1\1", "\5\5", "\7\7"), true},   {RUN("\1\1", "\5\0", "\7\7"), true},
        {RUN("\1\0", "\5\0", "\7\7"), false}, {RUN("\0\1", "\5\5", "\7\10"), false}, {RUN("\0\0", "\5\5", "\7\10"), false},
    };
#undef RUN
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        struct reader reader = reader_of(runs[i].bytes);
        cells_decode_atoms(&reader, &got);
        assert_int_equal(!reader.bad, runs[i].good);
    }
    cells_fini(&got);
}

/* Damage that the checksum did not see: no read past the end, and whatever decodes whole decodes the same in parts. */
static void a_damaged_run_of_atoms_is_bad_or_reads_alike_in_parts(void **state) {
    (void)state;
    struct random_sequence random = {7};
    struct atom_cell cells[40];
    struct buffer bytes = {0};
    struct cells whole = {0}, part = {0};
    cells_encode(cell_list_of_atoms(cells, random_atom_cells(&random, cells, 40)), 40, &bytes);
    uint8_t *copy = memory_allocate(bytes.len);
    for (int round = 0; round < 20000; round++) {
        memcpy(copy, bytes.at, bytes.len);
        for (uint64_t flips = 1 + random_sequence_below(&random, 3); flips > 0; flips--)
            copy[random_sequence_below(&random, bytes.len)] ^= (uint8_t)(1 << random_sequence_below(&random, 8));
        struct reader reader = reader_of((struct bytes){copy, bytes.len}), again = reader;
        cells_decode_atoms(&reader, &whole);
        cells_decode_places(&again, 0, UINT64_MAX, &part);
        assert_true(reader.bad || (!again.bad && part.count == whole.count));
    }
    free(copy);
    buffer_fini(&bytes);
    cells_fini(&whole);
    cells_fini(&part);
}

static void a_run_ends_with_an_ad(void **state) {
    (void)state;
    size_t count = 3 * CELLS_RUN;
    struct cell *cells = memory_allocate(count * sizeof *cells);
    for (size_t i = 0; i < count; i++) cells[i] = (struct cell){(uint32_t)(i / 3), {(uint16_t)(i % 3)}, 1};
    assert_int_equal(cells_run_length(cell_list_plain(cells, count)), CELLS_RUN - CELLS_RUN % 3);
    assert_int_equal(cells_run_length(cell_list_plain(cells, CELLS_RUN)), CELLS_RUN);
    assert_int_equal(cells_run_length(cell_list_plain(cells, 1)), 1);
    assert_int_equal(cells_run_length(cell_list_plain(cells, 0)), 0);
    for (size_t i = 0; i < count; i++) cells[i] = (struct cell){i == 0 ? 7 : 8, {(uint16_t)i}, 1};
    assert_int_equal(cells_run_length(cell_list_plain(cells, count)), 1);
    assert_int_equal(cells_run_length(cell_list_plain(cells + 1, count - 1)), count - 1);
    free(cells);
}

static void every_cut_run_is_bad(void **state) {
    (void)state;
    struct random_sequence random = {3};
    struct cell cells[50];
    size_t count = random_cells(&random, cells, 50);
    struct buffer bytes = {0};
    cells_encode(cell_list_plain(cells, count), count, &bytes);
    for (size_t len = 0; len < bytes.len; len++) {
        bool bad;
        uint8_t *copy = memory_allocate(len + 1); /* so that a read past the end is noticed */
        memcpy(copy, bytes.at, len);
        struct cells got = decode((struct bytes){copy, len}, &bad);
        assert_true(bad);
        assert_int_equal(got.count, 0);
        cells_fini(&got);
        free(copy);
    }
    buffer_fini(&bytes);
}

static void cells_out_of_order_are_bad(void **state) {
    (void)state;
    const uint8_t twice[] = {2, 2, 0, 0, 0, 2, 0, 0, 0, /* ads */ 5, 0, /* countries */ 9, 9, /* counts */ 1, 1};
    const uint8_t far_country[] = {1, 1, 0, 0, 0, 3, 0, 0, 0, 5, 0xA8, 0x89, 0x01, 1}; /* 17,576 */
    const uint8_t far_ad[] = {1, 5, 0, 0, 0, 1, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0x1F, 1, 1};
    const uint8_t no_cells[] = {0, 0, 0, 0, 0, 0, 0, 0, 0};
    const struct bytes all[] = {
        {twice, sizeof twice}, {far_country, sizeof far_country}, {far_ad, sizeof far_ad}, {no_cells, sizeof no_cells}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        bool bad;
        struct cells got = decode(all[i], &bad);
        assert_true(bad);
        cells_fini(&got);
    }
}

static void a_value_of_any_damage_is_corrupt_or_unsupported(void **state) {
    (void)state;
    struct value_writer *writer = value_writer_create();
    struct value_reader *reader = value_reader_create();
    struct store_key_bytes key =
        store_key_encode(&(struct store_key){.table = STORE_BLOCK, .generation = 1, .partition = 2, .minute = 26824321});
    uint8_t content[500];
    for (size_t round = 0; round < 2; round++) { /* compressed, then too random for it */
        struct random_sequence random = {4};
        for (size_t i = 0; i < sizeof content; i++)
            content[i] = round == 0 ? (uint8_t)(i / 50) : (uint8_t)random_sequence_next(&random);
        struct bytes sealed = value_seal(writer, store_key_view(&key), (struct bytes){content, sizeof content}), opened;
        assert_int_equal(sealed.at[1], round == 0 ? VALUE_ZSTD : VALUE_RAW);
        assert_int_equal(value_open(reader, store_key_view(&key), sealed, &opened, NULL), STATUS_OK);
        assert_true(bytes_equal(opened, (struct bytes){content, sizeof content}));
        uint8_t *copy = memory_allocate(sealed.len);
        for (size_t bit = 0; bit < 8 * sealed.len; bit++) {
            memcpy(copy, sealed.at, sealed.len);
            copy[bit / 8] ^= (uint8_t)(1 << (bit % 8));
            struct failure failure = {0};
            assert_int_equal(value_open(reader, store_key_view(&key), (struct bytes){copy, sealed.len}, &opened, &failure),
                             STATUS_CORRUPT);
            assert_non_null(strstr(failure.text, "block of minute 2021-01-01T00:01Z (26824321), partition 2"));
        }
        struct store_key_bytes other = key;
        other.at[3] ^= 1;
        assert_int_equal(value_open(reader, store_key_view(&other), sealed, &opened, NULL), STATUS_CORRUPT);
        for (size_t len = 0; len < sealed.len; len++)
            assert_int_equal(value_open(reader, store_key_view(&key), (struct bytes){sealed.at, len}, &opened, NULL),
                             STATUS_CORRUPT);
        free(copy);
    }
    value_writer_destroy(writer);
    value_reader_destroy(reader);
}

static void keys_sort_as_their_fields_do_and_read_back(void **state) {
    (void)state;
    const struct store_key keys[] = {
        {.table = STORE_AMENDMENT, .generation = 1, .minute = 255, .ad = 256, .country = 255},
        {.table = STORE_AMENDMENT, .generation = 1, .minute = 255, .ad = 256, .country = 256},
        {.table = STORE_AMENDMENT, .generation = 1, .minute = 256, .ad = 1},
        {.table = STORE_BLOCK, .generation = 1, .partition = 1, .minute = 5, .atom = 0, .ad = 9},
        {.table = STORE_BLOCK, .generation = 1, .partition = 1, .minute = 5, .atom = 1, .ad = 0},
        {.table = STORE_BLOCK, .generation = 2, .partition = 0},
        {.table = STORE_ATOM_BLOCK, .generation = 1, .partition = 1, .minute = 5, .atom = 255, .ad = 9},
        {.table = STORE_ATOM_BLOCK, .generation = 1, .partition = 1, .minute = 5, .atom = 256, .ad = 1},
        {.table = STORE_ADS, .ad = 70000},
        {.table = STORE_HISTORY_DONE, .generation = 1, .run = 3, .partition = 9},
        {.table = STORE_HISTORY_DONE, .generation = 1, .run = 256, .partition = 1},
        {.table = STORE_HISTORY, .generation = 1, .partition = 1, .minute = 5, .run = 2, .atom = 9, .ad = 9},
        {.table = STORE_HISTORY, .generation = 1, .partition = 1, .minute = 5, .run = 3, .atom = 1, .ad = 9},
        {.table = STORE_HISTORY, .generation = 1, .partition = 1, .minute = 6, .run = 1},
        {.table = STORE_BACKFILLED, .generation = 1, .atom = 16777215},
        {.table = STORE_META},
        {.table = STORE_OPEN, .generation = 1, .partition = 2, .part = 1},
        {.table = STORE_PARTITION, .generation = 1, .partition = 2},
        {.table = STORE_RANKING, .generation = 1, .filter_id = 0, .window = 1440, .minute = 5},
        {.table = STORE_RANKING, .generation = 1, .filter_id = 12, .window = 1, .minute = 5},
        {.table = STORE_ATOM_OPEN, .generation = 1, .partition = 2, .part = 1},
    };
    struct store_key_bytes before = {.len = 0};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        struct store_key_bytes bytes = store_key_encode(&keys[i]);
        struct store_key back;
        char text[STORE_KEY_TEXT_MAX];
        assert_true(bytes_compare(store_key_view(&before), store_key_view(&bytes)) < 0);
        assert_true(store_key_decode(store_key_view(&bytes), &back));
        assert_memory_equal(&back, &keys[i], sizeof back);
        store_key_text(store_key_view(&bytes), text);
        assert_null(strstr(text, "unknown"));
        assert_false(store_key_decode((struct bytes){bytes.at, bytes.len - 1u}, &back));
        before = bytes;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_reads_back_as_it_was_written),
        cmocka_unit_test(one_ad_is_found_without_the_others),
        cmocka_unit_test(a_run_ends_with_an_ad),
        cmocka_unit_test(a_run_of_atoms_reads_back_whole_and_from_place_to_place),
        cmocka_unit_test(a_run_of_atoms_ends_with_an_ad_of_an_atom),
        cmocka_unit_test(a_run_of_atoms_that_is_cut_or_out_of_order_is_bad),
        cmocka_unit_test(a_damaged_run_of_atoms_is_bad_or_reads_alike_in_parts),
        cmocka_unit_test(every_cut_run_is_bad),
        cmocka_unit_test(cells_out_of_order_are_bad),
        cmocka_unit_test(a_value_of_any_damage_is_corrupt_or_unsupported),
        cmocka_unit_test(keys_sort_as_their_fields_do_and_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
