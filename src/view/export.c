/* export.c: all cells as sorted CSV in bounded memory: ads are ranked by id, cut into ranges of at most EXPORT_CELLS_MAX
 * cells, and each range is gathered, sorted and written on its own. */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "click/country.h"
#include "click/timestamp.h"
#include "view/view.h"
#include "view/view_internal.h"

enum { EXPORT_CELLS_MAX = 4 * 1024 * 1024, EXPORT_PART_BYTES = 64 * 1024 };

struct export_cell {
    uint32_t rank; /* of the ad, by id */
    struct minute minute;
    struct country country;
    uint64_t count;
};

struct view_export {
    struct store *store;
    struct store_cut *cut;
    struct ads *ads;
    uint32_t ad_count, partition_count;
    bool has_stored;
    struct minute stored_lowest, stored_highest;
    struct export_cell *memory; /* `rank` is still the dense ad index here */
    size_t memory_count, memory_capacity;

    uint32_t *rank_of_ad, *ad_of_rank;
    uint32_t first_rank, end_rank; /* the range being gathered */
    struct export_cell *gathered;
    size_t gathered_count;
    uint64_t *cells_of_ad; /* parts of cells, an upper bound */
};

static void remember_cell(void *context, struct minute minute, const struct cell *cell) {
    struct view_export *export = context;
    if (export->memory_count == export->memory_capacity) {
        export->memory_capacity = export->memory_capacity * 2 + 1024;
        export->memory = memory_resize(export->memory, export->memory_capacity * sizeof *export->memory);
    }
    export->memory[export->memory_count++] = (struct export_cell){cell->ad, minute, cell->country, cell->count};
}

struct view_export *view_export_begin(struct view *view) {
    struct view_export *export = memory_allocate_zeroed(1, sizeof *export);
    export->store = view->store;
    export->ads = view->ads;
    export->cut = store_cut_hold(view->cut);
    export->ad_count = ads_count(view->ads);
    export->partition_count = view->partition_count;
    export->has_stored = view->has_stored;
    export->stored_lowest = view->stored_lowest;
    export->stored_highest = view->stored_highest;
    for (uint32_t p = 0; p < view->partition_count; p++)
        view_visit_memory(&view->partitions[p], (struct minute){0}, (struct minute){UINT32_MAX}, remember_cell, export);
    return export;
}

void view_export_destroy(struct view_export *export) {
    store_cut_release(export->cut);
    free(export->memory);
    free(export->rank_of_ad);
    free(export->ad_of_rank);
    free(export->gathered);
    free(export->cells_of_ad);
    free(export);
}

static enum status visit_all(struct view_export *export, store_cell_visit *visit, struct failure *failure) {
    for (size_t i = 0; i < export->memory_count; i++) {
        const struct export_cell *cell = &export->memory[i];
        visit(export, cell->minute, &(struct cell){cell->rank, cell->country, cell->count});
    }
    for (uint32_t p = 0; export->has_stored && p < export->partition_count; p++) {
        struct minute end = {export->stored_highest.index + 1};
        enum status status =
            store_visit_all(export->store, export->cut->snapshot, p, export->stored_lowest, end, visit, export, failure);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

static void tally_cell(void *context, struct minute minute, const struct cell *cell) {
    (void)minute;
    struct view_export *export = context;
    CHECK(cell->ad < export->ad_count);
    export->cells_of_ad[cell->ad]++;
}

static void gather_cell(void *context, struct minute minute, const struct cell *cell) {
    struct view_export *export = context;
    uint32_t rank = export->rank_of_ad[cell->ad];
    if (rank < export->first_rank || rank >= export->end_rank) return;
    export->gathered[export->gathered_count++] = (struct export_cell){rank, minute, cell->country, cell->count};
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
    for (uint32_t rank = 0; rank < export->ad_count; rank++) export->rank_of_ad[export->ad_of_rank[rank]] = rank;
}

static int by_position(const void *left, const void *right) {
    const struct export_cell *a = left, *b = right;
    if (a->rank != b->rank) return a->rank < b->rank ? -1 : 1;
    if (a->minute.index != b->minute.index) return a->minute.index < b->minute.index ? -1 : 1;
    return (a->country.code > b->country.code) - (a->country.code < b->country.code);
}

/* Sorts what was gathered and adds up the parts of each cell. */
static void merge_gathered(struct view_export *export) {
    size_t merged = 0;
    if (export->gathered_count > 0) qsort(export->gathered, export->gathered_count, sizeof *export->gathered, by_position);
    for (size_t i = 0; i < export->gathered_count; i++) {
        if (merged > 0 && by_position(&export->gathered[merged - 1], &export->gathered[i]) == 0)
            export->gathered[merged - 1].count += export->gathered[i].count;
        else
            export->gathered[merged++] = export->gathered[i];
    }
    export->gathered_count = merged;
}

/* RFC 4180. */
static void append_csv_text(struct buffer *line, struct bytes text) {
    bool plain = text.len > 0 && text.at[0] != ' ' && text.at[text.len - 1] != ' ' &&
                 memchr(text.at, ',', text.len) == NULL && memchr(text.at, '"', text.len) == NULL;
    if (plain) {
        buffer_append_bytes(line, text);
        return;
    }
    buffer_put_u8(line, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] == '"') buffer_put_u8(line, '"');
        buffer_put_u8(line, text.at[i]);
    }
    buffer_put_u8(line, '"');
}

static enum status write_gathered(struct view_export *export, struct buffer *part,
                                  enum status (*write)(void *context, struct bytes part), void *context) {
    for (size_t i = 0; i < export->gathered_count; i++) {
        const struct export_cell *cell = &export->gathered[i];
        char minute[TIMESTAMP_TEXT_BYTES], country[4];
        timestamp_text(minute_start(cell->minute), minute);
        country_text(cell->country, country);
        append_csv_text(part, ads_id(export->ads, export->ad_of_rank[cell->rank]));
        buffer_printf(part, ",%s,%d,%s,%llu\n", minute, ATOM_ALL, country, (unsigned long long)cell->count);
        if (part->len < EXPORT_PART_BYTES) continue;
        enum status status = write(context, buffer_view(part));
        if (status != STATUS_OK) return status;
        buffer_clear(part);
    }
    return STATUS_OK;
}

/* The next range of ranks from `first_rank`, of at most EXPORT_CELLS_MAX cells but at least one ad. */
static size_t next_range(struct view_export *export) {
    size_t cells = 0;
    export->end_rank = export->first_rank;
    while (export->end_rank < export->ad_count) {
        uint64_t of_ad = export->cells_of_ad[export->ad_of_rank[export->end_rank]];
        if (cells > 0 && cells + of_ad > EXPORT_CELLS_MAX) break;
        cells += of_ad;
        export->end_rank++;
    }
    return cells;
}

enum status view_export_run(struct view_export *export, enum status (*write)(void *context, struct bytes part),
                            void *context, struct failure *failure) {
    CHECK(export->cells_of_ad == NULL);
    rank_ads(export);
    export->cells_of_ad = memory_allocate_zeroed(export->ad_count, sizeof *export->cells_of_ad);
    struct buffer part = {0};
    buffer_append_text(&part, "ad_id,minute,atom,country,count\n");
    enum status status = visit_all(export, tally_cell, failure);
    for (export->first_rank = 0; status == STATUS_OK && export->first_rank < export->ad_count;
         export->first_rank = export->end_rank) {
        size_t cells = next_range(export);
        export->gathered = memory_resize(export->gathered, cells * sizeof *export->gathered);
        export->gathered_count = 0;
        status = visit_all(export, gather_cell, failure);
        CHECK(status != STATUS_OK || export->gathered_count == cells);
        merge_gathered(export);
        if (status == STATUS_OK) status = write_gathered(export, &part, write, context);
    }
    if (status == STATUS_OK && part.len > 0) status = write(context, buffer_view(&part));
    buffer_fini(&part);
    return status;
}
