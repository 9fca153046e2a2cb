/* The HTTP edge with a toy handler and real sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "http/http.h"
#include "unit/http/bare_client.h"

/* --- the toy: /echo gives the body back; /again is fed in fits and starts; /refuse does not want the body; /file answers
 * from a file; /hold answers when the test says so. All but /refuse answer from the toy's own thread. --- */

enum toy_path { TOY_ECHO, TOY_AGAIN, TOY_REFUSE, TOY_FILE, TOY_HOLD };

struct toy_session {
    void *request;
    enum toy_path path;
    struct buffer body;
    unsigned feeds;
    bool resume; /* what the thread is to do: resume, or reply */
    struct toy_session *next;
};

struct toy {
    struct http_server *server;
    struct requests requests;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct toy_session *queue;
    bool hold, stop;
    unsigned aborts, ends, begun, freed;
    char last_query[64];
};

static void toy_push(struct toy *toy, struct toy_session *session, bool resume) {
    pthread_mutex_lock(&toy->lock);
    session->resume = resume;
    session->next = NULL;
    struct toy_session **last = &toy->queue;
    while (*last != NULL) last = &(*last)->next;
    *last = session;
    pthread_cond_broadcast(&toy->changed);
    pthread_mutex_unlock(&toy->lock);
}

static void toy_free(struct toy *toy, struct toy_session *session) {
    buffer_fini(&session->body);
    free(session);
    pthread_mutex_lock(&toy->lock);
    toy->freed++;
    pthread_cond_broadcast(&toy->changed);
    pthread_mutex_unlock(&toy->lock);
}

static void toy_reply(struct toy *toy, struct toy_session *session) {
    struct reply reply = {.http_status = 200, .content_type = "text/plain", .body_file = -1};
    if (session->path == TOY_FILE) {
        reply.body_file = memfd_create("reply", 0);
        assert_int_equal(write(reply.body_file, "from a file", 11), 11);
    } else {
        reply.body = session->body;
        session->body = (struct buffer){0};
    }
    toy->requests.reply(toy->requests.self, session->request, &reply);
    assert_null(reply.body.at);
    toy_free(toy, session);
}

static struct toy_session *toy_take(struct toy *toy) {
    pthread_mutex_lock(&toy->lock);
    struct toy_session **at = &toy->queue;
    for (;;) {
        at = &toy->queue;
        while (*at != NULL && toy->hold && (*at)->path == TOY_HOLD) at = &(*at)->next;
        if (*at != NULL || toy->stop) break;
        pthread_cond_wait(&toy->changed, &toy->lock);
    }
    struct toy_session *session = *at;
    if (session != NULL) *at = session->next;
    pthread_mutex_unlock(&toy->lock);
    return session;
}

static void *toy_main(void *self) {
    struct toy *toy = self;
    for (struct toy_session *session; (session = toy_take(toy)) != NULL;) {
        if (session->resume) {
            toy->requests.resume(toy->requests.self, session->request);
        } else {
            toy_reply(toy, session);
        }
    }
    return NULL;
}

static void toy_request(void *self, const struct request_head *head, void *request, void **session, bool *body_wanted) {
    static const char *const paths[] = {"/echo", "/again", "/refuse", "/file", "/hold"};
    struct toy *toy = self;
    enum toy_path path = TOY_ECHO;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        if (bytes_equal(head->path, bytes_of_text(paths[i]))) path = (enum toy_path)i;
    pthread_mutex_lock(&toy->lock);
    toy->begun++;
    pthread_cond_broadcast(&toy->changed);
    snprintf(toy->last_query, sizeof toy->last_query, "%.*s", (int)head->query.len, (const char *)head->query.at);
    pthread_mutex_unlock(&toy->lock);
    if (path == TOY_REFUSE) {
        struct reply reply = {.http_status = 415, .content_type = "text/plain", .body_file = -1};
        buffer_append_text(&reply.body, "not wanted");
        *body_wanted = false;
        toy->requests.reply(toy->requests.self, request, &reply);
        return;
    }
    struct toy_session *made = memory_allocate_zeroed(1, sizeof *made);
    made->request = request;
    made->path = path;
    *session = made;
    *body_wanted = true;
}

static enum status toy_feed(void *self, void *opaque, struct bytes bytes) {
    struct toy_session *session = opaque;
    if (session->path == TOY_AGAIN && session->feeds++ % 2 == 0) {
        toy_push(self, session, true);
        return STATUS_AGAIN;
    }
    buffer_append_bytes(&session->body, bytes);
    return STATUS_OK;
}

static void toy_end(void *self, void *opaque) {
    struct toy *toy = self;
    pthread_mutex_lock(&toy->lock);
    toy->ends++;
    pthread_mutex_unlock(&toy->lock);
    toy_push(toy, opaque, false);
}

static void toy_abort(void *self, void *opaque) {
    struct toy *toy = self;
    pthread_mutex_lock(&toy->lock);
    toy->aborts++;
    pthread_mutex_unlock(&toy->lock);
    toy_free(toy, opaque);
}

static int toy_setup(void **state) {
    struct toy *toy = memory_allocate_zeroed(1, sizeof *toy);
    pthread_mutex_init(&toy->lock, NULL);
    pthread_cond_init(&toy->changed, NULL);
    toy->server = http_create();
    toy->requests = http_requests(toy->server);
    struct http_handler handler = {
        .self = toy, .request = toy_request, .feed = toy_feed, .end = toy_end, .abort = toy_abort};
    struct http_options options = {
        .listen = "127.0.0.1:0", .threads = 2, .connections_max = 256, .idle_timeout_seconds = 60};
    struct failure failure = {.status = STATUS_OK};
    if (http_start(toy->server, &options, &handler, &failure) != STATUS_OK) {
        print_error("%s\n", failure.text);
        return -1;
    }
    pthread_create(&toy->thread, NULL, toy_main, toy);
    *state = toy;
    return 0;
}

static int toy_teardown(void **state) {
    struct toy *toy = *state;
    http_quiesce(toy->server);
    pthread_mutex_lock(&toy->lock);
    toy->stop = true;
    pthread_cond_broadcast(&toy->changed);
    pthread_mutex_unlock(&toy->lock);
    pthread_join(toy->thread, NULL);
    http_destroy(toy->server);
    pthread_mutex_destroy(&toy->lock);
    pthread_cond_destroy(&toy->changed);
    free(toy);
    return 0;
}

/* Waits for the toy, which changes only by what the server does; a hang is the test runner's to end. */
static void toy_wait(struct toy *toy, const unsigned *value, unsigned wanted) {
    pthread_mutex_lock(&toy->lock);
    while (*value < wanted) pthread_cond_wait(&toy->changed, &toy->lock);
    assert_int_equal(*value, wanted);
    pthread_mutex_unlock(&toy->lock);
}

static int client_try_connect(const struct toy *toy) {
    return bare_connect(http_url(toy->server));
}

static int client_connect(const struct toy *toy) {
    int fd = client_try_connect(toy);
    assert_true(fd >= 0);
    return fd;
}

static char *long_body(size_t len) {
    char *at = memory_allocate(len);
    for (size_t i = 0; i < len; i++) at[i] = (char)('a' + i * 7 % 26);
    return at;
}

/* --- tests --- */

static void a_connection_serves_many_requests(void **state) {
    struct toy *toy = *state;
    int fd = client_connect(toy);
    for (int i = 0; i < 50; i++) {
        client_post(fd, "/echo?i=%41", "", "hello", 5);
        expect_answer(fd, 200, "hello", 5);
    }
    assert_string_equal(toy->last_query, "i=%41");
    client_send_text(fd, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
    struct answer answer = client_read(fd, true);
    assert_int_equal(answer.status, 200);
    assert_int_equal(answer.body.len, 0);
    assert_non_null(strstr(answer.head, "Cache-Control: no-store\r\n"));
    assert_null(strstr(answer.head, "Date:"));
    assert_null(strstr(answer.head, "Server:"));
    buffer_fini(&answer.body);
    close(fd);
    assert_true(http_cpu_seconds(toy->server) > 0);
}

static void a_long_body_arrives_whole(void **state) {
    struct toy *toy = *state;
    size_t len = 3 * 1024 * 1024 + 17;
    char *body = long_body(len);
    const char *const paths[] = {"/echo", "/again"}; /* the second: after many resumes */
    for (size_t i = 0; i < 2; i++) {
        int fd = client_connect(toy);
        client_post(fd, paths[i], "", body, len);
        expect_answer(fd, 200, body, len);
        close(fd);
    }
    free(body);
}

static void a_request_cut_into_single_bytes_is_the_same(void **state) {
    struct toy *toy = *state;
    int fd = client_connect(toy);
    static const char text[] = "POST /again HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\nhello\nworld";
    for (size_t i = 0; i + 1 < sizeof text; i++) client_send(fd, text + i, 1);
    expect_answer(fd, 200, "hello\nworld", 11);
    close(fd);
}

static void a_chunked_body_is_the_same(void **state) {
    struct toy *toy = *state;
    int fd = client_connect(toy);
    client_send_text(fd, "POST /again HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                         "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n");
    expect_answer(fd, 200, "hello world", 11);
    close(fd);
}

static void pipelined_requests_are_answered_in_order(void **state) {
    struct toy *toy = *state;
    int fd = client_connect(toy);
    struct buffer all = {0};
    for (int i = 0; i < 20; i++)
        buffer_printf(&all, "POST /%s HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n%02d", i % 3 == 0 ? "again" : "echo",
                      i);
    client_send(fd, all.at, all.len);
    buffer_fini(&all);
    for (int i = 0; i < 20; i++) {
        char expected[12];
        snprintf(expected, sizeof expected, "%02d", i);
        expect_answer(fd, 200, expected, 2);
    }
    close(fd);
}

static void an_early_refusal_reads_the_body_away_and_keeps_the_connection(void **state) {
    struct toy *toy = *state;
    int fd = client_connect(toy);
    size_t len = 5 * 1024 * 1024;
    char *body = long_body(len);
    for (int i = 0; i < 3; i++) {
        client_post(fd, "/refuse", "", body, len);
        expect_answer(fd, 415, "not wanted", 10);
    }
    client_post(fd, "/echo", "", "x", 1);
    expect_answer(fd, 200, "x", 1);
    free(body);
    close(fd);
}

static void a_peer_that_expects_100_continue_is_told_at_once(void **state) {
    struct toy *toy = *state;
    int fd = client_connect(toy);
    client_send_text(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    expect_answer(fd, 100, "", 0);
    client_send_text(fd, "ok");
    expect_answer(fd, 200, "ok", 2);
    client_send_text(fd, "POST /refuse HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    expect_answer(fd, 415, "not wanted", 10);
    close(fd);
}

static void a_body_too_long_to_drain_is_refused_at_once(void **state) {
    struct toy *toy = *state;
    int fd = client_connect(toy);
    client_send_text(fd, "POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n");
    expect_answer(fd, 415, "not wanted", 10);
    close(fd);
}

static void a_body_that_stops_half_way_is_aborted_once(void **state) {
    struct toy *toy = *state;
    for (unsigned i = 1; i <= 10; i++) {
        int fd = client_connect(toy);
        client_send_text(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf");
        toy_wait(toy, &toy->begun, i);
        if (i % 2 == 0) {
            shutdown(fd, SHUT_WR);
            char byte;
            assert_true(recv(fd, &byte, 1, 0) <= 0); /* no answer, the connection ends */
        }
        close(fd);
        toy_wait(toy, &toy->freed, i);
    }
    assert_int_equal(toy->aborts, 10);
    assert_int_equal(toy->ends, 0);
}

static void a_broken_chunk_is_aborted(void **state) {
    struct toy *toy = *state;
    int fd = client_connect(toy);
    client_send_text(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nnot hex\r\n");
    struct answer answer = client_read(fd, true);
    assert_int_equal(answer.status, 400);
    buffer_fini(&answer.body);
    close(fd);
    toy_wait(toy, &toy->freed, 1);
    assert_int_equal(toy->aborts, 1);
}

static void a_reply_after_the_peer_is_gone_is_dropped(void **state) {
    struct toy *toy = *state;
    toy->hold = true;
    for (int i = 0; i < 20; i++) {
        int fd = client_connect(toy);
        client_post(fd, "/hold", "", "gone", 4);
        struct linger reset = {.l_onoff = 1, .l_linger = 0};
        if (i % 2 == 0) setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        toy_wait(toy, &toy->begun, (unsigned)i + 1);
        close(fd);
    }
    pthread_mutex_lock(&toy->lock);
    toy->hold = false;
    pthread_cond_broadcast(&toy->changed);
    pthread_mutex_unlock(&toy->lock);
    toy_wait(toy, &toy->freed, 20);
    int fd = client_connect(toy);
    client_post(fd, "/hold", "", "here", 4);
    expect_answer(fd, 200, "here", 4);
    close(fd);
}

static void a_head_is_a_get_without_its_body(void **state) {
    struct toy *toy = *state;
    int fd = client_connect(toy);
    client_send_text(fd, "HEAD /file HTTP/1.1\r\nHost: x\r\n\r\nGET /file HTTP/1.1\r\nHost: x\r\n\r\n");
    struct answer answer = client_read(fd, false);
    assert_int_equal(answer.status, 200);
    assert_non_null(strstr(answer.head, "Content-Length: 11\r\n"));
    buffer_fini(&answer.body);
    expect_answer(fd, 200, "from a file", 11);
    close(fd);
}

static void *one_client(void *self) {
    const struct toy *toy = self;
    int fd = client_connect(toy);
    for (int i = 0; i < 60; i++) {
        char body[32];
        int len = snprintf(body, sizeof body, "%d of %d", i, fd);
        client_post(fd, i % 2 == 0 ? "/echo" : "/again", "", body, (size_t)len);
        expect_answer(fd, 200, body, (size_t)len);
    }
    close(fd);
    return NULL;
}

static void many_connections_are_answered_at_the_same_time(void **state) {
    pthread_t clients[32];
    for (size_t i = 0; i < 32; i++) pthread_create(&clients[i], NULL, one_client, *state);
    for (size_t i = 0; i < 32; i++) pthread_join(clients[i], NULL);
}

static void a_stopped_server_aborts_what_is_half_read(void **state) {
    assert_int_equal(toy_setup(state), 0);
    struct toy *toy = *state;
    int fd = client_connect(toy);
    client_post(fd, "/echo", "", "x", 1);
    expect_answer(fd, 200, "x", 1);
    http_quiesce(toy->server);
    client_send_text(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf");
    int late = client_try_connect(toy);
    assert_int_equal(late, -1);
    toy_teardown(state);
    close(fd);
}

static enum status try_listen(const char *listen, struct failure *failure) {
    struct http_server *server = http_create();
    struct http_handler handler = {0};
    struct http_options options = {.listen = listen, .threads = 1, .connections_max = 8, .idle_timeout_seconds = 1};
    *failure = (struct failure){.status = STATUS_OK};
    enum status status = http_start(server, &options, &handler, failure);
    http_destroy(server);
    return status;
}

static void a_listen_address_that_cannot_be_read_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",      "127.0.0.1", "127.0.0.1:", ":8080",     "127.0.0.1:65536", "127.0.0.1:x", "::1:8080",
        "[::1]", "[::1",      "[]:80",      "[::1]8080", "a:80 ",           "a:-1",        "a:999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct failure failure;
        assert_int_equal(try_listen(bad[i], &failure), STATUS_BAD_CONFIG);
        assert_non_null(strstr(failure.text, "listen address"));
    }
}

static void a_port_in_use_is_named_with_what_to_do(void **state) {
    struct toy *toy = *state;
    struct failure failure;
    assert_int_equal(try_listen(http_url(toy->server) + strlen("http://"), &failure), STATUS_IO_ERROR);
    assert_non_null(strstr(failure.text, strrchr(http_url(toy->server), ':') + 1));
    assert_non_null(strstr(failure.text, "in use"));
    assert_non_null(strstr(failure.text, "--listen"));
}

static void any_free_port_is_named_in_the_url(void **state) {
    (void)state;
    static const struct {
        const char *listen, *url;
    } cases[] = {
        {"127.0.0.1:0", "http://127.0.0.1:"}, {"0.0.0.0:0", "http://127.0.0.1:"}, {"localhost:0", "http://localhost:"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_server *server = http_create();
        struct http_handler handler = {0};
        struct http_options options = {.listen = cases[i].listen, .threads = 1, .connections_max = 8};
        struct failure failure = {.status = STATUS_OK};
        assert_int_equal(http_start(server, &options, &handler, &failure), STATUS_OK);
        assert_memory_equal(http_url(server), cases[i].url, strlen(cases[i].url));
        assert_true(atoi(strrchr(http_url(server), ':') + 1) > 0);
        http_destroy(server);
    }
}

#define WITH_TOY(name) cmocka_unit_test_setup_teardown(name, toy_setup, toy_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_TOY(a_connection_serves_many_requests),
        WITH_TOY(a_long_body_arrives_whole),
        WITH_TOY(a_request_cut_into_single_bytes_is_the_same),
        WITH_TOY(a_chunked_body_is_the_same),
        WITH_TOY(pipelined_requests_are_answered_in_order),
        WITH_TOY(an_early_refusal_reads_the_body_away_and_keeps_the_connection),
        WITH_TOY(a_peer_that_expects_100_continue_is_told_at_once),
        WITH_TOY(a_body_too_long_to_drain_is_refused_at_once),
        WITH_TOY(a_body_that_stops_half_way_is_aborted_once),
        WITH_TOY(a_broken_chunk_is_aborted),
        WITH_TOY(a_reply_after_the_peer_is_gone_is_dropped),
        WITH_TOY(a_head_is_a_get_without_its_body),
        WITH_TOY(many_connections_are_answered_at_the_same_time),
        cmocka_unit_test(a_stopped_server_aborts_what_is_half_read),
        cmocka_unit_test(a_listen_address_that_cannot_be_read_is_refused),
        WITH_TOY(a_port_in_use_is_named_with_what_to_do),
        cmocka_unit_test(any_free_port_is_named_in_the_url),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
