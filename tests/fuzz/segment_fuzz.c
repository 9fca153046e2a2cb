/* segment_fuzz.c: a journal segment made of anything. Twice: as it comes, and with its checksums and digests put right, so
 * that what stands behind them is reached. Whatever is accepted must be walkable to its last click. */
#include <stdlib.h>

#include "base/check.h"
#include "checksum/crc32c.h"
#include "journal/journal.h"
#include "journal/record_format.h"
#include "journal/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk_filters(const struct sub_block *block) {
    struct buffer words = {0};
    for (uint32_t i = 0; i < block->count; i++) {
        const struct filter_record *record = &block->filter_records[i];
        CHECK((record->filter != NULL) == (record->action == FILTER_CREATE));
        if (record->filter != NULL) filter_describe(record->filter, &words);
    }
    buffer_fini(&words);
}

static void visit(void *context, struct journal_record *record) {
    uint64_t *clicks = context;
    for (uint32_t i = 0; i < record->sub_block_count; i++) {
        if (record->sub_blocks[i].kind == SUB_BLOCK_FILTERS) walk_filters(&record->sub_blocks[i]);
        if (record->sub_blocks[i].kind != SUB_BLOCK_CLICKS) continue;
        struct click_cursor cursor = click_cursor_of(&record->sub_blocks[i].clicks);
        struct click click;
        uint32_t count = 0;
        while (click_cursor_next(&cursor, &click)) count++;
        CHECK(count == record->sub_blocks[i].count);
        *clicks += count;
    }
}

static void read_all(const uint8_t *data, size_t size) {
    struct failure failure = {0};
    uint64_t clicks = 0;
    enum status status = segment_read((struct bytes){data, size}, visit, &clicks, &failure);
    CHECK((status == STATUS_OK) == (failure.status == STATUS_OK));
    CHECK(status == STATUS_OK || status == STATUS_CORRUPT || status == STATUS_UNSUPPORTED);
}

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

static void put_right(uint8_t *segment, size_t size) {
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    read_all(data, size);
    uint8_t *copy = malloc(size + 1);
    CHECK(copy != NULL);
    if (size > 0) memcpy(copy, data, size);
    put_right(copy, size);
    read_all(copy, size);
    free(copy);
    return 0;
}
