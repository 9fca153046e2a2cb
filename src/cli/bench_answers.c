#include "cli/bench_answers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/api.h"
#include "client/timing.h"

enum {
    RECENT_MINUTES = 25 * 60,
    WINDOW_MINUTES_MAX = 24 * 60,
    TOP_CHECKED = 50, /* of a ranking; ads whose counts were not kept are taken as they are said */
};

int64_t answers_window(struct random_sequence *sequence) {
    return 1 + (int64_t)random_sequence_below(sequence, WINDOW_MINUTES_MAX);
}

struct span answers_span(struct random_sequence *sequence, int64_t minutes) {
    int64_t end = timing_wall().ms / MINUTE_MS + 1;
    int64_t shift = (int64_t)random_sequence_below(sequence, (uint64_t)(RECENT_MINUTES - minutes + 1));
    return (struct span){end - minutes - shift, end - shift};
}

void answers_count_path(struct buffer *path, uint32_t ad, struct span span) {
    buffer_printf(path, "/v1/ads/ad%07u/aggregated_cnt?from=%" PRId64 "&to=%" PRId64, ad, span.from * MINUTE_MS,
                  span.to * MINUTE_MS);
}

void answers_ranking_path(struct buffer *path, struct span span, unsigned count) {
    buffer_printf(path, "/v1/ads/popular_ads?window=%" PRId64 "&at=%" PRId64, span.to - span.from,
                  (span.to - 1) * MINUTE_MS);
    if (count > 0) buffer_printf(path, "&count=%u", count);
}

void answers_filter(struct buffer *path, uint32_t filter_id) {
    if (filter_id > 0) buffer_printf(path, "&filter=%" PRIu32, filter_id);
}

static uint64_t made_ad(const void *made, uint32_t ad, int64_t from_minute, int64_t to_minute) {
    return made_count(made, ad, from_minute, to_minute);
}

struct answers_expected answers_of_made(const struct made *made) {
    return (struct answers_expected){.made = made, .count = made_ad, .ads = MADE_ADS};
}

static enum status ask_number(struct http_client *client, const struct buffer *path, const char *member, uint64_t *out,
                              struct failure *failure) {
    struct json *json;
    enum status status = api_get(client, buffer_view(path), &json, NULL, failure);
    if (status != STATUS_OK) return status;
    if (!json_u64(json, member, out)) {
        status = failure_set(failure, STATUS_CORRUPT, "%.*s: an answer without %s", (int)path->len, (const char *)path->at,
                             member);
    }
    json_destroy(json);
    return status;
}

static enum status sum_series(struct http_client *client, uint32_t ad, uint32_t filter_id, struct span span, uint64_t *out,
                              struct failure *failure) {
    struct buffer path = {0};
    buffer_printf(&path, "/v1/ads/ad%07u/series?from=%" PRId64 "&to=%" PRId64 "&step=minute", ad, span.from * MINUTE_MS,
                  span.to * MINUTE_MS);
    answers_filter(&path, filter_id);
    struct json *json;
    enum status status = api_get(client, buffer_view(&path), &json, NULL, failure);
    buffer_fini(&path);
    if (status != STATUS_OK) return status;
    size_t count = json_count(json, "counts");
    *out = 0;
    for (size_t i = 0; i < count; i++) {
        char member[32];
        uint64_t value = 0;
        snprintf(member, sizeof member, "counts/%zu", i);
        if (json_u64(json, member, &value)) *out += value;
    }
    json_destroy(json);
    return STATUS_OK;
}

enum status answers_check_count(struct http_client *client, const struct answers_expected *expected, struct span span,
                                struct random_sequence *sequence, struct failure *failure) {
    uint32_t ad = 1 + (uint32_t)random_sequence_below(sequence, expected->ads);
    uint64_t count = 0, sum = 0, wanted = expected->count(expected->made, ad, span.from, span.to);
    struct buffer path = {0};
    answers_count_path(&path, ad, span);
    answers_filter(&path, expected->filter_id);
    enum status status = ask_number(client, &path, "count", &count, failure);
    if (status == STATUS_OK) status = sum_series(client, ad, expected->filter_id, span, &sum, failure);
    if (status == STATUS_OK && (count != sum || count != wanted)) {
        status = failure_set(failure, STATUS_CORRUPT,
                             "%.*s: the count is %" PRIu64 ", the sum of the series %" PRIu64 ", made were %" PRIu64,
                             (int)path.len, (const char *)path.at, count, sum, wanted);
    }
    buffer_fini(&path);
    return status;
}

static int64_t ad_number(const char *ad_id) {
    return ad_id != NULL && ad_id[0] == 'a' && ad_id[1] == 'd' ? strtoll(ad_id + 2, NULL, 10) : -1;
}

enum status answers_check_ranking(struct http_client *client, const struct answers_expected *expected, struct span span,
                                  struct failure *failure) {
    struct buffer path = {0};
    answers_ranking_path(&path, span, TOP_CHECKED);
    answers_filter(&path, expected->filter_id);
    struct json *json;
    enum status status = api_get(client, buffer_view(&path), &json, NULL, failure);
    size_t count = status == STATUS_OK ? json_count(json, "ads") : 0;
    uint64_t above = UINT64_MAX;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        char member[64];
        uint64_t said = 0;
        snprintf(member, sizeof member, "ads/%zu/ad_id", i);
        int64_t ad = ad_number(json_text(json, member));
        snprintf(member, sizeof member, "ads/%zu/count", i);
        bool there = json_u64(json, member, &said);
        bool known = ad >= 1 && ad <= expected->ads;
        uint64_t wanted = known ? expected->count(expected->made, (uint32_t)ad, span.from, span.to) : said;
        if (!there || said != wanted || said > above) {
            status = failure_set(failure, STATUS_CORRUPT,
                                 "%.*s: ad %" PRId64 " at rank %zu has %" PRIu64 " clicks, made were %" PRIu64,
                                 (int)path.len, (const char *)path.at, ad, i + 1, said, wanted);
        }
        above = said;
    }
    json_destroy(json);
    buffer_fini(&path);
    return status;
}
