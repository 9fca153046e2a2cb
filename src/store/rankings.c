/* Published rankings, each one value. */
#include "store/inner.h"

static struct store_key ranking_key(const struct store *store, uint32_t filter_id, uint32_t window, struct minute minute) {
    struct store_key key = store_key_of(store, STORE_RANKING, 0);
    key.filter_id = filter_id;
    CHECK(window > 0);
    key.window = window;
    key.minute = minute.index;
    return key;
}

enum status store_write_ranking(struct store *store, uint32_t filter_id, uint32_t window, struct minute minute,
                                struct bytes ranking, struct failure *failure) {
    struct store_key key = ranking_key(store, filter_id, window, minute);
    struct kv_batch batch = {0};
    buffer_clear(&store->scratch.content);
    buffer_append_bytes(&store->scratch.content, ranking);
    store_put_value(&store->scratch, &batch, &key);
    enum status status = store_commit(store, &batch, failure);
    kv_batch_fini(&batch);
    return status;
}

enum status store_read_ranking(struct store *store, uint32_t filter_id, uint32_t window, struct minute minute,
                               struct buffer *ranking, struct failure *failure) {
    struct store_key key = ranking_key(store, filter_id, window, minute);
    struct scratch scratch = {.reader = value_reader_create()};
    struct bytes content;
    enum status status = store_get(store, &scratch, &key, &content, failure);
    buffer_clear(ranking);
    if (status == STATUS_OK) buffer_append_bytes(ranking, content);
    scratch_fini(&scratch);
    return status;
}

struct rankings_visit {
    store_ranking_visit *visit;
    void *context;
};

static enum status take_ranking(void *context, struct bytes key_bytes, const struct store_key *key, struct bytes content,
                                struct failure *failure) {
    struct rankings_visit *visit = context;
    (void)key_bytes;
    CHECK(key->table == STORE_RANKING);
    return visit->visit(visit->context, key->filter_id, key->window, (struct minute){key->minute}, content, failure);
}

enum status store_visit_rankings(struct store *store, const struct kv_snapshot *snapshot, store_ranking_visit *visit,
                                 void *context, struct failure *failure) {
    struct store_key from = store_key_of(store, STORE_RANKING, 0);
    struct rankings_visit rankings = {visit, context};
    struct value_reader *reader = value_reader_create();
    enum status status =
        store_each_value(store, snapshot, reader, &from, PREFIX_GENERATION, take_ranking, &rankings, failure);
    value_reader_destroy(reader);
    return status;
}
