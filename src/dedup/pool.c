#include "dedup/pool.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"

uint64_t pool_bytes(uint32_t chunk_bits, uint64_t chunk_count) {
    uint64_t arena = chunk_count << chunk_bits;
    uint64_t rounding = arena < HUGE_PAGE_BYTES ? CACHE_LINE_BYTES : PAGE_BYTES;
    return arena + rounding + chunk_count * sizeof(uint32_t);
}

void pool_init(struct pool *pool, uint32_t chunk_bits, uint32_t chunk_count) {
    CHECK(chunk_bits >= 6 && chunk_count > 0);
    *pool = (struct pool){.chunk_bits = chunk_bits, .chunk_count = chunk_count};
    arena_init(&pool->arena, (uint64_t)chunk_count << chunk_bits);
    pool->returned = memory_allocate(chunk_count * sizeof *pool->returned);
    CHECK(pool->arena.bytes + chunk_count * sizeof *pool->returned <= pool_bytes(chunk_bits, chunk_count)); /* I10 */
}

void pool_fini(struct pool *pool) {
    CHECK(pool_free(pool) == pool->chunk_count);
    arena_fini(&pool->arena);
    free(pool->returned);
}

uint32_t pool_free(const struct pool *pool) {
    CHECK(pool->returned_count <= pool->fresh && pool->fresh <= pool->chunk_count);
    return pool->chunk_count - pool->fresh + pool->returned_count;
}

uint64_t pool_touched_bytes(const struct pool *pool) {
    return (uint64_t)pool->fresh << pool->chunk_bits;
}

static uint8_t *pool_take(struct pool *pool) {
    CHECK(pool_free(pool) > 0);
    if (pool->returned_count == 0) return pool->arena.at + ((uint64_t)pool->fresh++ << pool->chunk_bits);
    uint8_t *at = pool->arena.at + ((uint64_t)pool->returned[--pool->returned_count] << pool->chunk_bits);
    return memset(at, 0, (size_t)1 << pool->chunk_bits);
}

#ifdef TALLY_COSTLY_CHECKS
static bool is_returned(const struct pool *pool, uint64_t chunk) {
    for (uint32_t i = 0; i < pool->returned_count; i++)
        if (pool->returned[i] == chunk) return true;
    return false;
}
#endif

static void pool_give_back(struct pool *pool, const uint8_t *at) {
    CHECK(pool->returned_count < pool->fresh);
    const uint64_t byte = (uint64_t)(at - pool->arena.at), chunk = byte >> pool->chunk_bits;
    CHECK(chunk < pool->fresh && chunk << pool->chunk_bits == byte); /* one that was taken, from its beginning */
    COSTLY_CHECK(!is_returned(pool, chunk));
    pool->returned[pool->returned_count++] = (uint32_t)chunk;
}

void chunks_init(struct chunks *chunks, uint32_t count) {
    *chunks = (struct chunks){.at = memory_allocate(count * sizeof *chunks->at), .count = count};
}

void chunks_take_up_to(struct chunks *chunks, struct pool *pool, uint32_t taken) {
    CHECK(taken <= chunks->count && chunks->given_back <= chunks->taken);
    CHECK(taken <= chunks->taken || taken - chunks->taken <= pool_free(pool));
    while (chunks->taken < taken) chunks->at[chunks->taken++] = pool_take(pool);
}

void chunks_give_back_below(struct chunks *chunks, struct pool *pool, uint32_t below) {
    CHECK(below <= chunks->taken);
    while (chunks->given_back < below) pool_give_back(pool, chunks->at[chunks->given_back++]);
}

void chunks_fini(struct chunks *chunks, struct pool *pool) {
    chunks_give_back_below(chunks, pool, chunks->taken);
    CHECK(chunks->given_back == chunks->taken); /* nothing stays with who is gone */
    free(chunks->at);
    *chunks = (struct chunks){0};
}

/* So much from `at` on lies in one chunk. */
static size_t in_one_chunk(uint32_t chunk_bits, uint64_t at, size_t len) {
    uint64_t left = (UINT64_C(1) << chunk_bits) - (at & ((UINT64_C(1) << chunk_bits) - 1));
    return left < len ? (size_t)left : len;
}

static uint8_t *byte_at(const struct chunks *chunks, uint32_t chunk_bits, uint64_t at) {
    uint64_t chunk = at >> chunk_bits;
    CHECK(chunk >= chunks->given_back && chunk < chunks->taken);
    return chunks->at[chunk] + (at & ((UINT64_C(1) << chunk_bits) - 1));
}

void chunks_read(const struct chunks *chunks, uint32_t chunk_bits, uint64_t at, uint8_t *out, size_t len) {
    CHECK(at + len <= (uint64_t)chunks->taken << chunk_bits);
    while (len > 0) {
        size_t part = in_one_chunk(chunk_bits, at, len);
        memcpy(out, byte_at(chunks, chunk_bits, at), part);
        at += part;
        out += part;
        len -= part;
    }
}

void chunks_write(struct chunks *chunks, uint32_t chunk_bits, uint64_t at, const uint8_t *bytes, size_t len) {
    CHECK(at + len <= (uint64_t)chunks->taken << chunk_bits);
    while (len > 0) {
        size_t part = in_one_chunk(chunk_bits, at, len);
        memcpy(byte_at(chunks, chunk_bits, at), bytes, part);
        at += part;
        bytes += part;
        len -= part;
    }
}
