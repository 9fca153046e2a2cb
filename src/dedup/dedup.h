/* dedup.h: the identities that a partition remembers (I1, I6, I10). Memory is bounded, what is remembered is not: the newest
 * are a table in memory, older ones are sorted runs in files, each behind a filter in memory (docs/adr/0016).
 *
 * Owner: the partition's aggregator; one thread. It has no thread of its own: dedup_step does the work behind, in portions.
 * Entries are never overwritten; whether one still counts is decided per entry by its bound (I1), never by what happens to
 * be stored: an entry with bound <= D is forgotten whether or not it has been dropped yet. D never goes back: in each
 * function it is at least what it was in any call before (CHECK), for by an older D a dropped entry would have counted.
 *
 * Runs outlive the process (dedup_restore) when their owner keeps them (dedup_keep_...): then what is forgotten is dropped
 * from them by D at the place from which a start would go on, never by a later one, for whoever goes on from there judges by
 * it again.
 *
 * Errors are those of the files (STATUS_IO_ERROR, STATUS_NO_SPACE, ...) and STATUS_CORRUPT of a damaged run: not usable
 * after one. The journal holds everything: after an error of reading, a new start makes the runs anew.
 */
#pragma once

#include "base/status.h"
#include "click/click.h"
#include "seam/files.h"

struct dedup;

struct dedup_entry {
    struct identity identity;
    uint32_t content_tag;
    struct journal_offset offset; /* of the first occurrence; < 2^47 */
    struct event_time bound;      /* max(t_f, W_p(f)); >= 0, < 2^47 */
};

enum { DEDUP_RUNS_MAX = 9, DEDUP_STATE_BYTES_MAX = 1024, DEDUP_NAME_BYTES = 32 };

struct dedup_options {
    uint64_t memory_bytes; /* bounds everything that is ever allocated; at least 4 KiB */
    /* NULL: no files. Then, and where memory is too little for runs (some 100 KiB), a full table is full. The functions are
     * copied; dedup_make_directory was called before. */
    const struct files *files;
    const char *name; /* of its files; no two at a time have the same */
    uint32_t partition;
    uint8_t log_uuid[16];
    /* NULL: the runs are not kept, and dedup_destroy removes them. Else it tells where its owner is: the offset of the click
     * that is judged, or the next one; and appends to `state`, DEDUP_STATE_BYTES_MAX at most, what it needs to go on from
     * there. Called by dedup_insert and dedup_step. */
    void (*position)(void *self, struct journal_offset *offset, struct buffer *state);
    /* The way back: goes on from there, or (false, and nothing changed) cannot. Called by dedup_restore. */
    bool (*go_on_from)(void *self, struct journal_offset offset, struct bytes state);
    void *owner;
    /* For tests; 0 as the memory allows. */
    uint64_t table_bytes;
    uint32_t runs_max;
};

/* What the files of a partition are called. */
void dedup_partition_name(char name[DEDUP_NAME_BYTES], uint32_t partition);
enum status dedup_make_directory(const struct files *files, struct failure *failure) MUST_USE;
/* Removes all files of this name: they are of a process that is gone. */
enum status dedup_clear(const struct files *files, const char *name, struct failure *failure) MUST_USE;

struct dedup *dedup_create(const struct dedup_options *options);
/* Removes its files, as far as that goes; those that are kept stay, as they would after a crash. */
void dedup_destroy(struct dedup *dedup);

/* --- from one process to the next --- */

/* Whether the process before met damage in a run of this partition, so that nothing that is kept of any is to be trusted: a
 * start asks that of all partitions and hands `why` to each dedup_restore. So however many blocks are damaged, one of them
 * stops one process. */
bool dedup_all_of_no_use(const struct files *files, const char *name, const uint8_t log_uuid[16], uint32_t partition,
                         struct failure *why);
/* Right after dedup_create: takes over the runs that were kept, if they are whole and go no further than `counted_below`,
 * below which the owner does not count clicks again, and are not `distrusted` (NULL: no); `go_on_from` was called then.
 * Otherwise it stays empty, and `why` says what was wrong, again at each start until something is kept; with an OK status
 * if nothing was kept before, or would be of what has been counted. In either case all other files of its name are removed.
 * Errors: of removing them. */
enum status dedup_restore(struct dedup *dedup, struct journal_offset counted_below, const struct failure *distrusted,
                          struct failure *why, struct failure *failure) MUST_USE;

/* What is to be kept, on its way to the disk: */
struct dedup_keeping {
    char name[DEDUP_NAME_BYTES];
    uint64_t numbers[DEDUP_RUNS_MAX]; /* of runs whose files have to be synced first */
    uint32_t number_count;
    struct buffer manifest;
};
/* Chooses what is to be kept: all of now that is in runs, if the owner's own counts will be durable up to `counted_below` by
 * the time of dedup_keep_take. Returns whether something is chosen and not yet kept; then another call changes nothing. */
bool dedup_keep_choose(struct dedup *dedup, struct journal_offset counted_below);
/* False: nothing is chosen. `keeping` is {0} or was used before. */
bool dedup_keep_take(const struct dedup *dedup, struct dedup_keeping *keeping);
/* Any thread; takes as long as the disk does. After an error it is unknown what is kept: the old or the new. */
enum status dedup_keep_write(const struct files *files, const struct dedup_keeping *keeping,
                             struct failure *failure) MUST_USE;
/* It is written. Files that only what was kept before needs go from now on. */
void dedup_keep_done(struct dedup *dedup);
void dedup_keeping_fini(struct dedup_keeping *keeping);

/* --- the work --- */

/* Fetches the cache lines that dedup_find for this identity will touch first. */
void dedup_prefetch(const struct dedup *dedup, struct identity identity);
/* STATUS_OK: the remembered entry of this identity whose bound > d (there is at most one). STATUS_NOT_FOUND: none. */
enum status dedup_find(struct dedup *dedup, struct identity identity, struct event_time d, struct dedup_entry *out,
                       struct failure *failure) MUST_USE;
/* There must be no live entry of this identity. STATUS_FULL: not even one fitted. When the work behind has fallen behind
 * (dedup_is_behind), it may do all of it first. */
enum status dedup_insert(struct dedup *dedup, const struct dedup_entry *entry, struct event_time d,
                         struct failure *failure) MUST_USE;

/* A portion of the work behind, a few milliseconds at most: runs are written, merged and dropped. `*did`: there was some. */
enum status dedup_step(struct dedup *dedup, struct event_time d, bool *did, struct failure *failure) MUST_USE;
/* Call dedup_step between inserts now, or one of them will have to wait for a lot of it. */
bool dedup_is_behind(const struct dedup *dedup);

/* Entries that can certainly still be inserted, before anything is forgotten, as long as identities are hashes under a
 * secret key. It is asked anew as memory fills: a room of 1,000 does not mean that it will be full after 1,000. A
 * microsecond a GiB: ask once a batch. */
uint64_t dedup_room(const struct dedup *dedup);
/* Whether so many more find a place, without anything being forgotten. Somewhat more do than dedup_room says: so a replay,
 * which drops what is forgotten at other moments, has a place for all that was taken by dedup_room. */
bool dedup_fits(const struct dedup *dedup, uint64_t count);
/* Drops forgotten entries from the next few leaves in memory; call it again and again when room is short. Returns true when
 * it has been once around since D last moved by a minute. */
bool dedup_purge_some(struct dedup *dedup, struct event_time d);

/* `entries` counts forgotten ones that are still stored; `entries_max` is the room when nothing is (somewhat more may
 * fit). `bytes` is memory, `file_bytes` the runs'. */
struct dedup_usage {
    uint64_t entries, entries_max, bytes, bytes_max;
    uint64_t runs, file_bytes;
    uint64_t written, merged; /* runs, since the beginning */
    uint64_t reads;           /* of a block, since the beginning */
};
struct dedup_usage dedup_usage(const struct dedup *dedup);
