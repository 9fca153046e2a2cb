/* view_atoms.c: the writer's side of filters: cells of atoms other than 0 (filter/atoms.h), on their way from the partials
 * through memory into the store, and the filters themselves. */
#include <stdlib.h>

#include "base/check.h"
#include "view/view_internal.h"

enum { APPLY_GROUP = 16 }; /* increments whose slots are fetched together before any is touched */

void view_apply_atoms(struct view *view, struct partition_cells *partition, const struct partial *partial) {
    struct minute_cells *minutes[APPLY_GROUP];
    struct minute_cells *last = NULL;
    for (size_t first = 0; first < partial->atom_increment_count; first += APPLY_GROUP) {
        size_t left = partial->atom_increment_count - first;
        size_t group = left < APPLY_GROUP ? left : APPLY_GROUP;
        const struct atom_increment *increments = &partial->atom_increments[first];
        uint64_t keys[APPLY_GROUP];
        for (size_t i = 0; i < group; i++) {
            CHECK(increments[i].atom != ATOM_ALL);
            if (last == NULL || last->minute.index != increments[i].minute.index)
                last = partition_get_minute(partition, increments[i].minute);
            CHECK(last != NULL && last->cells.cell_count > 0); /* beside an increment of all clicks */
            minutes[i] = last;
            keys[i] = atom_cell_key(increments[i].atom, increments[i].ad, increments[i].country);
            cell_table_prefetch(&last->atoms, keys[i]);
        }
        for (size_t i = 0; i < group; i++) {
            cell_table_add(&minutes[i]->atoms, keys[i], 1);
            if (slices_hold(view->slices, minutes[i]->minute))
                slices_add_late(view->slices, minutes[i]->minute, keys[i] - 1, 1); /* the same order of bits */
        }
    }
}

/* --- checkpoint --- */

static struct atom_cell *sorted_atom_cells(const struct cell_table *table) {
    size_t count = table->cell_count;
    struct cell_slot *slots = memory_allocate_large(count * sizeof *slots);
    struct atom_cell *cells = memory_allocate_large(count * sizeof *cells);
    cell_table_sorted(table, slots);
    for (size_t i = 0; i < count; i++)
        cells[i] = (struct atom_cell){atom_key_atom(slots[i].key), atom_key_ad(slots[i].key), cell_key_country(slots[i].key),
                                      slots[i].count};
    free(slots);
    return cells;
}

enum status view_put_atoms(struct view *view, struct kv_batch *batch, uint32_t p, struct failure *failure) {
    const struct partition_cells *partition = &view->partitions[p];
    struct open_atom_minute *open = memory_allocate(partition->minute_count * sizeof *open);
    size_t open_count = 0;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < partition->minute_count && status == STATUS_OK; i++) {
        const struct minute_cells *minute = partition->minutes[i];
        size_t count = minute->atoms.cell_count;
        if (count == 0) continue;
        struct atom_cell *cells = sorted_atom_cells(&minute->atoms);
        if (!view_minute_leaves(partition, minute->minute)) {
            open[open_count++] = (struct open_atom_minute){minute->minute, cells, count};
            continue;
        }
        if (view_minute_has_block(partition, minute->minute))
            status = store_put_atom_amendments(view->store, batch, p, minute->minute, cells, count, failure);
        else
            store_put_atom_block(view->store, batch, p, minute->minute, cells, count);
        free(cells);
    }
    if (status == STATUS_OK) store_put_open_atoms(view->store, batch, p, open, open_count);
    for (size_t i = 0; i < open_count; i++) free((void *)(uintptr_t)open[i].cells);
    free(open);
    return status;
}

/* --- loading --- */

static void load_atom_cell(void *context, struct minute minute, const struct atom_cell *cell) {
    struct partition_cells *partition = context;
    cell_table_add(&partition_get_minute(partition, minute)->atoms, atom_cell_key(cell->atom, cell->ad, cell->country),
                   cell->count);
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
    view->history_runs[atom] = run;
}

enum status view_load_atoms(struct view *view, struct failure *failure) {
    enum status status = store_load_backfilled(view->store, note_backfilled, view, failure);
    for (uint32_t p = 0; p < view->partition_count && status == STATUS_OK; p++)
        status = store_load_open_atoms(view->store, p, load_atom_cell, &view->partitions[p], failure);
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
    }
}

void view_backfilled(struct view *view, uint32_t run, const uint32_t *atoms, size_t count) {
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
