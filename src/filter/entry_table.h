/* entry_table.h: entries of one size with numbers 0, 1, 2, ... and a hash table that finds them; made for asking often for
 * what is not there: a byte a slot says so at once, and all these bytes fit a near cache.
 *
 * The caller hashes and compares. Numbers are those of places: one that is removed is given again, so nothing that is to be
 * the same everywhere may depend on them. Bounds: linear probing, at most half full, bytes of a key are compared only when
 * 32 bits of the hash are equal. Hashes have no secret: whoever may create filters could make long runs, whoever sends
 * clicks only meets the runs that the filters made. One owner. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ENTRY_NONE UINT32_MAX

struct entry_table {
    uint8_t *entries;
    size_t entry_bytes;
    uint32_t entry_count; /* places in use or free again */
    uint32_t entry_capacity;
    uint32_t free_first; /* a chain through the first bytes of free entries; ENTRY_NONE ends it */
    uint32_t live;
    uint64_t *slots;    /* tag << 32 | (number + 1); 0: empty */
    uint8_t *marks;     /* of the home slot: bit (tag % 8) of each tag whose home it is */
    uint32_t mark_mask; /* 8 bits a slot, minus 1 */
};

/* `entry_bytes` >= 4, a multiple of the entry's alignment. */
void entry_table_init(struct entry_table *table, size_t entry_bytes);
void entry_table_fini(struct entry_table *table);
/* A zeroed entry's number. Entries may move. */
uint32_t entry_table_add(struct entry_table *table, uint32_t tag);
void entry_table_remove(struct entry_table *table, uint32_t tag, uint32_t number);
uint64_t entry_table_memory_bytes(const struct entry_table *table);

static inline void *entry_table_at(const struct entry_table *table, uint32_t number) {
    return table->entries + number * table->entry_bytes;
}

static inline uint32_t entry_table_home(const struct entry_table *table, uint32_t tag) {
    return (tag & table->mark_mask) >> 3;
}

/* False: no entry has this tag. True is wrong for at most one absent tag in sixteen. */
static inline bool entry_table_may_hold(const struct entry_table *table, uint32_t tag) {
    return (table->marks[entry_table_home(table, tag)] >> (tag & 7) & 1) != 0;
}

static inline void entry_table_prefetch_slot(const struct entry_table *table, uint32_t tag) {
    __builtin_prefetch(&table->marks[entry_table_home(table, tag)]);
    __builtin_prefetch(&table->slots[entry_table_home(table, tag)]);
}

/* Of the first entry whose home the slot is, which is mostly the one. */
static inline void entry_table_prefetch_entry(const struct entry_table *table, uint32_t tag) {
    if (!entry_table_may_hold(table, tag)) return;
    const uint64_t value = table->slots[entry_table_home(table, tag)];
    if (value >> 32 == tag) __builtin_prefetch(table->entries + ((uint32_t)value - 1) * table->entry_bytes);
}

/* `*slot` begins as entry_table_home(tag). The next entry with this tag, ENTRY_NONE after the last. */
static inline uint32_t entry_table_next(const struct entry_table *table, uint32_t tag, uint32_t *slot) {
    for (;;) {
        const uint64_t value = table->slots[*slot];
        if (value == 0) return ENTRY_NONE;
        *slot = (*slot + 1) & (table->mark_mask >> 3);
        if (value >> 32 == tag) return (uint32_t)value - 1;
    }
}
