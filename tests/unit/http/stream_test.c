/* Answers that go on: /watch is a stream to which the test pushes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/check.h"
#include "http/http.h"
#include "unit/http/bare_client.h"

enum { WATCHERS_MAX = 64 };

struct station {
    struct http_server *server;
    struct requests requests;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    void *watchers[WATCHERS_MAX];
    unsigned count;
};

static void station_request(void *self, const struct request_head *head, void *request, void **session, bool *body_wanted) {
    struct station *station = self;
    *session = NULL;
    *body_wanted = false;
    if (!bytes_equal(head->path, BYTES_LITERAL("/watch"))) {
        struct reply reply = {.http_status = 200, .content_type = "text/plain", .body_file = -1};
        buffer_append_text(&reply.body, "ok");
        station->requests.reply(station->requests.self, request, &reply);
        return;
    }
    station->requests.stream(station->requests.self, request, "text/event-stream");
    assert_int_equal(station->requests.push(station->requests.self, request, BYTES_LITERAL("first\n")), STATUS_OK);
    pthread_mutex_lock(&station->lock);
    station->watchers[station->count++] = request;
    pthread_cond_broadcast(&station->changed);
    pthread_mutex_unlock(&station->lock);
}

static enum status no_feed(void *self, void *session, struct bytes bytes) {
    (void)self, (void)session, (void)bytes;
    CHECK_FAIL("no body was wanted");
}

static void no_end(void *self, void *session) {
    (void)self, (void)session;
    CHECK_FAIL("no body was wanted");
}

static int setup(void **state) {
    struct station *station = memory_allocate_zeroed(1, sizeof *station);
    pthread_mutex_init(&station->lock, NULL);
    pthread_cond_init(&station->changed, NULL);
    station->server = http_create();
    station->requests = http_requests(station->server);
    struct http_handler handler = {
        .self = station, .request = station_request, .feed = no_feed, .end = no_end, .abort = no_end};
    struct http_options options = {
        .listen = "127.0.0.1:0", .threads = 2, .connections_max = 128, .idle_timeout_seconds = 60};
    struct failure failure = {.status = STATUS_OK};
    assert_int_equal(http_start(station->server, &options, &handler, &failure), STATUS_OK);
    *state = station;
    return 0;
}

static int teardown(void **state) {
    struct station *station = *state;
    http_destroy(station->server);
    pthread_cond_destroy(&station->changed);
    pthread_mutex_destroy(&station->lock);
    free(station);
    return 0;
}

static void *await_watcher(struct station *station, unsigned index) {
    pthread_mutex_lock(&station->lock);
    while (station->count <= index) pthread_cond_wait(&station->changed, &station->lock);
    void *request = station->watchers[index];
    pthread_mutex_unlock(&station->lock);
    return request;
}

static enum status push(struct station *station, void *request, const char *text) {
    return station->requests.push(station->requests.self, request, bytes_of_text(text));
}

static void finish(struct station *station, void *request) {
    station->requests.finish(station->requests.self, request);
}

static int watch(const struct station *station) {
    int fd = bare_connect(http_url(station->server));
    assert_true(fd >= 0);
    client_send_text(fd, "GET /watch HTTP/1.1\r\nHost: x\r\n\r\n");
    return fd;
}

/* The next chunk of a chunked body; empty at its end. */
static void expect_chunk(int fd, const char *expected) {
    char size[16] = {0}, text[256] = {0};
    for (size_t i = 0; i < sizeof size - 1 && (i < 2 || size[i - 1] != '\n'); i++)
        assert_int_equal(recv(fd, size + i, 1, 0), 1);
    size_t len = strtoul(size, NULL, 16);
    assert_int_equal(len, strlen(expected));
    assert_int_equal(recv(fd, text, len + 2, MSG_WAITALL), len + 2);
    assert_memory_equal(text, expected, len);
}

static void expect_stream_head(int fd) {
    struct answer answer = client_read(fd, false);
    assert_int_equal(answer.status, 200);
    assert_non_null(strstr(answer.head, "Content-Type: text/event-stream\r\n"));
    assert_non_null(strstr(answer.head, "Cache-Control: no-store\r\n"));
    assert_non_null(strstr(answer.head, "X-Accel-Buffering: no\r\n"));
    assert_non_null(strstr(answer.head, "Transfer-Encoding: chunked\r\n"));
    buffer_fini(&answer.body);
}

static void what_is_pushed_arrives_until_the_end(void **state) {
    struct station *station = *state;
    int fd = watch(station);
    expect_stream_head(fd);
    expect_chunk(fd, "first\n");
    void *request = await_watcher(station, 0);
    for (int i = 0; i < 20; i++) {
        char text[32];
        snprintf(text, sizeof text, "event %d\n", i);
        assert_int_equal(push(station, request, text), STATUS_OK);
        expect_chunk(fd, text);
    }
    finish(station, request);
    expect_chunk(fd, "");
    client_send_text(fd, "GET /other HTTP/1.1\r\nHost: x\r\n\r\n"); /* the connection is kept */
    expect_answer(fd, 200, "ok", 2);
    close(fd);
}

static void what_was_pushed_before_the_end_is_sent(void **state) {
    struct station *station = *state;
    int fd = watch(station);
    void *request = await_watcher(station, 0);
    for (int i = 0; i < 100; i++) assert_int_equal(push(station, request, "0123456789"), STATUS_OK);
    finish(station, request);
    expect_stream_head(fd);
    size_t sum = 0;
    char byte;
    while (recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) != 0 && sum < 1006) {
        char size[16] = {0};
        for (size_t i = 0; i < sizeof size - 1 && (i < 2 || size[i - 1] != '\n'); i++)
            assert_int_equal(recv(fd, size + i, 1, 0), 1);
        size_t len = strtoul(size, NULL, 16);
        for (size_t i = 0; i < len + 2; i++) assert_int_equal(recv(fd, &byte, 1, 0), 1);
        sum += len;
    }
    assert_int_equal(sum, 6 + 1000);
    expect_chunk(fd, "");
    close(fd);
}

static void a_watcher_that_left_is_told_to_the_node(void **state) {
    struct station *station = *state;
    int fd = watch(station);
    void *request = await_watcher(station, 0);
    expect_stream_head(fd);
    close(fd);
    while (push(station, request, "is anybody there?\n") == STATUS_OK)
        continue; /* the first may still be taken by the kernel */
}

static void a_watcher_that_left_may_be_finished(void **state) {
    struct station *station = *state;
    for (unsigned i = 0; i < 20; i++) {
        int fd = watch(station);
        void *request = await_watcher(station, i);
        close(fd);
        if (i % 2 == 0 || push(station, request, "x") == STATUS_OK) finish(station, request);
    }
}

static void a_watcher_that_never_reads_is_cut_and_the_others_are_not(void **state) {
    struct station *station = *state;
    int slow = watch(station);
    void *slow_request = await_watcher(station, 0);
    int good = watch(station);
    void *good_request = await_watcher(station, 1);
    expect_stream_head(good);
    expect_chunk(good, "first\n");

    static char filler[64 * 1024];
    memset(filler, 'x', sizeof filler - 1);
    size_t pushed = 0;
    while (push(station, slow_request, filler) == STATUS_OK) {
        pushed += sizeof filler;
        assert_true(pushed < 100 * 1024 * 1024);
        assert_int_equal(push(station, good_request, "go on\n"), STATUS_OK);
        expect_chunk(good, "go on\n");
    }
    assert_int_equal(http_counters(station->server).cut_not_reading, 1);
    assert_int_equal(push(station, good_request, "still here\n"), STATUS_OK);
    expect_chunk(good, "still here\n");
    finish(station, good_request);
    close(slow);
    close(good);
}

static void a_head_begins_no_stream(void **state) {
    struct station *station = *state;
    int fd = bare_connect(http_url(station->server));
    client_send_text(fd, "HEAD /watch HTTP/1.1\r\nHost: x\r\n\r\nGET /other HTTP/1.1\r\nHost: x\r\n\r\n");
    void *request = await_watcher(station, 0);
    struct answer answer = client_read(fd, false);
    assert_int_equal(answer.status, 200);
    assert_non_null(strstr(answer.head, "Content-Type: text/event-stream\r\n"));
    buffer_fini(&answer.body);
    expect_answer(fd, 200, "ok", 2);
    assert_int_equal(push(station, request, "nobody\n"), STATUS_END);
    close(fd);
}

static void *push_many(void *self) {
    struct station *station = self;
    for (unsigned i = 0; i < 16; i++) (void)await_watcher(station, i);
    for (int round = 0; round < 200; round++)
        for (unsigned i = 0; i < 16; i++) assert_int_equal(push(station, station->watchers[i], "tick\n"), STATUS_OK);
    for (unsigned i = 0; i < 16; i++) finish(station, station->watchers[i]);
    return NULL;
}

static void many_watch_at_the_same_time(void **state) {
    struct station *station = *state;
    pthread_t pusher;
    int fds[16];
    pthread_create(&pusher, NULL, push_many, station);
    for (unsigned i = 0; i < 16; i++) fds[i] = watch(station);
    for (unsigned i = 0; i < 16; i++) {
        expect_stream_head(fds[i]);
        size_t ticks = 0;
        char last = 0, byte;
        /* Up to the last chunk, "0\r\n\r\n". */
        for (char tail[5] = {0}; memcmp(tail, "0\r\n\r\n", 5) != 0; last = byte) {
            assert_int_equal(recv(fds[i], &byte, 1, 0), 1);
            memmove(tail, tail + 1, 4);
            tail[4] = byte;
            ticks += byte == 'k' && last == 'c';
        }
        assert_int_equal(ticks, 200);
        close(fds[i]);
    }
    pthread_join(pusher, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_is_pushed_arrives_until_the_end),
        TEST(what_was_pushed_before_the_end_is_sent),
        TEST(a_watcher_that_left_is_told_to_the_node),
        TEST(a_watcher_that_left_may_be_finished),
        TEST(a_watcher_that_never_reads_is_cut_and_the_others_are_not),
        TEST(a_head_begins_no_stream),
        TEST(many_watch_at_the_same_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
