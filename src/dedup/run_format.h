/* run_format.h: the bytes of a run's file (docs/format/dedup.md). Internal to dedup/. */
#pragma once

#include "base/codec.h"
#include "checksum/crc32c.h"
#include "dedup/leaf.h"

enum {
    RUN_FORMAT_VERSION = 1,
    RUN_BLOCK_BYTES = 4096,
    RUN_ENTRY_BYTES = 32,
    RUN_KEY_BYTES = 8,
    RUN_LINE_BYTES = 64,
    RUN_BLOCK_ENTRIES = 127,
    RUN_CRC_AT = RUN_BLOCK_BYTES - 4, /* of each block: CRC-32C of all before it */
    /* The ends: the first and the last block of the file. */
    RUN_END_MAGIC_AT = 0,
    RUN_END_VERSION_AT = 8,
    RUN_END_PARTITION_AT = 12,
    RUN_END_NUMBER_AT = 16,
    RUN_END_LOG_AT = 24,
    RUN_END_COUNT_AT = 40,
    RUN_END_BLOCKS_AT = 48,
    RUN_END_OFFSET_MIN_AT = 56,
    RUN_END_OFFSET_MAX_AT = 64,
    RUN_END_BOUND_MAX_AT = 72,
    RUN_END_FILTER_LINES_AT = 80,
    /* The blocks between them: entries first, then the index, then the filter. Behind what each holds: */
    RUN_BLOCK_COUNT_AT = RUN_BLOCK_ENTRIES * RUN_ENTRY_BYTES,
    RUN_BLOCK_PARTITION_AT = RUN_BLOCK_COUNT_AT + 4,
    RUN_BLOCK_NUMBER_AT = RUN_BLOCK_COUNT_AT + 8,
    RUN_BLOCK_INDEX_AT = RUN_BLOCK_COUNT_AT + 16,
    RUN_BLOCK_KIND_AT = RUN_BLOCK_COUNT_AT + 24,
    RUN_BLOCK_KEYS = 504,        /* of 8 bytes, in a block of the index */
    RUN_BLOCK_LINES = 63,        /* of 64 bytes, in a block of the filter */
    RUN_BLOCK_TAIL_BYTES = 4032, /* that either fills */
};
_Static_assert(RUN_BLOCK_KIND_AT + 4 == RUN_CRC_AT, "a block is full");
_Static_assert(RUN_BLOCK_KEYS *RUN_KEY_BYTES == RUN_BLOCK_TAIL_BYTES &&
                   RUN_BLOCK_LINES * RUN_LINE_BYTES == RUN_BLOCK_TAIL_BYTES,
               "both sections fill their blocks alike");
enum run_block_kind { RUN_BLOCK_OF_ENTRIES, RUN_BLOCK_OF_INDEX, RUN_BLOCK_OF_FILTER };
#define RUN_HEADER_MAGIC UINT64_C(0x6E7572796C6C6174) /* "tallyrun" */
#define RUN_FOOTER_MAGIC UINT64_C(0x646E65796C6C6174) /* "tallyend" */

static inline void run_put_u48(uint8_t *at, uint64_t value) {
    put_u32(at, (uint32_t)value);
    put_u16(at + 4, (uint16_t)(value >> 32));
}

static inline uint64_t run_get_u48(const uint8_t *at) {
    return get_u32(at) | (uint64_t)get_u16(at + 4) << 32;
}

static inline void run_put_entry(uint8_t *at, const struct dedup_entry *entry) {
    put_u64(at, entry->identity.high);
    put_u64(at + 8, entry->identity.low);
    put_u32(at + 16, entry->content_tag);
    run_put_u48(at + 20, entry->offset.at);
    run_put_u48(at + 26, (uint64_t)entry->bound.ms);
}

static inline struct identity run_get_identity(const uint8_t *at) {
    return (struct identity){.low = get_u64(at + 8), .high = get_u64(at)};
}

static inline struct dedup_entry run_get_entry(const uint8_t *at) {
    return (struct dedup_entry){
        .identity = run_get_identity(at),
        .content_tag = get_u32(at + 16),
        .offset = {run_get_u48(at + 20)},
        .bound = {(int64_t)run_get_u48(at + 26)},
    };
}

static inline void run_seal_block(uint8_t *block) {
    put_u32(block + RUN_CRC_AT, crc32c(0, (struct bytes){block, RUN_CRC_AT}));
}

static inline bool run_block_is_whole(const uint8_t *block) {
    return get_u32(block + RUN_CRC_AT) == crc32c(0, (struct bytes){block, RUN_CRC_AT});
}
