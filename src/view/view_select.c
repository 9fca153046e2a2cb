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
    CHECK(count <= INT64_MAX && (sum->sign == 1 || sum->sign == -1));
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

/* One ad's cells of all clicks, by the countries that the table has noted. */
static void sum_table(const struct cell_table *table, uint32_t ad, struct signed_sum *sum) {
    for (uint16_t i = 0; i < table->country_count; i++) {
        struct country country = {table->countries[i]};
        if (selection_has_country(sum->selection, country.code))
            add_signed(sum, country, cell_table_count(table, cell_key(ad, country)));
    }
}

static inline void sum_slice(void *context, uint64_t key, uint64_t count) {
    add_signed(context, slice_key_atom_country(key), count);
}

static void sum_minute(const struct minute_cells *minute, uint32_t atom, uint32_t ad, struct signed_sum *sum) {
    if (atom == ATOM_ALL) {
        sum_table(&minute->cells, ad, sum);
        return;
    }
    struct slice_keys keys = slice_keys_atom_ad(atom, ad);
    slice_runs_visit(&minute->atoms, keys.first, keys.last, sum_slice, sum);
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
        sum_minute(minute, atom, ad, sum);
    }
    if (!view_atom_is_stored(view, atom, from, to)) return STATUS_OK;
    const struct kv_snapshot *snapshot = view->cut->snapshot;
    if (atom == ATOM_ALL) return store_visit_ad(view->store, snapshot, p, ad, from, to, sum_cell, sum, failure);
    return store_visit_atom_ad(view->store, snapshot, p, &view->history, atom, ad, from, to, sum_atom_cell, sum, failure);
}

enum status view_count_cells(struct view *view, const struct selection *selection, uint32_t ad, struct minute from,
                             struct minute to, int64_t *count, struct failure *failure) {
    struct signed_sum sum = {.selection = selection};
    CHECK(selection->term_count >= 1 && selection->term_count <= FILTER_TERMS_MAX);
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

struct atom_visit {
    struct minute minute;
    store_atom_visit *visit;
    void *context;
};

static inline void visit_slice(void *context, uint64_t key, uint64_t count) {
    const struct atom_visit *visit = context;
    struct atom_cell cell = {slice_key_atom_of(key), slice_key_atom_ad(key), slice_key_atom_country(key), count};
    CHECK(cell.atom != ATOM_ALL && cell.atom <= ATOMS_MAX);
    visit->visit(visit->context, visit->minute, &cell);
}

void view_visit_atom_memory(const struct partition_cells *partition, uint32_t atom, struct minute from, struct minute to,
                            store_atom_visit *visit, void *context) {
    struct slice_keys keys =
        atom == ATOM_ALL ? (struct slice_keys){SLICE_KEY_FIRST_ATOM, UINT64_MAX} : slice_keys_atom(atom);
    for (size_t i = partition_minute_index(partition, from); i < partition->minute_count; i++) {
        const struct minute_cells *minute = partition->minutes[i];
        if (minute->minute.index >= to.index) break;
        struct atom_visit each = {minute->minute, visit, context};
        slice_runs_visit(&minute->atoms, keys.first, keys.last, visit_slice, &each);
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
