/* run.h: a run with what stands in front of it in memory: a filter that says "not there" of nearly all that is not, and the
 * first identity of each block, so that a look-up reads one block. About 1.6 bytes an entry. Internal to dedup/.
 *
 * The filter is a Bloom filter in cache lines. The line follows from the identity's place in the order, so that filter and
 * index are filled and freed from the beginning on while runs are merged: a merge needs no memory of its own. */
#pragma once

#include "dedup/pool.h"
#include "dedup/run_file.h"

enum { RUN_ENTRIES_PER_LINE = 42 /* 12.2 bits an entry */ };

struct run {
    struct run_file file;
    struct chunks filter, index;
    uint64_t filter_lines;
    uint32_t footer_crc; /* once whole: tells it from any other of its name */
    uint32_t chunk_bits;
    /* It answers for identities whose `high` lies from `from` to `last`, both included: all, unless it is being made, or is
     * being merged into another. */
    uint64_t from, last;
};

/* What is looked for: computed once for all runs. */
struct run_key {
    uint64_t high;
    uint64_t mask[CACHE_LINE_BYTES / 8]; /* the bits that are set in its line when it is there */
};

struct run_key run_key_of(struct identity identity);

/* Chunks of the pool for so many entries. */
uint32_t run_filter_chunks(uint64_t entries, uint32_t chunk_bits);
uint32_t run_index_chunks(uint64_t entries, uint32_t chunk_bits);
/* What the arrays of those chunks take. */
uint64_t run_fixed_bytes(uint64_t chunks);

static inline uint64_t run_filter_line(const struct run *run, uint64_t high) {
    return (high >> 32) * run->filter_lines >> 32;
}

static inline bool run_answers_for(const struct run *run, uint64_t high) {
    return high >= run->from && high <= run->last;
}

/* In use, i.e. neither given back nor not yet taken. */
static inline uint64_t *run_filter_line_at(const struct run *run, uint64_t line) {
    uint64_t byte = line * CACHE_LINE_BYTES;
    uint8_t *chunk = run->filter.at[byte >> run->chunk_bits];
    return (uint64_t *)(void *)(chunk + (byte & ((UINT64_C(1) << run->chunk_bits) - 1)));
}

static inline void run_prefetch(const struct run *run, uint64_t high) {
    if (run_answers_for(run, high)) __builtin_prefetch(run_filter_line_at(run, run_filter_line(run, high)));
}

/* Whether the file has to be asked. Without a branch for each bit: what a line holds cannot be foreseen. */
static inline bool run_may_hold(const struct run *run, const struct run_key *key) {
    const uint64_t *line = run_filter_line_at(run, run_filter_line(run, key->high));
    uint64_t missing = 0;
    for (unsigned i = 0; i < CACHE_LINE_BYTES / 8; i++) missing |= key->mask[i] & ~line[i];
    return missing == 0;
}

void run_filter_add(struct run *run, const struct run_key *key);
/* STATUS_OK: its entry with this identity, which is live. STATUS_NOT_FOUND: none. Reads a block into `block`. */
enum status run_find(const struct run *run, struct identity identity, struct event_time d, uint8_t *block,
                     struct dedup_entry *out, struct failure *failure) MUST_USE;
/* From here on it answers only for `high` and beyond; the memory of what is before goes back. */
void run_give_back_below(struct run *run, struct pool *pool, uint64_t high);
/* Opens a whole run and takes filter and index from its file: a twentieth of it is read. `blocks`: the caller's, for
 * `capacity` blocks. STATUS_FULL: the pool has too little for it. */
enum status run_load(const struct files *files, const struct run_name *name, struct pool *pool, uint8_t *blocks,
                     uint32_t capacity, struct run **out, struct failure *failure) MUST_USE;
/* Closes and frees it; the file stays. */
void run_destroy(struct run *run, struct pool *pool);
/* Frees all but the file, which stays open and is the caller's to close. */
struct run_file run_take_file(struct run *run, struct pool *pool);
