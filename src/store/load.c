/* What is read at start. */
#include "store/inner.h"

void store_checkpoint_encode(const struct partition_checkpoint *checkpoint, struct buffer *out) {
    const struct verdict_totals *totals = &checkpoint->totals;
    buffer_put_u64(out, checkpoint->offset.at);
    buffer_put_u32(out, checkpoint->rules_number);
    buffer_put_u64(out, totals->counted);
    buffer_put_u64(out, totals->duplicate);
    buffer_put_u64(out, totals->conflict);
    buffer_put_u64(out, totals->too_late);
    buffer_put_u64(out, totals->invalid);
    buffer_put_u64(out, totals->duplicate_content);
    buffer_put_u64(out, totals->late_amended);
    watermark_encode(&checkpoint->watermark, out);
}

bool store_checkpoint_decode(struct bytes content, struct partition_checkpoint *out) {
    struct reader reader = reader_of(content);
    struct verdict_totals *totals = &out->totals;
    out->offset.at = reader_u64(&reader);
    out->rules_number = reader_u32(&reader);
    totals->counted = reader_u64(&reader);
    totals->duplicate = reader_u64(&reader);
    totals->conflict = reader_u64(&reader);
    totals->too_late = reader_u64(&reader);
    totals->invalid = reader_u64(&reader);
    totals->duplicate_content = reader_u64(&reader);
    totals->late_amended = reader_u64(&reader);
    out->watermark = watermark_decode(&reader);
    return !reader.bad && reader_left(&reader) == 0;
}

enum status store_get(struct store *store, struct scratch *scratch, const struct store_key *key, struct bytes *content,
                      struct failure *failure) {
    struct store_key_bytes key_bytes = store_key_encode(key);
    struct bytes view = store_key_view(&key_bytes);
    enum status status = store->kv.get(store->kv.self, NULL, view, &scratch->value, failure);
    if (status != STATUS_OK) return status;
    status = value_open(scratch->reader, view, buffer_view(&scratch->value), content, failure);
    CHECK(status != STATUS_OK || content->len <= STORE_CONTENT_BYTES_MAX);
    return status;
}

enum status store_corrupt(const struct store_key *key, const char *what, struct failure *failure) {
    struct store_key_bytes key_bytes = store_key_encode(key);
    return value_corrupt(store_key_view(&key_bytes), what, failure);
}

enum status store_read_checkpoint(struct store *store, uint32_t partition, struct partition_checkpoint *out,
                                  struct failure *failure) {
    struct store_key key = store_key_of(store, STORE_PARTITION, partition);
    struct bytes content;
    enum status status = store_get(store, &store->scratch, &key, &content, failure);
    if (status != STATUS_OK) return status;
    return store_checkpoint_decode(content, out) ? STATUS_OK : store_corrupt(&key, "it does not decode", failure);
}

enum status store_each_value(struct store *store, const struct kv_snapshot *snapshot, struct value_reader *reader,
                             const struct store_key *from, size_t prefix_len, take_value *take, void *context,
                             struct failure *failure) {
    struct store_key_bytes prefix = store_key_encode(from);
    struct kv_iterator *iterator = store->kv.iterate(store->kv.self, snapshot);
    enum status status = STATUS_OK;
    CHECK(prefix_len >= PREFIX_TABLE && prefix_len <= prefix.len); /* never into another table */
    store->kv.iterator_seek(iterator, store_key_view(&prefix));
    while (status == STATUS_OK && store->kv.iterator_valid(iterator)) {
        struct bytes content, key_bytes = store->kv.iterator_key(iterator);
        struct store_key key;
        if (!key_has_prefix(key_bytes, &prefix, prefix_len)) break;
        status = value_open(reader, key_bytes, store->kv.iterator_value(iterator), &content, failure);
        if (status == STATUS_OK && !store_key_decode(key_bytes, &key))
            status = value_corrupt(key_bytes, "the key is not known", failure);
        CHECK(status != STATUS_OK || key.table == from->table);
        if (status == STATUS_OK) status = take(context, key_bytes, &key, content, failure);
        store->kv.iterator_next(iterator);
    }
    if (status == STATUS_OK) status = store->kv.iterator_status(iterator, failure);
    store->kv.iterator_close(iterator);
    return status;
}

struct ads_load {
    uint32_t next; /* the index that the next run begins with */
    void (*visit)(void *context, uint32_t index, struct bytes ad_id);
    void *context;
};

static enum status take_ads(void *context, struct bytes key_bytes, const struct store_key *key, struct bytes content,
                            struct failure *failure) {
    struct ads_load *load = context;
    struct reader reader = reader_of(content);
    uint64_t count = reader_varint(&reader);
    if (key->ad != load->next) return value_corrupt(key_bytes, "the ids before it are missing, or there twice", failure);
    if (reader.bad || count > STORE_ADS_RUN || count > UINT32_MAX - load->next)
        return value_corrupt(key_bytes, "it does not decode", failure);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t len = reader_varint(&reader);
        if (len == 0 || len > ID_BYTES_MAX) reader.bad = true;
        struct bytes id = reader_bytes(&reader, (size_t)len);
        if (reader.bad) return value_corrupt(key_bytes, "it does not decode", failure);
        load->visit(load->context, load->next++, id);
    }
    if (reader_left(&reader) > 0) return value_corrupt(key_bytes, "it is longer than its ids", failure);
    CHECK(load->next == key->ad + count);
    return STATUS_OK;
}

enum status store_load_ads(struct store *store, void (*visit)(void *context, uint32_t index, struct bytes ad_id),
                           void *context, struct failure *failure) {
    store_check(store);
    struct ads_load load = {.visit = visit, .context = context};
    return store_each_value(store, NULL, store->scratch.reader, &(struct store_key){.table = STORE_ADS}, PREFIX_TABLE,
                            take_ads, &load, failure);
}

struct open_load {
    uint32_t next; /* the part that must come next */
    struct cells cells;
    store_cell_visit *visit;
    store_atom_visit *visit_atom; /* one of the two is NULL, which says what cells these are */
    void *context;
};

static enum status take_open(void *context, struct bytes key_bytes, const struct store_key *key, struct bytes content,
                             struct failure *failure) {
    struct open_load *load = context;
    struct reader reader = reader_of(content);
    CHECK((load->visit == NULL) == (key->table == STORE_ATOM_OPEN));
    if (key->part != load->next++) return value_corrupt(key_bytes, "the part before it is missing", failure);
    while (reader_left(&reader) > 0) {
        struct minute minute = {reader_u32(&reader)};
        if (load->visit != NULL)
            cells_decode(&reader, &load->cells);
        else
            cells_decode_atoms(&reader, &load->cells);
        if (reader.bad) return value_corrupt(key_bytes, "it does not decode", failure);
        cells_visit(&load->cells, minute, load->visit, load->visit_atom, load->context);
    }
    return STATUS_OK;
}

static enum status load_open(struct store *store, enum store_table table, uint32_t partition, struct open_load *load,
                             struct failure *failure) {
    struct store_key from = store_key_of(store, table, partition);
    enum status status =
        store_each_value(store, NULL, store->scratch.reader, &from, PREFIX_PARTITION, take_open, load, failure);
    cells_fini(&load->cells);
    return status;
}

enum status store_load_partition(struct store *store, uint32_t partition, struct partition_checkpoint *out,
                                 store_cell_visit *visit, void *context, struct failure *failure) {
    enum status status = store_read_checkpoint(store, partition, out, failure);
    if (status != STATUS_OK) return status;
    return load_open(store, STORE_OPEN, partition, &(struct open_load){.visit = visit, .context = context}, failure);
}

enum status store_load_open_atoms(struct store *store, uint32_t partition, store_atom_visit *visit, void *context,
                                  struct failure *failure) {
    return load_open(store, STORE_ATOM_OPEN, partition, &(struct open_load){.visit_atom = visit, .context = context},
                     failure);
}
