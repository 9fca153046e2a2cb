/* leaf.h: one leaf of the identity table: slots with linear probing. Internal to dedup/. */
#pragma once

#include "dedup/dedup.h"

/* 32 bytes, so that a slot never straddles a cache line. `offset_tag` holds offset + 1 (48 bits) over the low half of the
 * content tag, so it is 0 exactly when the slot is empty; `bound_tag` holds the bound (48 bits) over the high half. */
struct leaf_slot {
    uint64_t low, high;
    uint64_t offset_tag;
    uint64_t bound_tag;
};
_Static_assert(sizeof(struct leaf_slot) == 32, "what a remembered identity costs is a promise of the documentation");

struct leaf {
    struct leaf_slot *slots;
    int64_t bound_min_ms; /* no entry's bound is lower; INT64_MAX when there is none */
    uint32_t count;       /* with forgotten entries that are still stored */
    uint32_t full_at;     /* at this count the leaf looks for room: purge, split */
    uint32_t depth;       /* how many directory bits all its identities share */
};

/* The directory takes the upper half of identity.high, the place within a leaf the lower half, and the route to a partition
 * identity.low: three independent choices, so no partition and no leaf is denser than chance. */
static inline uint32_t leaf_directory_bits(struct identity identity) {
    return (uint32_t)(identity.high >> 32);
}

static inline uint32_t leaf_home(uint64_t high, uint32_t capacity) {
    return (uint32_t)(((high & UINT32_MAX) * capacity) >> 32);
}

/* The order of entries in runs, and of the leaves. */
static inline int identity_compare(struct identity a, struct identity b) {
    if (a.high != b.high) return a.high < b.high ? -1 : 1;
    return (a.low > b.low) - (a.low < b.low);
}

void leaf_init(struct leaf *leaf, struct leaf_slot *zeroed_slots, uint32_t depth, uint32_t full_at);
bool leaf_find(const struct leaf *leaf, uint32_t capacity, struct identity identity, struct event_time d,
               struct dedup_entry *out);
/* Takes the first slot that is empty or forgotten: a forgotten entry can never matter again, since D never goes back, and
 * the slot stays occupied for those that were placed beyond it. Returns whether `count` rose. */
bool leaf_insert(struct leaf *leaf, uint32_t capacity, const struct dedup_entry *entry, struct event_time d);
/* Drops what is forgotten and, with `upper`, moves the entries whose next directory bit is 1 there (an empty leaf; both
 * are then one deeper). In place, without scratch memory; visits every slot once. Returns how many were dropped. */
uint32_t leaf_rebuild(struct leaf *leaf, uint32_t capacity, struct event_time d, struct leaf *upper);

/* The live entries by identity_compare into `out` (as long as the leaf); returns how many. `starts`: capacity / 4 + 2
 * numbers of scratch. Linear as long as identities are hashes. */
uint32_t leaf_sorted(const struct leaf *leaf, uint32_t capacity, struct event_time d, struct leaf_slot *out,
                     uint32_t *starts);
struct dedup_entry leaf_slot_entry(const struct leaf_slot *slot);
