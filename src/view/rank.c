/* rank.c: the most clicked ads of a range of minutes, exactly. */
#include <stdlib.h>

#include "base/check.h"
#include "view/view_internal.h"

/* I9: whether `a` stands before `b`. */
static bool ranks_before(const struct ranked_ad *a, const struct ranked_ad *b) {
    return a->count != b->count ? a->count > b->count : bytes_compare(a->ad_id, b->ad_id) < 0;
}

static int compare_ranked(const void *left, const void *right) {
    return ranks_before(left, right) ? -1 : 1; /* no two are equal: ad ids differ */
}

/* The best so far; once full, a heap with the last-ranked at its root. */
struct top {
    const struct view *view;
    struct ranked_ad *ads;
    size_t count, count_max;
};

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

/* Offers an ad; returns the count below which no further ad can get in. */
static uint64_t top_offer(struct top *top, uint32_t ad, uint64_t count) {
    struct ranked_ad candidate = {ads_id(top->view->ads, ad), count};
    if (top->count < top->count_max) {
        top->ads[top->count++] = candidate;
        if (top->count < top->count_max) return 1;
        for (size_t i = top->count / 2; i-- > 0;) heap_sink(top->ads, top->count, i);
    } else if (ranks_before(&candidate, &top->ads[0])) {
        top->ads[0] = candidate;
        heap_sink(top->ads, top->count, 0);
    }
    return top->ads[0].count;
}

/* Equal counts must be offered too: the id decides (I9). */
static void select_32(struct top *top, const uint32_t *counts, uint32_t ad_count) {
    uint64_t enough = 1;
    for (uint32_t ad = 0; ad < ad_count; ad++)
        if (counts[ad] >= enough) enough = top_offer(top, ad, counts[ad]);
}

static void select_64(struct top *top, const uint64_t *counts, uint32_t ad_count) {
    uint64_t enough = 1;
    for (uint32_t ad = 0; ad < ad_count; ad++)
        if (counts[ad] >= enough) enough = top_offer(top, ad, counts[ad]);
}

struct cell_sum {
    uint64_t *counts;
    uint32_t ad_count;
};

static void sum_cell(void *context, struct minute minute, const struct cell *cell) {
    (void)minute;
    const struct cell_sum *sum = context;
    CHECK(cell->ad < sum->ad_count);
    CHECK(!__builtin_add_overflow(sum->counts[cell->ad], cell->count, &sum->counts[cell->ad]));
}

/* Without the window: every cell of the range. */
static enum status rank_from_cells(struct view *view, struct minute from, struct minute to, struct top *top,
                                   struct failure *failure) {
    struct cell_sum sum = {.ad_count = ads_count(view->ads)};
    sum.counts = memory_allocate_zeroed(sum.ad_count, sizeof *sum.counts);
    enum status status = view_visit_cells(view, from, to, sum_cell, &sum, failure);
    if (status == STATUS_OK) select_64(top, sum.counts, sum.ad_count);
    free(sum.counts);
    return status;
}

static void rank_from_window(struct view *view, struct minute from, struct minute to, struct top *top) {
    uint32_t ad_count = ads_count(view->ads);
    uint32_t *counts = rank_memo_take_counts(view->memo, ad_count);
    window_sum(view->window, from, to, counts, ad_count);
    select_32(top, counts, ad_count);
    rank_memo_give_counts(view->memo, counts, ad_count);
}

enum status view_rank(struct view *view, struct minute from, struct minute to, struct ranked_ad *out, size_t count_max,
                      size_t *count, struct failure *failure) {
    CHECK(count_max > 0);
    struct top top = {.view = view, .ads = out, .count_max = count_max};
    bool covered = window_covers(view->window, from);
    uint64_t changes = covered ? window_changes(view->window, from, to) : 0;
    *count = 0;
    if (covered && rank_memo_find(view->memo, from, to, changes, out, count_max, count)) return STATUS_OK;
    enum status status = STATUS_OK;
    if (covered)
        rank_from_window(view, from, to, &top);
    else
        status = rank_from_cells(view, from, to, &top, failure);
    if (status != STATUS_OK) return status;
    if (top.count > 0) qsort(out, top.count, sizeof *out, compare_ranked);
    if (covered) rank_memo_keep(view->memo, from, to, changes, out, top.count, top.count < count_max);
    *count = top.count;
    return STATUS_OK;
}
