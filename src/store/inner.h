/* inner.h: what the files of store/ share. Nobody else includes this. */
#pragma once

#include "base/check.h"
#include "base/units.h"
#include "store/cells.h"
#include "store/key.h"
#include "store/store.h"
#include "store/value.h"

enum {
    STORE_MAGIC = 0x0057043e,
    STORE_ADS_RUN = 4096, /* dictionary entries in one value */
    STORE_OPEN_PART_BYTES = 1024 * 1024,
};

struct store {
    uint32_t magic;
    struct kv kv;
    uint32_t generation;
    uint32_t partition_count;
    /* The writer's thread only, from here on: readers have their own. */
    struct value_writer *writer;
    struct value_reader *reader;
    struct buffer content;                         /* of the value in the making */
    struct buffer value;                           /* as read */
    struct journal_offset written[PARTITIONS_MAX]; /* the offset of each partition's checkpoint, 0 without one */
    struct failure put_failure;                    /* a store_put_* could not read; store_write says so */
};

static inline void store_check(const struct store *store) {
    CHECK(store != NULL && store->magic == STORE_MAGIC);
}

/* A key of this store's generation. CHECKs the partition. */
static inline struct store_key store_key_of(const struct store *store, enum store_table table, uint32_t partition) {
    store_check(store);
    CHECKF(partition < store->partition_count, "partition %u of %u", partition, store->partition_count);
    return (struct store_key){.table = table, .generation = store->generation, .partition = (uint16_t)partition};
}

static inline bool key_has_prefix(struct bytes key, const struct store_key_bytes *prefix, size_t len) {
    CHECK(len <= prefix->len);
    return key.len >= len && memcmp(key.at, prefix->at, len) == 0;
}

void store_checkpoint_encode(const struct partition_checkpoint *checkpoint, struct buffer *out);
/* False when the bytes are no checkpoint. */
bool store_checkpoint_decode(struct bytes content, struct partition_checkpoint *out);
/* Reads a partition's checkpoint record, without its open minutes. */
enum status store_read_checkpoint(struct store *store, uint32_t partition, struct partition_checkpoint *out,
                                  struct failure *failure) MUST_USE;
