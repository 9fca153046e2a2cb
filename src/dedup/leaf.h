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

void leaf_init(struct leaf *leaf, struct leaf_slot *zeroed_slots, uint32_t depth, uint32_t full_at);
bool leaf_find(const struct leaf *leaf, uint32_t capacity, struct identity identity, struct event_time d,
               struct dedup_entry *out);
/* Takes the first slot that is empty or forgotten: a forgotten entry can never matter again, since D never goes back, and
 * the slot stays occupied for those that were placed beyond it. Returns whether `count` rose. */
bool leaf_insert(struct leaf *leaf, uint32_t capacity, const struct dedup_entry *entry, struct event_time d);
/* Drops what is forgotten and, with `upper`, moves the entries whose next directory bit is 1 there (an empty leaf; both
 * are then one deeper). In place, without scratch memory; visits every slot once. Returns how many were dropped. */
uint32_t leaf_rebuild(struct leaf *leaf, uint32_t capacity, struct event_time d, struct leaf *upper);
