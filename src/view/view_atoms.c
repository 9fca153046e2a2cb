/* view_atoms.c: the writer's side of filters: cells of atoms other than 0 (filter/atoms.h), on their way from the partials
 * through memory into the store, and the filters themselves. */
#include <stdlib.h>

#include "base/check.h"
#include "view/view_internal.h"

static uint64_t increment_key(const struct atom_increment *increment) {
    CHECK(increment->atom != ATOM_ALL);
    return slice_key_atom(increment->atom, increment->ad, increment->country);
}

static void add_items(struct view *view, struct partition_cells *partition, struct minute minute, struct slice *items,
                      size_t count) {
    if (count == 0) return;
    CHECK(count <= UINT32_MAX);
    struct minute_cells *cells = partition_get_minute(partition, minute);
    CHECK(cells->cells.cell_count > 0); /* beside increments of all clicks */
    if (slices_hold(view->slices, minute))
        for (size_t i = 0; i < count; i++) slices_add_late(view->slices, minute, items[i].key, items[i].count);
    slice_runs_add(&cells->atoms, items, (uint32_t)count);
}

/* Those of other minutes than the newest, late as a rule: by minute. `others` are minutes, each with its increment's place
 * behind it; both parts are working memory for as many. */
static void add_others(struct view *view, struct partition_cells *partition, const struct partial *partial,
                       struct slice *others, struct slice *scratch, size_t count) {
    struct slice *sorted = slices_sorted(others, scratch, (uint32_t)count);
    struct slice *items = sorted == others ? scratch : others;
    for (size_t first = 0, next; first < count; first = next) {
        uint64_t minute = sorted[first].key;
        for (next = first; next < count && sorted[next].key == minute; next++)
            items[next - first] = (struct slice){increment_key(&partial->atom_increments[sorted[next].count - 1]), 1};
        add_items(view, partition, (struct minute){(uint32_t)minute}, items, next - first);
    }
}

void view_apply_atoms(struct view *view, struct partition_cells *partition, const struct partial *partial) {
    size_t count = partial->atom_increment_count, newest_count = 0, other_count = 0;
    if (count == 0) return;
    CHECK(count <= UINT32_MAX);
    struct slice *items = work_slices(&view->work, WORK_ITEMS, count);
    struct slice *others = work_slices(&view->work, WORK_SCRATCH, count);
    struct minute newest = partial->atom_increments[count - 1].minute; /* nearly all, while clicks come as they happen */
    for (size_t i = 0; i < count; i++) {
        const struct atom_increment *increment = &partial->atom_increments[i];
        if (increment->minute.index == newest.index)
            items[newest_count++] = (struct slice){increment_key(increment), 1};
        else
            others[other_count++] = (struct slice){increment->minute.index, i + 1};
    }
    add_items(view, partition, newest, items, newest_count);
    add_others(view, partition, partial, others, items, other_count);
}

/* --- checkpoint --- */

/* Returns how many there are; at most minute->atoms.count. */
static size_t sorted_atom_cells(struct view *view, const struct slice_runs *atoms, struct atom_cell *out) {
    struct slice *sorted = work_slices(&view->work, WORK_ITEMS, atoms->count);
    uint32_t count = slice_runs_sorted(atoms, sorted, work_slices(&view->work, WORK_SCRATCH, atoms->count));
    for (size_t i = 0; i < count; i++)
        out[i] = (struct atom_cell){slice_key_atom_of(sorted[i].key), slice_key_atom_ad(sorted[i].key),
                                    slice_key_atom_country(sorted[i].key), sorted[i].count};
    return count;
}

static enum status put_closed_minute(struct view *view, struct kv_batch *batch, uint32_t p,
                                     const struct minute_cells *minute, struct atom_cell *cells, struct failure *failure) {
    size_t count = sorted_atom_cells(view, &minute->atoms, cells);
    if (view_minute_has_block(&view->partitions[p], minute->minute))
        return store_put_atom_amendments(view->store, batch, p, minute->minute, cells, count, failure);
    store_put_atom_block(view->store, batch, p, minute->minute, cells, count);
    return STATUS_OK;
}

/* For those of all open minutes, which are written together, and of one that leaves. */
static struct atom_cell *cells_room(struct view *view, const struct partition_cells *partition) {
    size_t open = 0, largest = 0;
    for (size_t i = 0; i < partition->minute_count; i++) {
        size_t count = partition->minutes[i]->atoms.count;
        if (!view_minute_leaves(partition, partition->minutes[i]->minute))
            open += count;
        else if (count > largest)
            largest = count;
    }
    return work_get(&view->work, WORK_CELLS, (open + largest) * sizeof(struct atom_cell));
}

enum status view_put_atoms(struct view *view, struct kv_batch *batch, uint32_t p, struct failure *failure) {
    const struct partition_cells *partition = &view->partitions[p];
    struct open_atom_minute *open = memory_allocate(partition->minute_count * sizeof *open);
    struct atom_cell *cells = cells_room(view, partition);
    size_t open_count = 0;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < partition->minute_count && status == STATUS_OK; i++) {
        const struct minute_cells *minute = partition->minutes[i];
        if (minute->atoms.count == 0) continue;
        if (view_minute_leaves(partition, minute->minute)) {
            status = put_closed_minute(view, batch, p, minute, cells, failure);
        } else {
            size_t count = sorted_atom_cells(view, &minute->atoms, cells);
            open[open_count++] = (struct open_atom_minute){minute->minute, cells, count};
            cells += count;
        }
    }
    if (status == STATUS_OK) store_put_open_atoms(view->store, batch, p, open, open_count);
    free(open);
    return status;
}

/* --- loading --- */

/* Minute by minute, as they lie in the store. */
struct loading {
    struct partition_cells *partition;
    struct minute minute;
    struct slice *items;
    size_t count, capacity;
};

static void loaded_minute(struct loading *loading) {
    if (loading->count == 0) return;
    CHECK(loading->count <= UINT32_MAX);
    slice_runs_add(&partition_get_minute(loading->partition, loading->minute)->atoms, loading->items,
                   (uint32_t)loading->count);
    loading->count = 0;
}

static void load_atom_cell(void *context, struct minute minute, const struct atom_cell *cell) {
    struct loading *loading = context;
    if (minute.index != loading->minute.index) loaded_minute(loading);
    loading->minute = minute;
    if (loading->count == loading->capacity) {
        loading->capacity = loading->capacity * 2 + 4096;
        loading->items = memory_resize(loading->items, loading->capacity * sizeof *loading->items);
    }
    loading->items[loading->count++] = (struct slice){slice_key_atom(cell->atom, cell->ad, cell->country), cell->count};
}

static enum status load_open_atoms(struct view *view, uint32_t p, struct failure *failure) {
    struct loading loading = {.partition = &view->partitions[p]};
    enum status status = store_load_open_atoms(view->store, p, load_atom_cell, &loading, failure);
    if (status == STATUS_OK) loaded_minute(&loading);
    free(loading.items);
    return status;
}

static void note_backfilled(void *context, uint32_t atom, uint32_t run) {
    struct view *view = context;
    CHECK(atom != ATOM_ALL && atom <= ATOMS_MAX && run > 0);
    if (atom >= view->history.count) {
        uint32_t count = atom + 1024;
        view->history_runs = memory_resize(view->history_runs, count * sizeof *view->history_runs);
        memset(view->history_runs + view->history.count, 0, (count - view->history.count) * sizeof *view->history_runs);
        view->history = (struct store_history){view->history_runs, count};
    }
    CHECK(atom < view->history.count);
    view->history_runs[atom] = run;
}

enum status view_load_atoms(struct view *view, struct failure *failure) {
    enum status status = store_load_backfilled(view->store, note_backfilled, view, failure);
    for (uint32_t p = 0; p < view->partition_count && status == STATUS_OK; p++) status = load_open_atoms(view, p, failure);
    return status;
}

/* --- filters --- */

void view_pass_filters(struct view *view, uint32_t partition, uint32_t number) {
    CHECK(partition < view->partition_count && number >= view->partitions[partition].public.filters_number);
    view->partitions[partition].public.filters_number = number;
}

uint32_t view_filters_passed(const struct view *view) {
    uint32_t passed = view->partitions[0].public.filters_number;
    for (uint32_t p = 1; p < view->partition_count; p++)
        if (view->partitions[p].public.filters_number < passed) passed = view->partitions[p].public.filters_number;
    CHECK(passed >= filters_number(view->filters)); /* none is known before every partition has passed it */
    return passed;
}

static void flip_backfilled(struct view *view, const struct stored_filter *stored) {
    for (size_t i = 0; stored != NULL && i < stored->term_count; i++) {
        uint32_t atom = stored->terms[i].atom;
        if (atom < view->history.count && view->history.runs[atom] != 0) filters_atom_backfilled(view->filters, atom);
    }
}

void view_apply_filters(struct view *view, const struct filter_record *records, size_t count) {
    for (size_t i = 0; i < count; i++) {
        CHECK(records[i].number <= view_filters_passed(view));
        filters_apply(view->filters, &records[i]);
        /* The store may have counted these atoms' older clicks before this start. */
        flip_backfilled(view, filters_find(view->filters, records[i].id));
        CHECK(filters_number(view->filters) == records[i].number);
    }
}

void view_backfilled(struct view *view, uint32_t run, const uint32_t *atoms, size_t count) {
    CHECK(run > 0 && run <= filters_number(view->filters)); /* the number of the record that it is of */
    for (size_t i = 0; i < count; i++) {
        note_backfilled(view, atoms[i], run);
        filters_atom_backfilled(view->filters, atoms[i]);
    }
    /* What was summed without the history is wrong from here on. */
    rank_memo_clear(view->memo);
    published_retain(view->published, NULL, 0);
    slices_reset(view->slices);
    store_cut_release(view->cut);
    view->cut = store_cut_take(&view->kv);
}

const struct filters *view_filters(const struct view *view) {
    return view->filters;
}
