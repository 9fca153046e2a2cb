/* view_select.c: signed sums of cells from memory and store (filter/selection.h), for what window and slices do not hold. */
#include <stdlib.h>

#include "base/check.h"
#include "view/view_internal.h"

struct signed_sum {
    const struct selection *selection;
    int64_t sign, sum;
};

static void add_signed(struct signed_sum *sum, struct country country, uint64_t count) {
    if (!selection_has_country(sum->selection, country.code)) return;
    CHECK(count <= INT64_MAX);
    CHECK(!__builtin_add_overflow(sum->sum, sum->sign * (int64_t)count, &sum->sum)); /* I9 */
}

static void sum_cell(void *context, struct minute minute, const struct cell *cell) {
    (void)minute;
    add_signed(context, cell->country, cell->count);
}

static void sum_atom_cell(void *context, struct minute minute, const struct atom_cell *cell) {
    (void)minute;
    add_signed(context, cell->country, cell->count);
}

/* One ad's cells of one atom, by the countries that the table has noted. */
static void sum_table(const struct cell_table *table, uint32_t atom, uint32_t ad, struct signed_sum *sum) {
    for (uint16_t i = 0; i < table->country_count; i++) {
        struct country country = {table->countries[i]};
        if (!selection_has_country(sum->selection, country.code)) continue;
        uint64_t key = atom == ATOM_ALL ? cell_key(ad, country) : atom_cell_key(atom, ad, country);
        add_signed(sum, country, cell_table_count(table, key));
    }
}

bool view_atom_is_stored(const struct view *view, uint32_t atom, struct minute from, struct minute to) {
    return view_is_stored(view, from, to) || (atom < view->history.count && view->history.runs[atom] != 0);
}

static enum status count_term(struct view *view, uint32_t p, uint32_t atom, uint32_t ad, struct minute from,
                              struct minute to, struct signed_sum *sum, struct failure *failure) {
    const struct partition_cells *partition = &view->partitions[p];
    for (size_t i = partition_minute_index(partition, from); i < partition->minute_count; i++) {
        const struct minute_cells *minute = partition->minutes[i];
        if (minute->minute.index >= to.index) break;
        sum_table(atom == ATOM_ALL ? &minute->cells : &minute->atoms, atom, ad, sum);
    }
    if (!view_atom_is_stored(view, atom, from, to)) return STATUS_OK;
    const struct kv_snapshot *snapshot = view->cut->snapshot;
    if (atom == ATOM_ALL) return store_visit_ad(view->store, snapshot, p, ad, from, to, sum_cell, sum, failure);
    return store_visit_atom_ad(view->store, snapshot, p, &view->history, atom, ad, from, to, sum_atom_cell, sum, failure);
}

enum status view_count_cells(struct view *view, const struct selection *selection, uint32_t ad, struct minute from,
                             struct minute to, int64_t *count, struct failure *failure) {
    struct signed_sum sum = {.selection = selection};
    for (size_t i = 0; i < selection->term_count; i++) {
        sum.sign = selection->terms[i].sign;
        for (uint32_t p = 0; p < view->partition_count; p++) {
            enum status status = count_term(view, p, selection->terms[i].atom, ad, from, to, &sum, failure);
            if (status != STATUS_OK) return status;
        }
    }
    CHECK(!__builtin_add_overflow(*count, sum.sum, count));
    return STATUS_OK;
}

void view_visit_atom_memory(const struct partition_cells *partition, uint32_t atom, struct minute from, struct minute to,
                            store_atom_visit *visit, void *context) {
    for (size_t i = partition_minute_index(partition, from); i < partition->minute_count; i++) {
        const struct minute_cells *minute = partition->minutes[i];
        if (minute->minute.index >= to.index) break;
        struct cell_cursor cursor = {0};
        for (const struct cell_slot *slot; (slot = cell_table_next(&minute->atoms, &cursor)) != NULL;) {
            struct atom_cell cell = {atom_key_atom(slot->key), atom_key_ad(slot->key), cell_key_country(slot->key),
                                     slot->count};
            if (atom == 0 || cell.atom == atom) visit(context, minute->minute, &cell);
        }
    }
}

enum status view_visit_atom_cells(struct view *view, uint32_t atom, struct minute from, struct minute to,
                                  store_atom_visit *visit, void *context, struct failure *failure) {
    for (uint32_t p = 0; p < view->partition_count; p++) {
        view_visit_atom_memory(&view->partitions[p], atom, from, to, visit, context);
        if (view->history.count == 0 && !view_is_stored(view, from, to)) continue;
        enum status status =
            store_visit_atoms(view->store, view->cut->snapshot, p, &view->history, atom, from, to, visit, context, failure);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}
