/* pool.h: the memory of what stands in front of runs (filters, sparse indexes), in chunks of equal size, so that a run can
 * be taken apart from its beginning while another one grows (run_merge.c). Internal to dedup/. */
#pragma once

#include "dedup/arena.h"

struct pool {
    struct arena arena;
    uint32_t chunk_bits;         /* a chunk has 2^that bytes */
    uint32_t chunk_count, fresh; /* `fresh`: so many were ever taken; the rest of the arena is not touched */
    uint32_t *returned;
    uint32_t returned_count;
};

/* What pool_init allocates for `chunk_count` chunks. */
uint64_t pool_bytes(uint32_t chunk_bits, uint64_t chunk_count);
void pool_init(struct pool *pool, uint32_t chunk_bits, uint32_t chunk_count);
void pool_fini(struct pool *pool);
uint32_t pool_free(const struct pool *pool);
/* Backed by now. */
uint64_t pool_touched_bytes(const struct pool *pool);

/* An array that takes its chunks from the pool from the beginning on, and gives them back from the beginning on. */
struct chunks {
    uint8_t **at;
    uint32_t count, taken, given_back;
};

void chunks_init(struct chunks *chunks, uint32_t count);
/* All zero; at most `count`, and the pool must have them (CHECK). */
void chunks_take_up_to(struct chunks *chunks, struct pool *pool, uint32_t taken);
void chunks_give_back_below(struct chunks *chunks, struct pool *pool, uint32_t below);
void chunks_fini(struct chunks *chunks, struct pool *pool);
/* Between chunks that are in use and bytes in a row: `at` counts from the array's beginning. */
void chunks_read(const struct chunks *chunks, uint32_t chunk_bits, uint64_t at, uint8_t *out, size_t len);
void chunks_write(struct chunks *chunks, uint32_t chunk_bits, uint64_t at, const uint8_t *bytes, size_t len);
