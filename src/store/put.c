/* The parts of a checkpoint batch. */
#include "store/inner.h"

void store_put_value(struct scratch *scratch, struct kv_batch *batch, const struct store_key *key) {
    CHECK(scratch->content.len <= STORE_CONTENT_BYTES_MAX);
    struct store_key_bytes key_bytes = store_key_encode(key);
    struct bytes view = store_key_view(&key_bytes);
    kv_batch_put(batch, view, value_seal(scratch->writer, view, buffer_view(&scratch->content)));
    buffer_clear(&scratch->content);
}

enum status store_delete_rest(struct store *store, struct kv_batch *batch, const struct store_key *from, size_t prefix_len,
                              struct failure *failure) {
    struct store_key_bytes prefix = store_key_encode(from);
    struct kv_iterator *iterator = store->kv.iterate(store->kv.self, NULL);
    store->kv.iterator_seek(iterator, store_key_view(&prefix));
    while (store->kv.iterator_valid(iterator)) {
        struct bytes key = store->kv.iterator_key(iterator);
        if (!key_has_prefix(key, &prefix, prefix_len)) break;
        CHECK(key.at[0] == (uint8_t)from->table && bytes_compare(key, store_key_view(&prefix)) >= 0);
        kv_batch_delete(batch, key);
        store->kv.iterator_next(iterator);
    }
    enum status status = store->kv.iterator_status(iterator, failure);
    store->kv.iterator_close(iterator);
    return status;
}

/* As above; a failure is kept for store_write. */
static void delete_rest(struct store *store, struct kv_batch *batch, const struct store_key *from, size_t prefix_len) {
    struct failure failure = {0};
    enum status status = store_delete_rest(store, batch, from, prefix_len, &failure);
    if (status != STATUS_OK) (void)failure_set(&store->put_failure, status, "%s", failure.text);
}

void store_put_ads(struct store *store, struct kv_batch *batch, uint32_t first, const struct bytes *ids, uint32_t count) {
    store_check(store);
    CHECK(count <= UINT32_MAX - first);
    struct buffer *content = &store->scratch.content;
    for (uint32_t done = 0; done < count;) {
        uint32_t run = count - done < STORE_ADS_RUN ? count - done : STORE_ADS_RUN;
        buffer_clear(content);
        buffer_put_varint(content, run);
        for (uint32_t i = 0; i < run; i++) {
            struct bytes id = ids[done + i];
            CHECK(id.len > 0 && id.len <= ID_BYTES_MAX);
            buffer_put_varint(content, id.len);
            buffer_append_bytes(content, id);
        }
        store_put_value(&store->scratch, batch, &(struct store_key){.table = STORE_ADS, .ad = first + done});
        done += run;
        CHECK(run >= 1 && done <= count);
    }
}

void store_put_chunks(struct scratch *scratch, struct kv_batch *batch, struct store_key key, struct cell_list list) {
    while (list.count > 0) {
        size_t run = cells_run_length(list);
        CHECK(run > 0 && run <= list.count);
        CHECK((list.of_atoms != NULL) == (key.table != STORE_BLOCK));
        CHECK(run == list.count || cell_list_place(&list, run) != cell_list_place(&list, run - 1));
        buffer_clear(&scratch->content);
        cells_encode(list, run, &scratch->content);
        uint64_t first = cell_list_place(&list, 0);
        key.atom = (uint32_t)(first >> 32);
        key.ad = (uint32_t)first;
        store_put_value(scratch, batch, &key);
        list = cell_list_rest(list, run);
    }
}

static void put_block(struct store *store, struct kv_batch *batch, enum store_table table, uint32_t partition,
                      struct minute minute, struct cell_list list) {
    struct store_key key = store_key_of(store, table, partition);
    CHECK(list.count == 0 || (table == STORE_ATOM_BLOCK) == (list.of_atoms != NULL));
    key.minute = minute.index;
    delete_rest(store, batch, &key, PREFIX_MINUTE); /* before the puts: the later entry of a batch wins */
    store_put_chunks(&store->scratch, batch, key, list);
}

void store_put_block(struct store *store, struct kv_batch *batch, uint32_t partition, struct minute minute,
                     const struct cell *cells, size_t count) {
    put_block(store, batch, STORE_BLOCK, partition, minute, cell_list_plain(cells, count));
}

void store_put_atom_block(struct store *store, struct kv_batch *batch, uint32_t partition, struct minute minute,
                          const struct atom_cell *cells, size_t count) {
    put_block(store, batch, STORE_ATOM_BLOCK, partition, minute, cell_list_of_atoms(cells, count));
}

#ifdef TALLY_COSTLY_CHECKS
struct batch_search {
    struct store_key wanted;
    bool found;
};
static void search_entry(void *context, enum kv_operation op, struct bytes key_bytes, struct bytes value) {
    struct batch_search *search = context;
    struct store_key key;
    (void)op, (void)value;
    if (!store_key_decode(key_bytes, &key) || key.table != STORE_AMENDMENT) return;
    bool same_kind = (key.atom == ATOM_ALL) == (search->wanted.atom == ATOM_ALL);
    if (same_kind && key.partition == search->wanted.partition && key.minute == search->wanted.minute) search->found = true;
}
/* Whether the batch amends this minute already: atom 0, or the others. */
static bool batch_amends(const struct kv_batch *batch, const struct store_key *key) {
    struct batch_search search = {*key, false};
    kv_batch_each(batch, search_entry, &search);
    return search.found;
}
#endif

/* Puts the absolute count under `key`: the stored one, 0 when there is none, and what is added. */
static enum status put_amendment(struct store *store, struct kv_batch *batch, const struct store_key *key, uint64_t added,
                                 struct failure *failure) {
    struct bytes content;
    uint64_t stored = 0, sum;
    enum status status = store_get(store, &store->scratch, key, &content, failure);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) return status;
    if (status == STATUS_OK) {
        if (content.len != sizeof stored) return store_corrupt(key, "it is no count", failure);
        stored = get_u64(content.at);
    }
    CHECK(!__builtin_add_overflow(stored, added, &sum)); /* I9 */
    CHECK(key->table == STORE_AMENDMENT && added > 0);
    buffer_clear(&store->scratch.content);
    buffer_put_u64(&store->scratch.content, sum);
    store_put_value(&store->scratch, batch, key);
    return STATUS_OK;
}

static enum status put_amendments(struct store *store, struct kv_batch *batch, uint32_t partition, struct minute minute,
                                  struct cell_list list, struct failure *failure) {
    struct store_key key = store_key_of(store, STORE_AMENDMENT, partition);
    key.minute = minute.index;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < list.count && status == STATUS_OK; i++) {
        cell_list_check(&list, i);
        uint64_t place = cell_list_place(&list, i);
        key.atom = (uint32_t)(place >> 32);
        key.ad = (uint32_t)place;
        key.country = cell_list_country(&list, i);
        COSTLY_CHECK(i > 0 || !batch_amends(batch, &key));
        status = put_amendment(store, batch, &key, cell_list_clicks(&list, i), failure);
    }
    return status;
}

enum status store_put_amendments(struct store *store, struct kv_batch *batch, uint32_t partition, struct minute minute,
                                 const struct cell *cells, size_t count, struct failure *failure) {
    return put_amendments(store, batch, partition, minute, cell_list_plain(cells, count), failure);
}

enum status store_put_atom_amendments(struct store *store, struct kv_batch *batch, uint32_t partition, struct minute minute,
                                      const struct atom_cell *cells, size_t count, struct failure *failure) {
    return put_amendments(store, batch, partition, minute, cell_list_of_atoms(cells, count), failure);
}

/* Runs, each behind its minute, in as many values as keep each near STORE_OPEN_PART_BYTES. */
struct open_parts {
    struct store *store;
    struct kv_batch *batch;
    struct store_key key; /* of the part in the making */
    bool any;
    struct minute last;
};

static struct open_parts open_begin(struct store *store, struct kv_batch *batch, enum store_table table,
                                    uint32_t partition) {
    buffer_clear(&store->scratch.content);
    return (struct open_parts){store, batch, store_key_of(store, table, partition), false, {0}};
}

static void end_part(struct open_parts *parts) {
    CHECK(parts->any && parts->store->scratch.content.len > 0);
    store_put_value(&parts->store->scratch, parts->batch, &parts->key);
    parts->key.part++;
}

static void open_add(struct open_parts *parts, struct minute minute, struct cell_list list) {
    struct buffer *content = &parts->store->scratch.content;
    CHECK(!parts->any || parts->last.index < minute.index);
    parts->any = true;
    parts->last = minute;
    while (list.count > 0) {
        size_t run = cells_run_length(list);
        CHECK(run > 0 && run <= list.count);
        buffer_put_u32(content, minute.index);
        cells_encode(list, run, content);
        list = cell_list_rest(list, run);
        if (content->len >= STORE_OPEN_PART_BYTES) end_part(parts);
        CHECK(content->len < STORE_OPEN_PART_BYTES);
    }
}

static void open_end(struct open_parts *parts) {
    if (parts->store->scratch.content.len > 0) end_part(parts);
    CHECK(parts->any || parts->key.part == 0);
    CHECK(parts->store->scratch.content.len == 0); /* nothing stays behind unwritten */
    delete_rest(parts->store, parts->batch, &parts->key, PREFIX_PARTITION);
}

void store_put_open(struct store *store, struct kv_batch *batch, uint32_t partition, const struct open_minute *minutes,
                    size_t count) {
    struct open_parts parts = open_begin(store, batch, STORE_OPEN, partition);
    for (size_t i = 0; i < count; i++)
        open_add(&parts, minutes[i].minute, cell_list_plain(minutes[i].cells, minutes[i].count));
    open_end(&parts);
}

void store_put_open_atoms(struct store *store, struct kv_batch *batch, uint32_t partition,
                          const struct open_atom_minute *minutes, size_t count) {
    struct open_parts parts = open_begin(store, batch, STORE_ATOM_OPEN, partition);
    for (size_t i = 0; i < count; i++)
        open_add(&parts, minutes[i].minute, cell_list_of_atoms(minutes[i].cells, minutes[i].count));
    open_end(&parts);
}

void store_put_partition(struct store *store, struct kv_batch *batch, uint32_t partition,
                         const struct partition_checkpoint *checkpoint) {
    struct store_key key = store_key_of(store, STORE_PARTITION, partition);
    CHECKF(checkpoint->offset.at >= store->written[partition].at, "I5: partition %u", partition);
    buffer_clear(&store->scratch.content);
    store_checkpoint_encode(checkpoint, &store->scratch.content);
    store_put_value(&store->scratch, batch, &key);
}
