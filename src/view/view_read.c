/* view_read.c: the readers' side of the view. */
#include <stdlib.h>

#include "base/check.h"
#include "view/view.h"
#include "view/view_internal.h"

uint32_t view_partition_count(const struct view *view) {
    return view->partition_count;
}

const struct view_partition *view_partition(const struct view *view, uint32_t partition) {
    CHECK(partition < view->partition_count);
    return &view->partitions[partition].public;
}

uint64_t view_version(const struct view *view) {
    return view->version;
}

struct event_time view_watermark(const struct view *view) {
    struct event_time lowest = view->partitions[0].public.watermark.w;
    for (uint32_t p = 1; p < view->partition_count; p++)
        if (view->partitions[p].public.watermark.w.ms < lowest.ms) lowest = view->partitions[p].public.watermark.w;
    return lowest;
}

struct event_time view_sealed_to(const struct view *view) {
    struct event_time lowest = view->partitions[0].public.watermark.s;
    for (uint32_t p = 1; p < view->partition_count; p++)
        if (view->partitions[p].public.watermark.s.ms < lowest.ms) lowest = view->partitions[p].public.watermark.s;
    return lowest;
}

bool view_last_minute(const struct view *view, struct minute *out) {
    if (!view->has_minutes) return false;
    struct event_time watermark = view_watermark(view);
    *out = view->newest_minute;
    if (event_time_is_none(watermark) || watermark.ms < MINUTE_MS) return true;
    /* For the moment that it takes to close a heavy minute in the window, the one before is the last, so that nobody ranks
     * millions of open cells. */
    uint32_t before = window_closed_before(view->window).index;
    if (before <= view->first_minute.index) before = minute_of(watermark).index;
    CHECK(before <= minute_of(watermark).index);
    if (before > view->first_minute.index) *out = (struct minute){before - 1};
    return true;
}

const char *view_state(const struct view *view, struct minute to) {
    int64_t end_ms = minute_start(to).ms;
    if (end_ms <= view_sealed_to(view).ms) return "sealed";
    return end_ms <= view_watermark(view).ms ? "closed" : "open";
}

static bool is_stored(const struct view *view, struct minute from, struct minute to) {
    return view->has_stored && from.index <= view->stored_highest.index && to.index > view->stored_lowest.index;
}

static void sum_cell(void *context, struct minute minute, const struct cell *cell) {
    (void)minute;
    uint64_t *sum = context;
    CHECK(!__builtin_add_overflow(*sum, cell->count, sum));
}

/* Without the window: what came since the checkpoints, and the store. */
static enum status count_from_cells(struct view *view, uint32_t ad, struct minute from, struct minute to, uint64_t *count,
                                    struct failure *failure) {
    for (uint32_t p = 0; p < view->partition_count; p++) {
        const struct partition_cells *partition = &view->partitions[p];
        for (size_t i = partition_minute_index(partition, from); i < partition->minute_count; i++) {
            if (partition->minutes[i]->minute.index >= to.index) break;
            *count += cell_table_ad_count(&partition->minutes[i]->cells, ad);
        }
        if (!is_stored(view, from, to)) continue;
        enum status status = store_visit_ad(view->store, view->cut->snapshot, p, ad, from, to, sum_cell, count, failure);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

/* The first minute of [from, to) that the window covers; `to` when it covers none. */
static struct minute covered_from(const struct view *view, struct minute from, struct minute to) {
    if (window_covers(view->window, from)) return from;
    struct minute covered = window_from(view->window);
    bool some = covered.index < to.index && window_covers(view->window, covered);
    return some ? covered : to;
}

enum status view_count(struct view *view, struct bytes ad_id, struct minute from, struct minute to, uint64_t *count,
                       struct failure *failure) {
    uint32_t ad;
    *count = 0;
    if (!ads_find(view->ads, ad_id, &ad)) return STATUS_OK;
    struct minute covered = covered_from(view, from, to);
    if (covered.index < to.index) *count = window_count(view->window, ad, covered, to);
#ifdef TALLY_COSTLY_CHECKS
    uint64_t from_cells = 0;
    COSTLY_CHECK(count_from_cells(view, ad, covered, to, &from_cells, NULL) != STATUS_OK || from_cells == *count);
#endif
    return covered.index > from.index ? count_from_cells(view, ad, from, covered, count, failure) : STATUS_OK;
}

struct ad_visit {
    view_minute_visit *visit;
    void *context;
};

static void visit_stored_cell(void *context, struct minute minute, const struct cell *cell) {
    const struct ad_visit *ad_visit = context;
    ad_visit->visit(ad_visit->context, minute, cell->count);
}

enum status view_visit_ad(struct view *view, struct bytes ad_id, struct minute from, struct minute to,
                          view_minute_visit *visit, void *context, struct failure *failure) {
    uint32_t ad;
    if (!ads_find(view->ads, ad_id, &ad)) return STATUS_OK;
    struct ad_visit ad_visit = {visit, context};
    struct minute covered = covered_from(view, from, to);
    for (uint32_t p = 0; covered.index > from.index && p < view->partition_count; p++) {
        const struct partition_cells *partition = &view->partitions[p];
        for (size_t i = partition_minute_index(partition, from); i < partition->minute_count; i++) {
            const struct minute_cells *minute = partition->minutes[i];
            if (minute->minute.index >= covered.index) break;
            uint64_t count = cell_table_ad_count(&minute->cells, ad);
            if (count > 0) visit(context, minute->minute, count);
        }
        if (!is_stored(view, from, covered)) continue;
        enum status status =
            store_visit_ad(view->store, view->cut->snapshot, p, ad, from, covered, visit_stored_cell, &ad_visit, failure);
        if (status != STATUS_OK) return status;
    }
    uint32_t end = !view->has_minutes                         ? 0
                   : to.index < view->newest_minute.index + 1 ? to.index
                                                              : view->newest_minute.index + 1;
    for (uint32_t minute = covered.index; minute < end; minute++) {
        uint64_t count = window_minute_count(view->window, ad, (struct minute){minute});
        if (count > 0) visit(context, (struct minute){minute}, count);
    }
    return STATUS_OK;
}

void view_visit_memory(const struct partition_cells *partition, struct minute from, struct minute to,
                       store_cell_visit *visit, void *context) {
    for (size_t i = partition_minute_index(partition, from); i < partition->minute_count; i++) {
        const struct minute_cells *minute = partition->minutes[i];
        if (minute->minute.index >= to.index) break;
        for (uint32_t k = 0; k < minute->cells.slot_count; k++) {
            uint64_t key = minute->cells.slots[k].key;
            struct cell cell = {cell_key_ad(key), cell_key_country(key), minute->cells.slots[k].count};
            if (key != 0) visit(context, minute->minute, &cell);
        }
    }
}

enum status view_visit_cells(struct view *view, struct minute from, struct minute to, store_cell_visit *visit, void *context,
                             struct failure *failure) {
    for (uint32_t p = 0; p < view->partition_count; p++) {
        view_visit_memory(&view->partitions[p], from, to, visit, context);
        if (!is_stored(view, from, to)) continue;
        enum status status = store_visit_all(view->store, view->cut->snapshot, p, from, to, visit, context, failure);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

struct view_usage view_usage(const struct view *view) {
    struct window_usage window = window_usage(view->window);
    struct view_usage usage = {.window_bytes = window.bytes,
                               .window_bytes_max = window.bytes_max,
                               .window_minutes = window.minutes,
                               .window_vectors = window.vectors,
                               .window_from = window.from};
    for (uint32_t p = 0; p < view->partition_count; p++) usage.cells_bytes += view->partitions[p].public.bytes_in_memory;
    return usage;
}
