#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/sender.h"

/* A server that takes one connection at a time and plays a script: the n-th request gets the n-th answer. */
struct script_step {
    const char *answer; /* NULL: close the connection without a word, after the request was read */
};

struct scripted_server {
    int listen_fd;
    char url[64];
    const struct script_step *steps;
    size_t step_count, played;
    struct buffer bodies; /* of all requests, each ended by '|' */
    bool expect_seen;
    pthread_t thread;
};

/* Reads one request; false when the peer closed. */
static bool read_request(struct scripted_server *server, int fd) {
    struct buffer request = {0};
    size_t wanted = SIZE_MAX, head = 0;
    while (request.len < wanted) {
        ssize_t got = read(fd, buffer_reserve(&request, 4096), 4095);
        if (got <= 0) break;
        request.len += (size_t)got;
        request.at[request.len] = '\0';
        char *end = strstr((char *)request.at, "\r\n\r\n");
        if (end == NULL || wanted != SIZE_MAX) continue;
        head = (size_t)(end - (char *)request.at) + 4;
        const char *length = strcasestr((char *)request.at, "content-length:");
        wanted = head + (length != NULL ? strtoul(length + 15, NULL, 10) : 0);
        server->expect_seen |= strcasestr((char *)request.at, "\r\nexpect:") != NULL;
    }
    bool whole = wanted != SIZE_MAX && request.len == wanted;
    if (whole) {
        buffer_append(&server->bodies, request.at + head, wanted - head);
        buffer_append(&server->bodies, "|", 1);
    }
    buffer_fini(&request);
    return whole;
}

static void *play(void *self) {
    struct scripted_server *server = self;
    while (server->played < server->step_count) {
        int fd = accept(server->listen_fd, NULL, NULL);
        assert_true(fd >= 0);
        while (server->played < server->step_count && read_request(server, fd)) {
            const struct script_step *step = &server->steps[server->played++];
            if (step->answer == NULL) break;
            assert_int_equal(write(fd, step->answer, strlen(step->answer)), strlen(step->answer));
        }
        close(fd);
    }
    return NULL;
}

static void start(struct scripted_server *server, const struct script_step *steps, size_t count) {
    *server = (struct scripted_server){.steps = steps, .step_count = count};
    server->listen_fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    assert_int_equal(bind(server->listen_fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(server->listen_fd, 10), 0);
    assert_int_equal(getsockname(server->listen_fd, (struct sockaddr *)&address, &len), 0);
    snprintf(server->url, sizeof server->url, "http://127.0.0.1:%d/", ntohs(address.sin_port));
    assert_int_equal(pthread_create(&server->thread, NULL, play, server), 0);
}

static void finish(struct scripted_server *server) {
    pthread_join(server->thread, NULL);
    close(server->listen_fd);
    buffer_fini(&server->bodies);
}

/* Batches "1\n2\n", "3\n4\n", ... */
struct counting_source {
    int made, batches;
    bool fails_at_end; /* instead of ending */
};

static enum status next_batch(void *self, struct sender_batch *batch, struct sender_pause *pause, struct failure *failure) {
    (void)pause;
    struct counting_source *source = self;
    if (source->made == source->batches && source->fails_at_end) {
        return failure_set(failure, STATUS_BAD_INPUT, "the file is damaged");
    }
    if (source->made == source->batches) return STATUS_END;
    buffer_clear(&batch->body);
    buffer_printf(&batch->body, "%d\n%d\n", source->made * 2 + 1, source->made * 2 + 2);
    batch->content_type = SENDER_NDJSON;
    batch->file = "clicks.ndjson";
    batch->first_line = (uint64_t)source->made * 2 + 1;
    batch->line_count = 2;
    source->made++;
    return STATUS_OK;
}

struct seen {
    unsigned rejects, acks, waits;
    uint64_t line;
    char code[32], text[32], counted_code[32];
    uint64_t counted;
};

static void see_reject(void *self, const struct sender_reject *reject) {
    struct seen *seen = self;
    seen->rejects++;
    seen->line = reject->line;
    snprintf(seen->code, sizeof seen->code, "%s", reject->code);
    snprintf(seen->text, sizeof seen->text, "%.*s", (int)reject->text.len, (const char *)reject->text.at);
}

static void see_rejected_by(void *self, const char *code, uint64_t count) {
    struct seen *seen = self;
    snprintf(seen->counted_code, sizeof seen->counted_code, "%s", code);
    seen->counted += count;
}

static void see_ack(void *self, const struct sender_batch *batch, int64_t took_us) {
    struct seen *seen = self;
    assert_int_equal(batch->line_count, 2);
    assert_true(took_us >= 0);
    seen->acks++;
}

static void see_wait(void *self, const char *reason) {
    struct seen *seen = self;
    assert_true(strlen(reason) > 0);
    seen->waits++;
}

/* Sends `batches` one at a time to the URL. */
static enum status send_batches(const char *url, int batches, int64_t give_up_ms, struct sender_totals *totals,
                                struct seen *seen, struct failure *failure) {
    struct counting_source counting = {.batches = batches};
    const struct sender_source source = {.self = &counting, .next = next_batch};
    const struct sender_observer observer = {
        .self = seen, .rejected = see_reject, .rejected_by = see_rejected_by, .acknowledged = see_ack, .waiting = see_wait};
    const struct sender_options options = {.url = url, .connections = 1, .give_up_ms = give_up_ms};
    struct sender *sender = sender_create(&options, &source, &observer);
    enum status status;
    while ((status = sender_step(sender, 1000, failure)) == STATUS_OK) {
    }
    *totals = *sender_totals(sender);
    sender_destroy(sender);
    return status;
}

#define ANSWER(status, more, body_len, body)                                                                                \
    "HTTP/1.1 " status "\r\nContent-Type: application/json\r\n" more "Content-Length: " body_len "\r\n\r\n" body
#define GOOD ANSWER("200 OK", "", "42", "{\"received\":2,\"accepted\":2,\"rejected\":0}  ")
#define ONE_BAD                                                                                                             \
    ANSWER("400 Bad Request", "", "125",                                                                                    \
           "{\"received\":2,\"accepted\":1,\"rejected\":1,\"errors\":[{\"line\":2,\"code\":\"bad_ip\",\"detail\":\"x\"}],"  \
           "\"errors_by_code\":{\"bad_ip\":5}}    ")

static void every_batch_is_counted_once(void **state) {
    (void)state;
    static const struct script_step steps[] = {{GOOD}, {GOOD}, {GOOD}};
    struct scripted_server server;
    struct sender_totals totals;
    struct seen seen = {0};
    struct failure failure = {0};
    start(&server, steps, 3);
    assert_int_equal(send_batches(server.url, 3, 10000, &totals, &seen, &failure), STATUS_END);
    pthread_join(server.thread, NULL);
    assert_int_equal(totals.received, 6);
    assert_int_equal(totals.accepted, 6);
    assert_int_equal(totals.retries, 0);
    assert_int_equal(seen.acks, 3);
    assert_false(server.expect_seen);
    assert_true(bytes_equal(buffer_view(&server.bodies), BYTES_LITERAL("1\n2\n|3\n4\n|5\n6\n|")));
    close(server.listen_fd);
    buffer_fini(&server.bodies);
}

static void a_batch_is_sent_again_whole_and_only_its_last_answer_counts(void **state) {
    (void)state;
    static const struct script_step steps[] = {
        {ANSWER("503 Service Unavailable", "Retry-After: 1\r\n", "2", "{}")},
        {ANSWER("429 Too Many Requests", "", "2", "{}")},
        {NULL},
        {ANSWER("500 Internal Server Error", "", "0", "")},
        {GOOD},
        {GOOD},
    };
    struct scripted_server server;
    struct sender_totals totals;
    struct seen seen = {0};
    struct failure failure = {0};
    start(&server, steps, 6);
    assert_int_equal(send_batches(server.url, 2, 30000, &totals, &seen, &failure), STATUS_END);
    pthread_join(server.thread, NULL);
    assert_int_equal(totals.received, 4);
    assert_int_equal(totals.accepted, 4);
    assert_in_range(totals.retries, 3, 4); /* libcurl may itself go on after a connection that was closed */
    assert_int_equal(seen.waits, 1);
    assert_memory_equal(server.bodies.at, "1\n2\n|1\n2\n|1\n2\n|1\n2\n|1\n2\n|3\n4\n|", server.bodies.len);
    close(server.listen_fd);
    buffer_fini(&server.bodies);
}

static void rejected_lines_are_told_by_their_number_in_the_file(void **state) {
    (void)state;
    static const struct script_step steps[] = {{GOOD}, {ONE_BAD}, {GOOD}};
    struct scripted_server server;
    struct sender_totals totals;
    struct seen seen = {0};
    struct failure failure = {0};
    start(&server, steps, 3);
    assert_int_equal(send_batches(server.url, 3, 10000, &totals, &seen, &failure), STATUS_END);
    assert_int_equal(totals.received, 6);
    assert_int_equal(totals.accepted, 5);
    assert_int_equal(totals.rejected, 1);
    assert_int_equal(totals.retries, 0);
    assert_int_equal(seen.rejects, 1);
    assert_int_equal(seen.line, 4);
    assert_string_equal(seen.code, "bad_ip");
    assert_string_equal(seen.text, "4");
    assert_string_equal(seen.counted_code, "bad_ip");
    assert_int_equal(seen.counted, 5);
    finish(&server);
}

/* Even when they have to be sent again. */
static void what_a_source_gave_before_it_failed_is_sent_to_its_end(void **state) {
    (void)state;
    static const struct script_step steps[] = {{GOOD}, {ANSWER("503 Service Unavailable", "", "2", "{}")}, {GOOD}};
    struct scripted_server server;
    start(&server, steps, 3);
    struct counting_source counting = {.batches = 2, .fails_at_end = true};
    const struct sender_source source = {.self = &counting, .next = next_batch};
    const struct sender_observer observer = {0};
    const struct sender_options options = {.url = server.url, .connections = 1, .give_up_ms = 10000};
    struct sender *sender = sender_create(&options, &source, &observer);
    struct failure failure = {0};
    enum status status;
    while ((status = sender_step(sender, 1000, &failure)) == STATUS_OK) {
    }
    assert_int_equal(status, STATUS_BAD_INPUT);
    assert_string_equal(failure.text, "the file is damaged");
    assert_int_equal(sender_totals(sender)->accepted, 4);
    sender_destroy(sender);
    finish(&server);
}

static void an_answer_about_the_request_itself_is_final(void **state) {
    (void)state;
    static const struct script_step steps[] = {{ANSWER("404 Not Found", "", "24", "{\"title\":\"No such path\"}")}};
    struct scripted_server server;
    struct sender_totals totals;
    struct seen seen = {0};
    struct failure failure = {0};
    start(&server, steps, 1);
    assert_int_equal(send_batches(server.url, 5, 10000, &totals, &seen, &failure), STATUS_NOT_FOUND);
    assert_int_equal(totals.received, 0);
    assert_non_null(strstr(failure.text, "No such path"));
    finish(&server);
}

static void numbers_that_cannot_be_are_a_failure(void **state) {
    (void)state;
    static const struct script_step steps[] = {
        {ANSWER("200 OK", "", "42", "{\"received\":9,\"accepted\":9,\"rejected\":0}  ")}};
    struct scripted_server server;
    struct sender_totals totals;
    struct seen seen = {0};
    struct failure failure = {0};
    start(&server, steps, 1);
    assert_int_equal(send_batches(server.url, 1, 10000, &totals, &seen, &failure), STATUS_IO_ERROR);
    assert_non_null(strstr(failure.text, "cannot be"));
    assert_int_equal(totals.received, 0);
    finish(&server);
}

static void a_server_that_is_down_is_given_up_with_the_reason(void **state) {
    (void)state;
    struct sender_totals totals;
    struct seen seen = {0};
    struct failure failure = {0};
    assert_int_equal(send_batches("http://127.0.0.1:1", 1, 200, &totals, &seen, &failure), STATUS_IO_ERROR);
    assert_int_equal(seen.waits, 1);
    assert_non_null(strstr(failure.text, "Connection refused"));
    assert_non_null(strstr(failure.text, "tally serve"));
    assert_non_null(strstr(failure.text, "http://127.0.0.1:1"));
}

static void nothing_to_send_is_done_at_once(void **state) {
    (void)state;
    struct sender_totals totals;
    struct seen seen = {0};
    struct failure failure = {0};
    assert_int_equal(send_batches("http://127.0.0.1:1", 0, 1000, &totals, &seen, &failure), STATUS_END);
    assert_int_equal(totals.batches, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_batch_is_counted_once),
        cmocka_unit_test(a_batch_is_sent_again_whole_and_only_its_last_answer_counts),
        cmocka_unit_test(rejected_lines_are_told_by_their_number_in_the_file),
        cmocka_unit_test(what_a_source_gave_before_it_failed_is_sent_to_its_end),
        cmocka_unit_test(an_answer_about_the_request_itself_is_final),
        cmocka_unit_test(numbers_that_cannot_be_are_a_failure),
        cmocka_unit_test(a_server_that_is_down_is_given_up_with_the_reason),
        cmocka_unit_test(nothing_to_send_is_done_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
