/* cell_table.h: the cells of one minute in memory: key -> count, the key (ad, country). One writer; readers only
 * while nobody writes.
 *
 * Open addressing, grows by doubling. The writer adds while readers are locked out, so no add may take long: a table that is
 * not small is cut into CELL_SHARDS shards, which grow one by one, each at another load. An add moves at most one shard, and
 * the adds of one publication together about three cells for each that is new. */
#pragma once

#include "store/store.h"
#include "view/slice_sort.h"

struct cell_slot {
    uint64_t key; /* 0 = empty, else cell_key */
    uint64_t count;
};

struct cell_shard {
    struct cell_slot *slots;
    uint32_t slot_count; /* a power of two, or 0 */
    uint32_t cell_count;
};

enum { CELL_SHARD_BITS = 7, CELL_SHARDS = 1 << CELL_SHARD_BITS };

struct cell_table {
    struct cell_shard whole;   /* all cells, while they are few */
    struct cell_shard *shards; /* else NULL, then CELL_SHARDS of them, by the key's hash */
    uint64_t slot_count;       /* in all of them */
    uint32_t cell_count;
    /* The distinct countries, in no order: what a look-up by ad alone has to probe. At most COUNTRY_CODES, in practice the
     * few that send clicks. */
    uint16_t country_count, country_capacity;
    uint16_t *countries;
};

/* Never 0: ad indexes are far below 2^32. */
static inline uint64_t cell_key(uint32_t ad, struct country country) {
    return (((uint64_t)ad << 16) | country.code) + 1;
}
static inline uint32_t cell_key_ad(uint64_t key) {
    return (uint32_t)((key - 1) >> 16);
}
static inline struct country cell_key_country(uint64_t key) {
    return (struct country){(uint16_t)(key - 1)};
}

void cell_table_fini(struct cell_table *table);
/* Room for so many cells without growing, or for some of them: never more than 1 MiB, since to get memory and clear it
 * takes its time too. The table must be empty. */
void cell_table_expect(struct cell_table *table, uint32_t cell_count);
void cell_table_prefetch(const struct cell_table *table, uint64_t key);
void cell_table_add(struct cell_table *table, uint64_t key, uint64_t count);
/* 0 when it is not there. */
uint64_t cell_table_count(const struct cell_table *table, uint64_t key);
/* Over all countries. */
uint64_t cell_table_ad_count(const struct cell_table *table, uint32_t ad);
/* Sorted by key, which is by (ad, country): in one of the two, each with room for cell_count. */
struct slice *cell_table_sorted(const struct cell_table *table, struct slice *items, struct slice *scratch);
static inline uint64_t cell_table_bytes(const struct cell_table *table) {
    return table->slot_count * sizeof(struct cell_slot) + (table->shards != NULL ? CELL_SHARDS * sizeof *table->shards : 0) +
           table->country_capacity * sizeof(uint16_t);
}

struct cell_cursor {
    uint32_t shard, slot;
};
/* Every cell once, in no order: the next one behind the cursor, which begins as {0}; NULL: there are no more. The table must
 * not change meanwhile. */
static inline const struct cell_slot *cell_table_next(const struct cell_table *table, struct cell_cursor *cursor) {
    const struct cell_shard *shards = table->shards != NULL ? table->shards : &table->whole;
    uint32_t shard_count = table->shards != NULL ? CELL_SHARDS : 1;
    for (; cursor->shard < shard_count; *cursor = (struct cell_cursor){cursor->shard + 1, 0}) {
        const struct cell_shard *shard = &shards[cursor->shard];
        while (cursor->slot < shard->slot_count) {
            const struct cell_slot *slot = &shard->slots[cursor->slot++];
            if (slot->key != 0) return slot;
        }
    }
    return NULL;
}
