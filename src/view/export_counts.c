/* export_counts.c: the table of (ad, minute, filter, count): each filter's signed sum over the cells of one ad and minute.
 *
 * An index from atoms and countries to filters makes an (ad, minute) cost what its cells can add to, not the number of
 * filters: a cell of an atom looks at the filters that use the atom; a cell of all clicks only at those whose region names
 * its country, and the sum of these cells at those that take every country but some. */
#include <stdlib.h>

#include "base/check.h"
#include "click/timestamp.h"
#include "view/export_internal.h"

/* Uses of one place after the other: those of place i are at[first[i]] .. at[first[i + 1] - 1]. */
struct uses {
    uint32_t *first;
    uint32_t *at; /* index of the filter * 2, + 1 to subtract */
    uint32_t place_count;
};

struct export_counts {
    const struct export_filter *filters;
    size_t filter_count;
    struct uses of_atoms; /* by atom; none of ATOM_ALL */
    struct uses of_all;   /* of cells of all clicks, by country; COUNTRY_CODES: of their sum */
    int64_t *sums;        /* by filter; 0 unless touched */
    uint64_t *touched;    /* a bit a filter */
};

enum { COUNTRIES_ALL = COUNTRY_CODES };

/* --- the index --- */

typedef void see_use(struct uses *uses, uint32_t place, uint32_t use);

static void count_use(struct uses *uses, uint32_t place, uint32_t use) {
    CHECK(place < uses->place_count);
    (void)use;
    uses->first[place + 1]++;
}

/* `first` stands one place behind, so that it is right when all are put. */
static void put_use(struct uses *uses, uint32_t place, uint32_t use) {
    uses->at[uses->first[place + 1]++] = use;
}

static void see_all_clicks(const struct filter *filter, uint32_t use, struct uses *uses, see_use *see) {
    if (filter->region_mode != FILTER_ONE_OF) see(uses, COUNTRIES_ALL, use);
    /* "None of" is all countries less these. */
    uint32_t of_country = filter->region_mode == FILTER_NONE_OF ? use ^ 1 : use;
    for (size_t i = 0; i < filter->region_count; i++) see(uses, filter->regions[i].code, of_country);
}

static void see_filters(struct export_counts *counts, see_use *see) {
    for (size_t f = 0; f < counts->filter_count; f++) {
        const struct export_filter *filter = &counts->filters[f];
        for (size_t i = 0; i < filter->term_count; i++) {
            uint32_t use = (uint32_t)f * 2 + (filter->terms[i].sign < 0);
            if (filter->terms[i].atom == ATOM_ALL)
                see_all_clicks(filter->filter, use, &counts->of_all, see);
            else
                see(&counts->of_atoms, filter->terms[i].atom, use);
        }
    }
}

static void uses_init(struct uses *uses, uint32_t place_count) {
    uses->place_count = place_count;
    uses->first = memory_allocate_zeroed(place_count + (size_t)1, sizeof *uses->first);
}

/* From how many uses each place has to where they begin. */
static void uses_settle(struct uses *uses) {
    uint64_t sum = 0;
    for (uint32_t place = 0; place < uses->place_count; place++) {
        uint32_t count = uses->first[place + 1];
        uses->first[place + 1] = (uint32_t)sum;
        sum += count;
        CHECK(sum <= UINT32_MAX);
    }
    CHECK(uses->first[0] == 0);
    uses->at = memory_allocate(sum * sizeof *uses->at);
}

static void uses_fini(struct uses *uses) {
    free(uses->first);
    free(uses->at);
}

static void counts_init(struct export_counts *counts, const struct view_export *export) {
    uint32_t highest_atom = 0;
    CHECK(export->filter_count <= INT32_MAX);
    *counts = (struct export_counts){.filters = export->filters, .filter_count = export->filter_count};
    for (size_t f = 0; f < counts->filter_count; f++)
        for (size_t i = 0; i < counts->filters[f].term_count; i++)
            if (counts->filters[f].terms[i].atom > highest_atom) highest_atom = counts->filters[f].terms[i].atom;
    uses_init(&counts->of_atoms, highest_atom + 1);
    uses_init(&counts->of_all, COUNTRIES_ALL + 1);
    see_filters(counts, count_use);
    uses_settle(&counts->of_atoms);
    uses_settle(&counts->of_all);
    see_filters(counts, put_use);
    CHECK(counts->of_all.first[0] == 0 && counts->of_atoms.first[0] == 0);
    counts->sums = memory_allocate_zeroed(counts->filter_count, sizeof *counts->sums);
    counts->touched = memory_allocate_zeroed((counts->filter_count + 63) / 64, sizeof *counts->touched);
}

static void counts_fini(struct export_counts *counts) {
    uses_fini(&counts->of_atoms);
    uses_fini(&counts->of_all);
    free(counts->sums);
    free(counts->touched);
}

bool export_counts_want(const struct export_counts *counts, uint32_t atom) {
    const struct uses *uses = &counts->of_atoms;
    if (atom == ATOM_ALL) return counts->of_all.first[COUNTRIES_ALL + 1] > 0;
    if (atom == ATOM_ANY) return uses->first[uses->place_count] > 0;
    return atom < uses->place_count && uses->first[atom] < uses->first[atom + 1];
}

/* --- sums --- */

static int by_code(const void *left, const void *right) {
    const struct country *a = left, *b = right;
    return (a->code > b->code) - (a->code < b->code);
}

/* filter_region_matches, for lists of any length: they are ascending. */
static bool region_has(const struct filter *filter, struct country country) {
    if (filter->region_mode == FILTER_ANY) return true;
    bool listed = bsearch(&country, filter->regions, filter->region_count, sizeof country, by_code) != NULL;
    return listed == (filter->region_mode == FILTER_ONE_OF);
}

static void add_use(struct export_counts *counts, uint32_t use, uint64_t count) {
    size_t filter = use / 2;
    CHECK(count <= INT64_MAX && filter < counts->filter_count);
    int64_t part = use % 2 == 0 ? (int64_t)count : -(int64_t)count;
    CHECK(!__builtin_add_overflow(counts->sums[filter], part, &counts->sums[filter])); /* I9 */
    counts->touched[filter / 64] |= UINT64_C(1) << (filter % 64);
}

static void add_place(struct export_counts *counts, const struct uses *uses, uint32_t place, uint64_t count) {
    for (uint32_t i = uses->first[place]; i < uses->first[place + 1]; i++) add_use(counts, uses->at[i], count);
}

static void add_atom_cell(struct export_counts *counts, const struct export_cell *cell) {
    const struct uses *uses = &counts->of_atoms;
    CHECK(cell->atom < uses->place_count); /* or it would not have been wanted */
    for (uint32_t i = uses->first[cell->atom]; i < uses->first[cell->atom + 1]; i++)
        if (region_has(counts->filters[uses->at[i] / 2].filter, cell->country)) add_use(counts, uses->at[i], cell->count);
}

/* The cells of one ad and minute. */
static void add_cells(struct export_counts *counts, const struct export_cell *cells, size_t count) {
    uint64_t all = 0;
    for (size_t i = 0; i < count; i++) {
        if (cells[i].atom != ATOM_ALL) {
            add_atom_cell(counts, &cells[i]);
            continue;
        }
        CHECK(!__builtin_add_overflow(all, cells[i].count, &all));
        add_place(counts, &counts->of_all, cells[i].country.code, cells[i].count);
    }
    if (all > 0) add_place(counts, &counts->of_all, COUNTRIES_ALL, all);
}

/* --- rows --- */

/* Takes the sum out. Before it covers, a filter's sum is none: some of its atoms were not counted yet. */
static enum status write_sum(struct view_export *export, size_t f, const struct export_cell *place, const char *minute) {
    const struct export_filter *filter = &export->filters[f];
    int64_t sum = export->counts->sums[f];
    export->counts->sums[f] = 0;
    if (filter->covers_part && place->minute.index < filter->covers_from.index) return STATUS_OK;
    CHECKF(sum >= 0, "filter %u counts %lld", filter->filter->id, (long long)sum);
    if (sum == 0) return STATUS_OK;
    export_append_text(export, export_ad_id(export, place));
    buffer_printf(&export->part, ",%s,%u,%lld\n", minute, filter->filter->id, (long long)sum);
    return export_row_done(export);
}

static enum status write_sums(struct view_export *export, const struct export_cell *place) {
    struct export_counts *counts = export->counts;
    char minute[TIMESTAMP_TEXT_BYTES];
    timestamp_text(minute_start(place->minute), minute);
    for (size_t word = 0; word < (counts->filter_count + 63) / 64; word++) {
        for (; counts->touched[word] != 0; counts->touched[word] &= counts->touched[word] - 1) {
            size_t f = word * 64 + (size_t)__builtin_ctzll(counts->touched[word]);
            enum status status = write_sum(export, f, place, minute);
            if (status != STATUS_OK) return status;
        }
    }
    return STATUS_OK;
}

static enum status count_gathered(struct view_export *export) {
    const struct export_cell *cells = export->gathered;
    for (size_t first = 0, end = 0; first < export->gathered_count; first = end) {
        while (end < export->gathered_count && cells[end].ad == cells[first].ad &&
               cells[end].minute.index == cells[first].minute.index)
            end++;
        CHECK(end > first && (first == 0 || cells[first - 1].ad <= cells[first].ad));
        add_cells(export->counts, &cells[first], end - first);
        enum status status = write_sums(export, &cells[first]);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

enum status export_counts_run(struct view_export *export, struct failure *failure) {
    struct export_counts counts;
    counts_init(&counts, export);
    export->counts = &counts;
    buffer_append_text(&export->part, "ad_id,minute,filter_id,count\n");
    enum status status = export_each_range(export, count_gathered, failure);
    export->counts = NULL;
    counts_fini(&counts);
    return status;
}
