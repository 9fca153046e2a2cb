/* Reading, from any thread: all that a visit needs is its own. */
#include "store/inner.h"

/* Walks one table of one partition, upwards, as far as minute `to`. */
struct cursor {
    const struct kv *kv;
    struct kv_iterator *at;
    struct store_key key;         /* where it stands, while live */
    struct store_key_bytes range; /* table, generation, partition */
    uint32_t to;
    bool live;
    enum status status;
    struct failure *failure;
};

struct visit {
    struct cursor blocks, amendments;
    struct value_reader *reader;
    struct cells cells;
    store_cell_visit *visit;
    void *context;
    struct failure *failure;
};

static struct cursor cursor_open(const struct store *store, const struct kv_snapshot *snapshot, enum store_table table,
                                 uint32_t partition, struct minute to, struct failure *failure) {
    struct store_key key = store_key_of(store, table, partition);
    struct cursor cursor = {.kv = &store->kv, .range = store_key_encode(&key), .to = to.index, .failure = failure};
    cursor.at = store->kv.iterate(store->kv.self, snapshot);
    cursor.key = key;
    return cursor;
}

static void visit_open(struct visit *visit, const struct store *store, const struct kv_snapshot *snapshot,
                       uint32_t partition, struct minute to) {
    visit->blocks = cursor_open(store, snapshot, STORE_BLOCK, partition, to, visit->failure);
    visit->amendments = cursor_open(store, snapshot, STORE_AMENDMENT, partition, to, visit->failure);
    visit->reader = value_reader_create();
}

static enum status visit_close(struct visit *visit, enum status status) {
    if (status == STATUS_OK) status = visit->blocks.status;
    if (status == STATUS_OK) status = visit->amendments.status;
    visit->blocks.kv->iterator_close(visit->blocks.at);
    visit->amendments.kv->iterator_close(visit->amendments.at);
    value_reader_destroy(visit->reader);
    cells_fini(&visit->cells);
    return status;
}

/* After a move: finds out where the cursor stands. */
static void cursor_settle(struct cursor *cursor) {
    cursor->live = false;
    if (!cursor->kv->iterator_valid(cursor->at)) {
        cursor->status = cursor->kv->iterator_status(cursor->at, cursor->failure);
        return;
    }
    struct bytes key = cursor->kv->iterator_key(cursor->at);
    if (!key_has_prefix(key, &cursor->range, PREFIX_PARTITION)) return;
    if (!store_key_decode(key, &cursor->key)) {
        cursor->status = value_corrupt(key, "the key is not known", cursor->failure);
        return;
    }
    cursor->live = cursor->key.minute < cursor->to;
}

/* The first cell at or after (minute, ad) in the order of the keys. */
static void cursor_seek(struct cursor *cursor, uint32_t minute, uint32_t ad) {
    struct store_key key = cursor->key;
    key.minute = minute;
    key.atom = ATOM_ALL;
    key.ad = ad;
    key.country = 0;
    struct store_key_bytes bytes = store_key_encode(&key);
    cursor->kv->iterator_seek(cursor->at, store_key_view(&bytes));
    cursor_settle(cursor);
}

static void cursor_next(struct cursor *cursor) {
    CHECK(cursor->live);
    cursor->kv->iterator_next(cursor->at);
    cursor_settle(cursor);
}

/* Moves to the chunk of the first minute from `minute` on whose chunk may hold the ad: the last that begins at or before
 * it. A minute without one costs a step, and minutes without data cost nothing: the next key says where to go on. */
static void blocks_find(struct cursor *cursor, uint32_t minute, uint32_t ad) {
    for (cursor->live = false; minute < cursor->to;) {
        struct store_key key = cursor->key;
        key.minute = minute;
        key.atom = ATOM_ALL;
        key.ad = ad;
        struct store_key_bytes bytes = store_key_encode(&key);
        cursor->kv->iterator_seek_before(cursor->at, store_key_view(&bytes));
        bool before = cursor->kv->iterator_valid(cursor->at);
        if (before && key_has_prefix(cursor->kv->iterator_key(cursor->at), &bytes, PREFIX_ATOM)) {
            cursor_settle(cursor);
            return;
        }
        if (before) {
            cursor->kv->iterator_next(cursor->at);
            cursor_settle(cursor);
        } else {
            cursor->status = cursor->kv->iterator_status(cursor->at, cursor->failure);
            if (cursor->status != STATUS_OK) return;
            cursor_seek(cursor, minute, ad);
        }
        if (!cursor->live) return;
        CHECK(cursor->key.minute >= minute);
        minute = cursor->key.minute == minute ? minute + 1 : cursor->key.minute;
        cursor->live = false;
    }
}

/* Moves to the ad's first amendment from `minute` on. */
static void amendments_find(struct cursor *cursor, uint32_t minute, uint32_t ad) {
    for (cursor->live = false; minute < cursor->to;) {
        cursor_seek(cursor, minute, ad);
        if (!cursor->live) return;
        CHECK(cursor->key.minute >= minute);
        if (cursor->key.minute == minute && cursor->key.atom == ATOM_ALL && cursor->key.ad == ad) return;
        minute = cursor->key.minute == minute ? minute + 1 : cursor->key.minute;
        cursor->live = false;
    }
}

static void amendments_next(struct cursor *cursor, uint32_t ad) {
    uint32_t minute = cursor->key.minute;
    cursor_next(cursor);
    if (!cursor->live) return;
    bool same = cursor->key.minute == minute && cursor->key.atom == ATOM_ALL && cursor->key.ad == ad;
    if (!same) amendments_find(cursor, minute + 1, ad);
}

/* Hands out the chunk under the cursor: all of it, or only one ad's cells. */
static enum status visit_block(struct visit *visit, const uint32_t *ad) {
    struct cursor *cursor = &visit->blocks;
    struct bytes content, key = cursor->kv->iterator_key(cursor->at);
    CHECK(cursor->live && cursor->key.table == STORE_BLOCK && cursor->key.atom == ATOM_ALL);
    enum status status = value_open(visit->reader, key, cursor->kv->iterator_value(cursor->at), &content, visit->failure);
    if (status != STATUS_OK) return status;
    struct reader reader = reader_of(content);
    if (ad != NULL) {
        cells_decode_ad(&reader, *ad, &visit->cells);
    } else {
        cells_decode(&reader, &visit->cells);
        if (reader_left(&reader) > 0 || (!reader.bad && visit->cells.at[0].ad != cursor->key.ad)) reader.bad = true;
    }
    if (reader.bad) return value_corrupt(key, "it does not decode", visit->failure);
    struct minute minute = {cursor->key.minute};
    for (size_t i = 0; i < visit->cells.count; i++) visit->visit(visit->context, minute, &visit->cells.at[i]);
    return STATUS_OK;
}

static enum status visit_amendment(struct visit *visit) {
    struct cursor *cursor = &visit->amendments;
    struct bytes content, key = cursor->kv->iterator_key(cursor->at);
    CHECK(cursor->live && cursor->key.table == STORE_AMENDMENT && cursor->key.atom == ATOM_ALL);
    enum status status = value_open(visit->reader, key, cursor->kv->iterator_value(cursor->at), &content, visit->failure);
    if (status != STATUS_OK) return status;
    if (content.len != sizeof(uint64_t) || cursor->key.country >= COUNTRY_CODES)
        return value_corrupt(key, "it is no count", visit->failure);
    struct cell cell = {cursor->key.ad, {cursor->key.country}, get_u64(content.at)};
    visit->visit(visit->context, (struct minute){cursor->key.minute}, &cell);
    return STATUS_OK;
}

static bool block_is_next(const struct visit *visit) {
    return visit->blocks.live && (!visit->amendments.live || visit->blocks.key.minute <= visit->amendments.key.minute);
}

enum status store_visit_ad(struct store *store, const struct kv_snapshot *snapshot, uint32_t partition, uint32_t ad,
                           struct minute from, struct minute to, store_cell_visit *visit_cell, void *context,
                           struct failure *failure) {
    struct visit visit = {.visit = visit_cell, .context = context, .failure = failure};
    visit_open(&visit, store, snapshot, partition, to);
    blocks_find(&visit.blocks, from.index, ad);
    amendments_find(&visit.amendments, from.index, ad);
    enum status status = STATUS_OK;
    while (status == STATUS_OK && (visit.blocks.live || visit.amendments.live)) {
        if (block_is_next(&visit)) {
            status = visit_block(&visit, &ad);
            blocks_find(&visit.blocks, visit.blocks.key.minute + 1, ad);
        } else {
            status = visit_amendment(&visit);
            amendments_next(&visit.amendments, ad);
        }
    }
    return visit_close(&visit, status);
}

enum status store_visit_all(struct store *store, const struct kv_snapshot *snapshot, uint32_t partition, struct minute from,
                            struct minute to, store_cell_visit *visit_cell, void *context, struct failure *failure) {
    struct visit visit = {.visit = visit_cell, .context = context, .failure = failure};
    visit_open(&visit, store, snapshot, partition, to);
    cursor_seek(&visit.blocks, from.index, 0);
    cursor_seek(&visit.amendments, from.index, 0);
    enum status status = STATUS_OK;
    while (status == STATUS_OK && (visit.blocks.live || visit.amendments.live)) {
        struct cursor *cursor = block_is_next(&visit) ? &visit.blocks : &visit.amendments;
        if (cursor->key.atom == ATOM_ALL)
            status = cursor == &visit.blocks ? visit_block(&visit, NULL) : visit_amendment(&visit);
        cursor_next(cursor);
    }
    return visit_close(&visit, status);
}

static void widen(const struct cursor *cursor, struct minute *lowest, struct minute *highest, bool *any) {
    if (!*any || cursor->key.minute < lowest->index) lowest->index = cursor->key.minute;
    if (!*any || cursor->key.minute > highest->index) highest->index = cursor->key.minute;
    *any = true;
}

/* Lowest and highest minute of one table of one partition. */
static enum status table_range(struct store *store, const struct kv_snapshot *snapshot, enum store_table table,
                               uint32_t partition, struct minute *lowest, struct minute *highest, bool *any,
                               struct failure *failure) {
    struct cursor cursor = cursor_open(store, snapshot, table, partition, (struct minute){UINT32_MAX}, failure);
    cursor_seek(&cursor, 0, 0);
    if (cursor.live) {
        widen(&cursor, lowest, highest, any);
        struct store_key last = cursor.key;
        last.minute = last.atom = last.ad = UINT32_MAX;
        last.country = UINT16_MAX;
        struct store_key_bytes bytes = store_key_encode(&last);
        store->kv.iterator_seek_before(cursor.at, store_key_view(&bytes));
        cursor_settle(&cursor);
        if (cursor.live) widen(&cursor, lowest, highest, any);
    }
    store->kv.iterator_close(cursor.at);
    return cursor.status;
}

enum status store_minute_range(struct store *store, const struct kv_snapshot *snapshot, struct minute *lowest,
                               struct minute *highest, struct failure *failure) {
    bool any = false;
    for (uint32_t p = 0; p < store->partition_count; p++) {
        enum status status = table_range(store, snapshot, STORE_BLOCK, p, lowest, highest, &any, failure);
        if (status == STATUS_OK) status = table_range(store, snapshot, STORE_AMENDMENT, p, lowest, highest, &any, failure);
        if (status != STATUS_OK) return status;
    }
    CHECK(!any || lowest->index <= highest->index);
    return any ? STATUS_OK : STATUS_NOT_FOUND;
}
