/* The parts of a checkpoint batch. */
#include "store/inner.h"

static void put_value(struct store *store, struct kv_batch *batch, const struct store_key *key) {
    struct store_key_bytes key_bytes = store_key_encode(key);
    struct bytes view = store_key_view(&key_bytes);
    kv_batch_put(batch, view, value_seal(store->writer, view, buffer_view(&store->content)));
    buffer_clear(&store->content);
}

/* Deletes what the store holds from `from` on, as far as the first `prefix_len` bytes of the key stay the same: what a
 * value in several keys had more of when it was written before. Nearly always one seek that finds nothing. */
static void delete_rest(struct store *store, struct kv_batch *batch, const struct store_key *from, size_t prefix_len) {
    struct store_key_bytes prefix = store_key_encode(from);
    struct kv_iterator *iterator = store->kv.iterate(store->kv.self, NULL);
    store->kv.iterator_seek(iterator, store_key_view(&prefix));
    while (store->kv.iterator_valid(iterator)) {
        struct bytes key = store->kv.iterator_key(iterator);
        if (!key_has_prefix(key, &prefix, prefix_len)) break;
        kv_batch_delete(batch, key);
        store->kv.iterator_next(iterator);
    }
    struct failure failure = {0};
    enum status status = store->kv.iterator_status(iterator, &failure);
    if (status != STATUS_OK) (void)failure_set(&store->put_failure, status, "%s", failure.text);
    store->kv.iterator_close(iterator);
}

void store_put_ads(struct store *store, struct kv_batch *batch, uint32_t first, const struct bytes *ids, uint32_t count) {
    store_check(store);
    CHECK(count <= UINT32_MAX - first);
    for (uint32_t done = 0; done < count;) {
        uint32_t run = count - done < STORE_ADS_RUN ? count - done : STORE_ADS_RUN;
        buffer_clear(&store->content);
        buffer_put_varint(&store->content, run);
        for (uint32_t i = 0; i < run; i++) {
            struct bytes id = ids[done + i];
            CHECK(id.len > 0 && id.len <= ID_BYTES_MAX);
            buffer_put_varint(&store->content, id.len);
            buffer_append_bytes(&store->content, id);
        }
        put_value(store, batch, &(struct store_key){.table = STORE_ADS, .ad = first + done});
        done += run;
    }
}

void store_put_block(struct store *store, struct kv_batch *batch, uint32_t partition, struct minute minute,
                     const struct cell *cells, size_t count) {
    struct store_key key = store_key_of(store, STORE_BLOCK, partition);
    key.minute = minute.index;
    key.atom = ATOM_ALL;
    delete_rest(store, batch, &key, PREFIX_ATOM); /* before the puts: the later entry of a batch wins */
    while (count > 0) {
        size_t run = cells_run_length(cells, count);
        CHECK(run > 0 && run <= count);
        CHECK(run == count || cells[run].ad != cells[run - 1].ad);
        buffer_clear(&store->content);
        cells_encode(cells, run, &store->content);
        key.ad = cells[0].ad;
        put_value(store, batch, &key);
        cells += run;
        count -= run;
    }
}

#ifdef TALLY_COSTLY_CHECKS
struct batch_search {
    struct bytes prefix;
    bool found;
};
static void search_entry(void *context, enum kv_operation op, struct bytes key, struct bytes value) {
    struct batch_search *search = context;
    (void)op, (void)value;
    if (key.len >= search->prefix.len && memcmp(key.at, search->prefix.at, search->prefix.len) == 0) search->found = true;
}
static bool batch_amends(const struct kv_batch *batch, const struct store_key *key) {
    struct store_key_bytes prefix = store_key_encode(key);
    struct batch_search search = {{prefix.at, PREFIX_MINUTE}, false};
    kv_batch_each(batch, search_entry, &search);
    return search.found;
}
#endif

/* The stored count under `key`, 0 when there is none. */
static enum status read_amendment(struct store *store, struct bytes key, uint64_t *count, struct failure *failure) {
    struct bytes content;
    *count = 0;
    enum status status = store->kv.get(store->kv.self, NULL, key, &store->value, failure);
    if (status == STATUS_NOT_FOUND) return STATUS_OK;
    if (status == STATUS_OK) status = value_open(store->reader, key, buffer_view(&store->value), &content, failure);
    if (status != STATUS_OK) return status;
    if (content.len != sizeof *count) return value_corrupt(key, "it is no count", failure);
    *count = get_u64(content.at);
    return STATUS_OK;
}

enum status store_put_amendments(struct store *store, struct kv_batch *batch, uint32_t partition, struct minute minute,
                                 const struct cell *cells, size_t count, struct failure *failure) {
    struct store_key key = store_key_of(store, STORE_AMENDMENT, partition);
    key.minute = minute.index;
    key.atom = ATOM_ALL;
    COSTLY_CHECK(!batch_amends(batch, &key));
    for (size_t i = 0; i < count; i++) {
        CHECK(cells[i].country.code < COUNTRY_CODES);
        CHECK(i == 0 || cell_compare(&cells[i - 1], &cells[i]) < 0);
        key.ad = cells[i].ad;
        key.country = cells[i].country.code;
        struct store_key_bytes key_bytes = store_key_encode(&key);
        struct bytes view = store_key_view(&key_bytes);
        uint64_t stored, sum;
        enum status status = read_amendment(store, view, &stored, failure);
        if (status != STATUS_OK) return status;
        CHECK(!__builtin_add_overflow(stored, cells[i].count, &sum)); /* I9 */
        uint8_t content[sizeof sum];
        put_u64(content, sum);
        kv_batch_put(batch, view, value_seal(store->writer, view, (struct bytes){content, sizeof content}));
    }
    return STATUS_OK;
}

/* Runs, each behind its minute, in as many values as keep each near STORE_OPEN_PART_BYTES. */
void store_put_open(struct store *store, struct kv_batch *batch, uint32_t partition, const struct open_minute *minutes,
                    size_t count) {
    struct store_key key = store_key_of(store, STORE_OPEN, partition);
    buffer_clear(&store->content);
    for (size_t i = 0; i < count; i++) {
        CHECK(i == 0 || minutes[i - 1].minute.index < minutes[i].minute.index);
        const struct cell *cells = minutes[i].cells;
        for (size_t left = minutes[i].count; left > 0;) {
            size_t run = cells_run_length(cells, left);
            CHECK(run > 0 && run <= left);
            buffer_put_u32(&store->content, minutes[i].minute.index);
            cells_encode(cells, run, &store->content);
            cells += run;
            left -= run;
            if (store->content.len < STORE_OPEN_PART_BYTES) continue;
            put_value(store, batch, &key);
            key.part++;
        }
    }
    if (store->content.len > 0) {
        put_value(store, batch, &key);
        key.part++;
    }
    delete_rest(store, batch, &key, PREFIX_PARTITION);
}

void store_put_partition(struct store *store, struct kv_batch *batch, uint32_t partition,
                         const struct partition_checkpoint *checkpoint) {
    struct store_key key = store_key_of(store, STORE_PARTITION, partition);
    buffer_clear(&store->content);
    store_checkpoint_encode(checkpoint, &store->content);
    put_value(store, batch, &key);
}
