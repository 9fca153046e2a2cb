/* cell_table.h: the cells of one minute in memory: (ad, country) -> count. Open addressing, grows by doubling. One writer;
 * readers only while nobody writes. */
#pragma once

#include "store/store.h"

struct cell_slot {
    uint64_t key; /* 0 = empty, else cell_key */
    uint64_t count;
};

struct cell_table {
    struct cell_slot *slots;
    uint32_t slot_count; /* a power of two, or 0 */
    uint32_t cell_count;
    /* The distinct countries, in no order: what a look-up by ad alone has to probe. At most COUNTRY_CODES, in practice the
     * few that send clicks. */
    uint16_t *countries;
    uint16_t country_count, country_capacity;
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
/* Room for so many cells without growing; the table must be empty. Growing doubles and moves everything, which for a million
 * cells takes tens of milliseconds: whoever can guess the size should. */
void cell_table_expect(struct cell_table *table, uint32_t cell_count);
void cell_table_prefetch(const struct cell_table *table, uint64_t key);
void cell_table_add(struct cell_table *table, uint64_t key, uint64_t count);
/* Over all countries. */
uint64_t cell_table_ad_count(const struct cell_table *table, uint32_t ad);
/* Sorted by (ad, country); `out` has room for cell_count. */
void cell_table_sorted(const struct cell_table *table, struct cell *out);
static inline uint64_t cell_table_bytes(const struct cell_table *table) {
    return (uint64_t)table->slot_count * sizeof(struct cell_slot) + table->country_capacity * sizeof(uint16_t);
}
