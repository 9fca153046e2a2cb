/* dedup.h: the identities that a partition remembers (I1, I6, I10).
 *
 * Extendible hashing over leaves of one or two MiB: growing splits one leaf at a time, so there is no doubling pause, and
 * memory follows use up to the bound. 32 bytes an entry. Owner: the partition's aggregator; one thread.
 * Entries are never overwritten; whether one still counts is decided per entry by its bound (I1), never by what happens to
 * be stored: an entry with bound <= D is forgotten whether or not it has been purged yet.
 */
#pragma once

#include "click/click.h"

struct dedup;

struct dedup_entry {
    struct identity identity;
    uint32_t content_tag;
    struct journal_offset offset; /* of the first occurrence; < 2^47 */
    struct event_time bound;      /* max(t_f, W_p(f)); >= 0, < 2^47 */
};

/* `memory_bytes` bounds everything that this table ever allocates (at least 4 KiB: tests use little). */
struct dedup *dedup_create(uint64_t memory_bytes);
void dedup_destroy(struct dedup *dedup);

/* Fetches the cache lines that dedup_find for this identity will touch first. */
void dedup_prefetch(const struct dedup *dedup, struct identity identity);
/* The remembered entry of this identity whose bound > d, if any (there is at most one). */
bool dedup_find(const struct dedup *dedup, struct identity identity, struct event_time d, struct dedup_entry *out);
/* There must be no live entry of this identity, and dedup_room must not be 0 (CHECK). `d` lets it re-use and purge what is
 * forgotten. D never goes back: here, in dedup_find and in dedup_purge_some it is at least what it was in any insert or
 * purge before (CHECK), for by an older D a purged entry would have counted. */
void dedup_insert(struct dedup *dedup, const struct dedup_entry *entry, struct event_time d);

/* Entries that can certainly still be inserted, before any purge, as long as identities are hashes under a secret key: the
 * argument, with its margin for uneven leaves, stands at the definition. Visits every leaf (a microsecond a GiB): ask once a
 * batch. It is asked anew as the table fills: a room of 1,000 does not mean that it will be full after 1,000. */
uint64_t dedup_room(const struct dedup *dedup);
/* Purges forgotten entries from the next few leaves; call it again and again when room is short. Returns true when it has
 * been once around since D last moved by a minute. */
bool dedup_purge_some(struct dedup *dedup, struct event_time d);

/* `entries` counts forgotten ones that are still stored; `entries_max` is the room of the empty table (somewhat more may
 * fit): about 28 for each KiB of memory. */
struct dedup_usage {
    uint64_t entries, entries_max, bytes, bytes_max;
};
struct dedup_usage dedup_usage(const struct dedup *dedup);
