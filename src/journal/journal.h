/* journal.h: the durable, append-only, partitioned log: the only truth.
 *
 * One physical log per node in segment files `journal/NNNNNNNNNNNNNNNNNNNN.seg`. A commit is one record with the sub-blocks
 * of all partitions, one CRC-32C, one sync; no byte of the next record is written before the sync returned. Bytes:
 * docs/format/journal.md.
 *
 * Life: OPENED -> (replay until STATUS_END) -> REPLAYED -> journal_start -> WRITING -> journal_close (seals).
 *       any -> FAILED after an error of write or sync: then only journal_destroy is allowed (I3: what a failed sync left on
 *       disk is unknown, so stop, restart, recover).
 * One thread at a time. Nothing of it is read, counted or acknowledged before it is durable.
 */
#pragma once

#include "journal/arrival.h"
#include "journal/columns.h"
#include "journal/record.h"
#include "rules/watermark.h"
#include "seam/files.h"
#include "seam/random.h"

struct journal;

/* A proposal for the rules: what was given replaces what is in force; unset (has_* false) changes nothing. On a new journal
 * unset means the default: delay 15 s, lateness 24 h, horizon lateness + 60 s, skew 60 s, partitions 4, content identity. */
struct rules_proposal {
    bool has_delay, has_lateness, has_horizon, has_max_skew, has_partitions, has_identity_mode;
    int64_t delay_ms, lateness_ms, horizon_ms, max_skew_ms;
    uint32_t partition_count;
    uint8_t identity_mode;
};

struct journal_options {
    const struct files *files;
    const struct random *random;
    struct rules_proposal proposal;
    uint64_t segment_bytes; /* a new segment begins when the next record would pass this; a larger record gets its own */
    /* For each partition, the offset up to which another store already counted (NULL: none). A journal whose valid part
     * ends below that has lost acknowledged clicks: refused. */
    const struct journal_offset *counted_below;
    uint32_t counted_below_count;
    const uint8_t *expected_uuid; /* 16 bytes or NULL: another log's uuid is refused */
};

struct journal_uuid {
    uint8_t at[16];
};

/* Creates the log if the directory has none (uuid and identity key from `random`), else looks at every segment's header and
 * footer and reads all of the unsealed one. Refuses with
 * - STATUS_CORRUPT: damage in a sealed segment, damage followed by a valid record, a log that ends below `counted_below`;
 *   the failure names file and byte offset;
 * - STATUS_BAD_CONFIG: the proposal contradicts itself or the journal (partition count), with both values;
 * - STATUS_UNSUPPORTED: a log of another format version, with both;
 * - STATUS_IO_ERROR, STATUS_NO_SPACE.
 * A refusal changes nothing on disk, also when the damage is in the middle of a sealed segment, which only the replay finds:
 * that the unsealed segment is copied to a new file and synced, and a torn tail moved to `*.torn`, waits until the replay
 * has read all sealed segments. */
enum status journal_open(const struct journal_options *options, struct journal **out, struct failure *failure) MUST_USE;

/* The next record of the log, from its beginning, verified (CRC and personal digests, number, offsets, arrival, and at every
 * segment's ends what the records add up to), with one reference for the caller. It is durable: the unsealed segment is read
 * from its synced copy. STATUS_END after the last; STATUS_CORRUPT with file and offset, and then the journal is FAILED. */
enum status journal_replay_next(struct journal *journal, struct journal_record **out, struct failure *failure) MUST_USE;

/* Before the first journal_replay_next, after which it would be too late: `from` has for each partition the offset from
 * which on its records are wanted. The replay then begins with the last segment that lies behind none of them: so some of
 * what it hands out may be below. Of the segments before it headers and footers have been verified (journal_open), records
 * not: they are when somebody reads them (journal_scan). `begins`, if not NULL, takes the first offset of each partition
 * that it hands out, `skipped` the number of segments passed over. The filter records of what is passed over are known from
 * here on (journal_visit_filters). Errors as journal_replay_next. */
enum status journal_replay_from(struct journal *journal, const struct journal_offset *from, struct journal_offset *begins,
                                uint64_t *skipped, struct failure *failure) MUST_USE;
/* All filter records so far, in order; what `visit` is given is valid while it runs. */
void journal_visit_filters(const struct journal *journal,
                           void (*visit)(void *context, const struct filter_record *records, uint32_t count), void *context);

/* After STATUS_END of the replay: appends a `rules` record if the log is new or the proposal changes them. `*out` is that
 * record, or NULL. A clock that is not to be trusted does not hold it up. */
enum status journal_start(struct journal *journal, struct wall_time wall, struct mono_time mono, struct journal_record **out,
                          struct failure *failure) MUST_USE;

/* One caller's clicks and counts. The columns are read, not kept. */
struct journal_batch {
    struct columns *columns; /* partition_count of them */
    struct intake_counts counts;
    struct wall_time arrival_floor; /* the latest `now` that one of its lines was checked against */
    struct wall_time refused_at;    /* the earliest `now` by which one was refused as of the future; if any was */
};

/* Writes the batches and the ticks that are due as one record and syncs it. After STATUS_OK all of it is durable and `*out`
 * is the record with one reference for the caller, or NULL when there was nothing to write (no batches, no tick due).
 * STATUS_AGAIN: the clock is not to be trusted now (I8): nothing was written. Other errors: the journal is FAILED and
 * whether the record is durable is unknown. */
enum status journal_commit(struct journal *journal, const struct journal_batch *const *batches, size_t batch_count,
                           struct wall_time wall, struct mono_time mono, struct journal_record **out,
                           struct failure *failure) MUST_USE;

/* One change of the filters; the journal adds number and covers_from (filter/filters.h). */
struct filter_change {
    enum filter_action action;
    uint32_t id;
    const struct filter *filter; /* FILTER_CREATE */
};
enum { FILTER_CHANGES_MAX = 100000 }; /* of one commit */
/* Writes the changes as one record, all or none, and syncs it: one copy for every partition and nothing else in it. The
 * caller has asked filters_check of all of them in turn. Statuses as journal_commit; STATUS_FULL: the record would be too
 * large, or all filter records together (256 MiB), and nothing was written. */
enum status journal_commit_filters(struct journal *journal, const struct filter_change *changes, size_t count,
                                   struct wall_time wall, struct mono_time mono, struct journal_record **out,
                                   struct failure *failure) MUST_USE;

/* Reads the log once more from its beginning, beside the writer: an own reader of the same files. Hands out the records with
 * numbers below `end_record`, all of which must be durable (I3). Made on any thread, once journal_start is over; then one
 * thread; the journal it was made of may be destroyed. */
struct journal_scan;
struct journal_scan *journal_scan_create(const struct journal *journal, uint64_t end_record);
/* STATUS_END after the last. Other errors as journal_replay_next; not usable after one. */
enum status journal_scan_next(struct journal_scan *scan, struct journal_record **out, struct failure *failure) MUST_USE;
void journal_scan_destroy(struct journal_scan *scan);

/* Seals the open segment with its footer and syncs. The journal is closed and destroyed, also on errors. */
enum status journal_close(struct journal *journal, struct failure *failure) MUST_USE;
/* Lets go without writing anything: what a crash does. */
void journal_destroy(struct journal *journal);

/* The rules in force; before journal_start, those that it will put in force. */
const struct rules *journal_rules(const struct journal *journal);
const struct identity_key *journal_identity_key(const struct journal *journal);
struct journal_uuid journal_uuid(const struct journal *journal);
/* What the filter records replayed, then committed, so far add up to. Changes with the next of either. */
const struct filters *journal_filters(const struct journal *journal);
/* The offset that the partition's next record will take: the durable end, known from journal_open on. So are watermark and
 * totals: they never depend on how far the replay is. */
struct journal_offset journal_end(const struct journal *journal, uint32_t partition);
const struct watermark *journal_watermark(const struct journal *journal, uint32_t partition);
/* Of the whole log so far. accepted = clicks in it. */
struct journal_totals {
    uint64_t received, accepted, rejected_by[REJECT_CODES];
    uint64_t records, bytes; /* bytes of records */
    uint64_t segments;       /* ever begun: the number of the newest */
    uint64_t syncs;          /* of files, since the open */
    uint64_t torn_bytes;     /* moved aside by this open */
};
struct journal_totals journal_totals(const struct journal *journal);
/* Where the torn tail was put, or NULL. After the replay. */
const char *journal_torn_path(const struct journal *journal);

/* Parses and verifies one segment in memory (golden files, fuzzing, offline tools): calls `visit` with each record.
 * STATUS_CORRUPT with the offset of the first bad byte's record in `failure`. */
enum status segment_read(struct bytes segment, void (*visit)(void *context, struct journal_record *record), void *context,
                         struct failure *failure) MUST_USE;
