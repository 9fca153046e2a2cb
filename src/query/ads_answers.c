/* ads_answers.c: how often one ad was clicked, and which were clicked most. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/check.h"
#include "query/answers.h"
#include "query/parameters.h"

enum {
    COUNT_MAX = 1000, /* ads in one ranking */
    COUNT_DEFAULT = 100,
    WINDOW_MINUTES_MAX = 24 * 60,
    LAST_MINUTES_MAX = 31 * 24 * 60,
    ROOM_FOR_ONE_AD = 2 * ID_BYTES_MAX + 64,
};

/* Minutes [from, to); `any` is false when there is no click yet that a default could follow. */
struct range {
    struct minute from, to;
    bool any;
};

/* The `minutes` minutes up to and including `last`; cut at 1970. */
static struct range range_up_to(struct minute last, uint32_t minutes) {
    CHECK(last.index < UINT32_MAX && minutes > 0);
    uint32_t to = last.index + 1;
    return (struct range){.from = {to > minutes ? to - minutes : 0}, .to = {to}, .any = true};
}

static bool read_from_and_to(struct parameters *parameters, struct range *range) {
    if (!parameters_minute(parameters, "from", &range->from)) return false;
    if (!parameters_minute(parameters, "to", &range->to)) return false;
    range->any = true;
    if (range->from.index < range->to.index) return true;
    struct buffer text = {0};
    buffer_append_text(&text, "from ");
    append_time(&text, minute_start(range->from));
    buffer_append_text(&text, ", to ");
    append_time(&text, minute_start(range->to));
    reply_problem(parameters->reply, 400, "bad-range", "Bad range",
                  "from must be before to, both rounded down to whole minutes: %.*s", (int)text.len, (const char *)text.at);
    buffer_fini(&text);
    return false;
}

/* `from` and `to`, or `last`, or none of them: the last closed minute. */
static bool read_range(struct parameters *parameters, const struct view *view, struct range *range) {
    bool from_given, to_given, last_given;
    uint32_t last = 1;
    struct minute newest;
    if (!parameters_given(parameters, "from", &from_given)) return false;
    if (!parameters_given(parameters, "to", &to_given)) return false;
    if (!parameters_given(parameters, "last", &last_given)) return false;
    if (from_given != to_given) {
        reply_problem(parameters->reply, 400, "bad-range", "Bad range", "%s is given without %s", from_given ? "from" : "to",
                      from_given ? "to" : "from");
        return false;
    }
    if (last_given && from_given) {
        reply_problem(parameters->reply, 400, "bad-range", "Bad range", "last excludes from and to: give one or the other");
        return false;
    }
    if (from_given) return read_from_and_to(parameters, range);
    if (!parameters_number(parameters, "last", 1, LAST_MINUTES_MAX, &last)) return false;
    *range = (struct range){.any = false};
    if (view_last_minute(view, &newest)) *range = range_up_to(newest, last);
    return true;
}

static void append_minute(struct buffer *out, const struct range *range, struct minute minute) {
    append_time(out, range->any ? minute_start(minute) : EVENT_TIME_NONE);
}

/* The members that every answer ends with (I7), and the end of the object. */
static void append_end(struct buffer *out, const struct view *view, const struct range *range) {
    buffer_printf(out, ",\"state\":\"%s\",\"version\":%" PRIu64 ",\"watermark\":",
                  range->any ? view_state(view, range->to) : "open", view_version(view));
    append_time(out, view_watermark(view));
    buffer_append_text(out, ",\"filter_id\":0}\n");
}

static void answer_json(struct reply *reply, struct buffer *body) {
    *reply = (struct reply){.http_status = 200, .content_type = "application/json", .body = *body, .body_file = -1};
    *body = (struct buffer){0};
}

static void answer_store_failed(struct reply *reply, const struct failure *failure) {
    reply_problem(reply, 500, "store-failed", "The store cannot be read", "%s", failure->text);
}

static bool read_ad_id(struct bytes segment, struct buffer *ad_id, struct reply *reply) {
    if (path_decode(segment, ad_id) == STATUS_OK && ad_id->len >= 1 && ad_id->len <= ID_BYTES_MAX) return true;
    reply_problem(reply, 400, "bad-parameter", "Bad parameter",
                  "ad_id (in the path, percent-encoded) must be 1 to %d bytes of UTF-8", ID_BYTES_MAX);
    return false;
}

static void count_in_range(struct view *view, struct bytes ad_id, const struct range *range, struct reply *reply) {
    struct failure failure = {0};
    uint64_t count = 0;
    if (range->any && view_count(view, ad_id, range->from, range->to, &count, &failure) != STATUS_OK) {
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
    append_end(&body, view, range);
    answer_json(reply, &body);
}

void answer_count(struct view *view, struct bytes ad_segment, const struct request_head *head, struct reply *reply) {
    static const char *const accepted[] = {"from", "to", "last", "filter", NULL};
    struct parameters parameters = {.query = head->query, .reply = reply};
    struct buffer ad_id = {0};
    struct range range = {0};
    if (read_ad_id(ad_segment, &ad_id, reply) && parameters_only(&parameters, accepted) && parameters_filter(&parameters) &&
        read_range(&parameters, view, &range)) {
        count_in_range(view, buffer_view(&ad_id), &range, reply);
    }
    buffer_fini(&ad_id);
    parameters_fini(&parameters);
}

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

static void rank_range(struct view *view, const struct range *range, uint32_t window, uint32_t count_max,
                       struct reply *reply) {
    struct failure failure = {0};
    struct ranked_ad *ads = memory_allocate_zeroed(count_max, sizeof *ads);
    size_t count = 0;
    if (range->any && view_rank(view, range->from, range->to, ads, count_max, &count, &failure) != STATUS_OK) {
        answer_store_failed(reply, &failure);
    } else {
        CHECK(count <= count_max);
        struct buffer body = {0};
        append_ranking(&body, ads, count);
        buffer_printf(&body, ",\"window\":%u,\"update_minute\":", window);
        append_minute(&body, range, (struct minute){range->any ? range->to.index - 1 : 0});
        buffer_append_text(&body, ",\"from\":");
        append_minute(&body, range, range->from);
        buffer_append_text(&body, ",\"to\":");
        append_minute(&body, range, range->to);
        buffer_append_text(&body, ",\"exact\":true");
        append_end(&body, view, range);
        answer_json(reply, &body);
    }
    free(ads);
}

void answer_popular(struct view *view, const struct request_head *head, struct reply *reply) {
    static const char *const accepted[] = {"count", "window", "at", "filter", NULL};
    struct parameters parameters = {.query = head->query, .reply = reply};
    uint32_t count_max = COUNT_DEFAULT, window = 1;
    struct minute at = {0};
    bool any = view_last_minute(view, &at), at_given = false;
    if (parameters_only(&parameters, accepted) && parameters_filter(&parameters) &&
        parameters_number(&parameters, "count", 1, COUNT_MAX, &count_max) &&
        parameters_number(&parameters, "window", 1, WINDOW_MINUTES_MAX, &window) &&
        parameters_given(&parameters, "at", &at_given) && parameters_minute(&parameters, "at", &at)) {
        struct range range = {.any = false};
        if (any || at_given) range = range_up_to(at, window);
        rank_range(view, &range, window, count_max, reply);
    }
    parameters_fini(&parameters);
}
