/* series_answer.c: one ad's clicks minute by minute, hour by hour or day by day. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/check.h"
#include "query/ranges.h"

enum { POINTS_MAX = 10080, POINTS_DEFAULT = 60, HOUR_MINUTES = 60, DAY_MINUTES = 24 * 60 };

static const struct step {
    const char *name;
    uint32_t minutes;
} steps[] = {{"minute", 1}, {"hour", HOUR_MINUTES}, {"day", DAY_MINUTES}};

static bool read_step(struct parameters *parameters, const struct step **out) {
    bool given;
    *out = &steps[0];
    if (!parameters_given(parameters, "step", &given)) return false;
    if (!given) return true;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (!bytes_equal(buffer_view(&parameters->text), bytes_of_text(steps[i].name))) continue;
        *out = &steps[i];
        return true;
    }
    reply_problem(parameters->reply, 400, "bad-parameter", "Bad parameter", "step must be minute, hour or day");
    return false;
}

/* Outwards to whole steps, so that nothing that was asked for is left out. */
static bool widen(struct range *range, const struct step *step, struct reply *reply) {
    if (!range->any) return true;
    range->from.index -= range->from.index % step->minutes;
    uint32_t beyond = range->to.index % step->minutes;
    if (beyond > 0) range->to.index += step->minutes - beyond;
    uint32_t points = (range->to.index - range->from.index) / step->minutes;
    if (points <= POINTS_MAX) return true;
    reply_problem(reply, 400, "bad-range", "Bad range",
                  "from, to and step make %u points, but at most %d are answered: take a shorter range or a longer step",
                  points, POINTS_MAX);
    return false;
}

struct points {
    const struct range *range;
    const struct step *step;
    uint64_t *counts;
    size_t count;
};

static void add_minute(void *context, struct minute minute, uint64_t count) {
    const struct points *points = context;
    size_t at = (minute.index - points->range->from.index) / points->step->minutes;
    CHECK(minute.index >= points->range->from.index && at < points->count);
    CHECK(!__builtin_add_overflow(points->counts[at], count, &points->counts[at]));
}

static void append_counts(struct buffer *out, const struct points *points) {
    buffer_append_text(out, ",\"counts\":[");
    for (size_t i = 0; i < points->count; i++) buffer_printf(out, i == 0 ? "%" PRIu64 : ",%" PRIu64, points->counts[i]);
    buffer_append_text(out, "]");
}

static void answer_points(struct view *view, const struct choice *choice, struct bytes ad_id, const struct range *range,
                          const struct step *step, struct reply *reply) {
    struct failure failure = {0};
    struct points points = {.range = range, .step = step};
    if (range->any) points.count = (range->to.index - range->from.index) / step->minutes;
    points.counts = memory_allocate_zeroed(points.count, sizeof *points.counts);
    if (range_counts(range) && view_visit_ad(view, choice_selection(choice), ad_id, range->counted_from, range->to,
                                             add_minute, &points, &failure) != STATUS_OK) {
        answer_store_failed(reply, &failure);
    } else {
        struct buffer body = {0};
        buffer_append_text(&body, "{\"ad_id\":");
        json_append_string(&body, ad_id);
        buffer_append_text(&body, ",\"from\":");
        append_minute(&body, range, range->from);
        buffer_append_text(&body, ",\"to\":");
        append_minute(&body, range, range->to);
        buffer_printf(&body, ",\"step\":\"%s\"", step->name);
        append_counts(&body, &points);
        buffer_append_text(&body, ",\"sealed_to\":");
        append_time(&body, view_sealed_to(view));
        append_end(&body, view, range, choice);
        answer_json(reply, &body);
    }
    free(points.counts);
}

void answer_series(struct view *view, bool replaying, struct bytes ad_segment, const struct request_head *head,
                   struct reply *reply) {
    static const char *const accepted[] = {"from", "to", "last", "step", CHOICE_PARAMETERS, NULL};
    struct parameters parameters = {.query = head->query, .reply = reply};
    struct buffer ad_id = {0};
    struct range range = {0};
    struct choice choice = {0};
    const struct step *step;
    if (read_ad_id(ad_segment, &ad_id, reply) && parameters_only(&parameters, accepted) && read_step(&parameters, &step) &&
        read_range(&parameters, view, POINTS_DEFAULT * step->minutes, &range) && widen(&range, step, reply) &&
        choice_read(&parameters, view, replaying, &choice)) {
        range_cover(&range, &choice, step->minutes);
        answer_points(view, &choice, buffer_view(&ad_id), &range, step, reply);
    }
    choice_fini(&choice);
    buffer_fini(&ad_id);
    parameters_fini(&parameters);
}
