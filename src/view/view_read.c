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
    CHECK(view->partition_count >= 1);
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
    uint32_t before = window_closed_before(view->window).index, closed = minute_of(watermark).index;
    /* Clicks far ahead of the watermark may have pushed the window past it: what it dropped is not closed. */
    if (before <= view->first_minute.index || before > closed) before = closed;
    if (before > view->first_minute.index) *out = (struct minute){before - 1};
    CHECK(out->index >= view->first_minute.index && before <= closed);
    return true;
}

const char *view_state(const struct view *view, struct minute to) {
    int64_t end_ms = minute_start(to).ms;
    CHECK(view_sealed_to(view).ms <= view_watermark(view).ms); /* I7 */
    if (end_ms <= view_sealed_to(view).ms) return "sealed";
    return end_ms <= view_watermark(view).ms ? "closed" : "open";
}

bool view_is_stored(const struct view *view, struct minute from, struct minute to) {
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
        if (!view_is_stored(view, from, to)) continue;
        enum status status = store_visit_ad(view->store, view->cut->snapshot, p, ad, from, to, sum_cell, count, failure);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

/* The first minute of [from, to) that the window covers; `to` when it covers none. */
struct minute view_covered_from(const struct view *view, struct minute from, struct minute to) {
    if (window_covers(view->window, from)) return from;
    struct minute covered = window_from(view->window);
    bool some = covered.index < to.index && window_covers(view->window, covered);
    CHECK(!some || covered.index > from.index || from.index >= to.index);
    return some ? covered : to;
}

static enum status count_all(struct view *view, uint32_t ad, struct minute from, struct minute to, uint64_t *count,
                             struct failure *failure) {
    struct minute covered = view_covered_from(view, from, to);
    CHECK(*count == 0 && covered.index >= from.index);
    if (covered.index < to.index) *count = window_count(view->window, ad, covered, to);
#ifdef TALLY_COSTLY_CHECKS
    uint64_t from_cells = 0;
    COSTLY_CHECK(count_from_cells(view, ad, covered, to, &from_cells, NULL) != STATUS_OK || from_cells == *count);
#endif
    return covered.index > from.index ? count_from_cells(view, ad, from, covered, count, failure) : STATUS_OK;
}

struct minute_range view_sliced(const struct view *view, struct minute from, struct minute to) {
    struct minute_range none = {to, to};
    if (!slices_active(view->slices)) return none;
    struct minute first = slices_from(view->slices), end = slices_closed_before(view->slices);
    if (!window_covers(view->window, first)) first = window_from(view->window);
    if (first.index < from.index) first = from;
    if (end.index > to.index) end = to;
    CHECK(first.index >= from.index && end.index <= to.index);
    return first.index < end.index ? (struct minute_range){first, end} : none;
}

/* The middle from the slices, what lies before and behind it from the cells. */
static enum status count_selected(struct view *view, const struct selection *selection, uint32_t ad, struct minute from,
                                  struct minute to, uint64_t *count, struct failure *failure) {
    struct minute_range sliced = view_sliced(view, from, to);
    int64_t sum = 0;
    enum status status = STATUS_OK;
    if (from.index < sliced.from.index) status = view_count_cells(view, selection, ad, from, sliced.from, &sum, failure);
    if (status == STATUS_OK && sliced.to.index < to.index)
        status = view_count_cells(view, selection, ad, sliced.to, to, &sum, failure);
    if (status != STATUS_OK) return status;
    if (sliced.from.index < sliced.to.index) {
        bool needs_plain = slices_count_needs_plain(view->slices, selection);
        uint64_t plain = needs_plain ? window_count(view->window, ad, sliced.from, sliced.to) : 0;
        CHECK(plain <= INT64_MAX);
        sum += (int64_t)slices_count(view->slices, selection, ad, sliced.from, sliced.to, plain);
#ifdef TALLY_COSTLY_CHECKS
        int64_t whole = 0;
        COSTLY_CHECK(view_count_cells(view, selection, ad, from, to, &whole, NULL) != STATUS_OK || whole == sum);
#endif
    }
    CHECK(sum >= 0); /* a filter's clicks are some of all clicks */
    *count = (uint64_t)sum;
    return STATUS_OK;
}

#ifdef TALLY_COSTLY_CHECKS
/* All clicks of an ad, that a filter's are some of. */
static uint64_t all_of(struct view *view, uint32_t ad, struct minute from, struct minute to) {
    uint64_t count = 0;
    return count_all(view, ad, from, to, &count, NULL) == STATUS_OK ? count : UINT64_MAX;
}
#endif

enum status view_count(struct view *view, const struct selection *selection, struct bytes ad_id, struct minute from,
                       struct minute to, uint64_t *count, struct failure *failure) {
    uint32_t ad;
    *count = 0;
    if (!ads_find(view->ads, ad_id, &ad)) return STATUS_OK;
    if (view_selects_all(view, selection)) return count_all(view, ad, from, to, count, failure);
    enum status status = count_selected(view, selection, ad, from, to, count, failure);
    COSTLY_CHECK(status != STATUS_OK || *count <= all_of(view, ad, from, to));
    return status;
}

bool view_selects_all(struct view *view, const struct selection *selection) {
    if (selection == NULL) return true;
    if (selection->all_countries && selection->term_count == 1 && selection->terms[0].atom == ATOM_ALL) return true;
    /* A plain load first: the flag's line is shared by all readers. */
    if (!atomic_load(&view->slices_wanted)) atomic_store(&view->slices_wanted, true);
    return false;
}

void view_visit_memory(const struct partition_cells *partition, struct minute from, struct minute to,
                       store_cell_visit *visit, void *context) {
    for (size_t i = partition_minute_index(partition, from); i < partition->minute_count; i++) {
        const struct minute_cells *minute = partition->minutes[i];
        if (minute->minute.index >= to.index) break;
        struct cell_cursor cursor = {0};
        for (const struct cell_slot *slot; (slot = cell_table_next(&minute->cells, &cursor)) != NULL;) {
            struct cell cell = {cell_key_ad(slot->key), cell_key_country(slot->key), slot->count};
            visit(context, minute->minute, &cell);
        }
    }
}

enum status view_visit_partition(struct view *view, uint32_t partition, struct minute from, struct minute to,
                                 store_cell_visit *visit, void *context, struct failure *failure) {
    CHECK(partition < view->partition_count);
    view_visit_memory(&view->partitions[partition], from, to, visit, context);
    if (!view_is_stored(view, from, to)) return STATUS_OK;
    return store_visit_all(view->store, view->cut->snapshot, partition, from, to, visit, context, failure);
}

enum status view_visit_cells(struct view *view, struct minute from, struct minute to, store_cell_visit *visit, void *context,
                             struct failure *failure) {
    enum status status = STATUS_OK;
    for (uint32_t p = 0; p < view->partition_count && status == STATUS_OK; p++)
        status = view_visit_partition(view, p, from, to, visit, context, failure);
    return status;
}

struct view_usage view_usage(const struct view *view) {
    struct window_usage window = window_usage(view->window);
    struct view_usage usage = {.window_bytes = window.bytes,
                               .window_bytes_max = window.bytes_max,
                               .window_minutes = window.minutes,
                               .window_vectors = window.vectors,
                               .window_from = window.from};
    struct slices_usage slices = slices_usage(view->slices);
    usage.slices_bytes = slices.bytes;
    usage.slices_bytes_max = slices.bytes_max;
    usage.slices_minutes = slices.minutes;
    usage.slices_from = slices.from;
    usage.filters_bytes = filters_memory_bytes(view->filters);
    usage.filters_standing = filters_standing(view->filters);
    usage.filters_ranked = filters_ranked(view->filters);
    usage.atoms_live = atoms_live(filters_atoms(view->filters));
    usage.rankings_bytes = rank_memo_bytes(view->memo) + published_bytes(view->published);
    CHECK(usage.filters_ranked <= usage.filters_standing);
    for (uint32_t p = 0; p < view->partition_count; p++) usage.cells_bytes += view->partitions[p].public.bytes_in_memory;
    return usage;
}
