/* view_internal.h: the view's insides, shared by the files of this folder only. */
#pragma once

#include <stdatomic.h>

#include "view/cell_table.h"
#include "view/published.h"
#include "view/rank_memo.h"
#include "view/slices.h"
#include "view/view.h"
#include "view/window.h"
#include "view/work_memory.h"

struct minute_cells {
    struct minute minute;
    struct cell_table cells;
    struct slice_runs atoms; /* by slice_key_atom: mostly a cell a click, hence no table */
};

struct partition_cells {
    struct view_partition public;
    /* What came since the checkpoint, by minute ascending; for minutes that were open then, everything. */
    struct minute_cells **minutes;
    size_t minute_count, minute_capacity;
    /* Clicks in the blocks and amendments of the store, as they were added up when they were put there, and in the cells of
     * the open minutes: as of the checkpoint, and as of the one that is being written. */
    struct cells_sum {
        uint64_t closed, open;
    } stored, written;
};

/* A cut of the store that the view and exports under way share. */
struct store_cut {
    struct kv kv;
    struct kv_snapshot *snapshot;
    atomic_uint holders;
};
struct store_cut *store_cut_take(const struct kv *kv);
struct store_cut *store_cut_hold(struct store_cut *cut);
void store_cut_release(struct store_cut *cut);

/* What view_fill_prepare has made ready. */
enum view_fill { FILL_NONE, FILL_BEGIN, FILL_NEWEST, FILL_FOLD, FILL_OLDER };

/* Where the publishing of rankings is (view_published.c). */
struct publishing {
    struct minute minute;                       /* the newest that is published; 0: none yet */
    uint32_t filter_ids[PUBLISHED_FILTERS_MAX]; /* of this minute: 0 and the ranked ones */
    size_t filter_count;
    size_t next;        /* of its windows and filters */
    struct minute back; /* minutes before this one are still to be looked at again */
    size_t back_next;   /* and of the one before it, from these windows and filters on */
    uint64_t late;      /* clicks that had come late to closed minutes when that began */
};

struct view {
    struct store *store;
    struct kv kv;
    struct store_cut *cut;
    struct ads *ads;
    uint32_t ads_stored; /* dictionary entries that the store has */
    uint32_t partition_count;
    struct partition_cells *partitions;
    struct window *window;
    struct slices *slices;
    struct work_memory work;
    enum view_fill fill;
    atomic_bool slices_wanted; /* somebody asked by country though no filter stands */
    struct filters *filters;
    struct store_history history; /* views history_runs */
    uint32_t *history_runs;
    uint64_t ranking_cells_max;
    struct minute_cells **garbage; /* let go of by checkpoints, not freed yet */
    size_t garbage_count, garbage_capacity;
    struct rank_memo *memo;
    struct published *published;
    struct publishing publishing;
    uint64_t version;
    /* Minutes with a counted click, over everything; and those that may have blocks or amendments in the store. */
    bool has_minutes, has_stored;
    struct minute first_minute, newest_minute, stored_lowest, stored_highest;
};

struct minute_cells *partition_get_minute(struct partition_cells *partition, struct minute minute);
/* Index of the first minute >= `minute`. */
size_t partition_minute_index(const struct partition_cells *partition, struct minute minute);
void view_note_minute(struct view *view, struct minute minute);
/* Whether the minute's cells leave memory with the next checkpoint: it is closed in its partition. */
bool view_minute_leaves(const struct partition_cells *partition, struct minute minute);
/* Whether it was closed at the last checkpoint already: then what came since is late, and amends. */
bool view_minute_has_block(const struct partition_cells *partition, struct minute minute);
bool view_is_stored(const struct view *view, struct minute from, struct minute to);
/* The same for one atom: its history is stored of minutes too that are still open and have no block. */
bool view_atom_is_stored(const struct view *view, uint32_t atom, struct minute from, struct minute to);
/* The first minute of [from, to) that the window covers; `to` when it covers none. */
struct minute view_covered_from(const struct view *view, struct minute from, struct minute to);
/* The part of [from, to) that slices and window both hold; empty at `to` when there is none. */
struct minute_range {
    struct minute from, to;
};
struct minute_range view_sliced(const struct view *view, struct minute from, struct minute to);
/* The selection is all clicks. If not, it notes that somebody asks by country or atom. */
bool view_selects_all(struct view *view, const struct selection *selection);
/* --- view_atoms.c --- */
void view_apply_atoms(struct view *view, struct partition_cells *partition, const struct partial *partial);
enum status view_put_atoms(struct view *view, struct kv_batch *batch, uint32_t partition, struct failure *failure) MUST_USE;
enum status view_load_atoms(struct view *view, struct failure *failure) MUST_USE;
/* --- view_select.c: signed sums of cells, without window and slices --- */
enum status view_count_cells(struct view *view, const struct selection *selection, uint32_t ad, struct minute from,
                             struct minute to, int64_t *count, struct failure *failure) MUST_USE;
/* Cells of atoms >= 1 (`atom` 0: of all) in [from, to), from memory and store, in parts. */
enum status view_visit_atom_cells(struct view *view, uint32_t atom, struct minute from, struct minute to,
                                  store_atom_visit *visit, void *context, struct failure *failure) MUST_USE;
/* Of those, the ones that are in memory, of one partition. */
void view_visit_atom_memory(const struct partition_cells *partition, uint32_t atom, struct minute from, struct minute to,
                            store_atom_visit *visit, void *context);
/* The partition's cells of [from, to), as view_visit_cells visits those of all. */
enum status view_visit_partition(struct view *view, uint32_t partition, struct minute from, struct minute to,
                                 store_cell_visit *visit, void *context, struct failure *failure) MUST_USE;
/* The cells of [from, to) that are in memory. */
void view_visit_memory(const struct partition_cells *partition, struct minute from, struct minute to,
                       store_cell_visit *visit, void *context);
/* --- rank.c --- */
/* From window, slices or cells, not from what is remembered or kept; `selection` NULL: all clicks. */
enum status view_rank_compute(struct view *view, const struct selection *selection, struct minute from, struct minute to,
                              struct ranked_ad *out, size_t count_max, size_t *count, struct failure *failure) MUST_USE;
/* --- rank_cost.c --- */
/* Whether a ranking of [from, to), whose part `sliced` the slices hold, reads no more than ranking_cells_max; else
 * STATUS_FULL, and the failure says how much. */
enum status view_rank_afford(const struct view *view, const struct selection *selection, struct minute from,
                             struct minute to, struct minute_range sliced, struct failure *failure) MUST_USE;
/* --- view_published.c --- */
/* Under which key the ranking of [from, to) is kept; false: it is not. `selection` NULL: all clicks. */
bool view_ranking_key(const struct view *view, const struct selection *selection, struct minute from, struct minute to,
                      struct ranking_key *key);
/* From what is kept, if that is exact now, else computed, and offered to be kept. */
enum status view_rank_published(struct view *view, const struct selection *selection, const struct ranking_key *key,
                                struct minute from, struct ranked_ad *out, size_t count_max, size_t *count,
                                struct failure *failure) MUST_USE;
