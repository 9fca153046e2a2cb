/* inner.h: what the files of store/ share. Nobody else includes this. */
#pragma once

#include <pthread.h>

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

/* What makes and reads values, for one thread at a time; each thread that does has its own. */
struct scratch {
    struct value_writer *writer;
    struct value_reader *reader;
    struct buffer content; /* of the value in the making */
    struct buffer value;   /* as read */
};
void scratch_init(struct scratch *scratch);
void scratch_fini(struct scratch *scratch);

struct store {
    uint32_t magic;
    struct kv kv;
    uint32_t generation;
    uint32_t partition_count;
    pthread_mutex_t writing; /* held for a write or flush of the kv, which takes them from one thread at a time */
    struct scratch history;  /* the history's thread only */
    /* The writer's thread only, from here on: readers have their own. */
    struct scratch scratch;
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

/* The content under a key, now; valid until the scratch reads the next. STATUS_NOT_FOUND when there is none. */
enum status store_get(struct store *store, struct scratch *scratch, const struct store_key *key, struct bytes *content,
                      struct failure *failure) MUST_USE;
/* A store of another format version is the wrong directory or program, not damage: STATUS_BAD_CONFIG, and the failure, which
 * has both versions in its text already, too. Any other status stays. */
enum status store_refuse_version(enum status status, struct failure *failure);
/* value_corrupt of a key in fields. */
enum status store_corrupt(const struct store_key *key, const char *what, struct failure *failure);
/* Calls `take` with every value whose key begins with the first `prefix_len` bytes of `from`, from there on in key order,
 * until one is refused. */
typedef enum status take_value(void *context, struct bytes key_bytes, const struct store_key *key, struct bytes content,
                               struct failure *failure);
enum status store_each_value(struct store *store, const struct kv_snapshot *snapshot, struct value_reader *reader,
                             const struct store_key *from, size_t prefix_len, take_value *take, void *context,
                             struct failure *failure) MUST_USE;

/* Puts the scratch's content under the key, and clears it. */
void store_put_value(struct scratch *scratch, struct kv_batch *batch, const struct store_key *key);
/* Deletes what the store holds from `from` on, as far as the first `prefix_len` bytes of the key stay the same: what a
 * value in several keys had more of when it was written before. Nearly always one seek that finds nothing. */
enum status store_delete_rest(struct store *store, struct kv_batch *batch, const struct store_key *from, size_t prefix_len,
                              struct failure *failure) MUST_USE;
/* The cells as chunks, each under `key` with its own first atom and ad. */
void store_put_chunks(struct scratch *scratch, struct kv_batch *batch, struct store_key key, struct cell_list list);
/* From any thread. */
enum status store_commit(struct store *store, const struct kv_batch *batch, struct failure *failure) MUST_USE;

void store_checkpoint_encode(const struct partition_checkpoint *checkpoint, struct buffer *out);
/* False when the bytes are no checkpoint. */
bool store_checkpoint_decode(struct bytes content, struct partition_checkpoint *out);
/* Reads a partition's checkpoint record, without its open minutes. */
enum status store_read_checkpoint(struct store *store, uint32_t partition, struct partition_checkpoint *out,
                                  struct failure *failure) MUST_USE;
