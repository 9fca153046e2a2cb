/* published_rows.c: all rankings that are kept (view/published.h), line by line. */
#include "view/view_internal.h"

struct rankings_visit {
    const struct view *view;
    view_ranking_visit *visit;
    void *context;
};

static enum status visit_ranking(void *context, uint32_t filter_id, uint32_t window, struct minute minute,
                                 struct bytes value, struct failure *failure) {
    const struct rankings_visit *rankings = context;
    struct ranking ranking;
    struct ranking_key key = {filter_id, window, minute};
    if (!ranking_decode(value, &key, ads_count(rankings->view->ads), &ranking))
        return failure_set(failure, STATUS_CORRUPT, "the ranking of filter %u, window %u, minute %u does not decode",
                           filter_id, window, minute.index);
    for (uint32_t i = 0; i < ranking.count; i++) {
        struct published_row row = {.filter_id = filter_id,
                                    .window = window,
                                    .minute = minute,
                                    .from = ranking.from,
                                    .version = ranking.version,
                                    .amended = ranking.amended,
                                    .final = ranking.final,
                                    .rank = i + 1,
                                    .ad_id = ads_id(rankings->view->ads, ranking.ads[i].ad),
                                    .count = ranking.ads[i].count};
        enum status status = rankings->visit(rankings->context, &row, failure);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

enum status view_visit_rankings(const struct view *view, view_ranking_visit *visit, void *context, struct failure *failure) {
    struct rankings_visit rankings = {view, visit, context};
    struct store_cut *cut = store_cut_take(&view->kv);
    enum status status = store_visit_rankings(view->store, cut->snapshot, visit_ranking, &rankings, failure);
    store_cut_release(cut);
    return status;
}
