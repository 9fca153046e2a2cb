/* rank_cost.c: how many cells a filtered ranking would read, told before it is read. */
#include <inttypes.h>

#include "base/check.h"
#include "view/view_internal.h"

enum {
    STORED_COST = 16,        /* a cell of the store is worth so many of memory */
    COUNTRIES_OF_AN_AD = 250 /* ISO 3166-1 has 249, and one is unknown */
};

struct ranking_cost {
    uint64_t memory; /* entries of slices, exactly or rounded up to their groups, and cells since the checkpoints */
    uint64_t stored; /* at most about so many */
};

static uint64_t atom_entries(const struct slice_runs *runs, uint32_t atom) {
    struct slice_keys keys = slice_keys_atom(atom);
    uint64_t entries = 0;
    for (uint32_t r = 0; r < runs->run_count; r++)
        entries += slice_run_index(&runs->runs[r], keys.last + 1) - slice_run_index(&runs->runs[r], keys.first);
    return entries;
}

static uint64_t memory_cells(const struct view *view, uint32_t atom, struct minute_range range) {
    uint64_t cells = 0;
    for (uint32_t p = 0; p < view->partition_count; p++) {
        const struct partition_cells *partition = &view->partitions[p];
        for (size_t i = partition_minute_index(partition, range.from); i < partition->minute_count; i++) {
            const struct minute_cells *minute = partition->minutes[i];
            if (minute->minute.index >= range.to.index) break;
            cells += atom == ATOM_ALL ? minute->cells.cell_count : atom_entries(&minute->atoms, atom);
        }
    }
    return cells;
}

/* A minute has no more cells of an atom than clicks, all that were counted spread evenly, nor than its ads have countries.
 */
static uint64_t stored_cells(const struct view *view, uint32_t atom, struct minute_range range) {
    bool stored = atom == ATOM_ALL ? view_is_stored(view, range.from, range.to)
                                   : view_atom_is_stored(view, atom, range.from, range.to);
    if (!view->has_minutes || !stored) return 0;
    uint32_t first = range.from.index > view->first_minute.index ? range.from.index : view->first_minute.index;
    uint32_t end = range.to.index < view->newest_minute.index + 1 ? range.to.index : view->newest_minute.index + 1;
    CHECK(view->newest_minute.index >= view->first_minute.index);
    uint64_t minutes = view->newest_minute.index + 1 - view->first_minute.index, counted = 0;
    for (uint32_t p = 0; p < view->partition_count; p++) counted += view->partitions[p].public.totals.counted;
    uint64_t per_minute = (counted + minutes - 1) / minutes, cells_max = (uint64_t)ads_count(view->ads) * COUNTRIES_OF_AN_AD;
    if (per_minute > cells_max) per_minute = cells_max;
    CHECK(counted == 0 || per_minute > 0 || cells_max == 0);
    return first < end ? per_minute * (end - first) : 0;
}

static void add_unsliced(const struct view *view, const struct selection *selection, struct minute_range range,
                         struct ranking_cost *cost) {
    if (range.from.index >= range.to.index) return;
    for (size_t i = 0; i < selection->term_count; i++) {
        cost->memory += memory_cells(view, selection->terms[i].atom, range);
        cost->stored += stored_cells(view, selection->terms[i].atom, range);
    }
}

enum status view_rank_afford(const struct view *view, const struct selection *selection, struct minute from,
                             struct minute to, struct minute_range sliced, struct failure *failure) {
    struct ranking_cost cost = {0};
    uint64_t max = view->ranking_cells_max;
    CHECK(from.index <= sliced.from.index && sliced.from.index <= sliced.to.index && sliced.to.index <= to.index);
    add_unsliced(view, selection, (struct minute_range){from, sliced.from}, &cost);
    add_unsliced(view, selection, (struct minute_range){sliced.to, to}, &cost);
    if (sliced.from.index < sliced.to.index)
        cost.memory += slices_plan(view->slices, selection, sliced.from, sliced.to).entries;
    CHECK(max > 0 && cost.stored <= UINT64_MAX / STORED_COST);
    if (cost.memory <= max && cost.stored <= (max - cost.memory) / STORED_COST) return STATUS_OK;
    if (cost.stored == 0)
        return failure_set(failure, STATUS_FULL,
                           "this ranking would read about %" PRIu64 " cells, and the bound is %" PRIu64
                           " (--ranking-cells-max)",
                           cost.memory, max);
    return failure_set(failure, STATUS_FULL,
                       "this ranking would read about %" PRIu64 " cells of memory and up to %" PRIu64
                       " of the store, which cost as much as %d each, and the bound is %" PRIu64 " (--ranking-cells-max)",
                       cost.memory, cost.stored, STORED_COST, max);
}
