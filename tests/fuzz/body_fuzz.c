/* The body of a POST /v1/clicks, plain or compressed, in any cut: no crash, bounded memory, and the intake law. The first
 * byte says how it is sent and how it is cut. */
#include <stdlib.h>

#include "base/check.h"
#include "intake/intake.h"

enum { PARTITIONS = 3, CUT_MAX = 64, FORM_GZIP = 1, FORM_ZSTD = 2, FORM_ATOMIC = 4, FORM_LOG = 8, FORM_HOLD = 16 };

struct outcome {
    struct intake_context context;
    bool hold; /* batches wait until the session does */
    struct intake_batch *held;
    uint64_t received, clicks, rejected;
    bool resumed, answered;
};

static void commit_one(struct outcome *outcome) {
    struct intake_batch *batch = outcome->held;
    outcome->held = batch->next;
    outcome->received += batch->journal.counts.received;
    outcome->clicks += batch->click_count;
    for (size_t i = 0; i < REJECT_CODES; i++) outcome->rejected += batch->journal.counts.rejected_by[i];
    intake_batch_committed(batch, STATUS_OK);
}

static void submit(void *self, struct intake_batch *batch) {
    struct outcome *outcome = self;
    batch->next = outcome->held;
    outcome->held = batch;
    while (!outcome->hold && outcome->held != NULL) commit_one(outcome);
}

static void finished(void *self, struct intake_session *session) {
    struct outcome *outcome = self;
    struct reply reply = {.body_file = -1};
    intake_take_reply(session, &reply);
    CHECK(reply.http_status == 200 || reply.http_status == 400 || reply.http_status == 413);
    CHECK(reply.body.len > 0 && reply.body.at[0] == '{' && reply.body.at[reply.body.len - 1] == '}');
    buffer_fini(&reply.body);
    intake_destroy(session);
    outcome->answered = true;
}

static void resume(void *self, struct intake_session *session) {
    (void)session;
    ((struct outcome *)self)->resumed = true;
}

static void feed(struct outcome *outcome, struct intake_session *session, const uint8_t *at, size_t len) {
    const struct wall_time now = {1700000000000};
    uint8_t *exact = memory_allocate(len); /* a read past the end is seen */
    memcpy(exact, at, len);
    enum status status;
    while ((status = intake_feed(session, (struct bytes){exact, len}, now)) == STATUS_AGAIN) {
        outcome->resumed = false;
        while (!outcome->resumed) {
            CHECK(outcome->held != NULL);
            commit_one(outcome);
        }
    }
    CHECK(status == STATUS_OK);
    free(exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    uint8_t form = data[0];
    size_t cut = data[1] % CUT_MAX == 0 ? size : data[1] % CUT_MAX;
    struct outcome outcome = {.hold = (form & FORM_HOLD) != 0};
    outcome.context = (struct intake_context){
        .pool = intake_pool_create(PARTITIONS),
        .partition_count = PARTITIONS,
        .max_skew_ms = MINUTE_MS,
        .self = &outcome,
        .submit = submit,
        .finished = finished,
        .resume = resume,
    };
    struct request_head head = {
        .query = (form & FORM_ATOMIC) != 0 ? BYTES_LITERAL("atomic=1") : (struct bytes){NULL, 0},
        .content_type = (form & FORM_LOG) != 0 ? BYTES_LITERAL("text/plain") : BYTES_LITERAL("application/x-ndjson"),
        .content_encoding = (form & FORM_GZIP) != 0   ? BYTES_LITERAL("gzip")
                            : (form & FORM_ZSTD) != 0 ? BYTES_LITERAL("zstd")
                                                      : (struct bytes){NULL, 0},
    };
    struct reply refusal = {.body_file = -1};
    struct intake_session *session = intake_begin(&outcome.context, &head, &outcome, &refusal);
    CHECK(session != NULL);
    for (size_t at = 2; at < size; at += cut) feed(&outcome, session, data + at, size - at < cut ? size - at : cut);
    intake_end(session, (struct wall_time){1700000000000});
    while (outcome.held != NULL) commit_one(&outcome);
    CHECK(outcome.answered && outcome.received == outcome.clicks + outcome.rejected); /* I4 */
    intake_pool_destroy(outcome.context.pool);
    return 0;
}
