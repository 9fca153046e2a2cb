#include "journal/record_format.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/check.h"
#include "checksum/crc32c.h"

enum { RECORD_BOX_MAGIC = 0x7E5EC0D1 };

/* One allocation holds the record and its bytes. */
struct record_box {
    struct journal_record record; /* first: a record's address is its box's */
    uint32_t magic;
    _Atomic uint32_t references;
    struct sub_block *sub_blocks;
    struct filter_frame filters; /* SUB_BLOCK_FILTERS */
    struct bytes filter_bytes;   /* what they were decoded from, in `bytes` */
    size_t length;
    _Alignas(16) uint8_t bytes[];
};

static struct record_box *record_box(struct journal_record *record) {
    struct record_box *box = (struct record_box *)(void *)record;
    CHECK(box != NULL && box->magic == (uint32_t)RECORD_BOX_MAGIC);
    return box;
}

static const struct record_box *record_box_view(const struct journal_record *record) {
    const struct record_box *box = (const struct record_box *)(const void *)record;
    CHECK(box != NULL && box->magic == (uint32_t)RECORD_BOX_MAGIC);
    return box;
}

struct journal_record *record_allocate(size_t length) {
    CHECK(length >= RECORD_HEADER_BYTES && length <= RECORD_BYTES_MAX);
    struct record_box *box = memory_allocate(sizeof *box + length);
    *box = (struct record_box){.magic = (uint32_t)RECORD_BOX_MAGIC, .length = length};
    atomic_init(&box->references, 1);
    box->record.bytes = (struct bytes){box->bytes, length};
    return &box->record;
}

uint8_t *record_writable(struct journal_record *record) {
    struct record_box *box = record_box(record);
    CHECK(atomic_load_explicit(&box->references, memory_order_relaxed) == 1); /* nobody reads it yet */
    return box->bytes;
}

struct sub_block *record_allocate_sub_blocks(struct journal_record *record, uint32_t count) {
    struct record_box *box = record_box(record);
    CHECK(box->sub_blocks == NULL && count <= RECORD_SUB_BLOCKS_MAX);
    box->sub_blocks = memory_allocate_zeroed(count, sizeof(struct sub_block));
    record->sub_blocks = box->sub_blocks;
    record->sub_block_count = count;
    return box->sub_blocks;
}

struct journal_record *journal_record_hold(struct journal_record *record) {
    uint32_t before = atomic_fetch_add_explicit(&record_box(record)->references, 1, memory_order_relaxed);
    CHECK(before >= 1 && before < UINT32_MAX);
    return record;
}

void journal_record_release(struct journal_record *record) {
    if (record == NULL) return;
    struct record_box *box = record_box(record);
    /* Release: what this holder read happened before the memory goes. Acquire: for the one who lets it go. */
    uint32_t before = atomic_fetch_sub_explicit(&box->references, 1, memory_order_acq_rel);
    CHECK(before >= 1);
    if (before > 1) return;
    box->magic = 0;
    filter_frame_fini(&box->filters);
    free(box->sub_blocks);
    free(box);
}

bool record_place_filters(struct journal_record *record, struct sub_block *block, struct bytes frame) {
    struct record_box *box = record_box(record);
    if (box->filters.records == NULL) {
        if (!filter_frame_parse(&box->filters, block->count, frame)) return false;
        box->filter_bytes = frame;
    }
    if (block->count == box->filters.count && bytes_equal(frame, box->filter_bytes))
        block->filter_records = box->filters.records;
    return true;
}

struct bytes record_filter_frame(const struct journal_record *record) {
    return record_box_view(record)->filter_bytes;
}

uint32_t record_crc(const struct journal_record *record) {
    return get_u32(record->bytes.at + RECORD_AT_CRC);
}

const char *record_flaw_text(enum record_flaw flaw) {
    static const char *const texts[] = {
        [RECORD_GOOD] = "nothing is wrong",
        [RECORD_ABSENT] = "no record begins here",
        [RECORD_CUT] = "the record's length does not fit",
        [RECORD_BAD_CHECKSUM] = "the record's CRC-32C does not match",
        [RECORD_BAD_DIGEST] = "the digest of a personal frame does not match",
        [RECORD_MALFORMED] = "the record contradicts itself",
    };
    CHECK((size_t)flaw < sizeof texts / sizeof texts[0]);
    return texts[flaw];
}

/* Magic, version, lengths and CRC. `bytes` may be longer than the record. */
static enum record_flaw envelope_check(struct bytes bytes, uint32_t seed) {
    if (bytes.len < RECORD_HEADER_BYTES || get_u32(bytes.at) != RECORD_MAGIC) return RECORD_ABSENT;
    if (get_u16(bytes.at + RECORD_AT_VERSION) != RECORD_VERSION) return RECORD_ABSENT;
    uint32_t length = get_u32(bytes.at + RECORD_AT_LENGTH);
    uint32_t covered = get_u32(bytes.at + RECORD_AT_COVERED);
    if (length > bytes.len || length % RECORD_ALIGNMENT != 0 || length > RECORD_BYTES_MAX) return RECORD_CUT;
    if (covered < RECORD_HEADER_BYTES || covered > length) return RECORD_CUT;
    uint32_t crc = crc32c(seed, (struct bytes){bytes.at + RECORD_AT_LENGTH, covered - RECORD_AT_LENGTH});
    return crc == get_u32(bytes.at + RECORD_AT_CRC) ? RECORD_GOOD : RECORD_BAD_CHECKSUM;
}

bool record_checksum_right(struct bytes bytes, uint32_t seed, uint64_t *number) {
    if (envelope_check(bytes, seed) != RECORD_GOOD) return false;
    CHECK(bytes.len >= RECORD_HEADER_BYTES);
    *number = get_u64(bytes.at + RECORD_AT_NUMBER);
    return true;
}

static bool parse_rejects(struct reader *reader, uint32_t count, struct intake_counts *counts, uint64_t *sum) {
    int64_t last_code = -1;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t code = reader_u32(reader);
        uint32_t zero = reader_u32(reader);
        uint64_t rejected = reader_u64(reader);
        if (reader->bad || code >= REJECT_CODES || (int64_t)code <= last_code || zero != 0 || rejected == 0) return false;
        if (__builtin_add_overflow(*sum, rejected, sum)) return false;
        counts->rejected_by[code] = rejected;
        last_code = code;
    }
    return true;
}

/* Where the frames are, from the table of sub-blocks; what is in them comes later. */
struct frame_place {
    uint32_t billing_bytes, personal_bytes;
    const uint8_t *digest;
};

static bool parse_entry(struct reader *reader, struct sub_block *block, struct frame_place *place) {
    block->partition = reader_u16(reader);
    block->kind = reader_u8(reader);
    uint8_t version = reader_u8(reader);
    block->count = reader_u32(reader);
    block->first_offset.at = reader_u64(reader);
    place->billing_bytes = reader_u32(reader);
    place->personal_bytes = reader_u32(reader);
    place->digest = reader_bytes(reader, PERSONAL_DIGEST_BYTES).at;
    if (reader->bad || version != FRAME_VERSION || block->partition >= PARTITIONS_MAX) return false;
    if (block->first_offset.at > RECORD_OFFSET_MAX || block->count > RECORD_OFFSET_MAX - block->first_offset.at)
        return false;
    if (block->kind == SUB_BLOCK_CLICKS) return block->count >= 1 && place->personal_bytes > PERSONAL_SALT_BYTES;
    if (block->kind == SUB_BLOCK_FILTERS) return block->count >= 1 && place->personal_bytes == 0;
    return block->count == 1 && place->personal_bytes == 0;
}

static bool parse_billing(struct journal_record *record, struct sub_block *block, struct bytes frame) {
    struct reader reader = reader_of(frame);
    switch ((enum sub_block_kind)block->kind) {
    case SUB_BLOCK_CLICKS:
        return click_block_parse(&block->clicks, block->count, frame);
    case SUB_BLOCK_RULES:
        block->rules = rules_decode(&reader);
        return !reader.bad && reader_left(&reader) == 0;
    case SUB_BLOCK_TICK:
        block->floor.ms = (int64_t)reader_u64(&reader);
        return !reader.bad && reader_left(&reader) == 0 && block->floor.ms >= 0 && block->floor.ms <= RECORD_TIME_MS_MAX;
    case SUB_BLOCK_FILTERS:
        return record_place_filters(record, block, frame);
    }
    return false;
}

static enum record_flaw parse_personal(struct sub_block *block, struct bytes frame, const uint8_t *digest) {
    if (frame.len == 0) return RECORD_GOOD;
    if (personal_frame_erased(frame)) return RECORD_GOOD;
    CHECK(block->kind == SUB_BLOCK_CLICKS && frame.len > PERSONAL_SALT_BYTES);
    uint8_t computed[PERSONAL_DIGEST_BYTES];
    personal_frame_digest(frame, computed);
    if (memcmp(computed, digest, sizeof computed) != 0) return RECORD_BAD_DIGEST;
    if (!personal_frame_valid(block->count, frame)) return RECORD_MALFORMED;
    block->clicks.personal = frame;
    return RECORD_GOOD;
}

/* Sub-blocks stand in ascending order of partition, then kind; a partition has at most one of a kind. */
static bool in_order(const struct sub_block *before, const struct sub_block *after) {
    return before->partition < after->partition || (before->partition == after->partition && before->kind < after->kind);
}

static bool all_zero(struct bytes bytes) {
    for (size_t i = 0; i < bytes.len; i++)
        if (bytes.at[i] != 0) return false;
    return true;
}

static enum record_flaw parse_sub_blocks(struct journal_record *record, struct sub_block *blocks, struct reader *covered,
                                         struct reader *personal, uint64_t *clicks) {
    struct frame_place places[RECORD_SUB_BLOCKS_MAX];
    CHECK(record->sub_block_count <= RECORD_SUB_BLOCKS_MAX);
    for (uint32_t i = 0; i < record->sub_block_count; i++) {
        if (!parse_entry(covered, &blocks[i], &places[i])) return RECORD_MALFORMED;
        if (i > 0 && !in_order(&blocks[i - 1], &blocks[i])) return RECORD_MALFORMED;
    }
    for (uint32_t i = 0; i < record->sub_block_count; i++) {
        struct bytes frame = reader_bytes(covered, places[i].billing_bytes);
        if (covered->bad || !parse_billing(record, &blocks[i], frame)) return RECORD_MALFORMED;
        if (blocks[i].kind == SUB_BLOCK_CLICKS) *clicks += blocks[i].count;
    }
    for (uint32_t i = 0; i < record->sub_block_count; i++) {
        struct bytes frame = reader_bytes(personal, places[i].personal_bytes);
        if (personal->bad) return RECORD_MALFORMED;
        enum record_flaw flaw = parse_personal(&blocks[i], frame, places[i].digest);
        if (flaw != RECORD_GOOD) return flaw;
    }
    return RECORD_GOOD;
}

enum record_flaw record_parse(struct journal_record *record, uint32_t seed) {
    struct bytes bytes = record->bytes;
    CHECK(record->sub_blocks == NULL && bytes.len >= RECORD_HEADER_BYTES);
    enum record_flaw flaw = envelope_check(bytes, seed);
    if (flaw != RECORD_GOOD) return flaw;
    if (get_u32(bytes.at + RECORD_AT_LENGTH) != bytes.len) return RECORD_CUT;
    uint32_t reject_count = get_u16(bytes.at + RECORD_AT_REJECTS);
    uint32_t sub_block_count = get_u32(bytes.at + RECORD_AT_SUB_BLOCKS);
    const uint8_t *covered_end = bytes.at + get_u32(bytes.at + RECORD_AT_COVERED);
    record->number = get_u64(bytes.at + RECORD_AT_NUMBER);
    record->arrival.ms = (int64_t)get_u64(bytes.at + RECORD_AT_ARRIVAL);
    record->counts = (struct intake_counts){.received = get_u64(bytes.at + RECORD_AT_RECEIVED)};
    if (record->arrival.ms < 0 || record->arrival.ms > RECORD_TIME_MS_MAX) return RECORD_MALFORMED;
    if (record->number == 0 || sub_block_count > RECORD_SUB_BLOCKS_MAX) return RECORD_MALFORMED;

    struct reader covered = {bytes.at + RECORD_HEADER_BYTES, covered_end, false};
    struct reader personal = {covered_end, bytes.at + bytes.len, false};
    uint64_t rejected = 0, clicks = 0, law;
    if (!parse_rejects(&covered, reject_count, &record->counts, &rejected)) return RECORD_MALFORMED;
    struct sub_block *blocks = record_allocate_sub_blocks(record, sub_block_count);
    flaw = parse_sub_blocks(record, blocks, &covered, &personal, &clicks);
    if (flaw != RECORD_GOOD) return flaw;
    size_t padding = reader_left(&covered);
    if (padding >= RECORD_ALIGNMENT || !all_zero(reader_bytes(&covered, padding))) return RECORD_MALFORMED;
    if (reader_left(&personal) != 0) return RECORD_MALFORMED;
    /* I4, the intake law. */
    if (__builtin_add_overflow(rejected, clicks, &law) || law != record->counts.received) return RECORD_MALFORMED;
    return RECORD_GOOD;
}
