/* What the store says of its log before the log is opened. */
#include <stdlib.h>

#include "store/inner.h"

static enum status peek_meta(struct store *store, struct store_identity *out, struct failure *failure) {
    const struct store_key key = {.table = STORE_META};
    struct bytes content;
    enum status status = store_get(store, &store->scratch, &key, &content, failure);
    if (status != STATUS_OK) return store_refuse_version(status, failure);
    struct reader reader = reader_of(content);
    struct bytes uuid = reader_bytes(&reader, sizeof out->log_uuid);
    out->partition_count = reader_u32(&reader);
    store->generation = reader_u32(&reader);
    if (reader.bad || store->generation < GENERATION_FIRST || out->partition_count < 1 ||
        out->partition_count > PARTITIONS_MAX)
        return store_corrupt(&key, "it does not decode", failure);
    CHECK(uuid.len == sizeof out->log_uuid);
    memcpy(out->log_uuid, uuid.at, uuid.len);
    return STATUS_OK;
}

enum status store_peek(const struct kv *kv, struct store_identity *out, struct failure *failure) {
    *out = (struct store_identity){0};
    struct store *store = memory_allocate_zeroed(1, sizeof *store);
    store->magic = STORE_MAGIC;
    store->kv = *kv;
    scratch_init(&store->scratch);
    enum status status = peek_meta(store, out, failure);
    CHECK(status != STATUS_OK || (out->partition_count >= 1 && out->partition_count <= PARTITIONS_MAX));
    store->partition_count = out->partition_count;
    for (uint32_t p = 0; status == STATUS_OK && p < out->partition_count; p++) {
        struct partition_checkpoint checkpoint;
        status = store_read_checkpoint(store, p, &checkpoint, failure);
        if (status == STATUS_OK) out->offsets[p] = checkpoint.offset;
        if (status == STATUS_NOT_FOUND) status = STATUS_OK;
    }
    scratch_fini(&store->scratch);
    free(store);
    return status;
}
