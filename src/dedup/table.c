#include "dedup/table.h"

#include <stdlib.h>

#include "base/check.h"
#include "dedup/arena.h"

enum {
    SMALL_BYTES = 16 * 1024 * 1024, /* below it, smaller leaves */
    TINY_BYTES = 256 * 1024,
    DIRECTORY_BITS_MAX = 24,
    PURGE_LEAVES = 4, /* a call of table_purge_some: at most 8 MiB are walked, a few milliseconds */
    DEVIATIONS = 10,  /* see mean_from_headroom */
};

/* All leaves have the same number of slots and lie side by side in one reserved range of addresses, in the order in which
 * they were made: memory follows use, because the kernel backs only what was touched. */
struct table {
    uint32_t directory_bits; /* there are at most 2^that leaves, and the directory has as many entries from the start */
    uint32_t capacity;       /* slots of a leaf; even, so that each leaf begins at a cache line */
    uint32_t leaf_count;
    uint32_t full_at;  /* 80% */
    uint32_t split_at; /* 70% */
    uint32_t limit;    /* 95%: what table_room promises by; beyond it are still slots, so that chance never ends us */
    uint32_t *leaf_of; /* directory: index of the leaf */
    struct leaf *leaves;
    uint32_t leaves_touched; /* the most that there were: so much of the arena is backed */
    struct arena arena;
    uint64_t memory_bytes;
    uint64_t entries;
    struct event_time d_max; /* the highest D that anything was forgotten by */
    uint32_t purge_next;     /* leaf */
    uint32_t purge_left;     /* leaves until once around */
    int64_t purge_minute;    /* minute of D in which the round began */
};

static uint64_t leaf_bytes(const struct table *table) {
    return (uint64_t)table->capacity * sizeof(struct leaf_slot);
}

static uint64_t fixed_bytes(uint32_t directory_bits) {
    return sizeof(struct table) + ((uint64_t)(sizeof(uint32_t) + sizeof(struct leaf)) << directory_bits) + CACHE_LINE_BYTES;
}

/* Chooses 2^bits leaves of equal size that fill the memory: of 1 to 2 MiB, large against the chance differences between
 * them, small against a pause. Small memories, as tests use them, get small leaves, so that they too split and purge. */
static void choose_shape(struct table *table, uint64_t memory_bytes) {
    uint64_t wanted = memory_bytes >= SMALL_BYTES ? 1024 * 1024 : memory_bytes >= TINY_BYTES ? 16 * 1024 : 1024;
    uint32_t bits = 0;
    while (bits < DIRECTORY_BITS_MAX && memory_bytes >= fixed_bytes(bits + 1) + PAGE_BYTES &&
           (memory_bytes - fixed_bytes(bits + 1) - PAGE_BYTES) >> (bits + 1) >= wanted) {
        ++bits;
    }
    /* A mapping ends at a page: one page is kept back for it. Small arenas are allocated and end anywhere. */
    uint64_t kept_back = memory_bytes > HUGE_PAGE_BYTES ? PAGE_BYTES : 0;
    uint64_t slots = ((memory_bytes - fixed_bytes(bits) - kept_back) >> bits) / sizeof(struct leaf_slot);
    CHECKF(slots >= 16 && slots <= UINT32_MAX / 2, "%llu slots in a leaf", (unsigned long long)slots);
    table->directory_bits = bits;
    table->capacity = (uint32_t)slots & ~UINT32_C(1);
    table->full_at = (uint32_t)(slots * 80 / 100);
    table->split_at = (uint32_t)(slots * 70 / 100);
    table->limit = (uint32_t)(slots * 95 / 100);
    CHECK(table->split_at < table->full_at && table->full_at < table->limit && table->limit <= table->capacity);
}

static struct leaf_slot *arena_slots(const struct table *table, uint32_t leaf) {
    CHECK(leaf < UINT32_C(1) << table->directory_bits);
    return (struct leaf_slot *)(void *)(table->arena.at + leaf * leaf_bytes(table));
}

struct table *table_create(uint64_t memory_bytes) {
    CHECKF(memory_bytes >= TABLE_BYTES_MIN, "%llu bytes for identities", (unsigned long long)memory_bytes);
    struct table *table = memory_allocate_zeroed(1, sizeof *table);
    table->memory_bytes = memory_bytes;
    choose_shape(table, memory_bytes);
    arena_init(&table->arena, leaf_bytes(table) << table->directory_bits);
    table->leaf_of = memory_allocate_zeroed((size_t)1 << table->directory_bits, sizeof *table->leaf_of);
    table->leaves = memory_allocate_zeroed((size_t)1 << table->directory_bits, sizeof *table->leaves);
    leaf_init(&table->leaves[0], arena_slots(table, 0), 0, table->full_at);
    table->leaf_count = table->leaves_touched = 1;
    table->d_max = EVENT_TIME_NONE;
    table->purge_minute = INT64_MIN;
    CHECK(fixed_bytes(table->directory_bits) + table->arena.bytes <= memory_bytes); /* I10 */
    return table;
}

void table_destroy(struct table *table) {
    if (table == NULL) return;
    arena_fini(&table->arena);
    free(table->leaf_of);
    free(table->leaves);
    free(table);
}

static uint32_t leaf_index(const struct table *table, struct identity identity) {
    return table->leaf_of[((uint64_t)leaf_directory_bits(identity) << table->directory_bits) >> 32];
}

void table_prefetch(const struct table *table, struct identity identity) {
    const struct leaf_slot *slots = table->leaves[leaf_index(table, identity)].slots;
    const struct leaf_slot *home = &slots[leaf_home(identity.high, table->capacity)];
    __builtin_prefetch(home);
    __builtin_prefetch((const uint8_t *)home + CACHE_LINE_BYTES);
}

bool table_find(const struct table *table, struct identity identity, struct event_time d, struct dedup_entry *out) {
    CHECK(d.ms >= table->d_max.ms); /* I1: D never goes back; by an older D, what is purged would have counted */
    return leaf_find(&table->leaves[leaf_index(table, identity)], table->capacity, identity, d, out);
}

static void purge_leaf(struct table *table, struct leaf *leaf, struct event_time d) {
    if (leaf->bound_min_ms > d.ms) return;
    uint32_t dropped = leaf_rebuild(leaf, table->capacity, d, NULL);
    CHECK(dropped <= table->entries);
    table->entries -= dropped;
    leaf->full_at = table->full_at;
}

/* The new leaf takes the upper half of the directory entries that pointed to the old one. */
static void split_leaf(struct table *table, uint32_t old_index, struct identity member, struct event_time d) {
    struct leaf *leaf = &table->leaves[old_index];
    CHECK(leaf->depth < table->directory_bits && leaf_index(table, member) == old_index);
    CHECK(table->leaf_count < UINT32_C(1) << table->directory_bits);
    uint32_t new_index = table->leaf_count++;
    if (table->leaf_count > table->leaves_touched) table->leaves_touched = table->leaf_count;
    struct leaf *upper = &table->leaves[new_index];
    leaf_init(upper, arena_slots(table, new_index), leaf->depth, table->full_at);
    uint32_t dropped = leaf_rebuild(leaf, table->capacity, d, upper);
    CHECK(dropped <= table->entries);
    table->entries -= dropped;
    leaf->full_at = table->full_at;

    CHECK(upper->depth == leaf->depth && leaf->depth <= table->directory_bits);
    uint32_t span_bits = table->directory_bits - leaf->depth; /* of each half */
    uint64_t prefix = ((uint64_t)leaf_directory_bits(member) << (leaf->depth - 1)) >> 32;
    uint64_t first = (2 * prefix + 1) << span_bits;
    CHECK(first + (UINT64_C(1) << span_bits) <= UINT64_C(1) << table->directory_bits);
    for (uint64_t entry = first; entry < first + (UINT64_C(1) << span_bits); ++entry) {
        CHECK(table->leaf_of[entry] == old_index);
        table->leaf_of[entry] = new_index;
    }
}

/* A leaf that can neither shrink nor split fills on; it looks again after another 1/16 of it, so that looking costs an
 * insert no more than visiting 16 slots. */
static uint32_t leaf_with_room(struct table *table, struct identity identity, struct event_time d) {
    for (;;) {
        uint32_t index = leaf_index(table, identity);
        struct leaf *leaf = &table->leaves[index];
        if (leaf->count < leaf->full_at) return index;
        purge_leaf(table, leaf, d);
        if (leaf->count > table->split_at && leaf->depth < table->directory_bits) {
            split_leaf(table, index, identity, d);
            continue;
        }
        if (leaf->count >= leaf->full_at) leaf->full_at = leaf->count + table->capacity / 16 + 1;
        return index;
    }
}

void table_insert(struct table *table, const struct dedup_entry *entry, struct event_time d) {
    CHECK(d.ms >= table->d_max.ms);
    COSTLY_CHECK(table_room(table) > 0);
    COSTLY_CHECK(!table_find(table, entry->identity, d, &(struct dedup_entry){0}));
    table->d_max = d;
    uint32_t index = leaf_with_room(table, entry->identity, d);
    if (leaf_insert(&table->leaves[index], table->capacity, entry, d)) ++table->entries;
}

bool table_makes_room(struct table *table, struct identity identity, struct event_time d) {
    CHECK(d.ms >= table->d_max.ms);
    table->d_max = d;
    return table->leaves[leaf_with_room(table, identity, d)].count < table->full_at;
}

static uint64_t square_root(uint64_t value) {
    uint64_t root = 0;
    for (uint64_t bit = UINT64_C(1) << 31; bit > 0; bit >>= 1) {
        if ((root + bit) * (root + bit) <= value) root += bit;
    }
    return root;
}

/* Identities are hashes under a secret key, so of n inserts a leaf's share is binomial. With mean x it passes
 * x + z sqrt(x) + z^2/3 with a probability below exp(-z^2/2) (Bernstein's inequality): 2e-22 for z = 10. This returns the
 * largest x, rounded down to a square, whose share stays within `headroom`. */
static uint64_t mean_from_headroom(uint64_t headroom) {
    const uint64_t deviations = DEVIATIONS, fixed = (deviations * deviations + 2) / 3;
    if (headroom <= fixed) return 0;
    uint64_t root = square_root(deviations * deviations + 4 * (headroom - fixed));
    uint64_t share = root <= deviations ? 0 : (root - deviations) / 2;
    return share * share;
}

/* Two arguments, of which the better holds. Certain: whatever the identities, n inserts put at most n into any one leaf,
 * and a split only makes leaves emptier. By chance: a leaf of full depth takes a share of mean n / 2^bits on top of what it
 * has; the descendants of another one share what it has as well as what comes, at random. */
uint64_t table_room(const struct table *table) {
    uint64_t count_max = 0, final_max = 0, shared_max = 0, entries = 0;
    for (uint32_t i = 0; i < table->leaf_count; ++i) {
        const struct leaf *leaf = &table->leaves[i];
        uint64_t count = leaf->count;
        entries += count;
        if (count > count_max) count_max = count;
        if (leaf->depth == table->directory_bits) {
            if (count > final_max) final_max = count;
        } else {
            uint64_t share = (count >> (table->directory_bits - leaf->depth)) + 1;
            if (share > shared_max) shared_max = share;
        }
    }
    CHECK(entries == table->entries);
    if (count_max >= table->limit) return 0;
    uint64_t certain = table->limit - count_max;
    uint64_t mean_shared = mean_from_headroom(table->limit);
    uint64_t mean = mean_from_headroom(table->limit - final_max);
    mean_shared = mean_shared > shared_max ? mean_shared - shared_max : 0;
    if (mean_shared < mean) mean = mean_shared;
    uint64_t by_chance = mean << table->directory_bits;
    return by_chance > certain ? by_chance : certain;
}

bool table_purge_some(struct table *table, struct event_time d) {
    CHECK(d.ms >= table->d_max.ms);
    table->d_max = d;
    if (event_time_is_none(d)) return true; /* nothing can be forgotten yet */
    if (d.ms / MINUTE_MS > table->purge_minute) {
        table->purge_minute = d.ms / MINUTE_MS;
        table->purge_left = table->leaf_count;
    }
    CHECK(table->purge_left <= table->leaf_count && table->purge_next < table->leaf_count);
    for (uint32_t i = 0; i < PURGE_LEAVES && table->purge_left > 0; ++i) {
        purge_leaf(table, &table->leaves[table->purge_next], d);
        table->purge_next = (table->purge_next + 1) % table->leaf_count;
        --table->purge_left;
    }
    return table->purge_left == 0;
}

struct dedup_usage table_usage(const struct table *table) {
    uint64_t leaves_max = UINT64_C(1) << table->directory_bits;
    uint64_t fixed = fixed_bytes(table->directory_bits);
    uint64_t by_chance = mean_from_headroom(table->limit) << table->directory_bits;
    uint64_t certain = table->limit;
    CHECK(table->leaf_count <= table->leaves_touched && table->leaves_touched <= leaves_max);
    CHECK(fixed + table->leaves_touched * leaf_bytes(table) <= table->memory_bytes); /* I10 */
    return (struct dedup_usage){
        .entries = table->entries,
        .entries_max = by_chance > certain ? by_chance : certain,
        .bytes = fixed + table->leaves_touched * leaf_bytes(table),
        .bytes_max = table->memory_bytes,
    };
}

uint64_t table_entries(const struct table *table) {
    return table->entries;
}

uint32_t table_leaf_capacity(const struct table *table) {
    return table->capacity;
}

uint32_t table_leaf_at(const struct table *table, uint64_t high, uint64_t *last) {
    uint32_t index = leaf_index(table, (struct identity){.high = high});
    uint32_t depth = table->leaves[index].depth;
    CHECK(index < table->leaf_count && depth <= table->directory_bits);
    *last = depth == 0 ? UINT64_MAX : high | UINT64_MAX >> depth;
    CHECK(*last >= high);
    return index;
}

const struct leaf *table_leaf(const struct table *table, uint32_t index) {
    CHECK(index < table->leaf_count);
    return &table->leaves[index];
}

void table_clear_leaf(struct table *table, uint32_t index) {
    CHECK(index < table->leaf_count);
    struct leaf *leaf = &table->leaves[index];
    CHECK(leaf->count <= table->entries);
    table->entries -= leaf->count;
    memset(leaf->slots, 0, leaf_bytes(table));
    leaf->count = 0;
    leaf->bound_min_ms = INT64_MAX;
}

#ifdef TALLY_COSTLY_CHECKS
static bool is_clear(const struct table *table) {
    for (uint64_t at = 0; at < table->leaf_count * leaf_bytes(table); at++)
        if (table->arena.at[at] != 0) return false;
    return true;
}
#endif

void table_reset(struct table *table) {
    CHECK(table->entries == 0);
    COSTLY_CHECK(is_clear(table)); /* a leaf begins with zeroed slots */
    memset(table->leaf_of, 0, sizeof *table->leaf_of << table->directory_bits);
    leaf_init(&table->leaves[0], arena_slots(table, 0), 0, table->full_at);
    table->leaf_count = 1;
    table->purge_next = table->purge_left = 0;
    table->purge_minute = INT64_MIN;
}
