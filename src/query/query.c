#include "query/query.h"

#include "base/check.h"
#include "click/timestamp.h"
#include "query/answers.h"
#include "reply/reply.h"

enum route {
    ROUTE_NONE,
    ROUTE_COUNT,
    ROUTE_SERIES,
    ROUTE_POPULAR,
    ROUTE_FILTERS,
    ROUTE_FILTER,
    ROUTE_RECALCULATION,
    ROUTE_STATUS,
    ROUTE_METRICS
};

enum { SEGMENTS_MAX = 5, SHOWN_PATH_BYTES_MAX = 128 };

/* Of "/a/b" the segments are "a" and "b". Returns their count, or 0 when it is none of ours: no leading slash, too many. */
static size_t split_path(struct bytes path, struct bytes segments[SEGMENTS_MAX]) {
    size_t count = 0;
    if (path.len == 0 || path.at[0] != '/') return 0;
    for (size_t begin = 1;; ++count) {
        if (count == SEGMENTS_MAX) return 0;
        const uint8_t *slash = memchr(path.at + begin, '/', path.len - begin);
        size_t end = slash == NULL ? path.len : (size_t)(slash - path.at);
        segments[count] = (struct bytes){path.at + begin, end - begin};
        if (slash == NULL) return count + 1;
        begin = end + 1;
    }
}

static bool is(struct bytes segment, const char *text) {
    return bytes_equal(segment, bytes_of_text(text));
}

/* Segments are compared as on the wire: an encoded slash is part of an ad id and parts nothing. */
static enum route route_of(struct bytes path, struct bytes *named) {
    struct bytes segment[SEGMENTS_MAX];
    size_t count = split_path(path, segment);
    if (count == 1 && is(segment[0], "metrics")) return ROUTE_METRICS;
    if (count < 2 || !is(segment[0], "v1")) return ROUTE_NONE;
    if (count == 2 && is(segment[1], "status")) return ROUTE_STATUS;
    if (count == 2 && is(segment[1], "filters")) return ROUTE_FILTERS;
    if (count == 3 && is(segment[1], "filters") && segment[2].len > 0) {
        *named = segment[2];
        return ROUTE_FILTER;
    }
    if (count == 4 && is(segment[1], "filters") && is(segment[3], "recalculation")) return ROUTE_RECALCULATION;
    if (!is(segment[1], "ads")) return ROUTE_NONE;
    if (count == 3 && is(segment[2], "popular_ads")) return ROUTE_POPULAR;
    if (count == 4 && is(segment[3], "series")) {
        *named = segment[2];
        return ROUTE_SERIES;
    }
    if (count == 4 && (is(segment[3], "aggregated_cnt") || is(segment[3], "aggregated_count"))) {
        *named = segment[2];
        return ROUTE_COUNT;
    }
    return ROUTE_NONE;
}

/* What filters are changed by is taken by the node; the others are only read. */
static void refuse_method(enum route route, struct bytes path, struct reply *reply) {
    if (route == ROUTE_FILTERS)
        reply_method_not_allowed(reply, path, "GET, HEAD, POST");
    else if (route == ROUTE_FILTER)
        reply_method_not_allowed(reply, path, "DELETE, GET, HEAD");
    else if (route == ROUTE_RECALCULATION)
        reply_method_not_allowed(reply, path, "POST");
    else
        reply_read_only(reply, path);
}

void query_answer(struct view *view, const struct query_status *status, const struct request_head *head,
                  struct reply *reply) {
    struct bytes named = {NULL, 0};
    enum route route = route_of(head->path, &named);
    bool replaying = status->phase != NULL && strcmp(status->phase, "replaying") == 0;
    int shown = head->path.len < SHOWN_PATH_BYTES_MAX ? (int)head->path.len : SHOWN_PATH_BYTES_MAX;
    if (route == ROUTE_NONE) {
        reply_problem(reply, 404, "not-found", "No such path",
                      "there is nothing at %.*s. Clicks: POST /v1/clicks. Questions: GET /v1/ads/{ad_id}/aggregated_cnt, "
                      "/v1/ads/{ad_id}/series, /v1/ads/popular_ads, /v1/filters, /v1/status, /v1/live, /v1/export. "
                      "Operation: /metrics, "
                      "/livez, /readyz. For people: /. For programs: /openapi.json",
                      shown, shown == 0 ? "" : (const char *)head->path.at);
        return;
    }
    if (route == ROUTE_RECALCULATION || (!is(head->method, "GET") && !is(head->method, "HEAD"))) {
        refuse_method(route, head->path, reply);
        return;
    }
    switch (route) {
    case ROUTE_COUNT:
        answer_count(view, replaying, named, head, reply);
        return;
    case ROUTE_SERIES:
        answer_series(view, replaying, named, head, reply);
        return;
    case ROUTE_POPULAR:
        answer_popular(view, replaying, head, reply);
        return;
    case ROUTE_FILTERS:
        answer_filters(view, replaying, &status->recalculation, head, reply);
        return;
    case ROUTE_FILTER:
        answer_filter(view, replaying, &status->recalculation, named, head, reply);
        return;
    case ROUTE_STATUS:
        answer_status(view, status, head, reply);
        return;
    case ROUTE_METRICS:
        answer_metrics(view, status, head, reply);
        return;
    case ROUTE_RECALCULATION:
    case ROUTE_NONE:
        break;
    }
    CHECK_FAIL("route %d", (int)route);
}

void append_time(struct buffer *out, struct event_time time) {
    if (event_time_is_none(time) || time.ms < 0) {
        buffer_append_text(out, "null");
        return;
    }
    char text[TIMESTAMP_TEXT_BYTES];
    size_t len = timestamp_text(time, text);
    CHECK(len > 0 && len <= sizeof text);
    buffer_append_text(out, "\"");
    buffer_append(out, text, len);
    buffer_append_text(out, "\"");
}

void answer_json(struct reply *reply, struct buffer *body) {
    *reply = (struct reply){.http_status = 200, .content_type = "application/json", .body = *body, .body_file = -1};
    *body = (struct buffer){0};
}
