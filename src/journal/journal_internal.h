/* journal_internal.h (inside journal/): the journal's own parts and how they call each other. */
#pragma once

#include "journal/journal.h"
#include "journal/log_reader.h"
#include "journal/record_format.h"
#include "journal/segment.h"
#include "journal/tick.h"

/*   OPENED ---> REPLAYED ---> WRITING ---> CLOSED
 *      |            |            |
 *      +------------+------------+-------> FAILED
 * OPENED: the segments' ends have been looked at, records are being replayed. */
enum journal_life { JOURNAL_OPENED, JOURNAL_REPLAYED, JOURNAL_WRITING, JOURNAL_CLOSED, JOURNAL_FAILED, JOURNAL_LIVES };

struct segment_place {
    uint64_t number;
    uint64_t records_end; /* where the last record ends: the footer, or what is no record any more */
    bool sealed;
    uint64_t *first_offsets; /* of each partition */
};

/* The segment that is being written. `file` NULL: none, the next record begins one. */
struct segment_writer {
    struct file *file;
    uint64_t number;
    uint64_t at;        /* where the next record goes */
    uint64_t allocated; /* up to here space is reserved */
    bool empty;         /* no record yet */
    uint32_t version;   /* of its header, and so of its footer */
    uint64_t header_filter_bytes;
};

struct journal {
    uint32_t magic;
    enum journal_life life;
    struct files files;
    struct random random;
    uint64_t segment_bytes;
    struct log_identity log;
    uint32_t seed;
    struct rules rules; /* in force once started: the journal's, or the proposal */
    /* At the end of the log, known from its last footer or from reading its unsealed segment; only used until it has been
     * replayed. In a log of format version 1 it does not know its highest click. */
    struct log_state end;
    struct log_state state;         /* while replaying: after the last record handed out; then: the durable end */
    struct log_state next;          /* the commit's scratch: becomes `state` when it is durable (I3); the replay's, too */
    struct filter_log *filters;     /* of `state` and `next` */
    struct filter_log *end_filters; /* of `end`; NULL once it has been replayed */
    struct segment_place *segments;
    size_t segment_count;
    /* The tail behind the last record of the unsealed segment: [torn_from, torn_to), empty for a clean end. */
    uint64_t torn_from, torn_to;
    char torn_path[SEGMENT_PATH_BYTES];
    bool settled; /* what recovery does to the disk has been done */
    size_t replay_index;
    struct log_reader reader; /* of the replay */
    struct segment_writer writer;
    uint64_t last_number; /* of the newest segment */
    struct arrival_clock arrival;
    struct tick_clock ticks;
    struct record_draft draft;
    const struct columns **columns; /* the draft's lists, one a partition; room for the most batches that a commit had */
    size_t columns_capacity;        /* of each list */
    uint64_t syncs, torn_bytes;
};

void journal_move(struct journal *journal, enum journal_life to);
/* Moves to FAILED and gives the status back. */
enum status journal_fail(struct journal *journal, enum status status);

/* rules_propose.c: the rules that the proposal makes of `current` (number 0: none yet, a log of `partition_count`). The
 * result has the next number when it differs. STATUS_BAD_CONFIG with both values. */
enum status rules_propose(const struct rules_proposal *proposal, const struct rules *current, struct rules *out,
                          struct failure *failure) MUST_USE;

/* inspect.c: reads the names, headers and footers, and all of the unsealed segment; changes nothing. */
enum status journal_inspect(struct journal *journal, struct failure *failure) MUST_USE;
/* recovery.c: what had to wait until nothing speaks against the log any more: leftovers are removed, a torn tail is kept
 * aside, the unsealed segment is copied and becomes the writer's. */
enum status journal_settle(struct journal *journal, struct failure *failure) MUST_USE;
/* Removes half-made files (`*.new`) that a crash left. */
enum status journal_remove_leftovers(struct journal *journal, struct failure *failure) MUST_USE;

/* segment_writer.c. `state`: before the segment's first record. `needed`: bytes of its first record, if there is one, and of
 * a footer. */
enum status segment_writer_begin(struct journal *journal, uint64_t number, const struct log_state *state, uint64_t needed,
                                 struct failure *failure) MUST_USE;
uint64_t segment_allocation(const struct journal *journal, uint64_t needed);
/* Writes and syncs one record; begins a new segment when it does not fit into this one. */
enum status segment_writer_append(struct journal *journal, const struct journal_record *record,
                                  struct failure *failure) MUST_USE;
enum status segment_writer_seal(struct journal *journal, struct failure *failure) MUST_USE;
void segment_writer_drop(struct journal *journal);
