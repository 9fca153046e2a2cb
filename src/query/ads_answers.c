/* ads_answers.c: how often one ad was clicked, and which were clicked most. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/check.h"
#include "query/answers.h"
#include "query/parameters.h"
#include "query/ranges.h"
#include "view/published.h"

enum {
    COUNT_MAX = 1000, /* ads in one ranking */
    COUNT_DEFAULT = 100,
    WINDOW_MINUTES_MAX = 24 * 60,
    ROOM_FOR_ONE_AD = 2 * ID_BYTES_MAX + 64,
};

static void count_in_range(struct view *view, const struct choice *choice, struct bytes ad_id, const struct range *range,
                           struct reply *reply) {
    struct failure failure = {0};
    uint64_t count = 0;
    if (range_counts(range) &&
        view_count(view, choice_selection(choice), ad_id, range->counted_from, range->to, &count, &failure) != STATUS_OK) {
        answer_store_failed(reply, &failure);
        return;
    }
    struct buffer body = {0};
    buffer_append_text(&body, "{\"ad_id\":");
    json_append_string(&body, ad_id);
    buffer_append_text(&body, ",\"from\":");
    append_minute(&body, range, range->from);
    buffer_append_text(&body, ",\"to\":");
    append_minute(&body, range, range->to);
    buffer_printf(&body, ",\"count\":%" PRIu64, count);
    append_end(&body, view, range, choice);
    answer_json(reply, &body);
}

void answer_count(struct view *view, bool replaying, struct bytes ad_segment, const struct request_head *head,
                  struct reply *reply) {
    static const char *const accepted[] = {"from", "to", "last", CHOICE_PARAMETERS, NULL};
    struct parameters parameters = {.query = head->query, .reply = reply};
    struct buffer ad_id = {0};
    struct range range = {0};
    struct choice choice = {0};
    if (read_ad_id(ad_segment, &ad_id, reply) && parameters_only(&parameters, accepted) &&
        read_range(&parameters, view, 1, &range) && choice_read(&parameters, view, replaying, &choice)) {
        range_cover(&range, &choice, 1);
        count_in_range(view, &choice, buffer_view(&ad_id), &range, reply);
    }
    choice_fini(&choice);
    buffer_fini(&ad_id);
    parameters_fini(&parameters);
}

struct popular {
    uint32_t count_max, window;
};

static void append_ranking(struct buffer *out, const struct ranked_ad *ads, size_t count) {
    (void)buffer_reserve(out, (count + 1) * ROOM_FOR_ONE_AD);
    buffer_append_text(out, "{\"ad_ids\":[");
    for (size_t i = 0; i < count; ++i) {
        if (i > 0) buffer_append_text(out, ",");
        json_append_string(out, ads[i].ad_id);
    }
    buffer_append_text(out, "],\"ads\":[");
    for (size_t i = 0; i < count; ++i) {
        CHECK(i == 0 || ads[i - 1].count > ads[i].count ||
              (ads[i - 1].count == ads[i].count && bytes_compare(ads[i - 1].ad_id, ads[i].ad_id) < 0)); /* I9 */
        buffer_append_text(out, i > 0 ? ",{\"ad_id\":" : "{\"ad_id\":");
        json_append_string(out, ads[i].ad_id);
        buffer_printf(out, ",\"count\":%" PRIu64 "}", ads[i].count);
    }
    buffer_append_text(out, "]");
}

/* Of a filter that is marked as ranked, this one is not kept, nor does memory hold its minutes. */
static void refuse_unkept(const struct view *view, const struct range *range, const struct popular *popular,
                          const char *cost, struct reply *reply) {
    const char *advice = "Nothing is kept of these minutes yet: ask for a shorter window, or for later minutes";
    if (minute_start(range->to).ms > view_watermark(view).ms)
        advice = "The rankings of this filter are kept, but of minutes that have closed, and the last one of these is still "
                 "open: ask with an earlier `at`, or without";
    else if (published_window_index(popular->window) < 0 || popular->count_max > PUBLISHED_ADS_MAX)
        advice =
            "The rankings of this filter are kept, but with windows of 1, 5, 15, 60 and 1440 minutes and up to 100 ads: "
            "ask for one of these, or for a shorter window";
    _Static_assert((int)PUBLISHED_ADS_MAX == 100, "as is said");
    reply_problem(reply, 422, "ranking-too-costly", "This ranking is too costly", "%s. %s", cost, advice);
}

static void answer_rank_failed(const struct view *view, const struct choice *choice, const struct range *range,
                               const struct popular *popular, enum status status, const struct failure *failure,
                               struct reply *reply) {
    if (status != STATUS_FULL)
        answer_store_failed(reply, failure);
    else if (choice->selection.filter->ranked)
        refuse_unkept(view, range, popular, failure->text, reply);
    else
        refuse_costly(reply, choice, view_filters(view), failure->text);
}

static void rank_range(struct view *view, const struct choice *choice, const struct range *range,
                       const struct popular *popular, struct reply *reply) {
    struct failure failure = {0};
    struct ranked_ad *ads = memory_allocate_zeroed(popular->count_max, sizeof *ads);
    size_t count = 0;
    enum status status = STATUS_OK;
    if (range_counts(range))
        status = view_rank(view, choice_selection(choice), range->counted_from, range->to, ads, popular->count_max, &count,
                           &failure);
    if (status != STATUS_OK) {
        answer_rank_failed(view, choice, range, popular, status, &failure, reply);
    } else {
        CHECK(count <= popular->count_max);
        struct buffer body = {0};
        append_ranking(&body, ads, count);
        buffer_printf(&body, ",\"window\":%u,\"update_minute\":", popular->window);
        append_minute(&body, range, (struct minute){range->any ? range->to.index - 1 : 0});
        buffer_append_text(&body, ",\"from\":");
        append_minute(&body, range, range->from);
        buffer_append_text(&body, ",\"to\":");
        append_minute(&body, range, range->to);
        bool published = popular->count_max <= PUBLISHED_ADS_MAX && range_counts(range) &&
                         view_ranking_is_published(view, choice_selection(choice), range->counted_from, range->to);
        buffer_printf(&body, ",\"exact\":true,\"published\":%s", published ? "true" : "false");
        append_end(&body, view, range, choice);
        answer_json(reply, &body);
    }
    free(ads);
}

void answer_popular(struct view *view, bool replaying, const struct request_head *head, struct reply *reply) {
    static const char *const accepted[] = {"count", "window", "at", CHOICE_PARAMETERS, NULL};
    struct parameters parameters = {.query = head->query, .reply = reply};
    struct popular popular = {.count_max = COUNT_DEFAULT, .window = 1};
    struct choice choice = {0};
    struct minute at = {0};
    bool any = view_last_minute(view, &at), at_given = false;
    if (parameters_only(&parameters, accepted) &&
        parameters_number(&parameters, "count", 1, COUNT_MAX, &popular.count_max) &&
        parameters_number(&parameters, "window", 1, WINDOW_MINUTES_MAX, &popular.window) &&
        parameters_given(&parameters, "at", &at_given) && parameters_minute(&parameters, "at", &at) &&
        choice_read(&parameters, view, replaying, &choice)) {
        struct range range = {.any = false};
        if (any || at_given) range = range_up_to(at, popular.window);
        range_cover(&range, &choice, 1);
        rank_range(view, &choice, &range, &popular, reply);
    }
    choice_fini(&choice);
    parameters_fini(&parameters);
}
