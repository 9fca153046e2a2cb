#include "dedup/run.h"

#include <stdlib.h>

#include "base/check.h"

enum { PROBES = 7, PROBE_BITS = 9, LINE_BITS = 512, INDEX_KEY_BYTES = 8, SEARCH_SPAN = 64 };
_Static_assert(PROBES *PROBE_BITS <= 64 && 1 << PROBE_BITS == LINE_BITS, "one word places all bits of an identity");

_Static_assert((int)RUN_LINE_BYTES == (int)CACHE_LINE_BYTES && (int)RUN_KEY_BYTES == (int)INDEX_KEY_BYTES,
               "what is in memory is what is in the file");

static uint32_t chunks_of(uint64_t bytes, uint32_t chunk_bits) {
    uint64_t chunks = (bytes + (UINT64_C(1) << chunk_bits) - 1) >> chunk_bits;
    CHECK(chunks <= UINT32_MAX);
    return (uint32_t)chunks;
}

uint32_t run_filter_chunks(uint64_t entries, uint32_t chunk_bits) {
    return chunks_of((entries / RUN_ENTRIES_PER_LINE + 1) * CACHE_LINE_BYTES, chunk_bits);
}

uint32_t run_index_chunks(uint64_t entries, uint32_t chunk_bits) {
    return chunks_of((entries / RUN_BLOCK_ENTRIES + 1) * INDEX_KEY_BYTES, chunk_bits);
}

uint64_t run_fixed_bytes(uint64_t chunks) {
    return sizeof(struct run) + chunks * sizeof(uint8_t *);
}

struct run_key run_key_of(struct identity identity) {
    struct run_key key = {.high = identity.high};
    /* `low` chose the partition, so its bits are mixed first. */
    uint64_t bits = identity.low * UINT64_C(0x9E3779B97F4A7C15);
    bits = (bits ^ bits >> 32) * UINT64_C(0xD6E8FEB86659FD93);
    bits ^= bits >> 32;
    for (unsigned i = 0; i < PROBES; i++, bits >>= PROBE_BITS) key.mask[bits % LINE_BITS / 64] |= UINT64_C(1) << bits % 64;
    return key;
}

void run_filter_add(struct run *run, const struct run_key *key) {
    COSTLY_CHECK(run_filter_line(run, key->high) * CACHE_LINE_BYTES >> run->chunk_bits < run->filter.taken);
    uint64_t *line = run_filter_line_at(run, run_filter_line(run, key->high));
    for (unsigned i = 0; i < CACHE_LINE_BYTES / 8; i++) line[i] |= key->mask[i];
}

/* The `high` of the block's first entry. */
static uint64_t index_key(const struct run *run, uint64_t block) {
    uint64_t byte = block * INDEX_KEY_BYTES;
    CHECK(byte >> run->chunk_bits >= run->index.given_back && byte >> run->chunk_bits < run->index.taken);
    return get_u64(run->index.at[byte >> run->chunk_bits] + (byte & ((UINT64_C(1) << run->chunk_bits) - 1)));
}

/* The first block that can hold entries of this `high`: the last that begins before it. Looks near where evenly spread
 * identities would have it first. */
static uint64_t first_block_of(const struct run *run, uint64_t high) {
    uint64_t first = ((uint64_t)run->index.given_back << run->chunk_bits) / INDEX_KEY_BYTES, end = run->file.block_count;
    CHECK(first < end); /* what is asked for was not given back */
    uint64_t guess = (high >> 32) * end >> 32;
    if (guess < first) guess = first;
    uint64_t low = first, above = end;
    for (uint64_t span = SEARCH_SPAN; span < end; span *= 4) {
        if (guess - first > span && index_key(run, guess - span) < high) low = guess - span;
        if (end - guess > span && index_key(run, guess + span) >= high) above = guess + span;
        if ((low > first || guess - first <= span) && (above < end || end - guess <= span)) break;
    }
    while (above - low > 1) { /* index_key(low) < high or low is the first; index_key(above) >= high or above is the end */
        uint64_t middle = low + (above - low) / 2;
        if (index_key(run, middle) < high) {
            low = middle;
        } else {
            above = middle;
        }
    }
    CHECK(low >= first && low < end);
    return low;
}

static bool find_in_block(const uint8_t *block, struct identity identity, struct dedup_entry *out) {
    uint32_t low = 0, above = run_block_count(block);
    while (low < above) {
        uint32_t middle = low + (above - low) / 2;
        const uint8_t *at = block + (size_t)middle * RUN_ENTRY_BYTES;
        int order = identity_compare(run_get_identity(at), identity);
        if (order == 0) {
            *out = run_get_entry(at);
            return true;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            above = middle;
        }
    }
    return false;
}

enum status run_find(const struct run *run, struct identity identity, struct event_time d, uint8_t *block,
                     struct dedup_entry *out, struct failure *failure) {
    CHECK(run_answers_for(run, identity.high) && run->file.block_count > 0);
    for (uint64_t at = first_block_of(run, identity.high);; at++) {
        enum status status = run_file_read(&run->file, at, 1, block, failure);
        if (status != STATUS_OK) return status;
        /* What the index says is on disk, too: a block that lies would hide entries. */
        if (get_u64(block) != index_key(run, at))
            return run_file_damaged(&run->file, (at + 1) * RUN_BLOCK_BYTES, "another block", failure);
        if (find_in_block(block, identity, out)) return out->bound.ms > d.ms ? STATUS_OK : STATUS_NOT_FOUND;
        if (at + 1 == run->file.block_count || index_key(run, at + 1) > identity.high) return STATUS_NOT_FOUND;
    }
}

void run_give_back_below(struct run *run, struct pool *pool, uint64_t high) {
    CHECK(high >= run->from && high <= run->last);
    run->from = high;
    uint64_t line = run_filter_line(run, high), block = first_block_of(run, high);
    CHECK(line < run->filter_lines && block < run->file.block_count);
    chunks_give_back_below(&run->filter, pool, (uint32_t)(line * CACHE_LINE_BYTES >> run->chunk_bits));
    chunks_give_back_below(&run->index, pool, (uint32_t)(block * INDEX_KEY_BYTES >> run->chunk_bits));
}

/* --- from a file --- */

static enum status load_tail(struct run *run, uint8_t *blocks, uint32_t capacity, struct failure *failure) {
    const struct run_file *file = &run->file;
    uint64_t index_blocks = run_file_index_blocks(file);
    CHECK(index_blocks + run_file_filter_blocks(file) == file->tail_blocks);
    for (uint64_t first = 0; first < file->tail_blocks;) {
        uint64_t left = file->tail_blocks - first;
        uint32_t count = left < capacity ? (uint32_t)left : capacity;
        enum status status = run_file_read_tail(file, first, count, blocks, failure);
        if (status != STATUS_OK) return status;
        for (uint32_t i = 0; i < count; i++, first++) {
            const uint8_t *block = blocks + (size_t)i * RUN_BLOCK_BYTES;
            bool of_index = first < index_blocks;
            size_t bytes = (size_t)run_block_count(block) * (of_index ? RUN_KEY_BYTES : RUN_LINE_BYTES);
            uint64_t at = (of_index ? first : first - index_blocks) * RUN_BLOCK_TAIL_BYTES;
            chunks_write(of_index ? &run->index : &run->filter, run->chunk_bits, at, block, bytes);
        }
    }
    return STATUS_OK;
}

static enum status load_opened(struct run *run, struct pool *pool, uint8_t *blocks, uint32_t capacity,
                               struct failure *failure) {
    enum status status = run_file_check(&run->file, &run->footer_crc, failure);
    if (status != STATUS_OK) return status;
    run->filter_lines = run->file.filter_lines;
    uint32_t filter = chunks_of(run->filter_lines * CACHE_LINE_BYTES, run->chunk_bits);
    uint32_t index = run_index_chunks(run->file.count, run->chunk_bits);
    if ((uint64_t)filter + index > pool_free(pool))
        return failure_set(failure, STATUS_FULL, "%s: its filter does not fit into the memory for identities",
                           run->file.name.path);
    chunks_init(&run->filter, filter);
    chunks_init(&run->index, index);
    chunks_take_up_to(&run->filter, pool, filter);
    chunks_take_up_to(&run->index, pool, index);
    return load_tail(run, blocks, capacity, failure);
}

enum status run_load(const struct files *files, const struct run_name *name, struct pool *pool, uint8_t *blocks,
                     uint32_t capacity, struct run **out, struct failure *failure) {
    CHECK(capacity >= 1);
    struct run *run = memory_allocate_zeroed(1, sizeof *run);
    run->file = (struct run_file){.files = files, .name = *name};
    run->chunk_bits = pool->chunk_bits;
    run->last = UINT64_MAX;
    enum status status = files->open(files->self, name->path, FILE_READ, &run->file.file, failure);
    if (status == STATUS_OK) status = load_opened(run, pool, blocks, capacity, failure);
    if (status == STATUS_OK)
        *out = run;
    else
        run_destroy(run, pool);
    return status;
}

void run_destroy(struct run *run, struct pool *pool) {
    run_file_close(&run->file);
    chunks_fini(&run->filter, pool);
    chunks_fini(&run->index, pool);
    free(run);
}

struct run_file run_take_file(struct run *run, struct pool *pool) {
    struct run_file file = run->file;
    run->file.file = NULL;
    run_destroy(run, pool);
    return file;
}
