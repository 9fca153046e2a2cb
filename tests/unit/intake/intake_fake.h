/* intake_fake.h: a holder of intake sessions that keeps the batches until the test commits them. */
#pragma once

#include <jansson.h>
#include <stdlib.h>

#include "base/check.h"
#include "intake/session.h"

enum { FAKE_PARTITIONS = 3, FAKE_BATCHES_MAX = 512 };
#define FAKE_NOW ((struct wall_time){1700000000000})

struct fake {
    struct intake_context context;
    bool hold; /* else batches are committed as they come */
    enum status commit_status;
    struct intake_batch *batches[FAKE_BATCHES_MAX]; /* held */
    size_t batch_count;
    /* what was journalled and answered */
    size_t batches_seen, clicks, resumes, answers;
    uint64_t received, rejected;
    struct buffer ads; /* "ad01 ad02 ", in order of partition and offset */
    struct wall_time floor;
    struct reply reply;
};

static void fake_journal(struct fake *fake, const struct intake_batch *batch) {
    size_t clicks = 0;
    for (uint32_t p = 0; p < FAKE_PARTITIONS; p++) {
        const struct columns *columns = &batch->journal.columns[p];
        const uint8_t *ad = columns->ad_bytes.at;
        for (uint32_t i = 0; i < columns->count; i++) {
            buffer_append(&fake->ads, ad, columns->ad_lengths.at[i]);
            buffer_append_text(&fake->ads, " ");
            ad += columns->ad_lengths.at[i];
        }
        clicks += columns->count;
    }
    CHECK(clicks == batch->click_count);
    fake->clicks += clicks;
    fake->received += batch->journal.counts.received;
    for (size_t i = 0; i < REJECT_CODES; i++) fake->rejected += batch->journal.counts.rejected_by[i];
    fake->floor = batch->journal.arrival_floor;
}

static void fake_commit(struct fake *fake, size_t index) {
    CHECK(index < fake->batch_count);
    struct intake_batch *batch = fake->batches[index];
    fake->batches[index] = fake->batches[--fake->batch_count];
    if (fake->commit_status == STATUS_OK) fake_journal(fake, batch);
    intake_batch_committed(batch, fake->commit_status);
}

static void fake_submit(void *self, struct intake_batch *batch) {
    struct fake *fake = self;
    CHECK(fake->batch_count < FAKE_BATCHES_MAX);
    fake->batches[fake->batch_count++] = batch;
    fake->batches_seen++;
    if (!fake->hold) fake_commit(fake, fake->batch_count - 1);
}

static void fake_finished(void *self, struct intake_session *session) {
    struct fake *fake = self;
    CHECK(intake_request(session) == fake);
    intake_take_reply(session, &fake->reply);
    fake->answers++;
    intake_destroy(session);
}

static void fake_resume(void *self, struct intake_session *session) {
    struct fake *fake = self;
    CHECK(intake_request(session) == fake);
    fake->resumes++;
}

static void fake_init(struct fake *fake) {
    *fake = (struct fake){.commit_status = STATUS_OK};
    fake->context = (struct intake_context){
        .pool = intake_pool_create(FAKE_PARTITIONS),
        .partition_count = FAKE_PARTITIONS,
        .key = {{1, 2, 3}},
        .identity_mode = IDENTITY_MODE_CONTENT,
        .max_skew_ms = 60000,
        .self = fake,
        .submit = fake_submit,
        .finished = fake_finished,
        .resume = fake_resume,
    };
}

static void fake_forget_reply(struct fake *fake) {
    buffer_fini(&fake->reply.body);
    fake->reply = (struct reply){.body_file = -1};
}

static void fake_fini(struct fake *fake) {
    CHECK(fake->batch_count == 0);
    fake_forget_reply(fake);
    buffer_fini(&fake->ads);
    intake_pool_destroy(fake->context.pool);
}

static inline struct intake_session *fake_begin_encoded(struct fake *fake, const char *type, const char *encoding,
                                                        const char *query) {
    fake_forget_reply(fake);
    struct request_head head = {.method = BYTES_LITERAL("POST"),
                                .path = BYTES_LITERAL("/v1/clicks"),
                                .query = bytes_of_text(query),
                                .content_type = bytes_of_text(type),
                                .content_encoding = bytes_of_text(encoding)};
    return intake_begin(&fake->context, &head, fake, &fake->reply);
}

static inline struct intake_session *fake_begin(struct fake *fake, const char *type, const char *query) {
    return fake_begin_encoded(fake, type, "", query);
}

/* From a copy that ends exactly where the bytes end, so that a read past them is seen. */
static enum status fake_feed(struct intake_session *session, const void *at, size_t len) {
    uint8_t *exact = memory_allocate(len);
    if (len > 0) memcpy(exact, at, len);
    enum status status = intake_feed(session, (struct bytes){exact, len}, FAKE_NOW);
    free(exact);
    return status;
}

static json_t *fake_answer(const struct fake *fake) {
    json_t *json = json_loadb((const char *)fake->reply.body.at, fake->reply.body.len, JSON_REJECT_DUPLICATES, NULL);
    CHECKF(json != NULL, "not JSON: %.*s", (int)fake->reply.body.len, (const char *)fake->reply.body.at);
    return json;
}

static json_int_t answer_number(const struct fake *fake, const char *member) {
    json_t *json = fake_answer(fake);
    json_t *value = json_object_get(json, member);
    CHECK(json_is_integer(value));
    json_int_t number = json_integer_value(value);
    json_decref(json);
    return number;
}
