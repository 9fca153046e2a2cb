/* export.c: tables of one cut as CSV: what is taken at the cut, and how rows go out. */
#include <stdlib.h>

#include "base/check.h"
#include "base/codec.h"
#include "view/export_internal.h"

static void remember(struct view_export *export, const struct export_cell *cell) {
    if (export->memory_count == export->memory_capacity) {
        export->memory_capacity = export->memory_capacity * 2 + 1024;
        export->memory = memory_resize(export->memory, export->memory_capacity * sizeof *export->memory);
    }
    CHECK(cell->count > 0 && cell->country.code < COUNTRY_CODES);
    export->memory[export->memory_count++] = *cell;
}

static void remember_cell(void *context, struct minute minute, const struct cell *cell) {
    remember(context, &(struct export_cell){cell->ad, minute, ATOM_ALL, cell->country, cell->count});
}

static void remember_atom_cell(void *context, struct minute minute, const struct atom_cell *cell) {
    remember(context, &(struct export_cell){cell->ad, minute, cell->atom, cell->country, cell->count});
}

/* The history of an atom that no filter uses any more is left out: a store that is built again does not count it again, and
 * both must export the same (I2). */
static void take_history(struct view_export *export, const struct view *view) {
    const struct filters *filters = view_filters(view);
    const struct stored_filter *stored;
    uint32_t count = view->history.count;
    if (count == 0) return;
    export->history_runs = memory_allocate_zeroed(count, sizeof *export->history_runs);
    export->history = (struct store_history){export->history_runs, count};
    for (uint32_t id = 1; (stored = filters_next(filters, id)) != NULL; id = stored->filter->id + 1)
        for (size_t i = 0; i < stored->term_count; i++) {
            uint32_t atom = stored->terms[i].atom;
            CHECK(atom <= atoms_given(filters_atoms(filters)));
            if (atom < count) export->history_runs[atom] = view->history.runs[atom];
        }
}

static void take_cells(struct view_export *export, const struct view *view) {
    const struct minute from = {0}, to = {UINT32_MAX};
    export->ad_count = ads_count(view->ads);
    export->has_stored = view->has_stored;
    export->stored_lowest = view->stored_lowest;
    export->stored_highest = view->stored_highest;
    CHECK(!export->has_stored || export->stored_lowest.index <= export->stored_highest.index);
    take_history(export, view);
    for (uint32_t p = 0; p < view->partition_count; p++) {
        view_visit_memory(&view->partitions[p], from, to, remember_cell, export);
        view_visit_atom_memory(&view->partitions[p], ATOM_ALL, from, to, remember_atom_cell, export);
    }
}

enum status view_export_begin(struct view *view, const struct view_export_wanted *wanted, struct view_export **out,
                              struct failure *failure) {
    CHECK(wanted->filter_count == 0 || wanted->table == VIEW_TABLE_COUNTS);
    struct view_export *export = memory_allocate_zeroed(1, sizeof *export);
    export->table = wanted->table;
    export->view = view;
    export->store = view->store;
    export->ads = view->ads;
    export->cut = store_cut_hold(view->cut);
    export->partition_count = view->partition_count;
    export->cells_max = EXPORT_CELLS_MAX;
    enum status status = export_take_filters(export, view, wanted, failure);
    if (status != STATUS_OK) {
        view_export_destroy(export);
        return status;
    }
    if (wanted->table == VIEW_TABLE_CELLS || wanted->table == VIEW_TABLE_COUNTS) take_cells(export, view);
    *out = export;
    return STATUS_OK;
}

void view_export_destroy(struct view_export *export) {
    store_cut_release(export->cut);
    export_filters_fini(export);
    free(export->memory);
    free(export->history_runs);
    free(export->rank_of_ad);
    free(export->ad_of_rank);
    free(export->gathered);
    free(export->cells_of_ad);
    buffer_fini(&export->part);
    free(export);
}

void export_append_text(struct view_export *export, struct bytes text) {
    struct buffer *line = &export->part;
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

static enum status write_part(struct view_export *export) {
    enum status status = export->write(export->write_context, buffer_view(&export->part));
    buffer_clear(&export->part);
    return status;
}

enum status export_row_done(struct view_export *export) {
    return export->part.len < EXPORT_PART_BYTES ? STATUS_OK : write_part(export);
}

static enum status run(struct view_export *export, struct failure *failure) {
    switch (export->table) {
    case VIEW_TABLE_CELLS:
        return export_cells_run(export, failure);
    case VIEW_TABLE_COUNTS:
        return export_counts_run(export, failure);
    case VIEW_TABLE_FILTERS:
        return export_filters_run(export);
    case VIEW_TABLE_RANKINGS:
        return export_rankings_run(export, failure);
    }
    CHECK_FAIL("table %d", (int)export->table);
}

enum status view_export_run(struct view_export *export, enum status (*write)(void *context, struct bytes part),
                            void *context, struct failure *failure) {
    CHECK(export->write == NULL); /* once */
    export->write = write;
    export->write_context = context;
    enum status status = run(export, failure);
    if (status == STATUS_OK && export->part.len > 0) status = write_part(export);
    CHECK(status != STATUS_OK || export->part.len == 0); /* every row went out */
    return status;
}
