/* slice_runs.h: counts by a 64-bit key (view/slice_sort.h) that keep coming: sorted arrays, 16 bytes an entry, each some
 * times as large as the next. For cells that are mostly new (clicks by user or address, late clicks) that is a third of the
 * time a hash table takes, and they come out sorted. A key may stand in several runs. One writer; readers only while nobody
 * writes. */
#pragma once

#include "view/slice_sort.h"

/* Ascending, each key once. */
struct slice_run {
    struct slice *slices;
    uint32_t count;
};

/* {0} is empty. */
struct slice_runs {
    struct slice_run *runs; /* the largest first */
    uint32_t run_count, run_capacity;
    uint32_t count; /* of all runs together */
};

void slice_runs_fini(struct slice_runs *runs);
/* Adds items in any order and with equal keys; `items` is used as working memory. Moves each entry a few times in all,
 * however many calls bring them, and about a quarter million in one call at most, beside its own: it runs under locks. */
void slice_runs_add(struct slice_runs *runs, struct slice *items, uint32_t count);
/* All of them, ascending, each key once; `out` and `scratch` have room for runs->count. Returns how many there are. */
uint32_t slice_runs_sorted(const struct slice_runs *runs, struct slice *out, struct slice *scratch);
static inline uint64_t slice_runs_bytes(const struct slice_runs *runs) {
    return (uint64_t)runs->count * sizeof(struct slice) + (uint64_t)runs->run_capacity * sizeof *runs->runs;
}

/* Adds up neighbours with equal keys (checked, I9); returns how many are left. */
uint32_t slices_add_up(struct slice *sorted, uint32_t count);

/* --- inline, so that a visit of many entries calls nothing --- */

/* Index of the first slice of the run at or behind the key. */
static inline uint32_t slice_run_index(const struct slice_run *run, uint64_t key) {
    uint32_t low = 0, high = run->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (run->slices[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

typedef void slice_visit(void *context, uint64_t key, uint64_t count);

__attribute__((always_inline)) static inline void slice_run_visit(const struct slice_run *run, uint32_t from, uint64_t last,
                                                                  slice_visit *visit, void *context) {
    for (uint32_t i = from; i < run->count && run->slices[i].key <= last; i++)
        visit(context, run->slices[i].key, run->slices[i].count);
}

/* `visit` for the entries from `first` to `last`, both included, run by run. */
__attribute__((always_inline)) static inline void slice_runs_visit(const struct slice_runs *runs, uint64_t first,
                                                                   uint64_t last, slice_visit *visit, void *context) {
    for (uint32_t r = 0; r < runs->run_count; r++)
        slice_run_visit(&runs->runs[r], slice_run_index(&runs->runs[r], first), last, visit, context);
}
