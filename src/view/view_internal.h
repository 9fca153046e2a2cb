/* view_internal.h: the view's insides, shared by the files of this folder only. */
#pragma once

#include <stdatomic.h>

#include "view/cell_table.h"
#include "view/rank_memo.h"
#include "view/view.h"
#include "view/window.h"

struct minute_cells {
    struct minute minute;
    struct cell_table cells;
};

struct partition_cells {
    struct view_partition public;
    /* What came since the checkpoint, by minute ascending; for minutes that were open then, everything. */
    struct minute_cells **minutes;
    size_t minute_count, minute_capacity;
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

struct view {
    struct store *store;
    struct kv kv;
    struct store_cut *cut;
    struct ads *ads;
    uint32_t ads_stored; /* dictionary entries that the store has */
    uint32_t partition_count;
    struct partition_cells *partitions;
    struct window *window;
    struct minute_cells **garbage; /* let go of by checkpoints, not freed yet */
    size_t garbage_count, garbage_capacity;
    struct rank_memo *memo;
    uint64_t version;
    /* Minutes with a counted click, over everything; and those that may have blocks or amendments in the store. */
    bool has_minutes, has_stored;
    struct minute first_minute, newest_minute, stored_lowest, stored_highest;
};

struct minute_cells *partition_get_minute(struct partition_cells *partition, struct minute minute);
/* Index of the first minute >= `minute`. */
size_t partition_minute_index(const struct partition_cells *partition, struct minute minute);
void view_note_minute(struct view *view, struct minute minute);
/* The cells of [from, to) that are in memory. */
void view_visit_memory(const struct partition_cells *partition, struct minute from, struct minute to,
                       store_cell_visit *visit, void *context);
