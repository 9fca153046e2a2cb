/* node_bench.h: a whole node on the fake seam, stepped by hand. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "fake/fake_clock.h"
#include "fake/fake_files.h"
#include "fake/fake_kv.h"
#include "fake/fake_random.h"
#include "node/node.h"

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

static inline void take_reply(void *self, void *request, struct reply *reply) {
    struct bench *bench = self;
    (void)request;
    bench->http_status = reply->http_status;
    (void)snprintf(bench->body, sizeof bench->body, "%.*s", (int)reply->body.len, (const char *)reply->body.at);
    buffer_fini(&reply->body);
}

static inline void no_resume(void *self, void *request) {
    (void)self;
    (void)request;
}

static inline bool step_all(struct bench *bench) {
    bool did = node_step_journal(bench->node);
    for (uint32_t p = 0; p < node_partition_count(bench->node); p++) did = node_step_aggregate(bench->node, p) || did;
    fake_clock_pass(&bench->clock, 20);
    did = node_step_recalculate(bench->node) || did;
    did = node_step_keep(bench->node) || did;
    return node_step_reduce(bench->node) || did;
}

static inline void step_until(struct bench *bench, enum node_phase phase) {
    for (int i = 0; i < 10000 && node_phase(bench->node) != phase; i++) (void)step_all(bench);
    assert_int_equal(node_phase(bench->node), phase);
}

static inline void open_node(struct bench *bench) {
    struct failure failure = {0};
    assert_int_equal(node_open(&bench->seam, &bench->options, &bench->node, &failure), STATUS_OK);
    step_until(bench, NODE_SERVING);
}

static inline void begin(struct bench *bench) {
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

static inline void end(struct bench *bench) {
    fake_kv_destroy(bench->kv);
    fake_files_destroy(bench->files);
}

static inline void stop_node(struct bench *bench) {
    node_stop(bench->node, 0);
    step_until(bench, NODE_STOPPED);
    node_close(bench->node);
}

static inline void ask(struct bench *bench, const char *path, const char *query) {
    struct request_head head = {.method = BYTES_LITERAL("GET"), .path = bytes_of_text(path), .query = bytes_of_text(query)};
    void *session;
    bool body_wanted;
    node_request(bench->node, &head, bench, &session, &body_wanted);
    assert_false(body_wanted);
}

/* One request with its body; the answer comes with the steps. */
static inline void request(struct bench *bench, const char *method, const char *path, const char *type, struct bytes body) {
    struct request_head head = {
        .method = bytes_of_text(method), .path = bytes_of_text(path), .content_type = bytes_of_text(type)};
    void *session;
    bool body_wanted = false;
    bench->http_status = 0;
    node_request(bench->node, &head, bench, &session, &body_wanted);
    if (body_wanted) {
        enum status status;
        while ((status = node_request_feed(bench->node, session, body)) == STATUS_AGAIN) (void)step_all(bench);
        assert_int_equal(status, STATUS_OK);
        node_request_end(bench->node, session);
    }
    for (int i = 0; i < 1000 && bench->http_status == 0; i++) (void)step_all(bench);
    for (int i = 0; i < 20; i++) (void)step_all(bench);
}

/* Clicks of the ads first .. first + count - 1 in one request. */
static inline void post_ads(struct bench *bench, unsigned first, unsigned count) {
    struct buffer body = {0};
    for (unsigned i = first; i < first + count; i++)
        buffer_printf(&body, "{\"ad_id\":\"ad%u\",\"click_timestamp\":1799999999,\"user_id\":\"u\",\"ip\":\"1.2.3.4\"}\n",
                      i);
    request(bench, "POST", "/v1/clicks", "application/x-ndjson", buffer_view(&body));
    buffer_fini(&body);
}
