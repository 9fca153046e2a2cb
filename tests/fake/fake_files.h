/* fake_files.h: a file system in memory that keeps apart what was written from what is durable, and loses the difference.
 *
 * Data is durable after a sync of the file, a name (create, rename, remove, directory) after directory_sync of its folder.
 * Everything follows from the seed. One thread at a time. */
#pragma once

#include "base/random_sequence.h"
#include "seam/files.h"

struct fake_files;

enum fake_call {
    FAKE_OPEN,
    FAKE_READ,
    FAKE_WRITE,
    FAKE_ALLOCATE,
    FAKE_TRUNCATE,
    FAKE_SYNC,
    FAKE_RENAME,
    FAKE_REMOVE,
    FAKE_MAKE_DIRECTORY,
    FAKE_DIRECTORY_SYNC,
    FAKE_LIST,
    FAKE_CALLS,
};

/* What really happened: a test asserts that what it is about was met. */
struct fake_files_counts {
    uint64_t calls[FAKE_CALLS];
    uint64_t injected;           /* calls that failed because a test said so */
    uint64_t failed[FAKE_CALLS]; /* failures that were scheduled and struck, each once however many calls it made fail */
    uint64_t fills;              /* the same of fake_files_fill */
    uint64_t stops;              /* the same of fake_files_stop_at */
    uint64_t crashes;
    uint64_t writes_kept, writes_lost; /* unsynced, at a crash or a failed sync */
    uint64_t writes_torn_prefix, writes_torn_sectors;
    uint64_t sizes_kept, sizes_lost; /* unsynced allocate and truncate */
    uint64_t names_kept, names_lost; /* unsynced creates, renames and removes */
    uint64_t syncs_lied, writes_lost_silently, writes_misdirected, rots;
    uint64_t destroyed; /* how often bytes or names that a sync had promised were harmed */
};

struct fake_files *fake_files_create(uint64_t seed);
/* What is there now, all of it durable; no failures are scheduled and nothing is counted. */
struct fake_files *fake_files_clone(const struct fake_files *fake, uint64_t seed);
void fake_files_destroy(struct fake_files *fake);
struct files fake_files_table(struct fake_files *fake);
struct fake_files_counts fake_files_counts(const struct fake_files *fake);

/* The power goes and comes back. Each unsynced write is kept, lost or torn (a prefix, or any of its 512-byte sectors), each
 * unsynced name is kept or lost. Files that are open may only be closed afterwards. Scheduled failures are forgotten. */
void fake_files_crash(struct fake_files *fake, struct random_sequence *random);
/* The process ends, the machine goes on: what was written stays as it is. Scheduled failures are forgotten. */
void fake_files_restart(struct fake_files *fake);

/* Scheduled failures are forgotten. */
void fake_files_heal(struct fake_files *fake);

/* The `nth` call of the kind from now (1: the next one) fails with `status`, and when `for_good` all after it. A failed
 * write leaves a prefix. A failed sync makes anything of the unsynced data durable and shows all of it, as written, to
 * whoever reads (a page cache that lies). */
void fake_files_fail(struct fake_files *fake, enum fake_call call, uint64_t nth, bool for_good, enum status status);
/* The disk is full: from the `nth` call of the kind from now on, none finds room (STATUS_NO_SPACE). A file that is there can
 * be opened all the same. */
void fake_files_fill(struct fake_files *fake, enum fake_call call, uint64_t nth);
/* From the `nth` changing call from now on (all but open for reading, read and list), nothing works any more. For a crash at
 * every operation: run until it fails, then fake_files_crash. */
void fake_files_stop_at(struct fake_files *fake, uint64_t nth);
uint64_t fake_files_changes(const struct fake_files *fake); /* changing calls so far */

/* --- faults that nobody is told of (fake_files_lies.c) --- */
enum fake_lie {
    FAKE_LIE_NONE,
    FAKE_LIE_SYNC,       /* sync or directory_sync says yes and does nothing: a crash may lose all of it */
    FAKE_LIE_LOST,       /* the write never reaches the disk; it is read until the cache is dropped, or the machine dies */
    FAKE_LIE_MISDIRECTED /* as lost, and its bytes stand in another place, of this file or of another */
};
/* The `nth` sync or write from now on is such a one, and all that come after it when `for_good`; until a crash or heal. */
void fake_files_lie(struct fake_files *fake, enum fake_lie lie, uint64_t nth, bool for_good);
/* Some bits of some durable bytes change, or a sector of them is lost, in a file whose path begins with `folder` (NULL:
 * any); whoever reads sees it. False: there are none. */
bool fake_files_rot(struct fake_files *fake, const char *folder, struct random_sequence *random);
/* Somebody brings back what rotted, as far as it is still there. False: nothing is left of it. */
bool fake_files_undo_rot(struct fake_files *fake);
/* Readers see what is on the disk from now on, where nothing waits to be synced. */
void fake_files_drop_cache(struct fake_files *fake);
/* Called within each changing call before it does anything: time may pass, others may run; not those that use the same
 * file. */
void fake_files_on_wait(struct fake_files *fake, void (*wait)(void *context), void *context);

/* --- a test's own hands; at once durable --- */
bool fake_files_exists(const struct fake_files *fake, const char *path);
/* As a reader sees it; valid until the next change of the file. Must exist. */
struct bytes fake_files_content(const struct fake_files *fake, const char *path);
void fake_files_put(struct fake_files *fake, const char *path, struct bytes content);
void fake_files_flip(struct fake_files *fake, const char *path, uint64_t offset, uint8_t mask);
void fake_files_cut(struct fake_files *fake, const char *path, uint64_t size);
void fake_files_delete(struct fake_files *fake, const char *path);
/* Calls back with each path, ascending. */
void fake_files_each(const struct fake_files *fake, void (*visit)(void *context, const char *path), void *context);
/* Whether two file systems hold the same names with the same content. */
bool fake_files_same(const struct fake_files *a, const struct fake_files *b);
/* The same of the entries of one directory. */
bool fake_files_same_in(const struct fake_files *a, const struct fake_files *b, const char *directory);
