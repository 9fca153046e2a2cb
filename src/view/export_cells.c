/* export_cells.c: all cells, sorted, in bounded memory: ads are ranked by id, cut into ranges of at most cells_max cells,
 * and each range is gathered, sorted and handed out on its own. Every range is one pass over the cut. */
#include <stdlib.h>

#include "base/check.h"
#include "click/country.h"
#include "click/timestamp.h"
#include "view/export_internal.h"

/* --- passes over the cut --- */

typedef void pass_cell(struct view_export *export, const struct export_cell *cell);

struct pass {
    struct view_export *export;
    pass_cell *take;
};

static void pass_plain(void *context, struct minute minute, const struct cell *cell) {
    const struct pass *pass = context;
    pass->take(pass->export, &(struct export_cell){cell->ad, minute, ATOM_ALL, cell->country, cell->count});
}

static bool wants(const struct view_export *export, uint32_t atom) {
    return export->table == VIEW_TABLE_CELLS || export_counts_want(export->counts, atom);
}

static void pass_of_atom(void *context, struct minute minute, const struct atom_cell *cell) {
    const struct pass *pass = context;
    if (wants(pass->export, cell->atom))
        pass->take(pass->export, &(struct export_cell){cell->ad, minute, cell->atom, cell->country, cell->count});
}

static enum status pass_partition(const struct view_export *export, uint32_t p, struct minute from, struct minute to,
                                  struct pass *pass, struct failure *failure) {
    enum status status = STATUS_OK;
    if (wants(export, ATOM_ALL) && export->has_stored) {
        struct minute end = {export->stored_highest.index + 1};
        struct minute first = from.index > export->stored_lowest.index ? from : export->stored_lowest;
        struct minute last = to.index < end.index ? to : end;
        if (first.index < last.index)
            status = store_visit_all(export->store, export->cut->snapshot, p, first, last, pass_plain, pass, failure);
    }
    /* History is stored of minutes too that are still open and have no block. */
    if (status == STATUS_OK && wants(export, ATOM_ANY))
        status = store_visit_atoms(export->store, export->cut->snapshot, p, &export->history, ATOM_ALL, from, to,
                                   pass_of_atom, pass, failure);
    return status;
}

/* Every part of every cell that the table is made from, in [from, to). */
static enum status pass_over(struct view_export *export, struct minute from, struct minute to, pass_cell *take,
                             struct failure *failure) {
    struct pass pass = {export, take};
    enum status status = STATUS_OK;
    for (size_t i = 0; i < export->memory_count; i++) {
        const struct export_cell *cell = &export->memory[i];
        if (cell->minute.index >= from.index && cell->minute.index < to.index && wants(export, cell->atom))
            take(export, cell);
    }
    for (uint32_t p = 0; p < export->partition_count && status == STATUS_OK; p++)
        status = pass_partition(export, p, from, to, &pass, failure);
    return status;
}

/* --- ranges --- */

static void tally_cell(struct view_export *export, const struct export_cell *cell) {
    CHECK(cell->ad < export->ad_count);
    export->cells_of_ad[cell->ad]++;
    if (cell->minute.index < export->lowest.index) export->lowest = cell->minute;
    if (cell->minute.index > export->highest.index) export->highest = cell->minute;
}

static void gather_cell(struct view_export *export, const struct export_cell *cell) {
    CHECK(cell->ad < export->ad_count);
    uint32_t rank = export->rank_of_ad[cell->ad];
    if (rank < export->first_rank || rank >= export->end_rank) return;
    if (export->gathered_count == export->gathered_max) {
        export->overflown = true;
        return;
    }
    if (export->gathered_count == export->gathered_capacity) {
        export->gathered_capacity = export->gathered_capacity * 2 + 1024;
        if (export->gathered_capacity > export->gathered_max) export->gathered_capacity = export->gathered_max;
        export->gathered = memory_resize(export->gathered, export->gathered_capacity * sizeof *export->gathered);
    }
    struct export_cell *gathered = &export->gathered[export->gathered_count++];
    *gathered = *cell;
    gathered->ad = rank;
}

static int by_ad_id(const void *left, const void *right, void *context) {
    const struct ads *ads = context;
    return bytes_compare(ads_id(ads, *(const uint32_t *)left), ads_id(ads, *(const uint32_t *)right));
}

static void rank_ads(struct view_export *export) {
    export->ad_of_rank = memory_allocate(export->ad_count * sizeof *export->ad_of_rank);
    export->rank_of_ad = memory_allocate(export->ad_count * sizeof *export->rank_of_ad);
    for (uint32_t ad = 0; ad < export->ad_count; ad++) export->ad_of_rank[ad] = ad;
    if (export->ad_count > 0)
        qsort_r(export->ad_of_rank, export->ad_count, sizeof *export->ad_of_rank, by_ad_id, export->ads);
    for (uint32_t rank = 0; rank < export->ad_count; rank++) {
        COSTLY_CHECK(rank == 0 || by_ad_id(&export->ad_of_rank[rank - 1], &export->ad_of_rank[rank], export->ads) < 0);
        export->rank_of_ad[export->ad_of_rank[rank]] = rank;
    }
}

static int by_position(const void *left, const void *right) {
    const struct export_cell *a = left, *b = right;
    if (a->ad != b->ad) return a->ad < b->ad ? -1 : 1;
    if (a->minute.index != b->minute.index) return a->minute.index < b->minute.index ? -1 : 1;
    if (a->atom != b->atom) return a->atom < b->atom ? -1 : 1;
    return (a->country.code > b->country.code) - (a->country.code < b->country.code);
}

static uint64_t gathered_clicks(const struct view_export *export) {
    uint64_t clicks = 0;
    for (size_t i = 0; i < export->gathered_count; i++) clicks += export->gathered[i].count;
    return clicks;
}

/* Sorts what was gathered and adds up the parts of each cell. */
static void merge_gathered(struct view_export *export) {
    size_t merged = 0;
    const uint64_t clicks = gathered_clicks(export);
    if (export->gathered_count > 0) qsort(export->gathered, export->gathered_count, sizeof *export->gathered, by_position);
    for (size_t i = 0; i < export->gathered_count; i++) {
        if (merged > 0 && by_position(&export->gathered[merged - 1], &export->gathered[i]) == 0)
            CHECK(!__builtin_add_overflow(export->gathered[merged - 1].count, export->gathered[i].count,
                                          &export->gathered[merged - 1].count));
        else
            export->gathered[merged++] = export->gathered[i];
    }
    export->gathered_count = merged;
    CHECK(gathered_clicks(export) == clicks); /* I4: no click is lost where parts are added up */
}

/* At most `gathered_max` of the ranks' cells in [from, to), or `overflown`. */
static enum status gather(struct view_export *export, struct minute from, struct minute to, size_t gathered_max,
                          struct failure *failure) {
    export->gathered_count = 0;
    export->gathered_max = gathered_max;
    export->overflown = false;
    return pass_over(export, from, to, gather_cell, failure);
}

/* The next range of ranks from `first_rank`, of at most cells_max cells but at least one ad. */
static uint64_t next_range(struct view_export *export) {
    uint64_t cells = 0;
    export->end_rank = export->first_rank;
    while (export->end_rank < export->ad_count) {
        uint64_t of_ad = export->cells_of_ad[export->ad_of_rank[export->end_rank]];
        if (export->end_rank > export->first_rank && cells + of_ad > export->cells_max) break;
        cells += of_ad;
        export->end_rank++;
    }
    CHECK(export->end_rank > export->first_rank && export->end_rank <= export->ad_count);
    return cells;
}

/* An ad with more cells than may be gathered goes out some minutes at a time: fewer when they are too many, more again when
 * they are few. Only a single minute may pass the bound: by one ad's countries and atoms of that minute. */
static enum status take_large_ad(struct view_export *export, uint64_t cells, export_take *take, struct failure *failure) {
    uint64_t end = (uint64_t) export->highest.index + 1;
    CHECK(export->lowest.index < end);
    uint64_t span = (end - export->lowest.index) / (cells / export->cells_max + 1) + 1;
    for (uint64_t from = export->lowest.index; from < end;) {
        struct minute first = {(uint32_t)from}, last = {(uint32_t)(end - from < span ? end : from + span)};
        enum status status = gather(export, first, last, span == 1 ? SIZE_MAX : export->cells_max, failure);
        if (status == STATUS_OK && export->overflown) {
            CHECK(span > 1); /* a single minute is never cut */
            span /= 2;
            continue;
        }
        if (export->gathered_count < export->cells_max / 4) span *= 2;
        merge_gathered(export);
        if (status == STATUS_OK) status = take(export);
        if (status != STATUS_OK) return status;
        from = last.index;
    }
    return STATUS_OK;
}

enum status export_each_range(struct view_export *export, export_take *take, struct failure *failure) {
    const struct minute from = {0}, to = {UINT32_MAX};
    CHECK(export->cells_of_ad == NULL);
    rank_ads(export);
    export->cells_of_ad = memory_allocate_zeroed(export->ad_count, sizeof *export->cells_of_ad);
    export->lowest = to;
    enum status status = pass_over(export, from, to, tally_cell, failure);
    for (export->first_rank = 0; status == STATUS_OK && export->first_rank < export->ad_count;
         export->first_rank = export->end_rank) {
        uint64_t cells = next_range(export);
        if (cells > export->cells_max) {
            status = take_large_ad(export, cells, take, failure);
            continue;
        }
        status = gather(export, from, to, (size_t)cells, failure);
        CHECK(status != STATUS_OK || (export->gathered_count == cells && !export->overflown));
        merge_gathered(export);
        if (status == STATUS_OK) status = take(export);
    }
    return status;
}

/* --- the table --- */

static enum status write_gathered(struct view_export *export) {
    for (size_t i = 0; i < export->gathered_count; i++) {
        const struct export_cell *cell = &export->gathered[i];
        CHECK(i == 0 || by_position(&export->gathered[i - 1], cell) < 0);
        char minute[TIMESTAMP_TEXT_BYTES], country[4];
        timestamp_text(minute_start(cell->minute), minute);
        country_text(cell->country, country);
        export_append_text(export, export_ad_id(export, cell));
        buffer_printf(&export->part, ",%s,%u,%s,%llu\n", minute, cell->atom, country, (unsigned long long)cell->count);
        enum status status = export_row_done(export);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

enum status export_cells_run(struct view_export *export, struct failure *failure) {
    buffer_append_text(&export->part, "ad_id,minute,atom,country,count\n");
    return export_each_range(export, write_gathered, failure);
}
