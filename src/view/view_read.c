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
    struct minute closed = {minute_of(watermark).index - 1};
    if (closed.index >= view->first_minute.index) *out = closed;
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

enum status view_count(struct view *view, struct bytes ad_id, struct minute from, struct minute to, uint64_t *count,
                       struct failure *failure) {
    uint32_t ad;
    *count = 0;
    if (!ads_find(view->ads, ad_id, &ad)) return STATUS_OK;
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

/* --- ranking --- */

struct ranking {
    uint64_t *counts; /* by dense ad index */
    uint32_t ad_count;
};

static void rank_cell(void *context, struct minute minute, const struct cell *cell) {
    (void)minute;
    struct ranking *ranking = context;
    CHECK(cell->ad < ranking->ad_count);
    CHECK(!__builtin_add_overflow(ranking->counts[cell->ad], cell->count, &ranking->counts[cell->ad]));
}

/* I9: whether `a` stands before `b`. */
static bool ranks_before(const struct ranked_ad *a, const struct ranked_ad *b) {
    return a->count != b->count ? a->count > b->count : bytes_compare(a->ad_id, b->ad_id) < 0;
}

static int compare_ranked(const void *left, const void *right) {
    return ranks_before(left, right) ? -1 : 1; /* no two are equal: ad ids differ */
}

/* Moves the last-ranked ad of the heap, which is at its root, down to where it belongs. */
static void heap_sink(struct ranked_ad *heap, size_t count, size_t at) {
    for (;;) {
        size_t last = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < count; child++)
            if (ranks_before(&heap[last], &heap[child])) last = child;
        if (last == at) return;
        struct ranked_ad moved = heap[at];
        heap[at] = heap[last];
        heap[last] = moved;
        at = last;
    }
}

static size_t select_top(const struct view *view, const struct ranking *ranking, struct ranked_ad *heap, size_t count_max) {
    size_t count = 0;
    for (uint32_t ad = 0; ad < ranking->ad_count; ad++) {
        if (ranking->counts[ad] == 0) continue;
        if (count == count_max && ranking->counts[ad] < heap[0].count) continue;
        struct ranked_ad candidate = {ads_id(view->ads, ad), ranking->counts[ad]};
        if (count < count_max) {
            heap[count++] = candidate;
            for (size_t i = count / 2; count == count_max && i-- > 0;) heap_sink(heap, count, i);
        } else if (ranks_before(&candidate, &heap[0])) {
            heap[0] = candidate;
            heap_sink(heap, count, 0);
        }
    }
    if (count > 0) qsort(heap, count, sizeof *heap, compare_ranked);
    return count;
}

enum status view_rank(struct view *view, struct minute from, struct minute to, struct ranked_ad *out, size_t count_max,
                      size_t *count, struct failure *failure) {
    CHECK(count_max > 0);
    struct ranking ranking = {.ad_count = ads_count(view->ads)};
    ranking.counts = memory_allocate_zeroed(ranking.ad_count, sizeof *ranking.counts);
    enum status status = view_visit_cells(view, from, to, rank_cell, &ranking, failure);
    *count = status == STATUS_OK ? select_top(view, &ranking, out, count_max) : 0;
    free(ranking.counts);
    return status;
}
