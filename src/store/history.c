/* What a recalculation counted of atoms' older clicks, and how far it is. */
#include "store/inner.h"

static enum status commit_value(struct store *store, const struct store_key *key, struct failure *failure) {
    struct kv_batch batch = {0};
    store_put_value(&store->history, &batch, key);
    enum status status = store_commit(store, &batch, failure);
    kv_batch_fini(&batch);
    return status;
}

enum status store_write_history(struct store *store, uint32_t run, uint32_t partition, struct minute minute,
                                const struct atom_cell *cells, size_t count, struct failure *failure) {
    CHECK(run > 0);
    CHECK(count == 0 || cells[0].atom != ATOM_ALL); /* all clicks have no past of their own */
    struct kv_batch batch = {0};
    struct store_key key = store_key_of(store, STORE_HISTORY, partition);
    key.minute = minute.index;
    key.run = run;
    enum status status = store_delete_rest(store, &batch, &key, PREFIX_RUN, failure);
    if (status == STATUS_OK) {
        store_put_chunks(&store->history, &batch, key, cell_list_of_atoms(cells, count));
        status = store_commit(store, &batch, failure);
    }
    kv_batch_fini(&batch);
    return status;
}

struct history_read {
    struct cells cells;
    store_atom_visit *visit;
    void *context;
};

static enum status take_chunk(void *context, struct bytes key_bytes, const struct store_key *key, struct bytes content,
                              struct failure *failure) {
    struct history_read *read = context;
    struct reader reader = reader_of(content);
    cells_decode_atoms(&reader, &read->cells);
    if (reader.bad || reader_left(&reader) > 0) return value_corrupt(key_bytes, "it does not decode", failure);
    cells_visit(&read->cells, (struct minute){key->minute}, NULL, read->visit, read->context);
    return STATUS_OK;
}

enum status store_read_history(struct store *store, uint32_t run, uint32_t partition, struct minute minute,
                               store_atom_visit *visit, void *context, struct failure *failure) {
    CHECK(run > 0);
    struct store_key from = store_key_of(store, STORE_HISTORY, partition);
    from.minute = minute.index;
    from.run = run;
    struct history_read read = {.visit = visit, .context = context};
    enum status status = store_each_value(store, NULL, store->history.reader, &from, PREFIX_RUN, take_chunk, &read, failure);
    cells_fini(&read.cells);
    return status;
}

/* The history was written in batches before this one, and after a crash the kv holds a prefix of its batches: a mark that is
 * there has its history, and one flush makes both last. */
enum status store_mark_backfilled(struct store *store, uint32_t run, const uint32_t *atoms, size_t count,
                                  struct failure *failure) {
    CHECK(run > 0);
    struct kv_batch batch = {0};
    struct store_key key = store_key_of(store, STORE_BACKFILLED, 0);
    for (size_t i = 0; i < count; i++) {
        CHECK(atoms[i] != ATOM_ALL);
        COSTLY_CHECK(i == 0 || atoms[i] != atoms[i - 1]);
        key.atom = atoms[i];
        buffer_clear(&store->history.content);
        buffer_put_u32(&store->history.content, run);
        store_put_value(&store->history, &batch, &key);
    }
    enum status status = store_commit(store, &batch, failure);
    kv_batch_fini(&batch);
    return status == STATUS_OK ? store_flush(store, failure) : status;
}

static struct store_key done_key(const struct store *store, uint32_t run, uint32_t partition) {
    struct store_key key = store_key_of(store, STORE_HISTORY_DONE, partition);
    CHECK(run > 0);
    key.run = run;
    return key;
}

enum status store_mark_history_partition(struct store *store, uint32_t run, uint32_t partition, struct failure *failure) {
    struct store_key key = done_key(store, run, partition);
    buffer_clear(&store->history.content);
    return commit_value(store, &key, failure);
}

enum status store_history_partition_done(struct store *store, uint32_t run, uint32_t partition, bool *done,
                                         struct failure *failure) {
    struct store_key key = done_key(store, run, partition);
    struct bytes content;
    enum status status = store_get(store, &store->history, &key, &content, failure);
    *done = status == STATUS_OK;
    if (status == STATUS_OK && content.len > 0) return store_corrupt(&key, "it is no mark", failure);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

struct marks_load {
    void (*visit)(void *context, uint32_t atom, uint32_t run);
    void *context;
};

static enum status take_mark(void *context, struct bytes key_bytes, const struct store_key *key, struct bytes content,
                             struct failure *failure) {
    struct marks_load *load = context;
    CHECK(key->table == STORE_BACKFILLED);
    uint32_t run = content.len == sizeof run ? get_u32(content.at) : 0;
    if (run == 0 || key->atom == ATOM_ALL) return value_corrupt(key_bytes, "it is no mark", failure);
    load->visit(load->context, key->atom, run);
    return STATUS_OK;
}

enum status store_load_backfilled(struct store *store, void (*visit)(void *context, uint32_t atom, uint32_t run),
                                  void *context, struct failure *failure) {
    struct store_key from = store_key_of(store, STORE_BACKFILLED, 0);
    struct marks_load load = {visit, context};
    struct value_reader *reader = value_reader_create();
    enum status status = store_each_value(store, NULL, reader, &from, PREFIX_GENERATION, take_mark, &load, failure);
    value_reader_destroy(reader);
    return status;
}
