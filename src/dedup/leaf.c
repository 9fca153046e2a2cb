#include "dedup/leaf.h"

#include "base/check.h"

enum { TAG_HALF_BITS = 16 };
#define LEAF_VALUE_MAX ((UINT64_C(1) << 47) - 1)

static bool slot_is_empty(const struct leaf_slot *slot) {
    return slot->offset_tag == 0;
}

static int64_t slot_bound_ms(const struct leaf_slot *slot) {
    return (int64_t)(slot->bound_tag >> TAG_HALF_BITS);
}

static bool slot_is_forgotten(const struct leaf_slot *slot, struct event_time d) {
    return slot_bound_ms(slot) <= d.ms;
}

static bool slot_holds(const struct leaf_slot *slot, struct identity identity) {
    return slot->high == identity.high && slot->low == identity.low;
}

static struct leaf_slot slot_of(const struct dedup_entry *entry) {
    CHECKF(entry->offset.at <= LEAF_VALUE_MAX, "offset %llu", (unsigned long long)entry->offset.at);
    CHECKF(entry->bound.ms >= 0 && (uint64_t)entry->bound.ms <= LEAF_VALUE_MAX, "bound %lld", (long long)entry->bound.ms);
    return (struct leaf_slot){
        .low = entry->identity.low,
        .high = entry->identity.high,
        .offset_tag = (entry->offset.at + 1) << TAG_HALF_BITS | (entry->content_tag & UINT16_MAX),
        .bound_tag = (uint64_t)entry->bound.ms << TAG_HALF_BITS | entry->content_tag >> TAG_HALF_BITS,
    };
}

struct dedup_entry leaf_slot_entry(const struct leaf_slot *slot) {
    CHECK(!slot_is_empty(slot));
    return (struct dedup_entry){
        .identity = {.low = slot->low, .high = slot->high},
        .content_tag = (uint32_t)(slot->bound_tag & UINT16_MAX) << TAG_HALF_BITS | (uint32_t)(slot->offset_tag & UINT16_MAX),
        .offset = {(slot->offset_tag >> TAG_HALF_BITS) - 1},
        .bound = {slot_bound_ms(slot)},
    };
}

void leaf_init(struct leaf *leaf, struct leaf_slot *zeroed_slots, uint32_t depth, uint32_t full_at) {
    CHECK(slot_is_empty(&zeroed_slots[0]));
    CHECK(depth <= 32 && full_at > 0);
    *leaf = (struct leaf){.slots = zeroed_slots, .bound_min_ms = INT64_MAX, .full_at = full_at, .depth = depth};
}

static uint32_t slot_after(uint32_t at, uint32_t capacity) {
    return at + 1 == capacity ? 0 : at + 1;
}

bool leaf_find(const struct leaf *leaf, uint32_t capacity, struct identity identity, struct event_time d,
               struct dedup_entry *out) {
    CHECK(leaf->count < capacity); /* so the walk ends at an empty slot */
    uint32_t at = leaf_home(identity.high, capacity);
    for (; !slot_is_empty(&leaf->slots[at]); at = slot_after(at, capacity)) {
        const struct leaf_slot *slot = &leaf->slots[at];
        if (slot_holds(slot, identity) && !slot_is_forgotten(slot, d)) {
            *out = leaf_slot_entry(slot);
            return true;
        }
    }
    return false;
}

bool leaf_insert(struct leaf *leaf, uint32_t capacity, const struct dedup_entry *entry, struct event_time d) {
    CHECK(leaf->count < capacity);
    uint32_t at = leaf_home(entry->identity.high, capacity);
    for (; !slot_is_empty(&leaf->slots[at]); at = slot_after(at, capacity)) {
        if (slot_is_forgotten(&leaf->slots[at], d)) break;
        CHECK(!slot_holds(&leaf->slots[at], entry->identity)); /* I1: one live entry of an identity, never overwritten */
    }
    bool grows = slot_is_empty(&leaf->slots[at]);
    leaf->slots[at] = slot_of(entry);
    if (entry->bound.ms < leaf->bound_min_ms) leaf->bound_min_ms = entry->bound.ms;
    if (grows) ++leaf->count;
    CHECKF(leaf->count < capacity, "a leaf of %u slots is full: more was inserted than dedup_room allowed", capacity);
    return grows;
}

/* Where a moved entry goes: the first empty slot from its home on. */
static void leaf_place(struct leaf *leaf, uint32_t capacity, const struct leaf_slot *moved) {
    CHECK(leaf->count + 1 < capacity);
    uint32_t at = leaf_home(moved->high, capacity);
    while (!slot_is_empty(&leaf->slots[at])) at = slot_after(at, capacity);
    leaf->slots[at] = *moved;
    ++leaf->count;
    if (slot_bound_ms(moved) < leaf->bound_min_ms) leaf->bound_min_ms = slot_bound_ms(moved);
}

#ifdef TALLY_COSTLY_CHECKS
/* It knows how many it holds, and a bound below which it need not be walked. */
static bool leaf_is_sound(const struct leaf *leaf, uint32_t capacity) {
    uint32_t count = 0;
    for (uint32_t at = 0; at < capacity; at++) {
        if (slot_is_empty(&leaf->slots[at])) continue;
        if (slot_bound_ms(&leaf->slots[at]) < leaf->bound_min_ms) return false;
        count++;
    }
    return count == leaf->count;
}
#endif

/* The walk begins behind an empty slot, so no run of occupied slots is entered in its middle: when an entry at slot s is
 * taken out, everything between its home and s was placed again already, and the first empty slot from its home on is at
 * or before s. So each entry moves towards its home or stays, and no entry is met twice. */
uint32_t leaf_rebuild(struct leaf *leaf, uint32_t capacity, struct event_time d, struct leaf *upper) {
    uint32_t dropped = 0, count_before = leaf->count, start = 0;
    CHECK(count_before < capacity);
    COSTLY_CHECK(leaf_is_sound(leaf, capacity));
    CHECK(upper == NULL || (upper->count == 0 && leaf->depth < 32));
    uint32_t upper_bit = upper == NULL ? 0 : UINT32_C(1) << (31 - leaf->depth);
    while (!slot_is_empty(&leaf->slots[start])) ++start;

    leaf->count = 0;
    leaf->bound_min_ms = INT64_MAX;
    for (uint32_t at = slot_after(start, capacity); at != start; at = slot_after(at, capacity)) {
        if (slot_is_empty(&leaf->slots[at])) continue;
        struct leaf_slot moved = leaf->slots[at];
        leaf->slots[at] = (struct leaf_slot){0};
        if (slot_is_forgotten(&moved, d)) {
            ++dropped;
            continue;
        }
        bool goes_up = ((uint32_t)(moved.high >> 32) & upper_bit) != 0;
        leaf_place(goes_up ? upper : leaf, capacity, &moved);
    }
    if (upper != NULL) upper->depth = ++leaf->depth;
    CHECK(leaf->count + dropped + (upper == NULL ? 0 : upper->count) == count_before);
    CHECK(leaf->count == 0 || leaf->bound_min_ms > d.ms); /* nothing that is forgotten is left */
    COSTLY_CHECK(leaf_is_sound(leaf, capacity) && (upper == NULL || leaf_is_sound(upper, capacity)));
    return dropped;
}

static int slot_compare(const struct leaf_slot *a, const struct leaf_slot *b) {
    return identity_compare((struct identity){a->low, a->high}, (struct identity){b->low, b->high});
}

/* By the bits that follow those that all the leaf's identities share: identities are even, so are the buckets. */
static uint32_t bucket_of(const struct leaf_slot *slot, uint32_t depth, uint32_t buckets) {
    return (uint32_t)(((slot->high << depth >> 32) * buckets) >> 32);
}

static void insertion_sort(struct leaf_slot *slots, uint32_t count) {
    for (uint32_t i = 1; i < count; i++) {
        struct leaf_slot moved = slots[i];
        uint32_t at = i;
        for (; at > 0 && slot_compare(&slots[at - 1], &moved) > 0; at--) slots[at] = slots[at - 1];
        slots[at] = moved;
    }
}

#ifdef TALLY_COSTLY_CHECKS
static bool is_ascending(const struct leaf_slot *slots, uint32_t count) {
    for (uint32_t i = 1; i < count; i++)
        if (slot_compare(&slots[i - 1], &slots[i]) >= 0) return false;
    return true;
}
#endif

uint32_t leaf_sorted(const struct leaf *leaf, uint32_t capacity, struct event_time d, struct leaf_slot *out,
                     uint32_t *starts) {
    CHECK(leaf->depth <= 32);
    uint32_t buckets = capacity / 4 + 1, count = 0;
    memset(starts, 0, buckets * sizeof *starts);
    for (uint32_t at = 0; at < capacity; at++) {
        const struct leaf_slot *slot = &leaf->slots[at];
        if (!slot_is_empty(slot) && !slot_is_forgotten(slot, d)) starts[bucket_of(slot, leaf->depth, buckets)]++;
    }
    for (uint32_t bucket = 0; bucket < buckets; bucket++) {
        uint32_t of_bucket = starts[bucket];
        starts[bucket] = count;
        count += of_bucket;
    }
    CHECK(count <= leaf->count);
    for (uint32_t at = 0; at < capacity; at++) {
        const struct leaf_slot *slot = &leaf->slots[at];
        if (!slot_is_empty(slot) && !slot_is_forgotten(slot, d))
            out[starts[bucket_of(slot, leaf->depth, buckets)]++] = *slot;
    }
    CHECK(starts[buckets - 1] == count); /* the second walk met what the first did */
    insertion_sort(out, count);
    COSTLY_CHECK(is_ascending(out, count)); /* I1: one live entry of an identity */
    return count;
}
