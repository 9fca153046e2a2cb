/* dedup_internal.h: what dedup.c and dedup_step.c share.
 *
 *   table --full--> frozen --dedup_step: sorted, leaf by leaf--> run (the newest)
 *   two runs that follow each other --dedup_step: merged--> one in their place
 *
 * While a run is being made, what is below a place in the order of identities is looked up in it, what is above in what it
 * is made from. So memory goes back at the pace at which it is taken, and nothing is ever done as a whole.
 *
 * When a table is frozen, D of that moment is noted (frozen_d); when its run is whole, that becomes the `line`: all that was
 * remembered there is in runs. Runs lose only what is forgotten by the line: a start may go on from there. */
#pragma once

#include "dedup/manifest.h"
#include "dedup/run_writer.h"
#include "dedup/table.h"

enum {
    OLD_MAX = 3 * DEDUP_RUNS_MAX, /* those of two manifests, and as many on their way */
    REMOVED_BLOCKS = 1024,        /* of a portion: removing a file of gigabytes at once takes a tenth of a second and more */
    STEP_ENTRIES = 4096,          /* of a portion: well below a millisecond, unless the disk is slow */
    WORK_AN_INSERT = 16,          /* entries that are written or merged for each that is inserted: see dedup_is_behind */
    MERGE_CHUNKS = 12,            /* of the pool, that a merge may take before as much goes back: the partly used ones */
    RUN_PARTLY_USED = 2,          /* chunks of a run */
};

/* The frozen table on its way into a run. */
struct spill {
    bool active;
    uint64_t entries; /* that were in it */
    struct run_writer writer;
    uint64_t next_high; /* where the next leaf to be sorted begins */
    bool all_sorted;
    uint32_t sorted_count, sorted_at; /* of the entries in `sorted` */
    uint64_t clear_high;              /* leaves below are cleared */
};

/* runs[at] and runs[at + 1] on their way into one. */
struct merge {
    bool active;
    uint32_t at;
    struct run_writer writer;
    struct run_cursor cursors[2];
};

/* What makes the runs outlive the process. */
struct kept {
    void (*position)(void *self, struct journal_offset *offset, struct buffer *state);
    bool (*go_on_from)(void *self, struct journal_offset offset, struct bytes state);
    void *owner;
    struct dedup_position frozen, whole; /* where the frozen table ends; where the runs end */
    struct manifest durable, chosen;     /* on disk; on its way there. Not there: !position.known */
    bool distrusted;                     /* a run could not be read: nothing is kept any more */
    struct manifest_note note;           /* then: why */
    struct buffer scratch;
};

struct dedup {
    uint64_t memory_bytes;
    bool spills;
    struct table *table;
    /* The rest only when it spills. */
    struct table *frozen, *spare;     /* NULL: none; at most one of them */
    uint64_t frozen_from;             /* the frozen table answers for identities from this `high` on */
    struct run *runs[DEDUP_RUNS_MAX]; /* the oldest first */
    uint32_t run_count, runs_max;
    struct spill spill;
    struct merge merge;
    struct run_file *old; /* up to OLD_MAX files that are not used any more, to be removed once no manifest lists them */
    uint32_t old_count;
    struct kept *kept; /* NULL: they are not */
    struct event_time frozen_d, line;
    struct pool pool;
    struct files files;
    struct run_name name; /* of the next run */
    char file_name[DEDUP_NAME_BYTES];
    uint64_t table_bytes, fixed_bytes;
    uint32_t buffer_blocks; /* of each buffer */
    uint8_t *block;         /* for look-ups */
    uint8_t *buffers;       /* of the two writers and the two cursors */
    struct leaf_slot *sorted;
    uint32_t *sort_starts;
    uint64_t owed;     /* entries to be written or merged, by the pace */
    uint64_t inserted; /* since the last freeze */
    uint64_t reads, runs_written, runs_merged;
    struct event_time d_max;
};

/* dedup_step.c: freezes the table if the frozen one is gone or can be made to go; STATUS_FULL if it cannot. */
enum status dedup_freeze(struct dedup *dedup, struct failure *failure) MUST_USE;
/* dedup_keep.c. The table ends here: notes the place; all of it is in runs by now: the place becomes the line. */
void dedup_note_frozen(struct dedup *dedup);
void dedup_note_whole(struct dedup *dedup);
/* From now on what is forgotten by D of now goes, though no start could go on from here: nothing is chosen to be kept before
 * the next table that is frozen is written. What was kept before stays right: its files stay. */
void dedup_jump_line(struct dedup *dedup);
bool dedup_is_listed(const struct dedup *dedup, uint64_t number);
/* A run could not be read: the next start makes all of all partitions anew, since nobody has looked at the others, and says
 * why (may be NULL). Gives the status back. */
enum status dedup_distrust(struct dedup *dedup, enum status status, const struct failure *why);
/* In the list's place; if that fails, the list only goes. Errors: of that. */
enum status dedup_leave_note(struct dedup *dedup, const struct manifest_note *note, struct failure *failure) MUST_USE;
/* dedup.c: what runs may leave of the pool for the rest to work. */
uint32_t dedup_chunks_partly_used(const struct dedup *dedup);
void dedup_run_path(const char *of, uint64_t number, char path[RUN_PATH_BYTES]);
