/* fake_kv_state.h: a state of the fake kv: sorted entries, shared with the states before and after it. */
#pragma once

#include "seam/kv.h"

struct entry {
    size_t refs;
    struct bytes key, value; /* behind the struct */
};

/* A state of the whole store; never changes, so that a state is its own snapshot. Sorted by key. */
struct kv_snapshot {
    size_t refs;
    size_t count;
    struct entry *entries[];
};

struct entry *entry_create(struct bytes key, struct bytes value);
void entry_release(struct entry *entry);
struct kv_snapshot *state_create(size_t capacity);
struct kv_snapshot *state_share(struct kv_snapshot *state);
void state_release(struct kv_snapshot *state);
/* The first entry whose key is not below `key`. */
size_t state_find(const struct kv_snapshot *state, struct bytes key);
/* A new state: `old` merged with the batch, whose last entry for a key wins. */
struct kv_snapshot *state_after(const struct kv_snapshot *old, const struct kv_batch *batch);
/* A copy of the state in which one entry is another. */
struct kv_snapshot *state_with(const struct kv_snapshot *state, const struct entry *old, struct entry *new);
