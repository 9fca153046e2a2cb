/* All of a run, as `tally repair` looks at it: a look-up reads a block of it, a start only index and filter. */
#include "base/check.h"
#include "dedup/run_file.h"

struct verified {
    const struct run_file *run;
    uint64_t count, offset_min, offset_max;
    struct event_time bound_max;
    struct identity previous;
    uint8_t index[RUN_BLOCK_BYTES]; /* the block of it that is in use */
};

static uint32_t portion(uint64_t left, uint32_t capacity) {
    return left < capacity ? (uint32_t)left : capacity;
}

static enum status verify_tail(const struct run_file *run, uint8_t *blocks, uint32_t capacity, struct failure *failure) {
    enum status status = STATUS_OK;
    for (uint64_t at = 0; at < run->tail_blocks && status == STATUS_OK;) {
        uint32_t count = portion(run->tail_blocks - at, capacity);
        status = run_file_read_tail(run, at, count, blocks, failure);
        at += count;
    }
    return status;
}

static enum status verify_block(struct verified *verified, uint64_t at, const uint8_t *block, struct failure *failure) {
    const struct run_file *run = verified->run;
    uint64_t byte = (at + 1) * RUN_BLOCK_BYTES;
    if (at % RUN_BLOCK_KEYS == 0) {
        enum status status = run_file_read_tail(run, at / RUN_BLOCK_KEYS, 1, verified->index, failure);
        if (status != STATUS_OK) return status;
    }
    if (get_u64(verified->index + at % RUN_BLOCK_KEYS * RUN_KEY_BYTES) != get_u64(block))
        return run_file_damaged(run, byte, "another block than the index tells", failure);
    for (uint32_t i = 0; i < run_block_count(block); i++) {
        struct dedup_entry entry = run_get_entry(block + (size_t)i * RUN_ENTRY_BYTES);
        if (verified->count > 0 && identity_compare(verified->previous, entry.identity) >= 0)
            return run_file_damaged(run, byte, "identities out of order", failure);
        verified->previous = entry.identity;
        verified->count++;
        if (entry.offset.at < verified->offset_min) verified->offset_min = entry.offset.at;
        if (entry.offset.at > verified->offset_max) verified->offset_max = entry.offset.at;
        verified->bound_max = event_time_max(verified->bound_max, entry.bound);
    }
    return STATUS_OK;
}

enum status run_file_verify(const struct run_file *run, uint8_t *blocks, uint32_t capacity, struct failure *failure) {
    CHECK(capacity >= 1);
    struct verified verified = {.run = run, .offset_min = UINT64_MAX, .bound_max = EVENT_TIME_NONE};
    for (uint64_t at = 0; at < run->block_count;) {
        uint32_t count = portion(run->block_count - at, capacity);
        enum status status = run_file_read(run, at, count, blocks, failure);
        for (uint32_t i = 0; i < count && status == STATUS_OK; i++)
            status = verify_block(&verified, at + i, blocks + (size_t)i * RUN_BLOCK_BYTES, failure);
        if (status != STATUS_OK) return status;
        at += count;
    }
    bool same = verified.count == run->count &&
                (run->count == 0 || (verified.offset_min == run->offset_min && verified.offset_max == run->offset_max &&
                                     verified.bound_max.ms == run->bound_max.ms));
    if (!same)
        return run_file_damaged(run, run_file_bytes(run) - RUN_BLOCK_BYTES, "figures that are not those of its entries",
                                failure);
    return verify_tail(run, blocks, capacity, failure);
}
