/* table.h: identities in memory. Internal to dedup/.
 *
 * Extendible hashing over leaves of one or two MiB: growing splits one leaf at a time, so there is no doubling pause, and
 * memory follows use up to the bound. 32 bytes an entry. D never goes back (dedup.h). */
#pragma once

#include "dedup/leaf.h"

enum { TABLE_BYTES_MIN = 2048 };

struct table;

/* `memory_bytes` bounds everything that this table ever allocates. */
struct table *table_create(uint64_t memory_bytes);
void table_destroy(struct table *table);

void table_prefetch(const struct table *table, struct identity identity);
bool table_find(const struct table *table, struct identity identity, struct event_time d, struct dedup_entry *out);
/* There must be no live entry of this identity, and room (CHECK). */
void table_insert(struct table *table, const struct dedup_entry *entry, struct event_time d);
/* Entries that can certainly still be inserted, before any purge (dedup_room). Visits every leaf. */
uint64_t table_room(const struct table *table);
/* Purges and splits where this identity goes; false when the place is 80% full all the same: beyond, look-ups get long. */
bool table_makes_room(struct table *table, struct identity identity, struct event_time d);
bool table_purge_some(struct table *table, struct event_time d);
/* `entries_max`: the room of the empty table. */
struct dedup_usage table_usage(const struct table *table);
uint64_t table_entries(const struct table *table);

/* --- to take a table apart, in the order of its identities (identity_compare) --- */

/* Of a leaf's slots, as many bytes as it takes to sort one. */
uint32_t table_leaf_capacity(const struct table *table);
/* The leaf in which the identities from `*high` on stand, and the highest `high` that can stand in it. */
uint32_t table_leaf_at(const struct table *table, uint64_t high, uint64_t *last);
const struct leaf *table_leaf(const struct table *table, uint32_t index);
/* Forgets the leaf's entries, whatever they are. */
void table_clear_leaf(struct table *table, uint32_t index);
/* When all leaves were cleared: as new. What was touched stays backed. */
void table_reset(struct table *table);
