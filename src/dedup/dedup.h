/* dedup.h: the identities that a partition remembers (I1, I6, I10). Memory is bounded, what is remembered is not: the newest
 * are a table in memory, older ones are sorted runs in files, each behind a filter in memory (docs/adr/0016).
 *
 * Owner: the partition's aggregator; one thread. It has no thread of its own: dedup_step does the work behind, in portions.
 * Entries are never overwritten; whether one still counts is decided per entry by its bound (I1), never by what happens to
 * be stored: an entry with bound <= D is forgotten whether or not it has been dropped yet. D never goes back: in each
 * function it is at least what it was in any call before (CHECK), for by an older D a dropped entry would have counted.
 *
 * Errors are those of the files (STATUS_IO_ERROR, STATUS_NO_SPACE, ...) and STATUS_CORRUPT of a damaged run: not usable
 * after one. The journal holds everything: a new start makes the runs anew.
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

enum { DEDUP_RUNS_MAX = 9 };

struct dedup_options {
    uint64_t memory_bytes; /* bounds everything that is ever allocated; at least 4 KiB */
    /* NULL: no files. Then, and where memory is too little for runs (some 100 KiB), a full table is full. The functions are
     * copied; dedup_clear_directory was called before. */
    const struct files *files;
    const char *name; /* of its files; no two at a time have the same */
    uint32_t partition;
    uint8_t log_uuid[16];
    /* For tests; 0 as the memory allows. */
    uint64_t table_bytes;
    uint32_t runs_max;
};

/* Makes the directory of the runs and removes the runs in it: they are of a process that is gone. */
enum status dedup_clear_directory(const struct files *files, struct failure *failure) MUST_USE;

struct dedup *dedup_create(const struct dedup_options *options);
/* Removes its files, as far as that goes. */
void dedup_destroy(struct dedup *dedup);

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
    uint64_t reads; /* of a block, since the beginning */
};
struct dedup_usage dedup_usage(const struct dedup *dedup);
