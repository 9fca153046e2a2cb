#include "journal/segment.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"
#include "base/codec.h"
#include "checksum/crc32c.h"
#include "journal/record_format.h"

static const uint8_t segment_magic[8] = {'T', 'A', 'L', 'L', 'Y', 'S', 'E', 'G'};
enum { FOOTER_MAGIC = 0x444E4554 /* "TEND" */ };

bool log_identity_equal(const struct log_identity *a, const struct log_identity *b) {
    return memcmp(a->uuid, b->uuid, sizeof a->uuid) == 0 && memcmp(a->key.at, b->key.at, sizeof a->key.at) == 0 &&
           a->canonical_version == b->canonical_version && a->partition_count == b->partition_count;
}

uint32_t log_seed(const struct log_identity *log) {
    uint32_t crc = crc32c(0, (struct bytes){log->uuid, sizeof log->uuid});
    return crc32c(crc, (struct bytes){log->key.at, sizeof log->key.at});
}

void segment_path(char path[SEGMENT_PATH_BYTES], uint64_t number, const char *suffix) {
    int len = snprintf(path, SEGMENT_PATH_BYTES, "journal/%020" PRIu64 ".seg%s", number, suffix);
    CHECK(len > 0 && len < SEGMENT_PATH_BYTES);
}

enum status segment_damaged(struct failure *failure, const char *path, uint64_t at, const char *why) {
    return failure_set(failure, STATUS_CORRUPT, "%s is damaged at byte %" PRIu64 ": %s", path, at, why);
}

/* The mark can change after the header was written, so the CRC leaves its 8 bytes out. */
static uint32_t header_crc(const uint8_t *at, uint32_t length) {
    CHECK(length >= SEGMENT_FIXED_BYTES + 4);
    uint32_t crc = crc32c(0, (struct bytes){at, SEGMENT_MARK_AT});
    return crc32c(crc, (struct bytes){at + SEGMENT_MARK_AT + 8, length - 4 - (SEGMENT_MARK_AT + 8)});
}

void segment_header_encode(const struct log_identity *log, uint64_t number, const struct log_state *state,
                           struct buffer *out) {
    size_t begin = out->len;
    CHECK(number >= 1 && log->partition_count == state->partition_count);
    buffer_append(out, segment_magic, sizeof segment_magic);
    buffer_put_u32(out, SEGMENT_VERSION);
    buffer_put_u32(out, 0); /* length, below */
    buffer_put_u64(out, SEGMENT_MARK_OPEN);
    buffer_append(out, log->uuid, sizeof log->uuid);
    buffer_append(out, log->key.at, sizeof log->key.at);
    buffer_put_u64(out, number);
    buffer_put_u32(out, log->canonical_version);
    buffer_put_u32(out, log->partition_count);
    CHECK(out->len - begin == SEGMENT_FIXED_BYTES);
    log_state_encode(state, SEGMENT_VERSION, out);
    while ((out->len - begin) % RECORD_ALIGNMENT != 4) buffer_put_u8(out, 0);
    uint32_t length = (uint32_t)(out->len - begin) + 4;
    CHECK(length <= SEGMENT_HEADER_BYTES_MAX);
    put_u32(out->at + begin + 12, length);
    buffer_put_u32(out, header_crc(out->at + begin, length));
}

static bool rest_is_padding(struct reader *reader) {
    size_t left = reader_left(reader);
    struct bytes rest = reader_bytes(reader, left);
    for (size_t i = 0; i < rest.len; i++)
        if (rest.at[i] != 0) return false;
    return left < RECORD_ALIGNMENT;
}

enum status segment_header_decode(struct bytes bytes, const char *path, struct segment_header *header,
                                  struct log_state *state, struct filter_log *filter_log, struct bytes *state_bytes,
                                  struct failure *failure) {
    if (bytes.len < SEGMENT_FIXED_BYTES) return segment_damaged(failure, path, bytes.len, "the header is cut short");
    if (memcmp(bytes.at, segment_magic, sizeof segment_magic) != 0)
        return segment_damaged(failure, path, 0, "this is not a journal segment");
    uint32_t version = get_u32(bytes.at + 8);
    if (version < SEGMENT_VERSION_MIN || version > SEGMENT_VERSION)
        return failure_set(failure, STATUS_UNSUPPORTED,
                           "%s has format version %" PRIu32 " (byte 8), this program reads versions %d to %d", path, version,
                           SEGMENT_VERSION_MIN, SEGMENT_VERSION);
    uint32_t length = get_u32(bytes.at + 12);
    if (length < SEGMENT_FIXED_BYTES + 4 || length > SEGMENT_HEADER_BYTES_MAX || length % RECORD_ALIGNMENT != 0)
        return segment_damaged(failure, path, 12, "the header's length is not possible");
    if (length > bytes.len) return segment_damaged(failure, path, bytes.len, "the header is cut short");
    if (header_crc(bytes.at, length) != get_u32(bytes.at + length - 4))
        return segment_damaged(failure, path, 0, "the header's CRC-32C does not match");
    uint64_t mark = get_u64(bytes.at + SEGMENT_MARK_AT);
    if (mark != SEGMENT_MARK_OPEN && mark != SEGMENT_MARK_SEALED)
        return segment_damaged(failure, path, SEGMENT_MARK_AT, "the seal mark is neither open nor sealed");
    header->version = version;
    header->length = length;
    header->sealed = mark == SEGMENT_MARK_SEALED;
    memcpy(header->log.uuid, bytes.at + 24, sizeof header->log.uuid);
    memcpy(header->log.key.at, bytes.at + 40, sizeof header->log.key.at);
    header->number = get_u64(bytes.at + 56);
    header->log.canonical_version = get_u32(bytes.at + 64);
    header->log.partition_count = get_u32(bytes.at + 68);
    if (header->log.partition_count < 1 || header->log.partition_count > PARTITIONS_MAX)
        return segment_damaged(failure, path, 68, "the partition count is not possible");
    struct reader reader = {bytes.at + SEGMENT_FIXED_BYTES, bytes.at + length - 4, false};
    log_state_decode(state, header->log.partition_count, version, filter_log, &reader);
    *state_bytes = (struct bytes){bytes.at + SEGMENT_FIXED_BYTES, (size_t)(reader.at - bytes.at) - SEGMENT_FIXED_BYTES};
    if (reader.bad || !rest_is_padding(&reader))
        return segment_damaged(failure, path, SEGMENT_FIXED_BYTES, "the header's state contradicts itself");
    return STATUS_OK;
}

void segment_footer_encode(const struct log_identity *log, uint64_t number, uint32_t version, const struct log_state *state,
                           struct buffer *out) {
    size_t begin = out->len;
    CHECK(number >= 1 && log->partition_count == state->partition_count);
    buffer_put_u32(out, FOOTER_MAGIC);
    buffer_put_u32(out, 0); /* CRC, below */
    buffer_put_u32(out, 0); /* length, below */
    buffer_put_u16(out, (uint16_t)version);
    buffer_put_u16(out, 0);
    buffer_put_u64(out, number);
    buffer_put_u64(out, state->next_record);
    buffer_put_u64(out, 0); /* state length, below */
    CHECK(out->len - begin == FOOTER_FIXED_BYTES);
    log_state_encode(state, version, out);
    put_u32(out->at + begin + 32, (uint32_t)(out->len - begin - FOOTER_FIXED_BYTES));
    while ((out->len - begin) % RECORD_ALIGNMENT != 0) buffer_put_u8(out, 0);
    uint32_t length = (uint32_t)(out->len - begin) + FOOTER_TRAILER_BYTES;
    CHECK(length <= SEGMENT_HEADER_BYTES_MAX && length <= segment_footer_bytes_max(state));
    buffer_put_u32(out, length);
    buffer_put_u32(out, FOOTER_MAGIC);
    put_u32(out->at + begin + FOOTER_AT_LENGTH, length);
    put_u32(out->at + begin + 4, crc32c(log_seed(log), (struct bytes){out->at + begin + 8, length - 8}));
}

bool segment_footer_length(const uint8_t trailer[FOOTER_TRAILER_BYTES], uint32_t *length) {
    *length = get_u32(trailer);
    return get_u32(trailer + 4) == FOOTER_MAGIC && *length >= FOOTER_FIXED_BYTES + FOOTER_TRAILER_BYTES &&
           *length <= SEGMENT_HEADER_BYTES_MAX && *length % RECORD_ALIGNMENT == 0;
}

bool segment_footer_decode(struct bytes bytes, const struct segment_header *header, uint32_t *length,
                           struct log_state *state, struct filter_log *filter_log, struct bytes *state_bytes) {
    if (bytes.len < FOOTER_FIXED_BYTES + FOOTER_TRAILER_BYTES || get_u32(bytes.at) != FOOTER_MAGIC) return false;
    *length = get_u32(bytes.at + FOOTER_AT_LENGTH);
    uint32_t trailer_length;
    if (*length > bytes.len || *length < FOOTER_FIXED_BYTES + FOOTER_TRAILER_BYTES) return false;
    if (!segment_footer_length(bytes.at + *length - FOOTER_TRAILER_BYTES, &trailer_length)) return false;
    if (trailer_length != *length || get_u16(bytes.at + 12) != header->version) return false;
    uint32_t crc = crc32c(log_seed(&header->log), (struct bytes){bytes.at + 8, *length - 8});
    if (crc != get_u32(bytes.at + 4) || get_u64(bytes.at + 16) != header->number) return false;
    if (state == NULL) return true;
    uint32_t state_length = get_u32(bytes.at + 32);
    if (state_length > *length - FOOTER_FIXED_BYTES - FOOTER_TRAILER_BYTES) return false;
    *state_bytes = (struct bytes){bytes.at + FOOTER_FIXED_BYTES, state_length};
    struct reader reader = reader_of(*state_bytes);
    log_state_decode(state, header->log.partition_count, header->version, filter_log, &reader);
    return !reader.bad && reader_left(&reader) == 0 && state->next_record == get_u64(bytes.at + 24);
}

uint64_t segment_footer_bytes_max(const struct log_state *state) {
    CHECK(state->partition_count >= 1 && state->partition_count <= PARTITIONS_MAX);
    /* But for the filters, the encoded state is never larger than in memory. */
    return FOOTER_FIXED_BYTES + FOOTER_TRAILER_BYTES + 1024 + state->partition_count * (sizeof(struct watermark) + 16) +
           state->filter_bytes;
}
