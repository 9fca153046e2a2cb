/* view_slices.c: keeps the slices (recent minutes by country and atom) up with the window and fills them into the past. */
#include <stdlib.h>

#include "base/check.h"
#include "view/view_internal.h"

/* The cells of one minute as slices, in the view's working memory. */
struct gathering {
    struct view *view;
    struct slice *items;
    size_t count, capacity;
};

static void gather_room(struct gathering *gathering, size_t capacity) {
    gathering->items = work_grow(&gathering->view->work, WORK_ITEMS, capacity * sizeof *gathering->items);
    gathering->capacity = capacity;
}

static void gather(struct gathering *gathering, uint64_t key, uint64_t count) {
    if (gathering->count == gathering->capacity) gather_room(gathering, gathering->capacity * 2 + 4096);
    gathering->items[gathering->count++] = (struct slice){key, count};
}

static void gather_cell(void *context, struct minute minute, const struct cell *cell) {
    (void)minute;
    gather(context, slice_key_country(cell->country, cell->ad), cell->count);
}

static void gather_atom_cell(void *context, struct minute minute, const struct atom_cell *cell) {
    (void)minute;
    gather(context, slice_key_atom(cell->atom, cell->ad, cell->country), cell->count);
}

/* What memory holds of the minute: millions, as a rule, if it is the newest. */
static size_t cells_in_memory(const struct view *view, struct minute minute) {
    size_t count = 0;
    for (uint32_t p = 0; p < view->partition_count; p++) {
        const struct partition_cells *partition = &view->partitions[p];
        size_t at = partition_minute_index(partition, minute);
        if (at == partition->minute_count || partition->minutes[at]->minute.index != minute.index) continue;
        count += (size_t)partition->minutes[at]->cells.cell_count + partition->minutes[at]->atoms.count;
    }
    return count;
}

/* Ascending from `first` on. Countries and atoms by themselves: keys of one kind differ in fewer bits, which is less work.
 */
static void sort_from(struct gathering *gathering, size_t first) {
    size_t count = gathering->count - first;
    if (count == 0) return;
    CHECK(count <= UINT32_MAX);
    struct slice *items = &gathering->items[first], *scratch = work_slices(&gathering->view->work, WORK_SCRATCH, count);
    struct slice *sorted = slices_sorted(items, scratch, (uint32_t)count);
    if (sorted != items) memcpy(items, sorted, count * sizeof *items);
}

static enum status gather_minute(struct view *view, struct minute minute, struct gathering *gathering,
                                 struct failure *failure) {
    struct minute end = {minute.index + 1};
    gather_room(gathering, cells_in_memory(view, minute));
    enum status status = view_visit_cells(view, minute, end, gather_cell, gathering, failure);
    sort_from(gathering, 0);
    size_t countries = gathering->count;
    if (status == STATUS_OK) status = view_visit_atom_cells(view, 0, minute, end, gather_atom_cell, gathering, failure);
    sort_from(gathering, countries);
    return status;
}

/* Somebody asks, or may ask, by country or atom, and there are closed minutes to hold. */
static bool begin_is_due(const struct view *view) {
    if (slices_active(view->slices) || window_closed_before(view->window).index == 0) return false;
    return filters_standing(view->filters) > 0 || atomic_load(&view->slices_wanted);
}

/* The minute that is wanted next. The newest first: questions about now must not wait for the past. */
static enum view_fill wanted_minute(const struct view *view, struct minute *minute) {
    *minute = slices_closed_before(view->slices);
    if (minute->index < window_closed_before(view->window).index) return FILL_NEWEST;
    return slices_fill_minute(view->slices, minute) ? FILL_OLDER : FILL_NONE;
}

enum status view_fill_prepare(struct view *view, struct failure *failure) {
    CHECK(view->fill == FILL_NONE);
    if (begin_is_due(view)) {
        view->fill = FILL_BEGIN;
        return STATUS_OK;
    }
    if (!slices_active(view->slices)) return STATUS_END;
    if (slices_fold_prepare(view->slices)) {
        view->fill = FILL_FOLD;
        return STATUS_OK;
    }
    struct minute minute;
    enum view_fill wanted = wanted_minute(view, &minute);
    if (wanted == FILL_NONE) return STATUS_END;
    struct gathering gathering = {.view = view};
    enum status status = gather_minute(view, minute, &gathering, failure);
    if (status == STATUS_OK) {
        view->fill = wanted;
        if (wanted == FILL_NEWEST)
            slices_close_prepare(view->slices, minute, gathering.items, gathering.count);
        else
            slices_fill_prepare(view->slices, gathering.items, gathering.count);
    }
    return status;
}

void view_fill_commit(struct view *view) {
    switch (view->fill) {
    case FILL_NONE:
        CHECK_FAIL("nothing was prepared");
    case FILL_BEGIN:
        slices_begin(view->slices, window_closed_before(view->window));
        break;
    case FILL_NEWEST:
        slices_close_commit(view->slices);
        break;
    case FILL_FOLD:
        slices_fold_commit(view->slices);
        break;
    case FILL_OLDER:
        slices_fill_commit(view->slices);
        break;
    }
    view->fill = FILL_NONE;
    CHECK(slices_active(view->slices));
    CHECK(slices_closed_before(view->slices).index <= window_closed_before(view->window).index);
}
