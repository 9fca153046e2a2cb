/* export_internal.h: an export's insides: what was taken at the cut, and what its tables share. For the export_*.c files. */
#pragma once

#include "view/view_internal.h"

enum { EXPORT_CELLS_MAX = 4 * 1024 * 1024, EXPORT_PART_BYTES = 64 * 1024 };

struct export_cell {
    uint32_t ad; /* dense index; of a gathered cell: its rank by ad id */
    struct minute minute;
    uint32_t atom;
    struct country country;
    uint64_t count;
};

/* As it stood at the cut, in memory of its own. */
struct export_filter {
    struct filter *filter;
    struct filter_term *terms;
    size_t term_count;
    uint32_t number;
    bool deleted;
    bool covers_part; /* else everything */
    struct minute covers_from;
};

struct export_counts;

struct view_export {
    enum view_table table;
    const struct view *view; /* of table rankings: it has a cut of its own */
    struct store *store;
    struct store_cut *cut;
    struct ads *ads;
    uint32_t ad_count, partition_count;
    bool has_stored;
    struct minute stored_lowest, stored_highest;
    struct export_cell *memory;
    size_t memory_count, memory_capacity;
    struct store_history history; /* views history_runs: of the atoms that standing filters use */
    uint32_t *history_runs;
    struct export_filter *filters; /* of tables filters and counts, by id */
    size_t filter_count;
    struct export_counts *counts; /* export_counts.c */

    struct buffer part; /* written when it is EXPORT_PART_BYTES */
    enum status (*write)(void *context, struct bytes part);
    void *write_context;

    /* --- export_cells.c --- */
    size_t cells_max; /* EXPORT_CELLS_MAX; tests take less */
    uint32_t *rank_of_ad, *ad_of_rank;
    uint64_t *cells_of_ad; /* parts of cells, an upper bound */
    struct minute lowest, highest;
    uint32_t first_rank, end_rank; /* the range being gathered */
    struct export_cell *gathered;
    size_t gathered_count, gathered_capacity, gathered_max;
    bool overflown; /* there was more than gathered_max */
};

/* --- export.c --- */
/* RFC 4180. */
void export_append_text(struct view_export *export, struct bytes text);
/* After each row: hands over what is a whole part. */
enum status export_row_done(struct view_export *export) MUST_USE;
/* --- export_cells.c --- */
/* Gathers the cells of the cut in ranges of at most cells_max, each in whole (ad, minute)s, and hands them out one after the
 * other: sorted by ad id, minute, atom, country, each cell once. */
typedef enum status export_take(struct view_export *export);
enum status export_each_range(struct view_export *export, export_take *take, struct failure *failure) MUST_USE;
enum status export_cells_run(struct view_export *export, struct failure *failure) MUST_USE;
static inline struct bytes export_ad_id(const struct view_export *export, const struct export_cell *gathered) {
    return ads_id(export->ads, export->ad_of_rank[gathered->ad]);
}
/* --- export_filters.c --- */
/* Takes the filters that the table is about, under the read lock. */
enum status export_take_filters(struct view_export *export, const struct view *view, const struct view_export_wanted *wanted,
                                struct failure *failure) MUST_USE;
void export_filters_fini(struct view_export *export);
enum status export_filters_run(struct view_export *export) MUST_USE;
/* --- export_rankings.c --- */
enum status export_rankings_run(struct view_export *export, struct failure *failure) MUST_USE;
/* --- export_counts.c --- */
enum status export_counts_run(struct view_export *export, struct failure *failure) MUST_USE;
/* Whether the table needs this atom's cells; `atom` ATOM_ANY: of any atom but all clicks. */
#define ATOM_ANY UINT32_MAX
bool export_counts_want(const struct export_counts *counts, uint32_t atom);
