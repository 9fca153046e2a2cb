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
    CHECK(count > 0 && top->count <= top->count_max); /* ads without a click are never listed */
    struct ranked_ad candidate = {ads_id(top->view->ads, ad), count};
    CHECK(top->count_max > 0);
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

#ifdef TALLY_COSTLY_CHECKS
/* The sum over all ads is that over the cells. */
static bool sums_agree(struct view *view, struct minute from, struct minute to, const uint32_t *counts, uint32_t ad_count) {
    struct cell_sum sum = {.ad_count = ad_count, .counts = memory_allocate_zeroed(ad_count, sizeof *sum.counts)};
    bool same = true;
    if (view_visit_cells(view, from, to, sum_cell, &sum, NULL) == STATUS_OK)
        for (uint32_t ad = 0; ad < ad_count; ad++) same = same && sum.counts[ad] == counts[ad];
    free(sum.counts);
    return same;
}
#endif

static void rank_from_window(struct view *view, struct minute from, struct minute to, struct top *top) {
    uint32_t ad_count = ads_count(view->ads);
    uint32_t *counts = rank_memo_take_counts(view->memo, ad_count);
    window_sum(view->window, from, to, counts, ad_count);
    COSTLY_CHECK(sums_agree(view, from, to, counts, ad_count));
    select_32(top, counts, ad_count);
    rank_memo_give_counts(view->memo, counts, ad_count);
}

/* --- with a selection --- */

struct signed_cells {
    int64_t *counts;
    uint32_t ad_count;
    const struct selection *selection;
    int64_t sign;
};

static void add_signed(struct signed_cells *sum, uint32_t ad, struct country country, uint64_t count) {
    if (!selection_has_country(sum->selection, country.code)) return;
    CHECK(sum->sign == 1 || sum->sign == -1);
    CHECK(ad < sum->ad_count && count <= INT64_MAX);
    CHECK(!__builtin_add_overflow(sum->counts[ad], sum->sign * (int64_t)count, &sum->counts[ad])); /* I9 */
}

static void add_cell(void *context, struct minute minute, const struct cell *cell) {
    (void)minute;
    add_signed(context, cell->ad, cell->country, cell->count);
}

static void add_atom_cell(void *context, struct minute minute, const struct atom_cell *cell) {
    (void)minute;
    add_signed(context, cell->ad, cell->country, cell->count);
}

static enum status add_cells(struct view *view, struct minute from, struct minute to, struct signed_cells *sum,
                             struct failure *failure) {
    for (size_t i = 0; i < sum->selection->term_count && from.index < to.index; i++) {
        uint32_t atom = sum->selection->terms[i].atom;
        sum->sign = sum->selection->terms[i].sign;
        enum status status = atom == ATOM_ALL ? view_visit_cells(view, from, to, add_cell, sum, failure)
                                              : view_visit_atom_cells(view, atom, from, to, add_atom_cell, sum, failure);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

/* The selection's count of every ad in minutes that slices and window hold. */
static void sum_sliced(struct view *view, const struct selection *selection, struct minute_range range, uint32_t *counts,
                       uint32_t ad_count) {
    CHECK(range.from.index < range.to.index && window_covers(view->window, range.from));
    struct slices_plan plan = slices_plan(view->slices, selection, range.from, range.to);
    if (plan.needs_plain)
        window_sum(view->window, range.from, range.to, counts, ad_count);
    else
        memset(counts, 0, ad_count * sizeof *counts);
    slices_sum(view->slices, selection, &plan, range.from, range.to, counts, ad_count);
}

/* What lies outside of the slices comes from the cells; the middle is added to it. */
static enum status rank_mixed(struct view *view, const struct selection *selection, struct minute from, struct minute to,
                              struct minute_range sliced, struct top *top, struct failure *failure) {
    struct signed_cells sum = {.ad_count = ads_count(view->ads), .selection = selection};
    sum.counts = memory_allocate_zeroed(sum.ad_count, sizeof *sum.counts);
    CHECK(from.index <= sliced.from.index && sliced.from.index <= sliced.to.index && sliced.to.index <= to.index);
    enum status status = add_cells(view, from, sliced.from, &sum, failure);
    if (status == STATUS_OK) status = add_cells(view, sliced.to, to, &sum, failure);
    if (status == STATUS_OK && sliced.from.index < sliced.to.index) {
        uint32_t *middle = rank_memo_take_counts(view->memo, sum.ad_count);
        sum_sliced(view, selection, sliced, middle, sum.ad_count);
        for (uint32_t ad = 0; ad < sum.ad_count; ad++) sum.counts[ad] += middle[ad];
        rank_memo_give_counts(view->memo, middle, sum.ad_count);
    }
    for (uint32_t ad = 0; status == STATUS_OK && ad < sum.ad_count; ad++) CHECK(sum.counts[ad] >= 0);
    if (status == STATUS_OK) select_64(top, (const uint64_t *)sum.counts, sum.ad_count);
    free(sum.counts);
    return status;
}

static enum status rank_selected(struct view *view, const struct selection *selection, struct minute from, struct minute to,
                                 struct top *top, struct failure *failure) {
    struct minute_range sliced = view_sliced(view, from, to);
    /* A ranked one that memory holds is made every minute anyway. */
    bool in_memory = sliced.from.index == from.index && sliced.to.index == to.index;
    if (!(in_memory && selection->filter->ranked)) {
        enum status status = view_rank_afford(view, selection, from, to, sliced, failure);
        if (status != STATUS_OK) return status;
    }
    if (!in_memory) return rank_mixed(view, selection, from, to, sliced, top, failure);
    uint32_t ad_count = ads_count(view->ads);
    uint32_t *counts = rank_memo_take_counts(view->memo, ad_count);
    sum_sliced(view, selection, sliced, counts, ad_count);
    select_32(top, counts, ad_count);
    rank_memo_give_counts(view->memo, counts, ad_count);
    return STATUS_OK;
}

enum status view_rank_compute(struct view *view, const struct selection *selection, struct minute from, struct minute to,
                              struct ranked_ad *out, size_t count_max, size_t *count, struct failure *failure) {
    CHECK(count_max > 0);
    struct top top = {.view = view, .ads = out, .count_max = count_max};
    enum status status = STATUS_OK;
    if (selection != NULL)
        status = rank_selected(view, selection, from, to, &top, failure);
    else if (window_covers(view->window, from))
        rank_from_window(view, from, to, &top);
    else
        status = rank_from_cells(view, from, to, &top, failure);
    if (status != STATUS_OK) return status;
    CHECK(top.count <= count_max);
    if (top.count > 0) qsort(out, top.count, sizeof *out, compare_ranked);
    for (size_t i = 1; i < top.count; i++) CHECK(ranks_before(&out[i - 1], &out[i])); /* I9 */
    *count = top.count;
    return STATUS_OK;
}

enum status view_rank(struct view *view, const struct selection *selection, struct minute from, struct minute to,
                      struct ranked_ad *out, size_t count_max, size_t *count, struct failure *failure) {
    CHECK(count_max > 0);
    if (view_selects_all(view, selection)) selection = NULL;
    uint32_t filter_id = selection == NULL ? 0 : selection->filter->id;
    bool remembered = window_covers(view->window, from) && (selection == NULL || filter_id != 0);
    uint64_t changes = remembered ? window_changes(view->window, from, to) : 0;
    *count = 0;
    if (remembered && rank_memo_find(view->memo, filter_id, from, to, changes, out, count_max, count)) return STATUS_OK;
    struct ranking_key key;
    CHECK(from.index <= to.index);
    if (count_max <= PUBLISHED_ADS_MAX && view_ranking_key(view, selection, from, to, &key))
        return view_rank_published(view, selection, &key, from, out, count_max, count, failure);
    enum status status = view_rank_compute(view, selection, from, to, out, count_max, count, failure);
    if (status == STATUS_OK && remembered)
        rank_memo_keep(view->memo, filter_id, from, to, changes, out, *count, *count < count_max);
    return status;
}
