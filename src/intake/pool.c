/* pool.c: what sessions leave behind for the next ones. A session keeps its buffers and a few batches; decoders, whose
 * scratch memory is large, are lent out for one call at a time, so there are as many as there are threads that decode;
 * expanders are lent out for a session's life, so what they need at worst is counted, and refused beyond a limit. */
#include <pthread.h>
#include <stdlib.h>

#include "base/check.h"
#include "intake/session.h"

enum { DECODERS_KEPT_MAX = 64, EXPANDERS_KEPT_MAX = 8, COLUMN_BUFFERS = 15, BUFFER_BYTES_MIN = 256 };

struct intake_pool {
    pthread_mutex_t lock;
    uint32_t partition_count;
    /* under the lock */
    struct intake_session *idle; /* last in, first out: the warmest first */
    size_t idle_bytes;
    struct decoder *decoders[DECODERS_KEPT_MAX];
    size_t decoder_count;
    struct expander *expanders[ENCODINGS]; /* idle, at most EXPANDERS_KEPT_MAX of each */
    size_t expander_counts[ENCODINGS];
    size_t expander_bytes; /* what those lent out may need */
};

struct intake_pool *intake_pool_create(uint32_t partition_count) {
    CHECK(partition_count >= 1 && partition_count <= PARTITIONS_MAX);
    struct intake_pool *pool = memory_allocate_zeroed(1, sizeof *pool);
    CHECK(pthread_mutex_init(&pool->lock, NULL) == 0);
    pool->partition_count = partition_count;
    return pool;
}

static size_t expander_bytes_of(enum body_encoding encoding) {
    CHECK(encoding == ENCODING_GZIP || encoding == ENCODING_ZSTD);
    size_t bytes = encoding == ENCODING_GZIP ? DECOMPRESS_GZIP_MEMORY_BYTES : DECOMPRESS_ZSTD_MEMORY_BYTES;
    return bytes + sizeof(struct expander);
}

static void expander_free(struct expander *expander) {
    decompressor_destroy(expander->decompressor);
    free(expander);
}

struct expander *intake_pool_take_expander(struct intake_pool *pool, enum body_encoding encoding) {
    size_t bytes = expander_bytes_of(encoding);
    CHECK(pthread_mutex_lock(&pool->lock) == 0);
    bool room = pool->expander_bytes + bytes <= INTAKE_DECOMPRESS_BYTES_MAX;
    struct expander *expander = room ? pool->expanders[encoding] : NULL;
    if (room) pool->expander_bytes += bytes;
    if (expander != NULL) {
        pool->expanders[encoding] = expander->next_idle;
        pool->expander_counts[encoding]--;
    }
    CHECK(pthread_mutex_unlock(&pool->lock) == 0);
    if (expander != NULL || !room) return expander;
    expander = memory_allocate(sizeof *expander);
    expander->encoding = encoding;
    expander->decompressor = decompressor_create(encoding == ENCODING_GZIP ? COMPRESSION_GZIP : COMPRESSION_ZSTD);
    return expander;
}

static void give_expander(struct intake_pool *pool, struct expander *expander) {
    size_t bytes = expander_bytes_of(expander->encoding);
    decompressor_reset(expander->decompressor);
    CHECK(pthread_mutex_lock(&pool->lock) == 0);
    CHECK(pool->expander_bytes >= bytes);
    pool->expander_bytes -= bytes;
    bool keep = pool->expander_counts[expander->encoding] < EXPANDERS_KEPT_MAX;
    if (keep) {
        pool->expander_counts[expander->encoding]++;
        expander->next_idle = pool->expanders[expander->encoding];
        pool->expanders[expander->encoding] = expander;
    }
    CHECK(pthread_mutex_unlock(&pool->lock) == 0);
    if (!keep) expander_free(expander);
}

static void session_free(struct intake_session *session) {
    CHECK(session->magic == INTAKE_SESSION_MAGIC && session->batch == NULL && session->expander == NULL);
    session->magic = 0;
    while (session->spare_batches != NULL) {
        struct intake_batch *batch = session->spare_batches;
        session->spare_batches = batch->next;
        intake_batch_destroy(batch);
    }
    lines_fini(&session->lines);
    buffer_fini(&session->errors);
    buffer_fini(&session->details);
    buffer_fini(&session->good_lines);
    buffer_fini(&session->parameter_value);
    free(session);
}

void intake_pool_destroy(struct intake_pool *pool) {
    if (pool == NULL) return;
    while (pool->idle != NULL) {
        struct intake_session *session = pool->idle;
        pool->idle = session->next_idle;
        session_free(session);
    }
    for (size_t i = 0; i < pool->decoder_count; i++) decoder_destroy(pool->decoders[i]);
    CHECK(pool->expander_bytes == 0);
    for (size_t i = 0; i < ENCODINGS; i++) {
        while (pool->expanders[i] != NULL) {
            struct expander *expander = pool->expanders[i];
            pool->expanders[i] = expander->next_idle;
            expander_free(expander);
        }
    }
    CHECK(pthread_mutex_destroy(&pool->lock) == 0);
    free(pool);
}

struct intake_session *intake_pool_take(struct intake_pool *pool, const struct intake_context *context) {
    CHECKF(pool != NULL && pool->partition_count == context->partition_count, "a pool for %u partitions",
           pool == NULL ? 0 : pool->partition_count);
    CHECK(pthread_mutex_lock(&pool->lock) == 0);
    struct intake_session *session = pool->idle;
    if (session != NULL) {
        pool->idle = session->next_idle;
        CHECK(pool->idle_bytes >= session->idle_bytes);
        pool->idle_bytes -= session->idle_bytes;
    }
    CHECK(pthread_mutex_unlock(&pool->lock) == 0);
    if (session == NULL) {
        session = memory_allocate_zeroed(1, sizeof *session);
        session->magic = INTAKE_SESSION_MAGIC;
    }
    CHECK(session->magic == INTAKE_SESSION_MAGIC);
    session->context = context;
    return session;
}

/* Clears the session and says about how much memory it holds. Batches that grew large (an atomic body) are let go. */
static size_t session_blank(struct intake_session *session) {
    size_t bytes = sizeof *session;
    struct intake_batch *kept = NULL;
    while (session->spare_batches != NULL) {
        struct intake_batch *batch = session->spare_batches;
        session->spare_batches = batch->next;
        if (batch->bytes_high > INTAKE_BATCH_KEEP_BYTES) {
            intake_batch_destroy(batch);
            continue;
        }
        batch->next = kept;
        kept = batch;
        bytes += sizeof *batch + 2 * batch->bytes_high;
        bytes += (size_t)batch->column_count * (sizeof(struct columns) + (size_t)COLUMN_BUFFERS * BUFFER_BYTES_MIN);
    }
    struct buffer *const buffers[] = {&session->errors, &session->details, &session->good_lines, &session->parameter_value};
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++) {
        buffer_clear(buffers[i]);
        bytes += buffers[i]->capacity;
    }
    lines_reset(&session->lines, false);
    bytes += session->lines.carry.capacity;

    /* Field by field: the struct holds atomics and memory that stays. */
    session->spare_batches = kept;
    session->context = NULL;
    session->request = NULL;
    session->ended = session->aborted = session->too_large = session->refused = session->atomic = false;
    session->body_bytes = session->received = session->rejected = session->good_count = 0;
    session->expanded = 0;
    session->broken.status = STATUS_OK;
    memset(session->rejected_by, 0, sizeof session->rejected_by);
    atomic_store_explicit(&session->failed, STATUS_OK, memory_order_relaxed);
    atomic_store_explicit(&session->waiting, false, memory_order_relaxed);
    return bytes;
}

void intake_pool_give(struct intake_pool *pool, struct intake_session *session) {
    CHECK(session->magic == INTAKE_SESSION_MAGIC && session->batch == NULL);
    if (session->expander != NULL) give_expander(pool, session->expander);
    session->expander = NULL;
    session->idle_bytes = session_blank(session);
    CHECK(pthread_mutex_lock(&pool->lock) == 0);
    bool keep = pool->idle_bytes + session->idle_bytes <= INTAKE_POOL_BYTES_MAX;
    if (keep) {
        pool->idle_bytes += session->idle_bytes;
        session->next_idle = pool->idle;
        pool->idle = session;
    }
    CHECK(pthread_mutex_unlock(&pool->lock) == 0);
    if (!keep) session_free(session);
}

struct decoder *intake_pool_take_decoder(struct intake_pool *pool) {
    struct decoder *decoder = NULL;
    CHECK(pthread_mutex_lock(&pool->lock) == 0);
    if (pool->decoder_count > 0) decoder = pool->decoders[--pool->decoder_count];
    CHECK(pthread_mutex_unlock(&pool->lock) == 0);
    return decoder == NULL ? decoder_create() : decoder;
}

void intake_pool_give_decoder(struct intake_pool *pool, struct decoder *decoder) {
    CHECK(decoder != NULL);
    CHECK(pthread_mutex_lock(&pool->lock) == 0);
    bool keep = pool->decoder_count < DECODERS_KEPT_MAX;
    if (keep) pool->decoders[pool->decoder_count++] = decoder;
    CHECK(pthread_mutex_unlock(&pool->lock) == 0);
    if (!keep) decoder_destroy(decoder);
}

struct intake_batch *intake_batch_create(struct intake_session *session) {
    struct intake_batch *batch = memory_allocate_zeroed(1, sizeof *batch);
    batch->session = session;
    batch->column_count = session->context->partition_count;
    batch->journal.columns = memory_allocate_zeroed(batch->column_count, sizeof(struct columns));
    return batch;
}

void intake_batch_clear(struct intake_batch *batch) {
    if (batch->bytes > batch->bytes_high) batch->bytes_high = batch->bytes;
    if (batch->click_count > 0)
        for (uint32_t i = 0; i < batch->column_count; i++) columns_clear(&batch->journal.columns[i]);
    batch->journal.counts = (struct intake_counts){0};
    batch->journal.arrival_floor = (struct wall_time){INT64_MIN};
    batch->click_count = 0;
    batch->bytes = 0;
}

void intake_batch_destroy(struct intake_batch *batch) {
    for (uint32_t i = 0; i < batch->column_count; i++) columns_fini(&batch->journal.columns[i]);
    free(batch->journal.columns);
    free(batch);
}
