/* put_right.h: gives bytes that are nearly a journal segment the checksums and digests that they would need, so that a
 * fuzzer reaches what stands behind them. */
#pragma once

#include "checksum/crc32c.h"
#include "journal/record_format.h"
#include "journal/segment.h"

static void digests_put_right(uint8_t *record, size_t length, size_t covered) {
    size_t at = RECORD_HEADER_BYTES + (size_t)RECORD_REJECT_BYTES * get_u16(record + RECORD_AT_REJECTS);
    size_t personal = covered;
    for (uint32_t i = 0; i < get_u32(record + RECORD_AT_SUB_BLOCKS); i++, at += RECORD_SUB_BLOCK_BYTES) {
        if (at + RECORD_SUB_BLOCK_BYTES > covered) return;
        size_t len = get_u32(record + at + 20);
        if (len > length - personal) return;
        if (len > PERSONAL_SALT_BYTES) personal_frame_digest((struct bytes){record + personal, len}, record + at + 24);
        personal += len;
    }
}

static size_t record_put_right(uint8_t *record, size_t left, uint32_t seed) {
    if (left < RECORD_HEADER_BYTES) return 0;
    size_t length = get_u32(record + RECORD_AT_LENGTH), covered = get_u32(record + RECORD_AT_COVERED);
    if (length > left || length < RECORD_HEADER_BYTES || covered > length || covered < RECORD_HEADER_BYTES) return 0;
    digests_put_right(record, length, covered);
    put_u32(record + RECORD_AT_CRC, crc32c(seed, (struct bytes){record + RECORD_AT_LENGTH, covered - RECORD_AT_LENGTH}));
    return length;
}

static size_t footer_put_right(uint8_t *footer, size_t left, uint32_t seed) {
    size_t length = left < 12 ? 0 : get_u32(footer + 8);
    if (length < 12 || length > left) return 0;
    put_u32(footer + 4, crc32c(seed, (struct bytes){footer + 8, length - 8}));
    return length;
}

static void segment_put_right(uint8_t *segment, size_t size) {
    if (size < SEGMENT_FIXED_BYTES + 4) return;
    size_t at = get_u32(segment + 12);
    if (at > size || at < SEGMENT_FIXED_BYTES + 4) return;
    uint32_t crc = crc32c(0, (struct bytes){segment, SEGMENT_MARK_AT});
    crc = crc32c(crc, (struct bytes){segment + SEGMENT_MARK_AT + 8, at - 4 - (SEGMENT_MARK_AT + 8)});
    put_u32(segment + at - 4, crc);
    struct log_identity log;
    memcpy(log.uuid, segment + 24, sizeof log.uuid);
    memcpy(log.key.at, segment + 40, sizeof log.key.at);
    uint32_t seed = log_seed(&log);
    for (size_t step = 1; step > 0 && size - at >= 4; at += step)
        step = get_u32(segment + at) == RECORD_MAGIC ? record_put_right(segment + at, size - at, seed)
                                                     : footer_put_right(segment + at, size - at, seed);
}
