#include "dedup/dedup.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "base/check.h"
#include "dedup/leaf.h"

enum {
    HUGE_PAGE_BYTES = 2 * 1024 * 1024,
    PAGE_BYTES = 4096,
    CACHE_LINE_BYTES = 64,
    MEMORY_BYTES_MIN = 4096,
    SMALL_BYTES = 16 * 1024 * 1024, /* below it, smaller leaves */
    TINY_BYTES = 256 * 1024,
    DIRECTORY_BITS_MAX = 24,
    PURGE_LEAVES = 4, /* a call of dedup_purge_some: at most 8 MiB are walked, a few milliseconds */
    DEVIATIONS = 10,  /* see mean_from_headroom */
};

/* All leaves have the same number of slots and lie side by side in one reserved range of addresses, in the order in which
 * they were made: memory follows use, because the kernel backs only what was touched. */
struct dedup {
    uint32_t directory_bits; /* there are at most 2^that leaves, and the directory has as many entries from the start */
    uint32_t capacity;       /* slots of a leaf; even, so that each leaf begins at a cache line */
    uint32_t leaf_count;
    uint32_t full_at;  /* 80% */
    uint32_t split_at; /* 70% */
    uint32_t limit;    /* 95%: what dedup_room promises by; beyond it are still slots, so that chance never ends us */
    uint32_t *leaf_of; /* directory: index of the leaf */
    struct leaf *leaves;
    uint8_t *arena;
    size_t arena_bytes;
    bool arena_is_mapped;
    uint64_t memory_bytes;
    uint64_t entries;
    struct event_time d_max; /* the highest D that anything was forgotten by */
    uint32_t purge_next;     /* leaf */
    uint32_t purge_left;     /* leaves until once around */
    int64_t purge_minute;    /* minute of D in which the round began */
};

static uint64_t leaf_bytes(const struct dedup *dedup) {
    return (uint64_t)dedup->capacity * sizeof(struct leaf_slot);
}

static uint64_t fixed_bytes(uint32_t directory_bits) {
    return sizeof(struct dedup) + ((uint64_t)(sizeof(uint32_t) + sizeof(struct leaf)) << directory_bits) + CACHE_LINE_BYTES;
}

/* Chooses 2^bits leaves of equal size that fill the memory: of 1 to 2 MiB, large against the chance differences between
 * them, small against a pause. Small memories, as tests use them, get small leaves, so that they too split and purge. */
static void choose_shape(struct dedup *dedup, uint64_t memory_bytes) {
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
    dedup->directory_bits = bits;
    dedup->capacity = (uint32_t)slots & ~UINT32_C(1);
    dedup->full_at = (uint32_t)(slots * 80 / 100);
    dedup->split_at = (uint32_t)(slots * 70 / 100);
    dedup->limit = (uint32_t)(slots * 95 / 100);
}

/* Aligned to a huge page when it is large enough to have one: with small pages every look-up would miss the TLB too. */
static void arena_reserve(struct dedup *dedup) {
    uint64_t needed = leaf_bytes(dedup) << dedup->directory_bits;
    if (needed < HUGE_PAGE_BYTES) {
        dedup->arena = aligned_alloc(CACHE_LINE_BYTES, needed);
        CHECKF(dedup->arena != NULL, "out of memory for %llu bytes", (unsigned long long)needed);
        memset(dedup->arena, 0, needed);
        dedup->arena_bytes = needed;
        return;
    }
    size_t len = (needed + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    uint8_t *at =
        mmap(NULL, len + HUGE_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECKF(at != MAP_FAILED, "no address space for %zu bytes of identities: lower --dedup-memory", len);
    size_t skip = (HUGE_PAGE_BYTES - (uintptr_t)at % HUGE_PAGE_BYTES) % HUGE_PAGE_BYTES;
    if (skip > 0) CHECK(munmap(at, skip) == 0);
    CHECK(munmap(at + skip + len, HUGE_PAGE_BYTES - skip) == 0);
    dedup->arena = at + skip;
    dedup->arena_bytes = len;
    dedup->arena_is_mapped = true;
    (void)madvise(dedup->arena, len, MADV_HUGEPAGE); /* only speed depends on it */
}

static struct leaf_slot *arena_slots(const struct dedup *dedup, uint32_t leaf) {
    CHECK(leaf < UINT32_C(1) << dedup->directory_bits);
    return (struct leaf_slot *)(void *)(dedup->arena + leaf * leaf_bytes(dedup));
}

struct dedup *dedup_create(uint64_t memory_bytes) {
    CHECKF(memory_bytes >= MEMORY_BYTES_MIN, "%llu bytes for identities", (unsigned long long)memory_bytes);
    struct dedup *dedup = memory_allocate_zeroed(1, sizeof *dedup);
    dedup->memory_bytes = memory_bytes;
    choose_shape(dedup, memory_bytes);
    arena_reserve(dedup);
    dedup->leaf_of = memory_allocate_zeroed((size_t)1 << dedup->directory_bits, sizeof *dedup->leaf_of);
    dedup->leaves = memory_allocate_zeroed((size_t)1 << dedup->directory_bits, sizeof *dedup->leaves);
    leaf_init(&dedup->leaves[0], arena_slots(dedup, 0), 0, dedup->full_at);
    dedup->leaf_count = 1;
    dedup->d_max = EVENT_TIME_NONE;
    dedup->purge_minute = INT64_MIN;
    CHECK(fixed_bytes(dedup->directory_bits) + dedup->arena_bytes <= memory_bytes); /* I10 */
    return dedup;
}

void dedup_destroy(struct dedup *dedup) {
    if (dedup == NULL) return;
    if (dedup->arena_is_mapped) {
        CHECK(munmap(dedup->arena, dedup->arena_bytes) == 0);
    } else {
        free(dedup->arena);
    }
    free(dedup->leaf_of);
    free(dedup->leaves);
    free(dedup);
}

static uint32_t leaf_index(const struct dedup *dedup, struct identity identity) {
    return dedup->leaf_of[((uint64_t)leaf_directory_bits(identity) << dedup->directory_bits) >> 32];
}

void dedup_prefetch(const struct dedup *dedup, struct identity identity) {
    const struct leaf_slot *slots = dedup->leaves[leaf_index(dedup, identity)].slots;
    const struct leaf_slot *home = &slots[leaf_home(identity.high, dedup->capacity)];
    __builtin_prefetch(home);
    __builtin_prefetch((const uint8_t *)home + CACHE_LINE_BYTES);
}

bool dedup_find(const struct dedup *dedup, struct identity identity, struct event_time d, struct dedup_entry *out) {
    CHECK(d.ms >= dedup->d_max.ms); /* I1: D never goes back; by an older D, what is purged would have counted */
    return leaf_find(&dedup->leaves[leaf_index(dedup, identity)], dedup->capacity, identity, d, out);
}

static void purge_leaf(struct dedup *dedup, struct leaf *leaf, struct event_time d) {
    if (leaf->bound_min_ms > d.ms) return;
    uint32_t dropped = leaf_rebuild(leaf, dedup->capacity, d, NULL);
    CHECK(dropped <= dedup->entries);
    dedup->entries -= dropped;
    leaf->full_at = dedup->full_at;
}

/* The new leaf takes the upper half of the directory entries that pointed to the old one. */
static void split_leaf(struct dedup *dedup, uint32_t old_index, struct identity member, struct event_time d) {
    struct leaf *leaf = &dedup->leaves[old_index];
    CHECK(leaf->depth < dedup->directory_bits);
    uint32_t new_index = dedup->leaf_count++;
    struct leaf *upper = &dedup->leaves[new_index];
    leaf_init(upper, arena_slots(dedup, new_index), leaf->depth, dedup->full_at);
    uint32_t dropped = leaf_rebuild(leaf, dedup->capacity, d, upper);
    CHECK(dropped <= dedup->entries);
    dedup->entries -= dropped;
    leaf->full_at = dedup->full_at;

    uint32_t span_bits = dedup->directory_bits - leaf->depth; /* of each half */
    uint64_t prefix = ((uint64_t)leaf_directory_bits(member) << (leaf->depth - 1)) >> 32;
    uint64_t first = (2 * prefix + 1) << span_bits;
    for (uint64_t entry = first; entry < first + (UINT64_C(1) << span_bits); ++entry) {
        CHECK(dedup->leaf_of[entry] == old_index);
        dedup->leaf_of[entry] = new_index;
    }
}

/* A leaf that can neither shrink nor split fills on; it looks again after another 1/16 of it, so that looking costs an
 * insert no more than visiting 16 slots. */
static uint32_t leaf_with_room(struct dedup *dedup, struct identity identity, struct event_time d) {
    for (;;) {
        uint32_t index = leaf_index(dedup, identity);
        struct leaf *leaf = &dedup->leaves[index];
        if (leaf->count < leaf->full_at) return index;
        purge_leaf(dedup, leaf, d);
        if (leaf->count > dedup->split_at && leaf->depth < dedup->directory_bits) {
            split_leaf(dedup, index, identity, d);
            continue;
        }
        if (leaf->count >= leaf->full_at) leaf->full_at = leaf->count + dedup->capacity / 16 + 1;
        return index;
    }
}

void dedup_insert(struct dedup *dedup, const struct dedup_entry *entry, struct event_time d) {
    CHECK(d.ms >= dedup->d_max.ms);
    COSTLY_CHECK(dedup_room(dedup) > 0);
    COSTLY_CHECK(!dedup_find(dedup, entry->identity, d, &(struct dedup_entry){0}));
    dedup->d_max = d;
    uint32_t index = leaf_with_room(dedup, entry->identity, d);
    if (leaf_insert(&dedup->leaves[index], dedup->capacity, entry, d)) ++dedup->entries;
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
uint64_t dedup_room(const struct dedup *dedup) {
    uint64_t count_max = 0, final_max = 0, shared_max = 0;
    for (uint32_t i = 0; i < dedup->leaf_count; ++i) {
        const struct leaf *leaf = &dedup->leaves[i];
        uint64_t count = leaf->count;
        if (count > count_max) count_max = count;
        if (leaf->depth == dedup->directory_bits) {
            if (count > final_max) final_max = count;
        } else {
            uint64_t share = (count >> (dedup->directory_bits - leaf->depth)) + 1;
            if (share > shared_max) shared_max = share;
        }
    }
    if (count_max >= dedup->limit) return 0;
    uint64_t certain = dedup->limit - count_max;
    uint64_t mean_shared = mean_from_headroom(dedup->limit);
    uint64_t mean = mean_from_headroom(dedup->limit - final_max);
    mean_shared = mean_shared > shared_max ? mean_shared - shared_max : 0;
    if (mean_shared < mean) mean = mean_shared;
    uint64_t by_chance = mean << dedup->directory_bits;
    return by_chance > certain ? by_chance : certain;
}

bool dedup_purge_some(struct dedup *dedup, struct event_time d) {
    CHECK(d.ms >= dedup->d_max.ms);
    dedup->d_max = d;
    if (event_time_is_none(d)) return true; /* nothing can be forgotten yet */
    if (d.ms / MINUTE_MS > dedup->purge_minute) {
        dedup->purge_minute = d.ms / MINUTE_MS;
        dedup->purge_left = dedup->leaf_count;
    }
    for (uint32_t i = 0; i < PURGE_LEAVES && dedup->purge_left > 0; ++i) {
        purge_leaf(dedup, &dedup->leaves[dedup->purge_next], d);
        dedup->purge_next = (dedup->purge_next + 1) % dedup->leaf_count;
        --dedup->purge_left;
    }
    return dedup->purge_left == 0;
}

struct dedup_usage dedup_usage(const struct dedup *dedup) {
    uint64_t leaves_max = UINT64_C(1) << dedup->directory_bits;
    uint64_t fixed = fixed_bytes(dedup->directory_bits);
    uint64_t by_chance = mean_from_headroom(dedup->limit) << dedup->directory_bits;
    uint64_t certain = dedup->limit;
    CHECK(dedup->leaf_count <= leaves_max);
    return (struct dedup_usage){
        .entries = dedup->entries,
        .entries_max = by_chance > certain ? by_chance : certain,
        .bytes = fixed + dedup->leaf_count * leaf_bytes(dedup),
        .bytes_max = dedup->memory_bytes,
    };
}
