#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/inner.h"

enum { UUID_BYTES = 16, UUID_TEXT = 2 * UUID_BYTES + 1 };

int cell_compare(const void *a, const void *b) {
    const struct cell *left = a, *right = b;
    if (left->ad != right->ad) return left->ad < right->ad ? -1 : 1;
    return (left->country.code > right->country.code) - (left->country.code < right->country.code);
}

int atom_cell_compare(const void *a, const void *b) {
    const struct atom_cell *left = a, *right = b;
    if (left->atom != right->atom) return left->atom < right->atom ? -1 : 1;
    if (left->ad != right->ad) return left->ad < right->ad ? -1 : 1;
    return (left->country.code > right->country.code) - (left->country.code < right->country.code);
}

void scratch_init(struct scratch *scratch) {
    *scratch = (struct scratch){.writer = value_writer_create(), .reader = value_reader_create()};
}

void scratch_fini(struct scratch *scratch) {
    value_writer_destroy(scratch->writer);
    value_reader_destroy(scratch->reader);
    buffer_fini(&scratch->content);
    buffer_fini(&scratch->value);
}

static void uuid_text(const uint8_t uuid[UUID_BYTES], char text[UUID_TEXT]) {
    for (size_t i = 0; i < UUID_BYTES; i++) (void)snprintf(text + 2 * i, 3, "%02x", uuid[i]);
}

/* Only an empty kv becomes a store: someone else's data is never mixed with ours. */
static enum status make_store(struct store *store, const uint8_t log_uuid[UUID_BYTES], struct failure *failure) {
    struct kv_iterator *iterator = store->kv.iterate(store->kv.self, NULL);
    store->kv.iterator_seek(iterator, (struct bytes){(const uint8_t *)"", 0});
    bool empty = !store->kv.iterator_valid(iterator);
    enum status status = store->kv.iterator_status(iterator, failure);
    store->kv.iterator_close(iterator);
    if (status != STATUS_OK) return status;
    if (!empty)
        return failure_set(failure, STATUS_BAD_CONFIG,
                           "the store has content but no description: it was not made by this program");

    CHECK(store->generation == 0 && store->partition_count >= 1);
    store->generation = GENERATION_FIRST;
    struct buffer *content = &store->scratch.content;
    buffer_clear(content);
    buffer_append(content, log_uuid, UUID_BYTES);
    buffer_put_u32(content, store->partition_count);
    buffer_put_u32(content, store->generation);
    struct kv_batch batch = {0};
    store_put_value(&store->scratch, &batch, &(struct store_key){.table = STORE_META});
    status = store_commit(store, &batch, failure);
    kv_batch_fini(&batch);
    return status;
}

enum status store_refuse_version(enum status status, struct failure *failure) {
    CHECK(status != STATUS_OK);
    if (status != STATUS_UNSUPPORTED) return status;
    if (failure != NULL && failure->status == STATUS_UNSUPPORTED) failure->status = STATUS_BAD_CONFIG;
    return STATUS_BAD_CONFIG;
}

static enum status check_meta(struct store *store, const uint8_t log_uuid[UUID_BYTES], struct bytes key,
                              struct failure *failure) {
    struct bytes content;
    enum status status = value_open(store->scratch.reader, key, buffer_view(&store->scratch.value), &content, failure);
    if (status != STATUS_OK) return store_refuse_version(status, failure);
    struct reader reader = reader_of(content);
    struct bytes uuid = reader_bytes(&reader, UUID_BYTES);
    uint32_t partition_count = reader_u32(&reader);
    uint32_t generation = reader_u32(&reader);
    if (reader.bad || reader_left(&reader) > 0 || generation < GENERATION_FIRST)
        return value_corrupt(key, "it does not decode", failure);
    if (memcmp(uuid.at, log_uuid, UUID_BYTES) != 0) {
        char stored[UUID_TEXT], given[UUID_TEXT];
        uuid_text(uuid.at, stored);
        uuid_text(log_uuid, given);
        return failure_set(
            failure, STATUS_BAD_CONFIG,
            "the store belongs to journal %s, not to journal %s; remove the store directory to have it built anew", stored,
            given);
    }
    if (partition_count != store->partition_count)
        return failure_set(failure, STATUS_BAD_CONFIG, "the store has %" PRIu32 " partitions, the journal %" PRIu32,
                           partition_count, store->partition_count);
    store->generation = generation;
    return STATUS_OK;
}

static enum status open_checked(struct store *store, const uint8_t log_uuid[UUID_BYTES], struct failure *failure) {
    struct store_key_bytes key_bytes = store_key_encode(&(struct store_key){.table = STORE_META});
    struct bytes key = store_key_view(&key_bytes);
    enum status status = store->kv.get(store->kv.self, NULL, key, &store->scratch.value, failure);
    if (status == STATUS_NOT_FOUND) return make_store(store, log_uuid, failure);
    if (status == STATUS_OK) status = check_meta(store, log_uuid, key, failure);
    for (uint32_t p = 0; status == STATUS_OK && p < store->partition_count; p++) {
        struct partition_checkpoint checkpoint;
        status = store_read_checkpoint(store, p, &checkpoint, failure);
        if (status == STATUS_OK) store->written[p] = checkpoint.offset;
        if (status == STATUS_NOT_FOUND) status = STATUS_OK;
    }
    return status;
}

enum status store_open(const struct kv *kv, const uint8_t log_uuid[16], uint32_t partition_count, struct store **out,
                       struct failure *failure) {
    CHECK(partition_count >= 1 && partition_count <= PARTITIONS_MAX);
    struct store *store = memory_allocate_zeroed(1, sizeof *store);
    store->magic = STORE_MAGIC;
    store->kv = *kv;
    store->partition_count = partition_count;
    CHECK(pthread_mutex_init(&store->writing, NULL) == 0);
    scratch_init(&store->scratch);
    scratch_init(&store->history);
    enum status status = open_checked(store, log_uuid, failure);
    if (status != STATUS_OK) {
        store_destroy(store);
        return status;
    }
    CHECK(store->generation >= GENERATION_FIRST);
    *out = store;
    return STATUS_OK;
}

void store_destroy(struct store *store) {
    if (store == NULL) return;
    store_check(store);
    scratch_fini(&store->scratch);
    scratch_fini(&store->history);
    CHECK(pthread_mutex_destroy(&store->writing) == 0);
    store->magic = 0;
    free(store);
}

struct offsets {
    struct store *store;
    struct journal_offset at[PARTITIONS_MAX];
};

/* I5: an older checkpoint of the same partition must never replace a newer one. */
static void check_entry(void *context, enum kv_operation op, struct bytes key_bytes, struct bytes value) {
    struct offsets *offsets = context;
    if (key_bytes.at[0] != STORE_PARTITION) return;
    struct store_key key;
    struct bytes content;
    struct partition_checkpoint checkpoint;
    CHECK(op == KV_PUT && store_key_decode(key_bytes, &key) && key.partition < offsets->store->partition_count);
    CHECK(value_open(offsets->store->scratch.reader, key_bytes, value, &content, NULL) == STATUS_OK);
    CHECK(store_checkpoint_decode(content, &checkpoint));
    CHECKF(checkpoint.offset.at >= offsets->at[key.partition].at,
           "I5: partition %u would go from offset %" PRIu64 " back to %" PRIu64, key.partition,
           offsets->at[key.partition].at, checkpoint.offset.at);
    offsets->at[key.partition] = checkpoint.offset;
}

enum status store_commit(struct store *store, const struct kv_batch *batch, struct failure *failure) {
    store_check(store);
    CHECK(pthread_mutex_lock(&store->writing) == 0);
    enum status status = store->kv.write(store->kv.self, batch, failure);
    CHECK(pthread_mutex_unlock(&store->writing) == 0);
    return status;
}

enum status store_write(struct store *store, const struct kv_batch *batch, struct failure *failure) {
    store_check(store);
    if (store->put_failure.status != STATUS_OK)
        return failure_set(failure, store->put_failure.status, "%s", store->put_failure.text);
    struct offsets offsets = {.store = store};
    memcpy(offsets.at, store->written, sizeof offsets.at);
    kv_batch_each(batch, check_entry, &offsets);
    enum status status = store_commit(store, batch, failure);
    if (status != STATUS_OK) return status;
    for (uint32_t p = 0; p < PARTITIONS_MAX; p++) CHECK(offsets.at[p].at >= store->written[p].at); /* I5 */
    memcpy(store->written, offsets.at, sizeof offsets.at);
    return STATUS_OK;
}

enum status store_flush(struct store *store, struct failure *failure) {
    store_check(store);
    CHECK(pthread_mutex_lock(&store->writing) == 0);
    enum status status = store->kv.flush(store->kv.self, failure);
    CHECK(pthread_mutex_unlock(&store->writing) == 0);
    return status;
}
