/* record.h: one journal record (= one group commit) in memory, as read back from disk or as just written: the same bytes.
 *
 * Shared by reference: the aggregators of all partitions read it at the same time, nobody writes it. */
#pragma once

#include "click/click.h"
#include "click/reject.h"
#include "filter/filters.h"
#include "rules/rules.h"

enum sub_block_kind {
    SUB_BLOCK_CLICKS = 1,
    SUB_BLOCK_RULES = 2,
    SUB_BLOCK_TICK = 3,
    SUB_BLOCK_FILTERS = 4
}; /* on disk: never renumber */

/* The clicks of one sub-block, as columns; arrays are unaligned (use get_u16/u32/u64). All lengths have been validated:
 * they add up, times are not negative, countries are < COUNTRY_CODES, ids have 1..128 bytes. */
struct click_block {
    uint32_t count;
    const uint8_t *identities;       /* count x 16: low, high */
    const uint8_t *content_tags;     /* count x 4 */
    const uint8_t *times;            /* count x 8, ms */
    const uint8_t *countries;        /* count x 2 */
    const uint8_t *ad_lengths;       /* count x 1 */
    const uint8_t *event_id_lengths; /* count x 1 */
    struct bytes ad_bytes;           /* all, in order, back to back */
    struct bytes billing;            /* whole frame */
    struct bytes personal;           /* whole frame; empty when it has been erased */
};

struct sub_block {
    uint16_t partition;
    uint8_t kind;                       /* enum sub_block_kind */
    uint32_t count;                     /* offsets taken: clicks, filter records, or 1 */
    struct journal_offset first_offset; /* the others follow by one */
    struct click_block clicks;          /* SUB_BLOCK_CLICKS */
    struct rules rules;                 /* SUB_BLOCK_RULES */
    struct event_time floor;            /* SUB_BLOCK_TICK */
    /* SUB_BLOCK_FILTERS: `count` of them, with their filters; owned by the journal record, the same in all partitions. */
    const struct filter_record *filter_records;
};

/* What intake did since the previous record (I4, the intake law: received = journalled + rejected). */
struct intake_counts {
    uint64_t received;
    uint64_t rejected_by[REJECT_CODES];
};

struct journal_record {
    uint64_t number;          /* 1, 2, 3, ... without gaps over the whole log */
    struct wall_time arrival; /* of everything in it; never less than that of the record before */
    struct intake_counts counts;
    uint32_t sub_block_count;
    const struct sub_block *sub_blocks; /* in offset order within each partition */
    struct bytes bytes;                 /* the whole record */
};

/* Reference counted; thread-safe. */
struct journal_record *journal_record_hold(struct journal_record *record);
void journal_record_release(struct journal_record *record);

/* Walks the clicks of a block as whole `struct click`s (the slow, complete way: oracle, export, explain). Views point into
 * the record. When the personal frame was erased, user_id is empty and ip.kind 0. */
struct click_cursor {
    const struct click_block *block;
    uint32_t index;
    struct reader ads, event_ids, sources, users, ips, texts;
    const uint8_t *source_lengths, *user_lengths, *forms;
};
struct click_cursor click_cursor_of(const struct click_block *block);
/* False after the last. */
bool click_cursor_next(struct click_cursor *cursor, struct click *click);
