/* kv.h (seam): an ordered key-value store with atomic batches and snapshots.
 *
 * Threads: write and flush from one thread at a time; get, iterators and snapshots from any, at the same time as a write.
 * A batch that `write` accepted survives the death of the process but not of the machine; after `flush` it survives both.
 * After a crash of the machine the store holds a prefix of the batches, each whole or not at all.
 */
#pragma once

#include "base/bytes.h"
#include "base/status.h"

struct kv_snapshot; /* a cut of the store; never changes */
struct kv_iterator;

/* A list of puts and deletes, in order. Each entry: u8 op, u32 key length, key, [u32 value length, value]. */
enum kv_operation { KV_PUT = 1, KV_DELETE = 2 };
struct kv_batch {
    struct buffer entries;
    uint64_t entry_count;
};

void kv_batch_put(struct kv_batch *batch, struct bytes key, struct bytes value);
void kv_batch_delete(struct kv_batch *batch, struct bytes key);
void kv_batch_clear(struct kv_batch *batch);
void kv_batch_fini(struct kv_batch *batch);
/* Calls back for each entry in order; `value` is empty for a delete. For implementations of the table below. */
void kv_batch_each(const struct kv_batch *batch,
                   void (*visit)(void *context, enum kv_operation op, struct bytes key, struct bytes value), void *context);

struct kv {
    void *self;
    /* Replaces the content of `value`. STATUS_NOT_FOUND when there is none. `snapshot` NULL = now. */
    enum status (*get)(void *self, const struct kv_snapshot *snapshot, struct bytes key, struct buffer *value,
                       struct failure *failure);
    enum status (*write)(void *self, const struct kv_batch *batch, struct failure *failure);
    enum status (*flush)(void *self, struct failure *failure);
    struct kv_snapshot *(*snapshot_take)(void *self);
    void (*snapshot_drop)(void *self, struct kv_snapshot *snapshot);

    /* Keys in ascending byte order. An iterator starts at nothing: seek it. Views are valid until it moves or closes. */
    struct kv_iterator *(*iterate)(void *self, const struct kv_snapshot *snapshot);
    void (*iterator_seek)(struct kv_iterator *iterator, struct bytes key);        /* first key >= `key` */
    void (*iterator_seek_before)(struct kv_iterator *iterator, struct bytes key); /* last key <= `key` */
    void (*iterator_next)(struct kv_iterator *iterator);
    /* False at the end and on errors: then ask iterator_status, which is STATUS_OK at a plain end. */
    bool (*iterator_valid)(const struct kv_iterator *iterator);
    struct bytes (*iterator_key)(const struct kv_iterator *iterator);
    struct bytes (*iterator_value)(const struct kv_iterator *iterator);
    enum status (*iterator_status)(const struct kv_iterator *iterator, struct failure *failure);
    void (*iterator_close)(struct kv_iterator *iterator);
};
