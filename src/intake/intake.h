/* intake.h: the body of one `POST /v1/clicks`, from bytes (plain, gzip or zstd) to batches of identified, routed clicks
 * (map).
 *
 * One session a request. Bytes come in any cut; lines are decoded as they complete; every INTAKE_BATCH_CLICKS clicks (or
 * INTAKE_BATCH_BYTES of them) one batch goes out for the journal, so a stream of any length needs bounded memory. An atomic
 * request is one batch, or none. When all batches have been committed, the session knows its answer.
 *
 * Threads: begin, feed, end, abort from the transport's thread of that request; batch_committed from the writer's thread at
 * the same time. No lock, no clock: `now` comes with each call.
 */
#pragma once

#include "click/decode.h"
#include "journal/journal.h"
#include "seam/requests.h"

enum {
    INTAKE_BATCH_CLICKS = 4096,
    INTAKE_BATCH_BYTES = 1024 * 1024,
    INTAKE_ERRORS_MAX = 1000,                   /* listed in an answer; counted beyond */
    INTAKE_ATOMIC_BYTES_MAX = 16 * 1024 * 1024, /* body of an atomic request, decompressed */
    /* Memory that all compressed bodies being read may need at worst: 110 of zstd, or thousands of gzip; beyond: 503. */
    INTAKE_DECOMPRESS_BYTES_MAX = 1024 * 1024 * 1024,
    INTAKE_BATCHES_IN_FLIGHT_MAX = 4, /* per session, then feed says STATUS_AGAIN */
    INTAKE_EXPAND_BYTES = 64 * 1024,  /* a compressed body is undone in such parts */
    INTAKE_BATCH_AGE_MS_MAX = 1000,   /* of its first line, checked at each feed: a slow stream is not held back */
};

/* Sessions, batches and decoders that wait for the next request, so that the steady state allocates nothing. Thread-safe;
 * its lock is held for a few instructions. Keeps at most INTAKE_POOL_BYTES_MAX of idle memory. Outlives the sessions. */
struct intake_pool;
enum { INTAKE_POOL_BYTES_MAX = 64 * 1024 * 1024 };
struct intake_pool *intake_pool_create(uint32_t partition_count);
void intake_pool_destroy(struct intake_pool *pool);

struct intake_session;

/* What goes to the writer; owned by whoever holds the pointer. */
struct intake_batch {
    struct journal_batch journal; /* columns are the batch's own */
    uint32_t click_count;
    uint32_t column_count; /* partition_count of them */
    size_t bytes;          /* of the columns, for accounting */
    size_t bytes_high;     /* the most that it ever held: what its idle memory is estimated by */
    struct intake_session *session;
    struct intake_batch *next; /* for the holder's queues */
};

/* Of the node; outlives the sessions. */
struct intake_context {
    struct intake_pool *pool; /* made for the same partition_count */
    uint32_t partition_count;
    struct identity_key key;
    enum identity_mode identity_mode;
    int64_t max_skew_ms;
    void *self;
    /* Takes the batch (moved). May call intake_batch_committed before it returns. */
    void (*submit)(void *self, struct intake_batch *batch);
    /* The session has its answer: take it with intake_take_reply, then destroy it. Called exactly once, from the thread of
     * the last event; not called for aborted sessions, which destroy themselves. */
    void (*finished)(void *self, struct intake_session *session);
    /* A session whose feed said STATUS_AGAIN may be fed again. Any thread. May feed, but not abort, before it returns. */
    void (*resume)(void *self, struct intake_session *session);
};

/* Looks at content type, encoding and parameters (`atomic`, `source`). On a refusal (415, 400, 503) returns NULL and fills
 * in `refusal`. `request` is only kept, for the holder. */
struct intake_session *intake_begin(const struct intake_context *context, const struct request_head *head, void *request,
                                    struct reply *refusal);
void *intake_request(const struct intake_session *session);
/* STATUS_OK: all taken. STATUS_AGAIN: feed the same bytes again after `resume` (of a compressed body a part of them may have
 * been taken, which is remembered; more may follow them). The batches in flight are looked at once for INTAKE_EXPAND_BYTES
 * of a compressed body, once a call for a plain one, so a session holds at most INTAKE_BATCHES_IN_FLIGHT_MAX of them and
 * those that so many bytes make. */
enum status intake_feed(struct intake_session *session, struct bytes bytes, struct wall_time now) MUST_USE;
/* The body is whole: a last line without a line end counts too. */
void intake_end(struct intake_session *session, struct wall_time now);
/* The body stopped half-way: whole lines so far are kept (not those of an atomic request), a part of a line is not a line.
 * No answer; the session destroys itself after its last batch. */
void intake_abort(struct intake_session *session, struct wall_time now);
/* `status` STATUS_OK: durable. Else: nothing is known about it, and the answer will be 503. Frees the batch. */
void intake_batch_committed(struct intake_batch *batch, enum status status);
/* 200, 400, 413 or 503, as the contract says; of a damaged body, what was whole before the damage is kept and counted. */
void intake_take_reply(struct intake_session *session, struct reply *reply);
void intake_destroy(struct intake_session *session);
