/* What the simulator's random runs hardly ever meet: bounds, and the corners of a node's life. */
#include "node/node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "fake/fake_clock.h"
#include "fake/fake_files.h"
#include "fake/fake_kv.h"
#include "fake/fake_random.h"

struct bench {
    struct fake_files *files;
    struct fake_kv *kv;
    struct fake_clock clock;
    struct random_sequence random;
    struct node_seam seam;
    struct node_options options;
    struct node *node;
    unsigned http_status; /* of the last answer */
    char body[8192];
};

static void take_reply(void *self, void *request, struct reply *reply) {
    struct bench *bench = self;
    (void)request;
    bench->http_status = reply->http_status;
    (void)snprintf(bench->body, sizeof bench->body, "%.*s", (int)reply->body.len, (const char *)reply->body.at);
    buffer_fini(&reply->body);
}

static void no_resume(void *self, void *request) {
    (void)self;
    (void)request;
}

static bool step_all(struct bench *bench) {
    bool did = node_step_journal(bench->node);
    for (uint32_t p = 0; p < node_partition_count(bench->node); p++) did = node_step_aggregate(bench->node, p) || did;
    fake_clock_pass(&bench->clock, 20);
    return node_step_reduce(bench->node) || did;
}

static void step_until(struct bench *bench, enum node_phase phase) {
    for (int i = 0; i < 10000 && node_phase(bench->node) != phase; i++) (void)step_all(bench);
    assert_int_equal(node_phase(bench->node), phase);
}

static void open_node(struct bench *bench) {
    struct failure failure = {0};
    assert_int_equal(node_open(&bench->seam, &bench->options, &bench->node, &failure), STATUS_OK);
    step_until(bench, NODE_SERVING);
}

static void begin(struct bench *bench) {
    *bench = (struct bench){.files = fake_files_create(1), .kv = fake_kv_create(), .random = {1}};
    bench->clock = (struct fake_clock){.wall_ms = INT64_C(1800000000000), .mono_ns = 1};
    bench->seam = (struct node_seam){
        .clock = fake_clock_table(&bench->clock),
        .random = fake_random_table(&bench->random),
        .files = fake_files_table(bench->files),
        .kv = fake_kv_table(bench->kv),
        .requests = {.self = bench, .reply = take_reply, .resume = no_resume},
    };
    bench->options = (struct node_options){
        .segment_bytes = 1 << 20,
        .dedup_memory_bytes = 1 << 20,
        .window_memory_bytes = 1 << 24,
        .slices_memory_bytes = 1 << 24,
        .ranking_cells_max = 1 << 30,
        .filters_max = 1000,
        .atoms_max = 1000,
        .pending_clicks_max = 100000,
        .checkpoint_interval_ms = 1000,
        .checkpoint_clicks = 1000000,
        .flush_interval_ms = 1000,
    };
}

static void end(struct bench *bench) {
    fake_kv_destroy(bench->kv);
    fake_files_destroy(bench->files);
}

static void stop_node(struct bench *bench) {
    node_stop(bench->node, 0);
    step_until(bench, NODE_STOPPED);
    node_close(bench->node);
}

static void ask(struct bench *bench, const char *path, const char *query) {
    struct request_head head = {.method = BYTES_LITERAL("GET"), .path = bytes_of_text(path), .query = bytes_of_text(query)};
    void *session;
    bool body_wanted;
    node_request(bench->node, &head, bench, &session, &body_wanted);
    assert_false(body_wanted);
}

/* Clicks of the ads first .. first + count - 1 in one request, fed and ended; the answer comes with the steps. */
static void post_ads(struct bench *bench, unsigned first, unsigned count) {
    struct request_head head = {.method = BYTES_LITERAL("POST"),
                                .path = BYTES_LITERAL("/v1/clicks"),
                                .content_type = BYTES_LITERAL("application/x-ndjson")};
    struct buffer body = {0};
    void *session;
    bool body_wanted;
    bench->http_status = 0;
    for (unsigned i = first; i < first + count; i++)
        buffer_printf(&body, "{\"ad_id\":\"ad%u\",\"click_timestamp\":1799999999,\"user_id\":\"u\",\"ip\":\"1.2.3.4\"}\n",
                      i);
    node_request(bench->node, &head, bench, &session, &body_wanted);
    if (body_wanted) {
        enum status status;
        while ((status = node_request_feed(bench->node, session, buffer_view(&body))) == STATUS_AGAIN) (void)step_all(bench);
        assert_int_equal(status, STATUS_OK);
        node_request_end(bench->node, session);
    }
    buffer_fini(&body);
    for (int i = 0; i < 1000 && bench->http_status == 0; i++) (void)step_all(bench);
    for (int i = 0; i < 20; i++) (void)step_all(bench);
}

static void the_bound_on_ads_holds_inside_a_long_request_too(void **state) {
    (void)state;
    struct bench bench;
    begin(&bench);
    bench.options.ads_max = 9000;
    open_node(&bench);
    post_ads(&bench, 0, 20000); /* five batches: some fit, then no more are taken */
    assert_int_equal(bench.http_status, 503);
    assert_non_null(strstr(bench.body, "ads"));
    ask(&bench, "/v1/status", "");
    assert_null(strstr(bench.body, "\"accepted\":0,"));
    assert_null(strstr(bench.body, "\"accepted\":20000,"));
    assert_non_null(strstr(bench.body, "\"pending\":0,"));
    stop_node(&bench);
    open_node(&bench); /* and what was taken can be read again */
    stop_node(&bench);
    end(&bench);
}

static void known_ads_are_taken_up_to_the_bound(void **state) {
    (void)state;
    struct bench bench;
    begin(&bench);
    bench.options.ads_max = 100;
    open_node(&bench);
    post_ads(&bench, 0, 90);
    assert_int_equal(bench.http_status, 200);
    post_ads(&bench, 100, 11);
    assert_int_equal(bench.http_status, 503);
    post_ads(&bench, 90, 10);
    assert_int_equal(bench.http_status, 200);
    ask(&bench, "/v1/ads/popular_ads", "at=1799999999&count=1000");
    assert_non_null(strstr(bench.body, "\"ad99\""));
    stop_node(&bench);
    end(&bench);
}

static void a_question_at_the_end_of_time_is_refused_and_harms_nobody(void **state) {
    (void)state;
    struct bench bench;
    begin(&bench);
    open_node(&bench);
    post_ads(&bench, 0, 1);
    ask(&bench, "/v1/ads/popular_ads", "at=9999-12-31T23:59:59Z");
    assert_int_equal(bench.http_status, 400);
    assert_non_null(strstr(bench.body, "at must be before 9999-12-31"));
    ask(&bench, "/v1/ads/ad0/series", "from=9999-12-31T22:00:00Z&to=9999-12-31T23:59:00Z&step=hour");
    assert_int_equal(bench.http_status, 400);
    ask(&bench, "/v1/ads/ad0/series", "from=9999-12-30T22:00:00Z&to=9999-12-30T23:59:00Z&step=day");
    assert_int_equal(bench.http_status, 200);
    stop_node(&bench);
    end(&bench);
}

static void a_stop_during_the_replay_ends_at_once_and_loses_nothing(void **state) {
    (void)state;
    struct bench bench;
    begin(&bench);
    open_node(&bench);
    post_ads(&bench, 0, 100);
    node_abandon(bench.node, "a test");
    node_close(bench.node);
    assert_int_equal(node_open(&bench.seam, &bench.options, &bench.node, NULL), STATUS_OK);
    node_stop(bench.node, 0);
    assert_int_equal(node_phase(bench.node), NODE_STOPPED);
    node_close(bench.node);
    open_node(&bench);
    ask(&bench, "/v1/status", "");
    assert_non_null(strstr(bench.body, "\"counted\":100,"));
    stop_node(&bench);
    end(&bench);
}

static void after_a_failed_sync_nothing_is_acknowledged_and_the_reason_is_kept(void **state) {
    (void)state;
    struct bench bench;
    begin(&bench);
    open_node(&bench);
    fake_files_fail(bench.files, FAKE_SYNC, 1, true, STATUS_IO_ERROR);
    post_ads(&bench, 0, 10);
    assert_int_equal(bench.http_status, 503);
    assert_int_equal(node_phase(bench.node), NODE_FAILED);
    assert_int_equal(node_failure(bench.node)->status, STATUS_IO_ERROR);
    post_ads(&bench, 10, 1);
    assert_int_equal(bench.http_status, 503);
    ask(&bench, "/livez", "");
    assert_int_equal(bench.http_status, 503);
    node_stop(bench.node, 0);
    assert_int_equal(node_phase(bench.node), NODE_FAILED);
    node_close(bench.node);
    end(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bound_on_ads_holds_inside_a_long_request_too),
        cmocka_unit_test(known_ads_are_taken_up_to_the_bound),
        cmocka_unit_test(a_question_at_the_end_of_time_is_refused_and_harms_nobody),
        cmocka_unit_test(a_stop_during_the_replay_ends_at_once_and_loses_nothing),
        cmocka_unit_test(after_a_failed_sync_nothing_is_acknowledged_and_the_reason_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
