/* session.h: the inside of an intake session, for the files of this folder only. */
#pragma once

#include <stdatomic.h>

#include "compress/decompress.h"
#include "intake/intake.h"
#include "intake/lines.h"

enum { INTAKE_SESSION_MAGIC = 0x1A7A4E55, INTAKE_BATCH_KEEP_BYTES = 4 * 1024 * 1024 };

enum body_form { BODY_JSON, BODY_NDJSON, BODY_LOG };

enum body_encoding { ENCODING_IDENTITY, ENCODING_GZIP, ENCODING_ZSTD };
enum { ENCODINGS = ENCODING_ZSTD + 1 };

/* What undoes a compressed body; lent to a session for its whole life. */
struct expander {
    enum body_encoding encoding;
    struct decompressor *decompressor;
    uint8_t out[INTAKE_EXPAND_BYTES];
    struct expander *next_idle;
};

/* One line of `errors`. */
struct intake_error {
    uint64_t line;
    uint32_t detail_at; /* in `details` */
    uint16_t detail_len;
    uint8_t reject;
};

struct intake_session {
    uint32_t magic;
    const struct intake_context *context;
    void *request;
    enum body_form form;
    enum body_encoding encoding;
    bool atomic;
    uint8_t source_at[ID_BYTES_MAX];
    size_t source_len;

    /* --- the transport's thread only, until `outstanding` is 0 --- */
    bool ended;
    bool aborted;
    bool too_large;      /* atomic, over INTAKE_ATOMIC_BYTES_MAX: the rest of the body is dropped */
    bool refused;        /* atomic, a line was rejected: the clicks are dropped, the lines are still checked and counted */
    uint64_t body_bytes; /* decompressed */
    struct expander *expander; /* NULL: the body is plain */
    size_t expanded;           /* of the bytes that feed said STATUS_AGAIN to: so many were taken */
    struct failure broken;     /* what is wrong with the compressed body, once something is: the rest is dropped */
    struct lines lines;
    struct intake_batch *batch; /* being filled, or NULL */
    struct wall_time batch_began;
    struct intake_batch *spare_batches; /* of this session, cleared */
    uint64_t received, rejected;
    uint64_t rejected_by[REJECT_CODES];
    struct buffer errors;          /* struct intake_error, at most INTAKE_ERRORS_MAX */
    struct buffer details;         /* their texts */
    struct buffer good_lines;      /* uint64_t: numbers of an atomic body's first good lines, at most INTAKE_ERRORS_MAX */
    uint64_t good_count;           /* of an atomic body */
    struct buffer parameter_value; /* scratch of intake_begin */

    /* --- both threads --- */
    atomic_uint outstanding; /* one for the open body, one for each batch on its way: at 0 the session has its answer */
    atomic_uint in_flight;   /* batches on their way */
    atomic_int failed;       /* enum status of the first batch that was not committed */
    atomic_bool waiting;     /* feed said STATUS_AGAIN and nobody has resumed it yet */
    atomic_uint wakers;      /* threads inside context->resume: an abort waits until they are out */
    _Atomic(struct intake_batch *) returned; /* committed batches, pushed by the writer, taken all at once by the feeder */

    /* --- the pool's --- */
    struct intake_session *next_idle;
    size_t idle_bytes;
};

/* --- pool.c --- */
/* A blank session, with whatever memory it had before. */
struct intake_session *intake_pool_take(struct intake_pool *pool, const struct intake_context *context);
/* Moved. Keeps it or frees it. */
void intake_pool_give(struct intake_pool *pool, struct intake_session *session);
/* NULL: INTAKE_DECOMPRESS_BYTES_MAX would be passed. The pool takes it back with the session. */
struct expander *intake_pool_take_expander(struct intake_pool *pool, enum body_encoding encoding);
struct decoder *intake_pool_take_decoder(struct intake_pool *pool);
void intake_pool_give_decoder(struct intake_pool *pool, struct decoder *decoder);
struct intake_batch *intake_batch_create(struct intake_session *session);
void intake_batch_clear(struct intake_batch *batch);
void intake_batch_destroy(struct intake_batch *batch);

/* --- head.c --- */
/* Reads content type, encoding and parameters into the session; false with a refusal. */
bool intake_head_accept(struct intake_session *session, const struct request_head *head, struct reply *refusal);

/* --- answer.c --- */
/* Lists one rejected line while there is room. An empty `detail`: the code's own sentence. */
void intake_list_error(struct intake_session *session, uint64_t line, enum reject reject, const char *detail);
