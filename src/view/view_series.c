/* view_series.c: one ad minute by minute. */
#include <stdlib.h>

#include "base/check.h"
#include "view/view_internal.h"

struct ad_visit {
    view_minute_visit *visit;
    void *context;
};

static void visit_stored_cell(void *context, struct minute minute, const struct cell *cell) {
    const struct ad_visit *ad_visit = context;
    ad_visit->visit(ad_visit->context, minute, cell->count);
}

static enum status visit_all(struct view *view, uint32_t ad, struct minute from, struct minute to, view_minute_visit *visit,
                             void *context, struct failure *failure) {
    struct ad_visit ad_visit = {visit, context};
    struct minute covered = view_covered_from(view, from, to);
    for (uint32_t p = 0; covered.index > from.index && p < view->partition_count; p++) {
        const struct partition_cells *partition = &view->partitions[p];
        for (size_t i = partition_minute_index(partition, from); i < partition->minute_count; i++) {
            const struct minute_cells *minute = partition->minutes[i];
            if (minute->minute.index >= covered.index) break;
            uint64_t count = cell_table_ad_count(&minute->cells, ad);
            if (count > 0) visit(context, minute->minute, count);
        }
        if (!view_is_stored(view, from, covered)) continue;
        enum status status =
            store_visit_ad(view->store, view->cut->snapshot, p, ad, from, covered, visit_stored_cell, &ad_visit, failure);
        if (status != STATUS_OK) return status;
    }
    uint32_t end = !view->has_minutes                         ? 0
                   : to.index < view->newest_minute.index + 1 ? to.index
                                                              : view->newest_minute.index + 1;
    CHECK(covered.index >= end || window_covers(view->window, covered));
    for (uint32_t minute = covered.index; minute < end; minute++) {
        uint64_t count = window_minute_count(view->window, ad, (struct minute){minute});
        if (count > 0) visit(context, (struct minute){minute}, count);
    }
    return STATUS_OK;
}

/* --- with a selection: parts may be negative, so they are added up before anybody sees them --- */

struct part {
    struct minute minute;
    int64_t count;
};

struct parts {
    struct part *at;
    size_t count, capacity;
    const struct selection *selection;
    int64_t sign;
};

static void push_part(struct parts *parts, struct minute minute, struct country country, uint64_t count) {
    if (!selection_has_country(parts->selection, country.code)) return;
    if (parts->count == parts->capacity) {
        parts->capacity = parts->capacity * 2 + 256;
        parts->at = memory_resize(parts->at, parts->capacity * sizeof *parts->at);
    }
    CHECK(count <= INT64_MAX);
    CHECK(parts->sign == 1 || parts->sign == -1);
    parts->at[parts->count++] = (struct part){minute, parts->sign * (int64_t)count};
}

static void push_cell(void *context, struct minute minute, const struct cell *cell) {
    push_part(context, minute, cell->country, cell->count);
}

static void push_atom_cell(void *context, struct minute minute, const struct atom_cell *cell) {
    push_part(context, minute, cell->country, cell->count);
}

struct minute_parts {
    struct minute minute;
    struct parts *parts;
};

static inline void push_slice(void *context, uint64_t key, uint64_t count) {
    const struct minute_parts *to = context;
    push_part(to->parts, to->minute, slice_key_atom_country(key), count);
}

static void push_minute(const struct minute_cells *minute, uint32_t atom, uint32_t ad, struct parts *parts) {
    if (atom != ATOM_ALL) {
        struct minute_parts to = {minute->minute, parts};
        struct slice_keys keys = slice_keys_atom_ad(atom, ad);
        slice_runs_visit(&minute->atoms, keys.first, keys.last, push_slice, &to);
        return;
    }
    for (uint16_t k = 0; k < minute->cells.country_count; k++) {
        struct country country = {minute->cells.countries[k]};
        uint64_t count = cell_table_count(&minute->cells, cell_key(ad, country));
        if (count > 0) push_part(parts, minute->minute, country, count);
    }
}

static void push_memory(struct view *view, uint32_t p, uint32_t atom, uint32_t ad, struct minute_range range,
                        struct parts *parts) {
    const struct partition_cells *partition = &view->partitions[p];
    for (size_t i = partition_minute_index(partition, range.from); i < partition->minute_count; i++) {
        if (partition->minutes[i]->minute.index >= range.to.index) break;
        push_minute(partition->minutes[i], atom, ad, parts);
    }
}

static enum status push_cells(struct view *view, uint32_t ad, struct minute_range range, struct parts *parts,
                              struct failure *failure) {
    if (range.from.index >= range.to.index) return STATUS_OK;
    CHECK(parts->count == 0); /* what was gathered before was handed out */
    for (size_t i = 0; i < parts->selection->term_count; i++) {
        uint32_t atom = parts->selection->terms[i].atom;
        parts->sign = parts->selection->terms[i].sign;
        for (uint32_t p = 0; p < view->partition_count; p++) {
            enum status status = STATUS_OK;
            push_memory(view, p, atom, ad, range, parts);
            if (!view_atom_is_stored(view, atom, range.from, range.to)) continue;
            if (atom == ATOM_ALL)
                status =
                    store_visit_ad(view->store, view->cut->snapshot, p, ad, range.from, range.to, push_cell, parts, failure);
            else
                status = store_visit_atom_ad(view->store, view->cut->snapshot, p, &view->history, atom, ad, range.from,
                                             range.to, push_atom_cell, parts, failure);
            if (status != STATUS_OK) return status;
        }
    }
    return STATUS_OK;
}

static int by_minute(const void *left, const void *right) {
    const struct part *a = left, *b = right;
    return (a->minute.index > b->minute.index) - (a->minute.index < b->minute.index);
}

static void hand_out(struct parts *parts, view_minute_visit *visit, void *context) {
    if (parts->count > 0) qsort(parts->at, parts->count, sizeof *parts->at, by_minute);
    for (size_t first = 0, end = 0; first < parts->count; first = end) {
        CHECK(first == 0 || parts->at[first - 1].minute.index < parts->at[first].minute.index);
        int64_t sum = 0;
        for (; end < parts->count && by_minute(&parts->at[first], &parts->at[end]) == 0; end++)
            CHECK(!__builtin_add_overflow(sum, parts->at[end].count, &sum));
        CHECK(sum >= 0);
        if (sum > 0) visit(context, parts->at[first].minute, (uint64_t)sum);
    }
    parts->count = 0;
}

static enum status visit_selected(struct view *view, const struct selection *selection, uint32_t ad, struct minute from,
                                  struct minute to, view_minute_visit *visit, void *context, struct failure *failure) {
    struct minute_range sliced = view_sliced(view, from, to);
    struct parts parts = {.selection = selection};
    enum status status = push_cells(view, ad, (struct minute_range){from, sliced.from}, &parts, failure);
    if (status == STATUS_OK) hand_out(&parts, visit, context);
    for (uint32_t at = sliced.from.index; status == STATUS_OK && at < sliced.to.index; at++) {
        struct minute minute = {at}, end = {at + 1};
        uint64_t plain = window_minute_count(view->window, ad, minute);
        uint64_t count = plain == 0 ? 0 : slices_count(view->slices, selection, ad, minute, end, plain);
        CHECKF(count <= plain, "%llu of %llu clicks", (unsigned long long)count, (unsigned long long)plain);
        if (count > 0) visit(context, minute, count);
    }
    if (status == STATUS_OK) status = push_cells(view, ad, (struct minute_range){sliced.to, to}, &parts, failure);
    if (status == STATUS_OK) hand_out(&parts, visit, context);
    free(parts.at);
    return status;
}

enum status view_visit_ad(struct view *view, const struct selection *selection, struct bytes ad_id, struct minute from,
                          struct minute to, view_minute_visit *visit, void *context, struct failure *failure) {
    uint32_t ad;
    if (!ads_find(view->ads, ad_id, &ad)) return STATUS_OK;
    if (view_selects_all(view, selection)) return visit_all(view, ad, from, to, visit, context, failure);
    return visit_selected(view, selection, ad, from, to, visit, context, failure);
}
