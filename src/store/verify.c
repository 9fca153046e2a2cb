/* Every value of a store, whatever state it is in. */
#include <stdlib.h>

#include "store/inner.h"

static enum status verify_entry(struct value_reader *reader, struct bytes key_bytes, struct bytes value,
                                struct failure *failure) {
    struct store_key key;
    struct bytes content;
    enum status status = value_open(reader, key_bytes, value, &content, failure);
    if (status == STATUS_OK && !store_key_decode(key_bytes, &key))
        status = value_corrupt(key_bytes, "the key is not known", failure);
    return status;
}

enum status store_verify(const struct kv *kv, struct store_findings *out, struct failure *failure) {
    *out = (struct store_findings){0};
    struct value_reader *reader = value_reader_create();
    struct kv_iterator *iterator = kv->iterate(kv->self, NULL);
    kv->iterator_seek(iterator, (struct bytes){(const uint8_t *)"", 0});
    for (; kv->iterator_valid(iterator); kv->iterator_next(iterator)) {
        struct failure own = {0};
        struct bytes value = kv->iterator_value(iterator);
        out->values++;
        out->bytes += value.len;
        if (verify_entry(reader, kv->iterator_key(iterator), value, &own) == STATUS_OK) continue;
        out->damaged++;
        if (out->first.status == STATUS_OK) out->first = own;
    }
    enum status status = kv->iterator_status(iterator, failure);
    kv->iterator_close(iterator);
    value_reader_destroy(reader);
    return status;
}
