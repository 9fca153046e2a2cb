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
    bool has_clicks, store_fails;
    struct minute last;
    uint64_t count;
    struct ranked_ad ranked[3];
    size_t ranked_count;

    uint8_t asked_ad[256];
    size_t asked_ad_len;
    struct minute asked_from, asked_to;
    size_t asked_count_max;
};

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
enum status view_count(struct view *view, struct bytes ad_id, struct minute from, struct minute to, uint64_t *count,
                       struct failure *failure) {
    if (view->store_fails) return failure_set(failure, STATUS_CORRUPT, "block 7 is damaged");
    assert_true(ad_id.len <= sizeof view->asked_ad);
    memcpy(view->asked_ad, ad_id.at, ad_id.len);
    view->asked_ad_len = ad_id.len;
    view->asked_from = from;
    view->asked_to = to;
    *count = view->count;
    return STATUS_OK;
}
enum status view_rank(struct view *view, struct minute from, struct minute to, struct ranked_ad *out, size_t count_max,
                      size_t *count, struct failure *failure) {
    if (view->store_fails) return failure_set(failure, STATUS_CORRUPT, "block 7 is damaged");
    view->asked_from = from;
    view->asked_to = to;
    view->asked_count_max = count_max;
    *count = view->ranked_count < count_max ? view->ranked_count : count_max;
    memcpy(out, view->ranked, *count * sizeof *out);
    return STATUS_OK;
}

/* Two clicks in the first minute of what is asked, in parts, and one in the last. */
enum status view_visit_ad(struct view *view, struct bytes ad_id, struct minute from, struct minute to,
                          view_minute_visit *visit, void *context, struct failure *failure) {
    (void)ad_id;
    if (view->store_fails) return failure_set(failure, STATUS_CORRUPT, "block 7 is damaged");
    view->asked_from = from;
    view->asked_to = to;
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
                               .cells_bytes = 50};
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
        .dedup = {.entries = 9, .entries_max = 1000, .bytes = 4000, .bytes_max = 5000},
        .phase = "serving",
        .journal_end = {7, 6},
        .stage_cpu = {{"http", 1.5}, {"journal", 0.25}},
        .ads = 3,
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
    free(asking);
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

static const char *ask(struct asking *asking, const char *path, const char *query) {
    return ask_as(asking, "GET", path, query);
}

static void assert_answer(struct asking *asking, const char *path, const char *query, const char *expected) {
    assert_string_equal(ask(asking, path, query), expected);
    assert_int_equal(asking->reply.http_status, 200);
    assert_string_equal(asking->reply.content_type, "application/json");
}

static void assert_contains(const char *text, const char *part) {
    if (strstr(text, part) == NULL) fail_msg("\"%s\" is not in \"%s\"", part, text);
}

static void assert_problem(struct asking *asking, const char *path, const char *query, unsigned http_status,
                           const char *const *parts) {
    const char *body = ask(asking, path, query);
    if (asking->reply.http_status != http_status) fail_msg("%s?%s: %s", path, query, body);
    assert_string_equal(asking->reply.content_type, "application/problem+json");
    for (; *parts != NULL; ++parts) assert_contains(body, *parts);
}
#define PROBLEM(path, query, http_status, ...)                                                                              \
    assert_problem(asking, path, query, http_status, (const char *const[]){__VA_ARGS__, NULL})

#define COUNT "/v1/ads/ad001/aggregated_cnt"
#define POPULAR "/v1/ads/popular_ads"

/* --- counts --- */

static void a_count_covers_the_last_closed_minute_unless_asked_otherwise(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    const char *expected = "{\"ad_id\":\"ad001\",\"from\":\"2021-01-01T12:09:00Z\",\"to\":\"2021-01-01T12:10:00Z\","
                           "\"count\":42,\"state\":\"closed\",\"version\":11,"
                           "\"watermark\":\"2021-01-01T12:10:30.500Z\",\"filter_id\":0}\n";
    assert_answer(asking, COUNT, "", expected);
    assert_answer(asking, "/v1/ads/ad001/aggregated_count", "filter=0", expected);
    assert_answer(asking, COUNT, "filter=000&last=1", expected);
    assert_memory_equal(asking->view.asked_ad, "ad001", 5);
    asking_destroy(asking);
}

static void a_range_is_rounded_down_to_minutes_and_shown_as_used(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    assert_answer(asking, COUNT, "from=2021-01-01T12:00:59.999Z&to=202101011204",
                  "{\"ad_id\":\"ad001\",\"from\":\"2021-01-01T12:00:00Z\",\"to\":\"2021-01-01T12:04:00Z\",\"count\":42,"
                  "\"state\":\"sealed\",\"version\":11,\"watermark\":\"2021-01-01T12:10:30.500Z\",\"filter_id\":0}\n");
    assert_int_equal(asking->view.asked_from.index, minute_at("2021-01-01T12:00:00Z").index);
    assert_int_equal(asking->view.asked_to.index, minute_at("2021-01-01T12:04:00Z").index);
    assert_contains(ask(asking, COUNT, "from=1609502400&to=1609503061000"), "\"to\":\"2021-01-01T12:11:00Z\"");
    assert_contains(asking->body, "\"state\":\"open\"");
    asking_destroy(asking);
}

static void last_goes_back_from_the_last_closed_minute(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    assert_contains(ask(asking, COUNT, "last=10"), "\"from\":\"2021-01-01T12:00:00Z\",\"to\":\"2021-01-01T12:10:00Z\"");
    assert_contains(ask(asking, COUNT, "last=44640"), "\"from\":\"2020-12-01T12:10:00Z\"");
    asking->view.last.index = 4; /* a click of 1970: the range ends where time begins */
    assert_contains(ask(asking, COUNT, "last=10"), "\"from\":\"1970-01-01T00:00:00Z\",\"to\":\"1970-01-01T00:05:00Z\"");
    asking_destroy(asking);
}

static void before_the_first_click_counts_are_zero_and_times_null(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    asking->view.has_clicks = false;
    asking->view.count = 0;
    for (int i = 0; i < 2; ++i) {
        asking->view.partitions[i] = (struct view_partition){.watermark = {.w = EVENT_TIME_NONE, .s = EVENT_TIME_NONE}};
    }
    const char *expected = "{\"ad_id\":\"ad001\",\"from\":null,\"to\":null,\"count\":0,\"state\":\"open\",\"version\":0,"
                           "\"watermark\":null,\"filter_id\":0}\n";
    assert_answer(asking, COUNT, "", expected);
    assert_answer(asking, COUNT, "last=5", expected);
    assert_answer(asking, POPULAR, "",
                  "{\"ad_ids\":[],\"ads\":[],\"window\":1,\"update_minute\":null,\"from\":null,\"to\":null,\"exact\":true,"
                  "\"state\":\"open\",\"version\":0,\"watermark\":null,\"filter_id\":0}\n");
    assert_contains(ask(asking, COUNT, "from=202101010000&to=202101010100"), "\"from\":\"2021-01-01T00:00:00Z\"");
    assert_contains(ask(asking, "/v1/status", ""), "\"watermark\":null");
    asking_destroy(asking);
}

static void an_ad_id_may_hold_a_slash_or_the_name_of_another_question(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    assert_contains(ask(asking, "/v1/ads/popular_ads/aggregated_cnt", ""), "\"ad_id\":\"popular_ads\"");
    assert_contains(ask(asking, "/v1/ads/a%2Fb%22+c/aggregated_cnt", ""), "\"ad_id\":\"a/b\\\"+c\"");
    assert_int_equal(asking->view.asked_ad_len, 6);
    assert_memory_equal(asking->view.asked_ad, "a/b\"+c", 6);
    PROBLEM("/v1/ads/a/b/aggregated_cnt", "", 404, "urn:tally:problem:not-found");
    PROBLEM("/v1/ads//aggregated_cnt", "", 400, "ad_id");
    PROBLEM("/v1/ads/%FF/aggregated_cnt", "", 400, "ad_id");
    PROBLEM("/v1/ads/%2/aggregated_cnt", "", 400, "ad_id");
    char path[256];
    (void)snprintf(path, sizeof path, "/v1/ads/%0129d/aggregated_cnt", 7);
    PROBLEM(path, "", 400, "ad_id", "128");
    asking_destroy(asking);
}

static void a_bad_range_is_refused_naming_the_parameter(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    PROBLEM(COUNT, "from=202101011200", 400, "from is given without to");
    PROBLEM(COUNT, "to=202101011200", 400, "to is given without from");
    PROBLEM(COUNT, "last=5&from=202101011200&to=202101011300", 400, "last excludes from and to");
    PROBLEM(COUNT, "from=202101011200&to=2021-01-01T12:00:59Z", 400, "from must be before to", "2021-01-01T12:00:00Z");
    PROBLEM(COUNT, "from=202101011201&to=202101011200", 400, "from must be before to");
    PROBLEM(COUNT, "from=yesterday&to=202101011200", 400, "from must be a time", "\\\"yesterday\\\"");
    PROBLEM(COUNT, "from=202101011200&to=", 400, "to must be a time");
    PROBLEM(COUNT, "last=0", 400, "last must be an integer from 1 to 44640");
    PROBLEM(COUNT, "last=44641", 400, "last must be");
    PROBLEM(COUNT, "last=99999999999999999999999999", 400, "last must be");
    PROBLEM(COUNT, "last=-1", 400, "last must be");
    PROBLEM(COUNT, "last=5&last=6", 400, "last must occur once");
    PROBLEM(COUNT, "last=%FF", 400, "last must occur once and be valid");
    PROBLEM(COUNT, "lasst=5", 400, "lasst", "from, to, last, filter", "urn:tally:problem:unknown-parameter");
    asking_destroy(asking);
}

static void only_filter_zero_is_known(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    PROBLEM(COUNT, "filter=1", 404, "urn:tally:problem:unknown-filter", "there is no filter 1;");
    PROBLEM(POPULAR, "filter=007", 404, "urn:tally:problem:unknown-filter", "there is no filter 007;");
    PROBLEM(POPULAR, "filter=100000000000000000000000000", 404, "unknown-filter");
    PROBLEM(COUNT, "filter=USA", 400, "filter must be the number");
    PROBLEM(COUNT, "filter=", 400, "filter must be the number");
    PROBLEM(COUNT, "filter=-0", 400, "filter must be the number");
    asking_destroy(asking);
}

/* --- rankings --- */

static void a_ranking_lists_ids_and_counts_of_the_window_up_to_at(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    asking->view.ranked[0] = (struct ranked_ad){BYTES_LITERAL("ad2"), UINT64_MAX};
    asking->view.ranked[1] = (struct ranked_ad){BYTES_LITERAL("ad\"1"), 5};
    asking->view.ranked[2] = (struct ranked_ad){BYTES_LITERAL("ad3"), 5};
    asking->view.ranked_count = 3;
    assert_answer(asking, POPULAR, "window=5&count=2",
                  "{\"ad_ids\":[\"ad2\",\"ad\\\"1\"],\"ads\":[{\"ad_id\":\"ad2\",\"count\":18446744073709551615},"
                  "{\"ad_id\":\"ad\\\"1\",\"count\":5}],\"window\":5,\"update_minute\":\"2021-01-01T12:09:00Z\","
                  "\"from\":\"2021-01-01T12:05:00Z\",\"to\":\"2021-01-01T12:10:00Z\",\"exact\":true,\"state\":\"closed\","
                  "\"version\":11,\"watermark\":\"2021-01-01T12:10:30.500Z\",\"filter_id\":0}\n");
    assert_int_equal(asking->view.asked_count_max, 2);
    assert_contains(ask(asking, POPULAR, "at=2021-01-01T12:11:59Z"), "\"update_minute\":\"2021-01-01T12:11:00Z\"");
    assert_contains(asking->body, "\"window\":1,");
    assert_contains(asking->body, "\"state\":\"open\"");
    assert_int_equal(asking->view.asked_count_max, 100);
    assert_int_equal(asking->view.asked_from.index + 1, asking->view.asked_to.index);
    asking_destroy(asking);
}

static void a_ranking_out_of_range_is_refused_naming_the_parameter(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    (void)ask(asking, POPULAR, "count=1000&window=1440");
    assert_int_equal(asking->reply.http_status, 200);
    PROBLEM(POPULAR, "count=0", 400, "count must be an integer from 1 to 1000");
    PROBLEM(POPULAR, "count=1001", 400, "count must be an integer from 1 to 1000");
    PROBLEM(POPULAR, "window=1441", 400, "window must be an integer from 1 to 1440");
    PROBLEM(POPULAR, "window=x", 400, "window must be", "\\\"x\\\"");
    PROBLEM(POPULAR, "at=now", 400, "at must be a time");
    PROBLEM(POPULAR, "from=202101010000", 400, "from", "count, window, at, filter");
    asking_destroy(asking);
}

static void a_store_that_cannot_be_read_is_a_500_with_the_reason(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    asking->view.store_fails = true;
    PROBLEM(COUNT, "", 500, "block 7 is damaged");
    PROBLEM(POPULAR, "", 500, "block 7 is damaged");
    asking_destroy(asking);
}

/* --- status and metrics --- */

static void status_tells_everything_and_its_totals_add_up(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    const char *body = ask(asking, "/v1/status", "");
    assert_int_equal(asking->reply.http_status, 200);
    assert_contains(body, "{\"version_info\":{\"version\":\"" TALLY_VERSION "\",\"compiler\":\"");
    assert_contains(body, "},\"watermark\":\"2021-01-01T12:10:30.500Z\",\"version\":11,\"rules\":{\"number\":1,"
                          "\"partitions\":2,\"delay_ms\":15000,\"lateness_ms\":86400000,\"horizon_ms\":86460000,"
                          "\"max_skew_ms\":60000,\"without_event_id\":\"content\"},"
                          "\"totals\":{\"received\":16,\"accepted\":11,\"rejected\":5,"
                          "\"rejected_by\":{\"bad_json\":2,\"bad_ip\":3},\"counted\":6,\"duplicate\":1,\"conflict\":1,"
                          "\"too_late\":1,\"invalid\":0,\"pending\":2,\"duplicate_content\":1,\"late_amended\":2},");
    assert_contains(body, "\"partitions\":[{\"partition\":0,\"offset\":6,\"journal_end\":7,\"checkpoint_offset\":2,"
                          "\"watermark\":\"2021-01-01T12:10:30.500Z\",\"sealed_to\":\"2021-01-01T12:05:00Z\","
                          "\"counted\":3,\"duplicate\":1,\"conflict\":1,\"too_late\":0,\"invalid\":0,"
                          "\"duplicate_content\":1,\"late_amended\":0,\"cells_in_memory\":8},{\"partition\":1,");
    assert_contains(body, "],\"phase\":\"serving\",\"waits_for\":null,\"dedup\":{\"entries\":9,\"entries_max\":1000,"
                          "\"bytes\":4000,\"bytes_max\":5000},\"ads\":3,");
    assert_contains(body, "\"conservation\":{\"intake\":true,\"partitions\":true},");
    assert_contains(body,
                    "\"memory\":{\"resident_bytes\":0,\"dedup_bytes\":4000,\"dedup_bytes_max\":5000,\"window_bytes\":100,"
                    "\"window_bytes_max\":1000,\"window_minutes\":3,\"window_from\":\"2021-01-01T00:00:00Z\","
                    "\"cells_bytes\":50,\"ads_bytes\":0}}\n");
    PROBLEM("/v1/status", "verbose=1", 400, "verbose");
    asking_destroy(asking);
}

static void status_says_why_intake_waits(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    asking->status.waits_for = "the clock is behind";
    assert_contains(ask(asking, "/v1/status", ""), "\"waits_for\":\"the clock is behind\"");
    asking_destroy(asking);
}

static void a_broken_law_is_shown(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    asking->status.totals.received += 1;
    assert_contains(ask(asking, "/v1/status", ""), "\"conservation\":{\"intake\":false,\"partitions\":true}");
    assert_contains(ask(asking, "/metrics", ""), "\ntally_conservation_violated{law=\"intake\"} 1\n");
    asking->status.totals.received -= 1;
    asking->view.partitions[1].watermark.clicks += 1;
    assert_contains(ask(asking, "/v1/status", ""), "\"conservation\":{\"intake\":true,\"partitions\":false}");
    assert_contains(ask(asking, "/metrics", ""), "\ntally_conservation_violated{law=\"partitions\"} 1\n");
    asking_destroy(asking);
}

static void while_replaying_the_totals_are_never_below_what_is_counted(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    asking->status.totals.accepted = 3;
    asking->status.totals.received = 8;
    asking->status.phase = "replaying";
    const char *body = ask(asking, "/v1/status", "");
    assert_contains(body, "\"received\":14,\"accepted\":9,\"rejected\":5,");
    assert_contains(body, "\"pending\":0,");
    assert_contains(body, "\"conservation\":{\"intake\":true,\"partitions\":true}");
    asking->status.phase = "serving"; /* now it would mean that acknowledged clicks are not in the journal */
    assert_contains(ask(asking, "/v1/status", ""), "\"conservation\":{\"intake\":true,\"partitions\":false}");
    asking_destroy(asking);
}

/* Every sample belongs to the HELP and TYPE just before it, no metric occurs twice, and the last line ends. */
static void metrics_are_in_the_prometheus_text_format(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    char *body = strdup(ask(asking, "/metrics", ""));
    assert_non_null(body);
    assert_string_equal(asking->reply.content_type, "text/plain; version=0.0.4; charset=utf-8");
    assert_int_equal(body[strlen(body) - 1], '\n');
    char name[128] = "", type[16] = "", header[256];
    size_t metrics = 0;
    for (char *rest = body, *line; (line = strsep(&rest, "\n")) != NULL && *line != '\0';) {
        if (strncmp(line, "# HELP ", 7) == 0) {
            assert_int_equal(sscanf(line, "# HELP %127s", name), 1);
            (void)snprintf(header, sizeof header, "\n# HELP %s ", name);
            assert_null(rest == NULL ? NULL : strstr(rest, header));
            ++metrics;
        } else if (strncmp(line, "# TYPE ", 7) == 0) {
            char typed[128];
            assert_int_equal(sscanf(line, "# TYPE %127s %15s", typed, type), 2);
            assert_string_equal(typed, name);
            size_t len = strlen(name);
            bool is_total = len > 6 && strcmp(name + len - 6, "_total") == 0;
            assert_true(strcmp(type, is_total ? "counter" : "gauge") == 0 || (!is_total && strcmp(type, "histogram") == 0));
        } else {
            assert_int_equal(strncmp(line, name, strlen(name)), 0);
            const char *sample = line + strlen(name);
            if (strcmp(type, "histogram") == 0) sample += strcspn(sample, " {"); /* _bucket, _sum, _count */
            char after = *sample;
            assert_true(after == ' ' || after == '{');
            const char *value = strrchr(line, ' ');
            char *end = NULL;
            assert_non_null(value);
            (void)strtod(value + 1, &end);
            assert_true(end > value + 1 && *end == '\0');
            assert_null(strstr(line, "ad001"));
        }
        assert_int_equal(strncmp(name, "tally_", 6), 0);
    }
    assert_true(metrics > 25);
    free(body);
    asking_destroy(asking);
}

static void metrics_say_what_status_says(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    const char *body = ask(asking, "/metrics", "");
    const char *const samples[] = {
        "tally_lines_received_total 16",
        "tally_clicks_accepted_total 11",
        "tally_lines_rejected_total{code=\"bad_json\"} 2",
        "tally_lines_rejected_total{code=\"refused_batch\"} 0",
        "tally_clicks_total{verdict=\"counted\"} 6",
        "tally_clicks_total{verdict=\"too_late\"} 1",
        "tally_clicks_pending 2",
        "tally_watermark_timestamp_seconds{partition=\"0\"} 1609503030.500",
        "tally_partition_journal_end{partition=\"1\"} 6",
        "tally_stage_cpu_seconds_total{stage=\"journal\"} 0.250000",
        "tally_conservation_violated{law=\"intake\"} 0",
        "tally_uptime_seconds 12.500",
        "tally_dedup_entries_max 1000",
        "tally_journal_syncs_total 6",
        "tally_view_version 11",
        "tally_rules_number 1",
        "tally_intake_refused_total{reason=\"clock\"} 2",
        "tally_connections 2",
        "tally_connections_ended_total{reason=\"idle\"} 5",
        "tally_commit_seconds_bucket{le=\"0.000500\"} 4",
        "tally_commit_seconds_bucket{le=\"2.500000\"} 5",
        "tally_commit_seconds_bucket{le=\"+Inf\"} 6",
        "tally_commit_seconds_sum 3.500000000",
        "tally_commit_seconds_count 6",
        "tally_window_bytes 100",
        "tally_window_seconds 180",
        "tally_window_from_timestamp_seconds 1609459200",
        "tally_cells_bytes 50",
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; ++i) {
        char line[256];
        (void)snprintf(line, sizeof line, "\n%s\n", samples[i]);
        assert_contains(body, line);
    }
    asking_destroy(asking);
}

/* docs/metrics.md is written by this test when TALLY_WRITE_DOCS is set. Tests run in the project's root. */
static void the_page_of_metrics_is_up_to_date(void **state) {
    (void)state;
    struct buffer expected = {0};
    metrics_document(&expected);
    if (getenv("TALLY_WRITE_DOCS") != NULL) {
        FILE *out = fopen("docs/metrics.md", "w");
        assert_non_null(out);
        assert_int_equal(fwrite(expected.at, 1, expected.len, out), expected.len);
        assert_int_equal(fclose(out), 0);
    }
    char *actual = memory_allocate_zeroed(1, expected.len + 2);
    FILE *in = fopen("docs/metrics.md", "r");
    assert_non_null(in);
    assert_int_equal(fread(actual, 1, expected.len + 1, in), expected.len);
    assert_int_equal(fclose(in), 0);
    assert_memory_equal(actual, expected.at, expected.len);
    free(actual);
    buffer_fini(&expected);
}

/* --- paths and methods --- */

static void an_unknown_path_says_where_to_look(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    const char *const paths[] = {"/v1/ads",
                                 "/v1/ads/",
                                 "/v1/ads/x",
                                 "/v1/ads/x/other",
                                 "/v1/statuses",
                                 "/v1/status/",
                                 "/v2/status",
                                 "/metrics/x",
                                 "",
                                 "x",
                                 "/v1//status",
                                 "/a/b/c/d/e/f/g/h",
                                 "/v1/ads/x/aggregated_cnt/",
                                 "/%FF\"\\"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; ++i) {
        PROBLEM(paths[i], "", 404, "urn:tally:problem:not-found", "/v1/ads/{ad_id}/aggregated_cnt", "POST /v1/clicks");
    }
    asking_destroy(asking);
}

static void questions_take_get_and_head_only(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    const char *const paths[] = {COUNT, POPULAR, "/v1/status", "/metrics"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; ++i) {
        char *as_get = strdup(ask_as(asking, "GET", paths[i], ""));
        assert_string_equal(ask_as(asking, "HEAD", paths[i], ""), as_get);
        assert_int_equal(asking->reply.http_status, 200);
        free(as_get);
        assert_contains(ask_as(asking, "POST", paths[i], ""), "Allow: GET, HEAD");
        assert_int_equal(asking->reply.http_status, 405);
    }
    (void)ask_as(asking, "POST", "/nowhere", "");
    assert_int_equal(asking->reply.http_status, 404);
    asking_destroy(asking);
}

#define SERIES "/v1/ads/ad1/series"

static void a_series_is_dense_and_adds_up_the_parts_of_a_minute(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    assert_contains(ask_as(asking, "GET", SERIES, "from=2021-01-01T12:00:00Z&to=2021-01-01T12:04:30Z"),
                    "\"step\":\"minute\",\"counts\":[2,0,0,1]");
    assert_contains(asking->body, "\"sealed_to\":\"2021-01-01T12:05:00Z\"");
    assert_contains(asking->body, "\"state\":\"sealed\"");
    asking_destroy(asking);
}

static void hours_and_days_are_widened_to_whole_steps(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    assert_contains(ask_as(asking, "GET", SERIES, "from=2021-01-01T10:30:00Z&to=2021-01-01T12:01:00Z&step=hour"),
                    "\"counts\":[2,0,1]");
    assert_contains(asking->body, "\"from\":\"2021-01-01T10:00:00Z\",\"to\":\"2021-01-01T13:00:00Z\"");
    assert_contains(ask_as(asking, "GET", SERIES, "from=2021-01-01T10:30:00Z&to=2021-01-01T12:01:00Z&step=day"),
                    "\"counts\":[3]");
    asking_destroy(asking);
}

static void a_series_of_too_many_points_or_of_an_unknown_step_is_refused(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    assert_contains(ask_as(asking, "GET", SERIES, "from=2021-01-01T00:00:00Z&to=2021-01-08T00:01:00Z"),
                    "10081 points, but at most 10080");
    assert_int_equal(asking->reply.http_status, 400);
    (void)ask_as(asking, "GET", SERIES, "from=2021-01-01T00:00:00Z&to=2021-01-08T00:00:00Z");
    assert_int_equal(asking->reply.http_status, 200);
    assert_contains(ask_as(asking, "GET", SERIES, "step=week"), "step must be minute, hour or day");
    assert_int_equal(asking->reply.http_status, 400);
    asking_destroy(asking);
}

static void a_series_without_a_range_is_the_last_sixty_steps(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    (void)ask_as(asking, "GET", SERIES, "");
    assert_int_equal(asking->view.asked_to.index - asking->view.asked_from.index, 60);
    assert_int_equal(asking->view.asked_to.index, asking->view.last.index + 1);
    asking->view.has_clicks = false;
    assert_contains(ask_as(asking, "GET", SERIES, ""), "\"from\":null,\"to\":null,\"step\":\"minute\",\"counts\":[]");
    asking_destroy(asking);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_count_covers_the_last_closed_minute_unless_asked_otherwise),
        cmocka_unit_test(a_range_is_rounded_down_to_minutes_and_shown_as_used),
        cmocka_unit_test(last_goes_back_from_the_last_closed_minute),
        cmocka_unit_test(before_the_first_click_counts_are_zero_and_times_null),
        cmocka_unit_test(an_ad_id_may_hold_a_slash_or_the_name_of_another_question),
        cmocka_unit_test(a_bad_range_is_refused_naming_the_parameter),
        cmocka_unit_test(only_filter_zero_is_known),
        cmocka_unit_test(a_ranking_lists_ids_and_counts_of_the_window_up_to_at),
        cmocka_unit_test(a_ranking_out_of_range_is_refused_naming_the_parameter),
        cmocka_unit_test(a_store_that_cannot_be_read_is_a_500_with_the_reason),
        cmocka_unit_test(status_tells_everything_and_its_totals_add_up),
        cmocka_unit_test(status_says_why_intake_waits),
        cmocka_unit_test(a_broken_law_is_shown),
        cmocka_unit_test(while_replaying_the_totals_are_never_below_what_is_counted),
        cmocka_unit_test(metrics_are_in_the_prometheus_text_format),
        cmocka_unit_test(metrics_say_what_status_says),
        cmocka_unit_test(the_page_of_metrics_is_up_to_date),
        cmocka_unit_test(an_unknown_path_says_where_to_look),
        cmocka_unit_test(questions_take_get_and_head_only),
        cmocka_unit_test(a_series_is_dense_and_adds_up_the_parts_of_a_minute),
        cmocka_unit_test(hours_and_days_are_widened_to_whole_steps),
        cmocka_unit_test(a_series_of_too_many_points_or_of_an_unknown_step_is_refused),
        cmocka_unit_test(a_series_without_a_range_is_the_last_sixty_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
