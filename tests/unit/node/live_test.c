/* A whole node on fake seams, stepped by hand, watched over /v1/live. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "fake/fake_clock.h"
#include "fake/fake_files.h"
#include "fake/fake_kv.h"
#include "fake/fake_random.h"
#include "node/node.h"

enum { WATCHERS_MAX = 300 };

/* What the transport knows of one request. */
struct seen {
    bool streaming, finished, gone;
    unsigned status;
    unsigned events;
    struct buffer last; /* the last event, or the body of a reply */
};

struct station {
    struct fake_clock clock;
    struct random_sequence random;
    struct fake_files *files;
    struct fake_kv *kv;
    struct node *node;
    struct seen seen[WATCHERS_MAX];
    struct seen answer; /* of other requests */
};

static void take_reply(void *self, void *request, struct reply *reply) {
    (void)self;
    struct seen *seen = request;
    assert_int_equal(seen->status, 0);
    seen->status = reply->http_status;
    buffer_fini(&seen->last);
    seen->last = reply->body;
    reply->body = (struct buffer){0};
}

static void take_resume(void *self, void *request) {
    (void)self;
    (void)request;
}

static void take_stream(void *self, void *request, const char *content_type) {
    (void)self;
    struct seen *seen = request;
    assert_int_equal(seen->status, 0);
    assert_string_equal(content_type, "text/event-stream; charset=utf-8");
    seen->status = 200;
    seen->streaming = true;
}

static enum status take_push(void *self, void *request, struct bytes bytes) {
    (void)self;
    struct seen *seen = request;
    assert_true(seen->streaming && !seen->finished);
    if (seen->gone) {
        seen->finished = true; /* the node must not touch it again */
        return STATUS_END;
    }
    seen->events++;
    buffer_clear(&seen->last);
    buffer_append_bytes(&seen->last, bytes);
    return STATUS_OK;
}

static void take_finish(void *self, void *request) {
    (void)self;
    struct seen *seen = request;
    assert_true(seen->streaming && !seen->finished);
    seen->finished = true;
}

static void step(struct station *station) {
    (void)node_step_journal(station->node);
    for (uint32_t p = 0; p < node_partition_count(station->node); p++) (void)node_step_aggregate(station->node, p);
    (void)node_step_reduce(station->node);
}

static void pass(struct station *station, int64_t ms) {
    fake_clock_pass(&station->clock, ms);
    step(station);
}

static void open_node(struct station *station, bool streams) {
    struct node_seam seam = {
        .clock = fake_clock_table(&station->clock),
        .random = fake_random_table(&station->random),
        .files = fake_files_table(station->files),
        .kv = fake_kv_table(station->kv),
        .requests = {.self = station, .reply = take_reply, .resume = take_resume},
    };
    if (streams) {
        seam.requests.stream = take_stream;
        seam.requests.push = take_push;
        seam.requests.finish = take_finish;
    }
    struct node_options options = {
        .proposal = {.has_partitions = true, .partition_count = 2},
        .segment_bytes = 1 << 20,
        .dedup_memory_bytes = 4 << 20,
        .window_memory_bytes = 4 << 20,
        .slices_memory_bytes = 4 << 20,
        .pending_clicks_max = 20000,
        .checkpoint_interval_ms = 30 * SECOND_MS,
        .checkpoint_clicks = 1000000,
        .flush_interval_ms = 60 * SECOND_MS,
    };
    struct failure failure = {0};
    assert_int_equal(node_open(&seam, &options, &station->node, &failure), STATUS_OK);
}

static int setup(void **state) {
    struct station *station = memory_allocate_zeroed(1, sizeof *station);
    station->clock = (struct fake_clock){.wall_ms = 1700000000000, .mono_ns = 5000000000};
    station->random = (struct random_sequence){7};
    station->files = fake_files_create(1);
    station->kv = fake_kv_create();
    open_node(station, true);
    while (node_phase(station->node) == NODE_REPLAYING) pass(station, 1);
    *state = station;
    return 0;
}

static int teardown(void **state) {
    struct station *station = *state;
    node_close(station->node);
    for (size_t i = 0; i < WATCHERS_MAX; i++) buffer_fini(&station->seen[i].last);
    buffer_fini(&station->answer.last);
    fake_kv_destroy(station->kv);
    fake_files_destroy(station->files);
    free(station);
    return 0;
}

static void stop(struct station *station) {
    node_stop(station->node, 0);
    while (node_phase(station->node) == NODE_STOPPING) pass(station, 10);
    assert_int_equal(node_phase(station->node), NODE_STOPPED);
}

static void get(struct station *station, const char *path, struct seen *seen) {
    struct request_head head = {.method = BYTES_LITERAL("GET"), .path = bytes_of_text(path)};
    void *session;
    bool body_wanted;
    seen->status = 0;
    node_request(station->node, &head, seen, &session, &body_wanted);
    assert_false(body_wanted);
    assert_int_not_equal(seen->status, 0);
}

static void send_clicks(struct station *station, unsigned first, unsigned count) {
    struct request_head head = {.method = BYTES_LITERAL("POST"),
                                .path = BYTES_LITERAL("/v1/clicks"),
                                .content_type = BYTES_LITERAL("application/x-ndjson")};
    struct buffer body = {0};
    for (unsigned i = first; i < first + count; i++)
        buffer_printf(&body,
                      "{\"ad_id\":\"a\",\"click_timestamp\":1699999999000,\"user_id\":\"u\",\"ip\":\"1.2.3.4\",\"event_id\":"
                      "\"e%u\"}\n",
                      i);
    void *session;
    bool body_wanted;
    station->answer.status = 0;
    node_request(station->node, &head, &station->answer, &session, &body_wanted);
    assert_true(body_wanted);
    assert_int_equal(node_request_feed(station->node, session, buffer_view(&body)), STATUS_OK);
    node_request_end(station->node, session);
    step(station);
    assert_int_equal(station->answer.status, 200);
    buffer_fini(&body);
}

/* The data of the last event, which must be one line of JSON in its frame. */
static json_t *event_data(const struct seen *seen) {
    static const char begin[] = "event: status\ndata: ";
    const size_t begin_len = sizeof begin - 1;
    struct bytes event = buffer_view(&seen->last);
    assert_true(event.len > begin_len + 2);
    assert_memory_equal(event.at, begin, begin_len);
    assert_memory_equal(event.at + event.len - 2, "\n\n", 2);
    struct bytes data = {event.at + begin_len, event.len - begin_len - 2};
    assert_null(memchr(data.at, '\n', data.len));
    json_t *json = json_loadb((const char *)data.at, data.len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    return json;
}

static json_int_t event_number(const struct seen *seen, const char *name) {
    json_t *json = event_data(seen);
    json_t *value = json_object_get(json, name);
    if (value == NULL) value = json_object_get(json_object_get(json, "totals"), name);
    assert_true(json_is_integer(value));
    json_int_t number = json_integer_value(value);
    json_decref(json);
    return number;
}

static void the_first_event_comes_at_once_and_then_one_a_second(void **state) {
    struct station *station = *state;
    struct seen *seen = &station->seen[0];
    get(station, "/v1/live", seen);
    assert_int_equal(seen->status, 200);
    assert_int_equal(seen->events, 1);
    for (int i = 0; i < 100; i++) pass(station, 100);
    assert_in_range(seen->events, 10, 11);
    stop(station);
    assert_true(seen->finished);
}

static void an_event_is_the_status_with_the_time_and_the_rate(void **state) {
    struct station *station = *state;
    get(station, "/v1/live", &station->seen[0]);
    pass(station, 1000);
    send_clicks(station, 0, 50);
    pass(station, 500);
    send_clicks(station, 50, 25);
    pass(station, 500);
    assert_int_equal(event_number(&station->seen[0], "clicks_per_second"), 75);
    pass(station, 2000); /* over two seconds, so half of it */
    send_clicks(station, 75, 30);
    pass(station, 2000);
    assert_int_equal(event_number(&station->seen[0], "clicks_per_second"), 15);
    assert_int_equal(event_number(&station->seen[0], "accepted"), 105);

    get(station, "/v1/status", &station->answer);
    json_t *status = json_loadb((const char *)station->answer.last.at, station->answer.last.len, 0, NULL);
    json_t *event = event_data(&station->seen[0]);
    const char *name;
    json_t *value;
    json_object_foreach(status, name, value) assert_non_null(json_object_get(event, name));
    assert_int_equal(json_object_size(event), json_object_size(status) + 2);
    const char *now = json_string_value(json_object_get(event, "now"));
    assert_memory_equal(now, "2023-11-14T22:13:26", 19);
    json_decref(event);
    json_decref(status);
    stop(station);
}

static void what_a_replay_reads_back_is_no_rate(void **state) {
    struct station *station = *state;
    send_clicks(station, 0, 1000);
    stop(station);
    node_close(station->node);
    open_node(station, true);
    get(station, "/v1/live", &station->seen[0]); /* it may be watched as it reads the journal */
    while (node_phase(station->node) == NODE_REPLAYING) pass(station, 700);
    for (int i = 0; i < 5; i++) {
        pass(station, 1000);
        assert_int_equal(event_number(&station->seen[0], "clicks_per_second"), 0);
    }
    assert_int_equal(event_number(&station->seen[0], "accepted"), 1000);
    stop(station);
}

static void one_who_left_is_forgotten(void **state) {
    struct station *station = *state;
    get(station, "/v1/live", &station->seen[0]);
    get(station, "/v1/live", &station->seen[1]);
    station->seen[0].gone = true;
    for (int i = 0; i < 5; i++) pass(station, 1000);
    assert_int_equal(station->seen[0].events, 1);
    assert_int_equal(station->seen[1].events, 6);
    stop(station);
}

static void one_too_many_is_told_and_finds_room_later(void **state) {
    struct station *station = *state;
    for (unsigned i = 0; i < 256; i++) {
        get(station, "/v1/live", &station->seen[i]);
        assert_int_equal(station->seen[i].status, 200);
    }
    get(station, "/v1/live", &station->seen[256]);
    assert_int_equal(station->seen[256].status, 503);
    assert_false(station->seen[256].streaming);
    station->seen[3].gone = true;
    pass(station, 1000);
    get(station, "/v1/live", &station->seen[256]);
    assert_int_equal(station->seen[256].status, 200);
    stop(station);
    for (unsigned i = 0; i <= 256; i++) assert_true(station->seen[i].finished);
}

static void a_failed_node_ends_what_is_watched(void **state) {
    struct station *station = *state;
    get(station, "/v1/live", &station->seen[0]);
    node_abandon(station->node, "the test says so");
    assert_true(station->seen[0].finished);
    get(station, "/v1/live", &station->seen[1]);
    assert_int_equal(station->seen[1].status, 503);
}

static void a_transport_without_streams_is_told(void **state) {
    struct station *station = *state;
    stop(station);
    node_close(station->node);
    open_node(station, false);
    get(station, "/v1/live", &station->seen[0]);
    assert_int_equal(station->seen[0].status, 501);
    while (node_phase(station->node) == NODE_REPLAYING) pass(station, 1);
    stop(station);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_first_event_comes_at_once_and_then_one_a_second),
        TEST(an_event_is_the_status_with_the_time_and_the_rate),
        TEST(what_a_replay_reads_back_is_no_rate),
        TEST(one_who_left_is_forgotten),
        TEST(one_too_many_is_told_and_finds_room_later),
        TEST(a_failed_node_ends_what_is_watched),
        TEST(a_transport_without_streams_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
