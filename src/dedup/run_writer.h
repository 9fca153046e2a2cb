/* run_writer.h: makes a run, entry by entry. Internal to dedup/. */
#pragma once

#include "dedup/run.h"

struct run_writer {
    struct run *run; /* owned until it is finished or destroyed */
    struct pool *pool;
    uint8_t *blocks;                   /* the caller's, for `capacity` blocks */
    uint32_t capacity, held, in_block; /* whole blocks; entries of the one behind them */
    struct run *replaced[2]; /* by the caller, after the beginning; NULL: none. They give back what this one takes over */
    struct identity previous;
    uint64_t flushed_high; /* of the last entry that is in the file; 0 before there is one */
    bool entries_done;
};

/* Creates the file. `count_max`: entries at most. `whole`: takes all memory of the run from the pool at once, else as it
 * grows. On an error nothing is left but perhaps the file. */
enum status run_writer_begin(struct run_writer *writer, const struct files *files, const struct run_name *name,
                             uint64_t count_max, bool whole, struct pool *pool, uint8_t *blocks, uint32_t capacity,
                             struct failure *failure) MUST_USE;
/* In the order of identities, each once (CHECK). The run answers for what is flushed: for all before flushed_high. */
enum status run_writer_add(struct run_writer *writer, const struct dedup_entry *entry, struct failure *failure) MUST_USE;
/* A portion of what comes behind the entries: the rest of them, index, filter and footer; call it until there is `*out`.
 * From the first call on the run answers for everything, and the replaced ones for nothing. It is not synced (manifest.h).
 */
enum status run_writer_finish(struct run_writer *writer, struct run **out, struct failure *failure) MUST_USE;
/* Of one that is not finished; may be {0}. The file stays. */
void run_writer_destroy(struct run_writer *writer);
