/* record_format.h (inside journal/): the bytes of a record, docs/format/journal.md. */
#pragma once

#include "journal/columns.h"
#include "journal/filter_log.h"
#include "journal/record.h"
#include "seam/random.h"

enum {
    RECORD_MAGIC = 0x43455254, /* "TREC" */
    RECORD_VERSION = 1,
    FRAME_VERSION = 1,
    RECORD_HEADER_BYTES = 48,
    RECORD_REJECT_BYTES = 16,
    RECORD_SUB_BLOCK_BYTES = 40,
    RECORD_SUB_BLOCKS_MAX = 2 * PARTITIONS_MAX, /* clicks and a tick for each partition, or rules, or filters */
    RECORD_ALIGNMENT = 8,
    RECORD_BYTES_MAX = 1024 * 1024 * 1024,
    PERSONAL_SALT_BYTES = 16,
    PERSONAL_DIGEST_BYTES = 16,
    TICK_FRAME_BYTES = 8,
    CLICK_FIXED_BYTES = 16 + 4 + 8 + 2 + 1 + 1 + 1, /* of a click in a billing frame, beside its texts */
    /* Offsets of the header's fields. */
    RECORD_AT_CRC = 4,
    RECORD_AT_LENGTH = 8,
    RECORD_AT_VERSION = 12,
    RECORD_AT_REJECTS = 14,
    RECORD_AT_NUMBER = 16,
    RECORD_AT_ARRIVAL = 24,
    RECORD_AT_RECEIVED = 32,
    RECORD_AT_SUB_BLOCKS = 40,
    RECORD_AT_COVERED = 44,
};

#define RECORD_TIME_MS_MAX INT64_C(253402300799999) /* the end of the year 9999: of event times and arrivals */
#define RECORD_OFFSET_MAX (UINT64_C(1) << 47)       /* the identity table packs offsets into 47 bits */

/* What is wrong with bytes that should be a record. The first four are what a torn write can leave; the last is not: the
 * checksums are right, so it was written like this. */
enum record_flaw {
    RECORD_GOOD,
    RECORD_ABSENT,
    RECORD_CUT,
    RECORD_BAD_CHECKSUM,
    RECORD_BAD_DIGEST,
    RECORD_MALFORMED,
};
const char *record_flaw_text(enum record_flaw flaw);

/* Frames: a click sub-block's bytes (frames.c). */
size_t click_block_place(struct click_block *block, uint32_t count, struct bytes billing, size_t ad_bytes_len);
/* False unless all lengths add up and every value is in its range. Sets everything but `personal`. */
bool click_block_parse(struct click_block *block, uint32_t count, struct bytes billing);
bool personal_frame_valid(uint32_t count, struct bytes frame);
void personal_frame_digest(struct bytes frame, uint8_t digest[PERSONAL_DIGEST_BYTES]);
bool personal_frame_erased(struct bytes frame);
/* Turns a frame into its erased form, in place: the salt gives way to a mark, the rest to zeros. The record's checksum and
 * the frame's digest stay as they are, and without the salt the digest tells nothing. */
void personal_frame_erase(uint8_t *frame, size_t len);
void personal_frame_salt(uint8_t salt[PERSONAL_SALT_BYTES], const struct random *random);

/* Memory for a record of `length` bytes, to be filled before anybody else sees it; one reference. */
struct journal_record *record_allocate(size_t length);
uint8_t *record_writable(struct journal_record *record);
struct sub_block *record_allocate_sub_blocks(struct journal_record *record, uint32_t count);
/* Decodes the frame of a filters sub-block into the record's own memory, once for all partitions: a copy whose bytes are not
 * the first one's is left without filter records. False when the frame is malformed. */
bool record_place_filters(struct journal_record *record, struct sub_block *block, struct bytes frame);
/* The first filters sub-block's; empty when there is none. */
struct bytes record_filter_frame(const struct journal_record *record);
/* Verifies the bytes and fills in the rest of the record. `seed` begins the CRC (log_seed). */
enum record_flaw record_parse(struct journal_record *record, uint32_t seed);
/* Whether a record with a right CRC begins `bytes`, whatever its personal frames hold. For the search behind damage. */
bool record_checksum_right(struct bytes bytes, uint32_t seed, uint64_t *number);
uint32_t record_crc(const struct journal_record *record);

/* What is to be written as one record. */
struct draft_sub_block {
    uint16_t partition;
    enum sub_block_kind kind;
    uint32_t count;
    struct journal_offset first_offset;
    struct event_time floor; /* SUB_BLOCK_TICK */
};
struct record_draft {
    uint64_t number;
    struct wall_time arrival;
    struct intake_counts counts;
    struct draft_sub_block sub_blocks[RECORD_SUB_BLOCKS_MAX];
    uint32_t sub_block_count;
    const struct rules *rules; /* SUB_BLOCK_RULES */
    struct bytes filter_frame; /* SUB_BLOCK_FILTERS: of every partition */
    /* SUB_BLOCK_CLICKS: the clicks of partition p are those of columns[p][0], columns[p][1], ... in this order; none of
     * them is empty. */
    struct {
        const struct columns **at;
        size_t count;
    } columns[PARTITIONS_MAX];
};
struct journal_record *record_build(const struct record_draft *draft, uint32_t seed, const struct random *random);
