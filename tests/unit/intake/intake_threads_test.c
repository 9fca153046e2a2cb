/* Sessions fed from several threads while another commits: the race between the last commit and the end of a body, and
 * between a resume and an abort. Worth most under ThreadSanitizer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "intake/intake.h"

enum { FEEDERS = 3, ROUNDS = 40, FEEDS_A_ROUND = 12, CLICKS_A_FEED = 2048, FAKE_PARTITIONS = 3 };
#define FAKE_NOW ((struct wall_time){1700000000000})

struct writer {
    struct intake_context context;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct intake_batch *queue;
    bool go, stop;
    unsigned submits;
    atomic_uint waits;
    uint64_t clicks;
};

/* What the transport knows of one request. */
struct feeder_request {
    struct writer *writer;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool resumed, answered;
    uint64_t accepted;
};

static void writer_submit(void *self, struct intake_batch *batch) {
    struct writer *writer = self;
    pthread_mutex_lock(&writer->lock);
    batch->next = writer->queue;
    writer->queue = batch;
    if (writer->submits++ % 64 == 63) writer->go = true; /* a slow writer: else it waits until a feeder is stuck or done */
    pthread_cond_signal(&writer->changed);
    pthread_mutex_unlock(&writer->lock);
}

static void writer_go(struct writer *writer) {
    pthread_mutex_lock(&writer->lock);
    writer->go = true;
    pthread_cond_signal(&writer->changed);
    pthread_mutex_unlock(&writer->lock);
}

static void *writer_main(void *self) {
    struct writer *writer = self;
    for (;;) {
        pthread_mutex_lock(&writer->lock);
        while ((writer->queue == NULL || !writer->go) && !writer->stop) pthread_cond_wait(&writer->changed, &writer->lock);
        struct intake_batch *batch = writer->queue;
        writer->queue = NULL;
        writer->go = false;
        pthread_mutex_unlock(&writer->lock);
        if (batch == NULL) return NULL;
        while (batch != NULL) { /* the newest first */
            struct intake_batch *next = batch->next;
            writer->clicks += batch->click_count;
            intake_batch_committed(batch, STATUS_OK);
            batch = next;
        }
    }
}

static void writer_finished(void *self, struct intake_session *session) {
    (void)self;
    struct feeder_request *request = intake_request(session);
    struct reply reply;
    intake_take_reply(session, &reply);
    intake_destroy(session);
    CHECK(reply.http_status == 200);
    unsigned long long received = 0, accepted = 0;
    buffer_append(&reply.body, "", 1);
    CHECK(sscanf((const char *)reply.body.at, "{\"received\":%llu,\"accepted\":%llu", &received, &accepted) == 2);
    buffer_fini(&reply.body);
    pthread_mutex_lock(&request->lock);
    request->answered = true;
    request->accepted = accepted;
    pthread_cond_signal(&request->changed);
    pthread_mutex_unlock(&request->lock);
}

static void writer_resume(void *self, struct intake_session *session) {
    (void)self;
    struct feeder_request *request = intake_request(session);
    pthread_mutex_lock(&request->lock);
    request->resumed = true;
    pthread_cond_signal(&request->changed);
    pthread_mutex_unlock(&request->lock);
}

/* One request; every third is aborted, at the moment when it would have to wait, if there is one. Returns what it knows to
 * be accepted. */
static uint64_t one_round(struct writer *writer, struct bytes body, int round) {
    struct feeder_request request = {.writer = writer};
    pthread_mutex_init(&request.lock, NULL);
    pthread_cond_init(&request.changed, NULL);
    struct request_head head = {.content_type = BYTES_LITERAL("application/x-ndjson")};
    struct reply refusal;
    struct intake_session *session = intake_begin(&writer->context, &head, &request, &refusal);
    CHECK(session != NULL);
    bool abort_it = round % 3 == 2;
    for (int i = 0; i < FEEDS_A_ROUND;) {
        if (intake_feed(session, body, FAKE_NOW) == STATUS_OK) {
            i++;
            continue;
        }
        atomic_fetch_add(&writer->waits, 1);
        writer_go(writer);
        if (abort_it) break;
        pthread_mutex_lock(&request.lock);
        while (!request.resumed) pthread_cond_wait(&request.changed, &request.lock);
        request.resumed = false;
        pthread_mutex_unlock(&request.lock);
    }
    if (abort_it) {
        intake_abort(session, FAKE_NOW); /* after it nobody touches the request, which goes away here */
    } else {
        intake_end(session, FAKE_NOW);
        writer_go(writer);
        pthread_mutex_lock(&request.lock);
        while (!request.answered) pthread_cond_wait(&request.changed, &request.lock);
        pthread_mutex_unlock(&request.lock);
    }
    pthread_mutex_destroy(&request.lock);
    pthread_cond_destroy(&request.changed);
    return request.accepted;
}

static void *feeder_main(void *self) {
    struct writer *writer = self;
    struct buffer body = {0};
    for (int i = 0; i < CLICKS_A_FEED; i++)
        buffer_printf(&body, "{\"ad_id\":\"a%d\",\"click_timestamp\":1699999999123,\"user_id\":\"u\",\"ip\":\"::1\"}\n", i);
    size_t two_lines = (size_t)((uint8_t *)memchr((uint8_t *)memchr(body.at, '\n', body.len) + 1, '\n', 1000) + 1 - body.at);
    uint64_t *accepted = memory_allocate_zeroed(1, sizeof *accepted);
    for (int round = 0; round < ROUNDS; round++) {
        /* Small bodies too: there the commit races with the end. */
        struct bytes part = round % 2 == 0 ? buffer_view(&body) : (struct bytes){body.at, two_lines};
        *accepted += one_round(writer, part, round);
    }
    buffer_fini(&body);
    return accepted;
}

static void feeding_and_committing_race_without_harm(void **state) {
    (void)state;
    struct writer writer = {.stop = false};
    pthread_mutex_init(&writer.lock, NULL);
    pthread_cond_init(&writer.changed, NULL);
    writer.context = (struct intake_context){
        .pool = intake_pool_create(FAKE_PARTITIONS),
        .partition_count = FAKE_PARTITIONS,
        .max_skew_ms = 60000,
        .self = &writer,
        .submit = writer_submit,
        .finished = writer_finished,
        .resume = writer_resume,
    };
    pthread_create(&writer.thread, NULL, writer_main, &writer);
    pthread_t feeders[FEEDERS];
    for (size_t i = 0; i < FEEDERS; i++) pthread_create(&feeders[i], NULL, feeder_main, &writer);
    uint64_t accepted = 0;
    for (size_t i = 0; i < FEEDERS; i++) {
        void *result;
        pthread_join(feeders[i], &result);
        accepted += *(uint64_t *)result;
        free(result);
    }
    pthread_mutex_lock(&writer.lock);
    writer.stop = true;
    pthread_cond_signal(&writer.changed);
    pthread_mutex_unlock(&writer.lock);
    pthread_join(writer.thread, NULL);
    assert_true(accepted > 0);
    assert_true(atomic_load(&writer.waits) > 0);
    assert_true(writer.clicks >= accepted); /* and what aborted requests left */
    intake_pool_destroy(writer.context.pool);
    pthread_mutex_destroy(&writer.lock);
    pthread_cond_destroy(&writer.changed);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(feeding_and_committing_race_without_harm)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
