#include "fake/fake_kv_state.h"

#include <stdlib.h>

#include "base/check.h"

struct entry *entry_create(struct bytes key, struct bytes value) {
    struct entry *entry = memory_allocate(sizeof *entry + key.len + value.len);
    uint8_t *at = (uint8_t *)(entry + 1);
    if (key.len > 0) memcpy(at, key.at, key.len);
    if (value.len > 0) memcpy(at + key.len, value.at, value.len);
    *entry = (struct entry){1, {at, key.len}, {at + key.len, value.len}};
    return entry;
}

void entry_release(struct entry *entry) {
    CHECK(entry->refs > 0);
    if (--entry->refs == 0) free(entry);
}

struct kv_snapshot *state_create(size_t capacity) {
    struct kv_snapshot *state = memory_allocate_zeroed(1, sizeof *state + capacity * sizeof state->entries[0]);
    state->refs = 1;
    return state;
}

struct kv_snapshot *state_share(struct kv_snapshot *state) {
    state->refs++;
    return state;
}

void state_release(struct kv_snapshot *state) {
    CHECK(state->refs > 0);
    if (--state->refs > 0) return;
    for (size_t i = 0; i < state->count; i++) entry_release(state->entries[i]);
    free(state);
}

size_t state_find(const struct kv_snapshot *state, struct bytes key) {
    size_t low = 0, high = state->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (bytes_compare(state->entries[middle]->key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct change {
    struct bytes key, value;
    enum kv_operation op;
    size_t order;
};

struct changes {
    struct change *at;
    size_t count;
};

static void add_change(void *context, enum kv_operation op, struct bytes key, struct bytes value) {
    struct changes *changes = context;
    changes->at[changes->count] = (struct change){key, value, op, changes->count};
    changes->count++;
}

static int change_compare(const void *a, const void *b) {
    const struct change *left = a, *right = b;
    int order = bytes_compare(left->key, right->key);
    return order != 0 ? order : (left->order > right->order) - (left->order < right->order);
}

struct kv_snapshot *state_after(const struct kv_snapshot *old, const struct kv_batch *batch) {
    struct changes changes = {memory_allocate((batch->entry_count + 1) * sizeof *changes.at), 0};
    kv_batch_each(batch, add_change, &changes);
    qsort(changes.at, changes.count, sizeof *changes.at, change_compare);
    struct kv_snapshot *state = state_create(old->count + changes.count);
    size_t from = 0;
    for (size_t i = 0; i <= changes.count; i++) {
        const struct change *change = i < changes.count ? &changes.at[i] : NULL;
        if (change != NULL && i + 1 < changes.count && bytes_equal(change->key, change[1].key)) continue;
        while (from < old->count && (change == NULL || bytes_compare(old->entries[from]->key, change->key) < 0)) {
            old->entries[from]->refs++;
            state->entries[state->count++] = old->entries[from++];
        }
        if (change == NULL) break;
        if (from < old->count && bytes_equal(old->entries[from]->key, change->key)) from++;
        if (change->op == KV_PUT) state->entries[state->count++] = entry_create(change->key, change->value);
    }
    free(changes.at);
    return state;
}

struct kv_snapshot *state_with(const struct kv_snapshot *state, const struct entry *old, struct entry *new) {
    struct kv_snapshot *copy = state_create(state->count);
    for (; copy->count < state->count; copy->count++) {
        struct entry *entry = state->entries[copy->count] == old ? new : state->entries[copy->count];
        entry->refs++;
        copy->entries[copy->count] = entry;
    }
    return copy;
}
