/* asking.h: a question, answered from a view that says what it is told. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "click/timestamp.h"
#include "query/answers.h"
#include "query/query.h"

/* --- a view that answers as it is told, and notes what it was asked --- */

struct view {
    uint32_t partition_count;
    struct view_partition partitions[2];
    bool has_clicks, store_fails, too_costly;
    struct minute last;
    uint64_t count;
    struct ranked_ad ranked[3];
    size_t ranked_count;
    struct filters *filters;

    uint8_t asked_ad[256];
    size_t asked_ad_len;
    struct minute asked_from, asked_to;
    size_t asked_count_max, asked_times;
    bool asked_all; /* without a selection; else: */
    uint32_t asked_filter_id;
    size_t asked_term_count;
};

static void note_asked(struct view *view, const struct selection *selection, struct minute from, struct minute to) {
    assert_true(from.index < to.index);
    view->asked_times++;
    view->asked_from = from;
    view->asked_to = to;
    view->asked_all = selection == NULL;
    view->asked_filter_id = selection == NULL ? 0 : selection->filter->id;
    view->asked_term_count = selection == NULL ? 0 : selection->term_count;
}

uint32_t view_partition_count(const struct view *view) {
    return view->partition_count;
}
const struct view_partition *view_partition(const struct view *view, uint32_t partition) {
    assert_true(partition < view->partition_count);
    return &view->partitions[partition];
}
uint64_t view_version(const struct view *view) {
    return view->partitions[0].offset.at + view->partitions[1].offset.at;
}
struct event_time view_watermark(const struct view *view) {
    struct event_time a = view->partitions[0].watermark.w, b = view->partitions[1].watermark.w;
    return a.ms < b.ms ? a : b;
}
struct event_time view_sealed_to(const struct view *view) {
    struct event_time a = view->partitions[0].watermark.s, b = view->partitions[1].watermark.s;
    return a.ms < b.ms ? a : b;
}
bool view_last_minute(const struct view *view, struct minute *out) {
    if (view->has_clicks) *out = view->last;
    return view->has_clicks;
}
const char *view_state(const struct view *view, struct minute to) {
    if (minute_start(to).ms <= view_sealed_to(view).ms) return "sealed";
    return minute_start(to).ms <= view_watermark(view).ms ? "closed" : "open";
}
const struct filters *view_filters(const struct view *view) {
    return view->filters;
}
enum status view_count(struct view *view, const struct selection *selection, struct bytes ad_id, struct minute from,
                       struct minute to, uint64_t *count, struct failure *failure) {
    if (view->store_fails) return failure_set(failure, STATUS_CORRUPT, "block 7 is damaged");
    assert_true(ad_id.len <= sizeof view->asked_ad);
    memcpy(view->asked_ad, ad_id.at, ad_id.len);
    view->asked_ad_len = ad_id.len;
    note_asked(view, selection, from, to);
    *count = view->count;
    return STATUS_OK;
}
enum status view_rank(struct view *view, const struct selection *selection, struct minute from, struct minute to,
                      struct ranked_ad *out, size_t count_max, size_t *count, struct failure *failure) {
    if (view->store_fails) return failure_set(failure, STATUS_CORRUPT, "block 7 is damaged");
    if (view->too_costly) return failure_set(failure, STATUS_FULL, "it would read about 12 cells, and the bound is 10");
    note_asked(view, selection, from, to);
    view->asked_count_max = count_max;
    *count = view->ranked_count < count_max ? view->ranked_count : count_max;
    memcpy(out, view->ranked, *count * sizeof *out);
    return STATUS_OK;
}
/* Of five minutes up to a closed one. */
bool view_ranking_is_published(const struct view *view, const struct selection *selection, struct minute from,
                               struct minute to) {
    return selection == NULL && to.index - from.index == 5 && minute_start(to).ms <= view_watermark(view).ms;
}
/* Two clicks in the first minute of what is asked, in parts, and one in the last. */
enum status view_visit_ad(struct view *view, const struct selection *selection, struct bytes ad_id, struct minute from,
                          struct minute to, view_minute_visit *visit, void *context, struct failure *failure) {
    (void)ad_id;
    if (view->store_fails) return failure_set(failure, STATUS_CORRUPT, "block 7 is damaged");
    note_asked(view, selection, from, to);
    visit(context, from, 1);
    visit(context, from, 1);
    visit(context, (struct minute){to.index - 1}, 1);
    return STATUS_OK;
}
struct view_usage view_usage(const struct view *view) {
    (void)view;
    return (struct view_usage){.window_bytes = 100,
                               .window_bytes_max = 1000,
                               .window_minutes = 3,
                               .window_vectors = 1,
                               .window_from = {26824320},
                               .cells_bytes = 50,
                               .rankings_bytes = 60,
                               .slices_bytes = 70,
                               .slices_bytes_max = 700,
                               .slices_minutes = 2,
                               .slices_from = {26824321},
                               .filters_bytes = 90,
                               .filters_standing = 4,
                               .filters_ranked = 1,
                               .atoms_live = 6};
}

/* --- asking --- */

struct asking {
    struct view view;
    struct query_status status;
    struct reply reply;
    char body[64 * 1024];
};

static struct minute minute_at(const char *text) {
    struct event_time time;
    assert_true(timestamp_parse_question(bytes_of_text(text), &time));
    return minute_of(time);
}

static struct event_time time_at(const char *text) {
    struct event_time time;
    assert_true(timestamp_parse_question(bytes_of_text(text), &time));
    return time;
}

/* Closed up to 12:10:30.500, sealed up to 12:05; 11 clicks accepted, of which 9 are judged. */
static struct asking *asking_create(void) {
    struct asking *asking = memory_allocate_zeroed(1, sizeof *asking);
    struct view *view = &asking->view;
    view->partition_count = 2;
    view->has_clicks = true;
    view->filters = filters_create();
    view->last = minute_at("2021-01-01T12:09:00Z");
    view->count = 42;
    view->partitions[0] = (struct view_partition){
        .offset = {6},
        .watermark = {.w = time_at("2021-01-01T12:10:30.500Z"), .s = time_at("2021-01-01T12:05:00Z"), .clicks = 5},
        .totals = {.counted = 3, .duplicate = 1, .conflict = 1, .duplicate_content = 1},
        .checkpoint_offset = {2},
        .cells_in_memory = 8,
    };
    view->partitions[1] = (struct view_partition){
        .offset = {5},
        .watermark = {.w = time_at("2021-01-01T12:11:00Z"), .s = time_at("2021-01-01T12:06:00Z"), .clicks = 4},
        .totals = {.counted = 3, .too_late = 1, .late_amended = 2},
    };
    asking->status = (struct query_status){
        .totals = {.received = 16, .accepted = 11, .records = 7, .bytes = 4096, .segments = 1, .syncs = 6},
        .rules = {.number = 1,
                  .partition_count = 2,
                  .delay_ms = 15000,
                  .lateness_ms = 86400000,
                  .horizon_ms = 86460000,
                  .max_skew_ms = 60000},
        .dedup = {.entries = 9,
                  .entries_max = 1000,
                  .bytes = 4000,
                  .bytes_max = 5000,
                  .runs = 2,
                  .file_bytes = 7000,
                  .reads = 3,
                  .written = 12,
                  .merged = 4,
                  .restored = 2,
                  .rebuilt = 1},
        .phase = "serving",
        .journal_end = {7, 6},
        .stage_cpu = {{"http", 1.5}, {"journal", 0.25}},
        .ads = 3,
        .filters_max = 1000,
        .atoms_max = 2000,
        .filters_journal_bytes = 85,
        .filters_aggregators_bytes = 80,
        .uptime_seconds = 12.5,
        .refused = {{"clock", 2}, {"dedup_memory", 0}},
        .commits = {4, 1, [QUERY_COMMIT_BUCKETS - 1] = 1},
        .commits_ns = 3500000000,
        .connections = {.open = 2, .accepted = 9, .ended = {{"idle", 5}}},
    };
    asking->status.totals.rejected_by[REJECT_BAD_JSON] = 2;
    asking->status.totals.rejected_by[REJECT_BAD_IP] = 3;
    return asking;
}

static void asking_destroy(struct asking *asking) {
    filters_destroy(asking->view.filters);
    free(asking);
}

/* The journal's next filter record: a new filter whose atoms count from a minute on (NULL: there was no click before). */
static __attribute__((unused)) void put_filter(struct asking *asking, uint32_t id, const char *region, const char *ip,
                                               const char *user_id, bool ranked, const char *covers_from) {
    struct filter *filter = NULL;
    struct filter_flaw flaw = {0};
    if (!filter_parse(id, bytes_of_text(region), bytes_of_text(ip), bytes_of_text(user_id), ranked, &filter, &flaw))
        fail_msg("%s: %s", flaw.field, flaw.text);
    struct filter_record record = {.number = filters_number(asking->view.filters) + 1,
                                   .action = FILTER_CREATE,
                                   .id = id,
                                   .filter = filter,
                                   .has_clicks = covers_from != NULL};
    if (covers_from != NULL) record.covers_from = minute_at(covers_from);
    filters_apply(asking->view.filters, &record);
    filter_destroy(filter);
}

static __attribute__((unused)) void create_filter(struct asking *asking, uint32_t id, const char *region, const char *ip,
                                                  const char *user_id, const char *covers_from) {
    put_filter(asking, id, region, ip, user_id, false, covers_from);
}

/* Of a region, so that it covers everything. */
static __attribute__((unused)) void create_ranked_filter(struct asking *asking, uint32_t id) {
    put_filter(asking, id, "USA", "*", "*", true, NULL);
}

static __attribute__((unused)) void delete_filter(struct asking *asking, uint32_t id) {
    struct filter_record record = {.number = filters_number(asking->view.filters) + 1, .action = FILTER_DELETE, .id = id};
    filters_apply(asking->view.filters, &record);
}

static const char *ask_as(struct asking *asking, const char *method, const char *path, const char *query) {
    struct request_head head = {.method = bytes_of_text(method), .path = bytes_of_text(path), .query = bytes_of_text(query)};
    asking->reply = (struct reply){0};
    query_answer(&asking->view, &asking->status, &head, &asking->reply);
    assert_int_equal(asking->reply.body_file, -1);
    assert_true(asking->reply.body.len > 0 && asking->reply.body.len < sizeof asking->body);
    if (asking->reply.body.at != NULL) memcpy(asking->body, asking->reply.body.at, asking->reply.body.len);
    asking->body[asking->reply.body.len] = '\0';
    buffer_fini(&asking->reply.body);
    return asking->body;
}

static __attribute__((unused)) const char *ask(struct asking *asking, const char *path, const char *query) {
    return ask_as(asking, "GET", path, query);
}

static __attribute__((unused)) void assert_answer(struct asking *asking, const char *path, const char *query,
                                                  const char *expected) {
    assert_string_equal(ask(asking, path, query), expected);
    assert_int_equal(asking->reply.http_status, 200);
    assert_string_equal(asking->reply.content_type, "application/json");
}

static void assert_contains(const char *text, const char *part) {
    if (strstr(text, part) == NULL) fail_msg("\"%s\" is not in \"%s\"", part, text);
}

static __attribute__((unused)) void assert_problem(struct asking *asking, const char *path, const char *query,
                                                   unsigned http_status, const char *const *parts) {
    const char *body = ask(asking, path, query);
    if (asking->reply.http_status != http_status) fail_msg("%s?%s: %s", path, query, body);
    assert_string_equal(asking->reply.content_type, "application/problem+json");
    for (; *parts != NULL; ++parts) assert_contains(body, *parts);
}
#define PROBLEM(path, query, http_status, ...)                                                                              \
    assert_problem(asking, path, query, http_status, (const char *const[]){__VA_ARGS__, NULL})

#define COUNT "/v1/ads/ad001/aggregated_cnt"
#define POPULAR "/v1/ads/popular_ads"
#define SERIES "/v1/ads/ad1/series"
