#include "seam/kv.h"

#include "base/check.h"
#include "base/codec.h"

static void append_field(struct buffer *entries, struct bytes field) {
    CHECK(field.len <= UINT32_MAX);
    buffer_put_u32(entries, (uint32_t)field.len);
    buffer_append_bytes(entries, field);
}

void kv_batch_put(struct kv_batch *batch, struct bytes key, struct bytes value) {
    CHECK(key.len > 0);
    buffer_put_u8(&batch->entries, KV_PUT);
    append_field(&batch->entries, key);
    append_field(&batch->entries, value);
    batch->entry_count++;
}

void kv_batch_delete(struct kv_batch *batch, struct bytes key) {
    CHECK(key.len > 0);
    buffer_put_u8(&batch->entries, KV_DELETE);
    append_field(&batch->entries, key);
    batch->entry_count++;
}

void kv_batch_clear(struct kv_batch *batch) {
    buffer_clear(&batch->entries);
    batch->entry_count = 0;
}

void kv_batch_fini(struct kv_batch *batch) {
    buffer_fini(&batch->entries);
    *batch = (struct kv_batch){0};
}

void kv_batch_each(const struct kv_batch *batch,
                   void (*visit)(void *context, enum kv_operation op, struct bytes key, struct bytes value), void *context) {
    if (batch->entry_count == 0) return;
    struct reader reader = reader_of(buffer_view(&batch->entries));
    uint64_t seen = 0;
    while (reader_left(&reader) > 0) {
        uint8_t op = reader_u8(&reader);
        struct bytes key = reader_bytes(&reader, reader_u32(&reader));
        struct bytes value = {NULL, 0};
        if (op == KV_PUT) value = reader_bytes(&reader, reader_u32(&reader));
        CHECK(!reader.bad && (op == KV_PUT || op == KV_DELETE));
        visit(context, (enum kv_operation)op, key, value);
        seen++;
    }
    CHECK(seen == batch->entry_count);
}
