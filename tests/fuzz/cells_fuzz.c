/* Bytes as counts by key, in any order and with keys that come again: what the view and the store keep them in (hash table,
 * vector of a minute, slices, runs of cells on disk) must give back the sums of a sorted list. */
#include <stdlib.h>

#include "base/check.h"
#include "filter/atoms.h"
#include "store/cells.h"
#include "view/minute_vector.h"
#include "view/slice_vector.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ITEMS_MAX = 3000, ADS = 2048 };

/* As cell_table.h has it of (ad, country), with an atom in front. */
static uint64_t make_key(uint32_t atom, uint32_t ad, struct country country) {
    return ((uint64_t)atom << 40 | (uint64_t)ad << 16 | country.code) + 1;
}
static uint32_t key_atom(uint64_t key) {
    return (uint32_t)((key - 1) >> 40);
}
static uint32_t key_ad(uint64_t key) {
    return (uint32_t)((key - 1) >> 16) & 0xFFFFFF;
}

/* Ascending by key, each once: the plain sums. */
struct sums {
    struct slice at[ITEMS_MAX];
    uint32_t count;
};

static int by_key(const void *left, const void *right) {
    const struct slice *a = left, *b = right;
    return (a->key > b->key) - (a->key < b->key);
}

static void sum_up(const struct slice *items, uint32_t count, struct sums *sums) {
    memcpy(sums->at, items, count * sizeof *items);
    if (count > 0) qsort(sums->at, count, sizeof *items, by_key);
    sums->count = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (sums->count > 0 && sums->at[sums->count - 1].key == sums->at[i].key)
            sums->at[sums->count - 1].count += sums->at[i].count;
        else
            sums->at[sums->count++] = sums->at[i];
    }
}

/* A byte is a step to the next key; now and then a jump, a large count, or a run of neighbours, so that a few bytes can make
 * thousands of items. */
static uint32_t read_items(const uint8_t *data, size_t size, struct slice *items) {
    uint32_t count = 0;
    uint32_t atom = 1, ad = 0, country = 0;
    for (size_t i = 0; i < size && count < ITEMS_MAX; i++) {
        uint32_t repeat = 1;
        uint64_t clicks = 1;
        const uint8_t byte = data[i];
        country = (country + (byte & 3)) % COUNTRY_CODES;
        ad = (ad + (byte >> 2 & 15)) % ADS;
        if (byte >= 192) {
            const uint8_t more = i + 1 < size ? data[++i] : 0;
            switch (byte >> 4) {
            case 12:
                ad = more * 31u % ADS;
                break;
            case 13:
                atom = 1 + more * 257u;
                break;
            case 14:
                repeat = more * 4u + 1;
                break;
            default:
                clicks = UINT64_C(1) << (more % 28);
            }
        }
        for (; repeat > 0 && count < ITEMS_MAX; repeat--) {
            items[count++] = (struct slice){make_key(atom, ad, (struct country){(uint16_t)country}), clicks};
            if (repeat > 1) ad = (ad + 1) % ADS;
        }
    }
    return count;
}

static void check_table(const struct slice *items, uint32_t count, const struct sums *sums) {
    struct cell_table table = {0};
    struct cell_cursor cursor = {0};
    uint32_t walked = 0;
    if (count > 0 && items[0].count % 2 == 0) cell_table_expect(&table, count);
    for (uint32_t i = 0; i < count; i++) cell_table_add(&table, items[i].key, items[i].count);
    CHECK(table.cell_count == sums->count);
    while (cell_table_next(&table, &cursor) != NULL) walked++;
    CHECK(walked == sums->count);
    for (uint32_t i = 0; i < sums->count; i++) CHECK(cell_table_count(&table, sums->at[i].key) == sums->at[i].count);
    CHECK(cell_table_count(&table, make_key(ATOMS_MAX, 1, (struct country){1})) == 0);
    cell_table_fini(&table);
}

static void add_count(void *context, uint64_t key, uint64_t count) {
    (void)key;
    *(uint64_t *)context += count;
}

/* Of the keys from `first` to `last`, both included. */
static uint64_t sum_of(const struct slice_vector *vector, uint64_t first, uint64_t last) {
    uint64_t sum = 0;
    slice_vector_visit(vector, first, last, add_count, &sum);
    return sum;
}

static void check_slices(const struct slice *items, uint32_t count, const struct sums *sums) {
    static struct slice work[ITEMS_MAX], scratch[ITEMS_MAX];
    struct slice_vector vector, folded;
    const uint32_t base = count / 3, late = (count - base) / 2;
    memcpy(work, items, count * sizeof *items);
    slice_vector_init(&vector, work, scratch, base);
    slice_vector_add_late(&vector, work + base, late);
    slice_vector_add_late(&vector, work + base + late, count - base - late);
    slice_vector_fold(&vector, &folded);
    CHECK(folded.entry_count == sums->count);
    uint64_t before = 0;
    for (uint32_t i = 0; i < sums->count; i++) {
        const uint64_t key = sums->at[i].key;
        before += sums->at[i].count;
        if (i % 64 < 8) CHECK(sum_of(&vector, key, key) == sums->at[i].count);
        if (i % 97 != 0) continue; /* each is a walk over all of them */
        CHECK(sum_of(&vector, 0, key) == before && sum_of(&folded, 0, key) == before);
    }
    CHECK(sum_of(&vector, 0, UINT64_MAX) == before && sum_of(&folded, 0, UINT64_MAX) == before);
    slice_vector_fini(&vector);
    slice_vector_fini(&folded);
}

/* By ad alone. */
static void check_minute(const struct slice *items, uint32_t count) {
    static uint32_t plain[ADS], dense[ADS];
    static struct ad_count counts[ITEMS_MAX], scratch[ITEMS_MAX];
    struct minute_vector vector;
    uint32_t distinct = 0;
    const uint32_t base = count / 2;
    memset(plain, 0, sizeof plain);
    memset(dense, 0, sizeof dense);
    for (uint32_t i = 0; i < base; i++) plain[key_ad(items[i].key)] += (uint32_t)items[i].count;
    for (uint32_t ad = 0; ad < ADS; ad++)
        if (plain[ad] > 0) counts[distinct++] = (struct ad_count){ad, plain[ad]};
    minute_vector_init(&vector, counts, scratch, distinct);
    for (uint32_t i = base; i < count; i++) {
        plain[key_ad(items[i].key)] += (uint32_t)items[i].count;
        cell_table_add(&vector.late, cell_key(key_ad(items[i].key), (struct country){0}), items[i].count);
    }
    minute_vector_add_to(&vector, dense, false);
    for (uint32_t ad = 0; ad < ADS; ad++) CHECK(dense[ad] == plain[ad] && minute_vector_count(&vector, ad) == plain[ad]);
    minute_vector_add_to(&vector, dense, true);
    for (uint32_t ad = 0; ad < ADS; ad++) CHECK(dense[ad] == 0);
    minute_vector_fini(&vector);
}

static void check_places(struct bytes run, const struct atom_cell *cells, size_t count, uint64_t first, uint64_t last) {
    struct cells some = {0};
    struct reader reader = reader_of(run);
    size_t found = 0;
    cells_decode_places(&reader, first, last, &some);
    CHECK(!reader.bad);
    for (size_t i = 0; i < count; i++) {
        const uint64_t place = cell_place(cells[i].atom, cells[i].ad);
        if (place < first || place > last) continue;
        CHECK(found < some.count && some.atoms[found] == cells[i].atom && some.at[found].ad == cells[i].ad);
        CHECK(some.at[found].country.code == cells[i].country.code && some.at[found].count == cells[i].count);
        found++;
    }
    CHECK(found == some.count);
    cells_fini(&some);
}

static void check_runs(const struct sums *sums) {
    static struct atom_cell cells[ITEMS_MAX];
    struct buffer run = {0};
    for (uint32_t i = 0; i < sums->count; i++)
        cells[i] = (struct atom_cell){key_atom(sums->at[i].key), key_ad(sums->at[i].key), cell_key_country(sums->at[i].key),
                                      sums->at[i].count};
    for (struct cell_list left = cell_list_of_atoms(cells, sums->count); left.count > 0;) {
        const size_t count = cells_run_length(left);
        const struct atom_cell *of_run = left.of_atoms;
        struct cells all = {0};
        buffer_clear(&run);
        cells_encode(left, count, &run);
        struct reader reader = reader_of(buffer_view(&run));
        cells_decode_atoms(&reader, &all);
        CHECK(!reader.bad && reader_left(&reader) == 0 && all.count == count);
        const struct atom_cell *middle = &of_run[count / 2], *later = &of_run[count - 1 - count / 4];
        const uint64_t from = cell_place(middle->atom, middle->ad), to = cell_place(later->atom, later->ad);
        check_places(buffer_view(&run), of_run, count, from, from);
        if (from <= to) check_places(buffer_view(&run), of_run, count, from, to);
        check_places(buffer_view(&run), of_run, count, UINT64_C(1) << 32, UINT64_MAX);
        cells_fini(&all);
        left = cell_list_rest(left, count);
    }
    buffer_fini(&run);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct slice items[ITEMS_MAX];
    static struct sums sums;
    const uint32_t count = read_items(data, size, items);
    sum_up(items, count, &sums);
    check_table(items, count, &sums);
    check_slices(items, count, &sums);
    check_minute(items, count);
    check_runs(&sums);
    return 0;
}
