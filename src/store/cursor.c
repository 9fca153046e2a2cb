#include "store/cursor.h"

struct cursor cursor_open(const struct store *store, const struct kv_snapshot *snapshot, enum store_table table,
                          uint32_t partition, struct minute to, struct failure *failure) {
    struct store_key key = store_key_of(store, table, partition);
    struct cursor cursor = {.kv = &store->kv, .range = store_key_encode(&key), .to = to.index, .failure = failure};
    CHECK(table == STORE_BLOCK || table == STORE_AMENDMENT || table == STORE_ATOM_BLOCK || table == STORE_HISTORY);
    cursor.at = store->kv.iterate(store->kv.self, snapshot);
    cursor.key = key;
    return cursor;
}

void cursor_close(struct cursor *cursor) {
    CHECK(cursor->at != NULL); /* once */
    cursor->kv->iterator_close(cursor->at);
    cursor->at = NULL;
}

/* After a move: finds out where the cursor stands. */
static void settle(struct cursor *cursor) {
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
    CHECK(key.at[0] == cursor->range.at[0] && cursor->key.table == (enum store_table)key.at[0]);
    cursor->live = cursor->key.minute < cursor->to;
}

static uint64_t key_place(const struct store_key *key) {
    return cell_place(key->atom, key->ad);
}

static struct store_key_bytes key_at(const struct cursor *cursor, uint32_t minute, uint64_t place) {
    struct store_key key = cursor->key; /* for table, generation and partition, which stay */
    key.minute = minute;
    key.run = cursor->run;
    key.atom = (uint32_t)(place >> 32);
    key.ad = (uint32_t)place;
    key.country = 0;
    return store_key_encode(&key);
}

static void seek(struct cursor *cursor, uint32_t minute, uint64_t place) {
    struct store_key_bytes bytes = key_at(cursor, minute, place);
    cursor->kv->iterator_seek(cursor->at, store_key_view(&bytes));
    settle(cursor);
    CHECK(!cursor->live || cursor->key.minute >= minute);
}

static void step(struct cursor *cursor) {
    const uint32_t minute = cursor->key.minute;
    const bool was_live = cursor->live;
    cursor->kv->iterator_next(cursor->at);
    settle(cursor);
    CHECK(!was_live || !cursor->live || cursor->key.minute >= minute); /* upwards only */
}

/* Where to look next when the cursor stands at a key that is not wanted and nothing in `minute` is: minutes without data
 * cost nothing. */
static uint32_t minute_after(const struct cursor *cursor, uint32_t minute) {
    CHECK(cursor->key.minute >= minute);
    return cursor->key.minute == minute ? minute + 1 : cursor->key.minute;
}

/* Moves to the last chunk that begins at or before `minute` and `first`, if it is of this minute and run, else to the key
 * behind it. True: the first. */
static bool seek_chunk_before(struct cursor *cursor, uint32_t minute) {
    struct store_key_bytes bytes = key_at(cursor, minute, cursor->first);
    size_t prefix_len = cursor->key.table == STORE_HISTORY ? PREFIX_RUN : PREFIX_MINUTE;
    cursor->kv->iterator_seek_before(cursor->at, store_key_view(&bytes));
    if (!cursor->kv->iterator_valid(cursor->at)) {
        cursor->live = false;
        cursor->status = cursor->kv->iterator_status(cursor->at, cursor->failure);
        if (cursor->status == STATUS_OK) seek(cursor, minute, cursor->first);
        return false;
    }
    bool found = key_has_prefix(cursor->kv->iterator_key(cursor->at), &bytes, prefix_len);
    cursor->live = false; /* where it stood before is no longer told */
    if (found)
        settle(cursor);
    else
        step(cursor);
    CHECK(!found || !cursor->live || (cursor->key.minute == minute && key_place(&cursor->key) <= cursor->first));
    return found;
}

static bool chunk_is_wanted(const struct cursor *cursor, uint32_t minute) {
    return cursor->key.minute == minute && cursor->key.run == cursor->run && key_place(&cursor->key) <= cursor->last;
}

/* The cells that are wanted begin in the last chunk that begins at or before them, or else in the first one behind. A minute
 * without one costs a step. */
static void find_chunk(struct cursor *cursor, uint32_t minute) {
    for (cursor->live = false; minute < cursor->to; cursor->live = false) {
        if (seek_chunk_before(cursor, minute) || !cursor->live || chunk_is_wanted(cursor, minute)) return;
        minute = minute_after(cursor, minute);
    }
}

static void next_chunk(struct cursor *cursor) {
    uint32_t minute = cursor->key.minute, next = minute + 1;
    CHECK(next > minute && cursor->key.run == cursor->run);
    if (cursor->first != cursor->last) { /* else: an ad of an atom lies within one chunk */
        step(cursor);
        if (!cursor->live || chunk_is_wanted(cursor, minute)) return;
        next = minute_after(cursor, minute);
    }
    find_chunk(cursor, next);
}

static bool key_is_wanted(const struct cursor *cursor) {
    uint64_t place = key_place(&cursor->key);
    return place >= cursor->first && place <= cursor->last;
}

/* However many keys of a minute are not wanted, they cost one seek. */
static void find_key(struct cursor *cursor, uint32_t minute) {
    for (cursor->live = false; minute < cursor->to; cursor->live = false) {
        seek(cursor, minute, cursor->first);
        if (!cursor->live || key_is_wanted(cursor)) return;
        minute = minute_after(cursor, minute);
    }
}

static void next_key(struct cursor *cursor) {
    uint32_t minute = cursor->key.minute;
    step(cursor);
    if (cursor->live && !key_is_wanted(cursor)) find_key(cursor, minute_after(cursor, minute));
}

void cursor_find(struct cursor *cursor, uint32_t minute) {
    CHECK(cursor->first <= cursor->last);
    switch (cursor->way) {
    case CURSOR_WALK:
        seek(cursor, minute, 0);
        break;
    case CURSOR_CHUNKS:
        find_chunk(cursor, minute);
        break;
    case CURSOR_KEYS:
        find_key(cursor, minute);
        break;
    }
}

void cursor_next(struct cursor *cursor) {
    CHECK(cursor->live);
    switch (cursor->way) {
    case CURSOR_WALK:
        step(cursor);
        break;
    case CURSOR_CHUNKS:
        next_chunk(cursor);
        break;
    case CURSOR_KEYS:
        next_key(cursor);
        break;
    }
}

void cursor_last(struct cursor *cursor) {
    const uint32_t minute = cursor->live ? cursor->key.minute : 0;
    struct store_key last = cursor->key;
    last.minute = last.run = last.atom = last.ad = UINT32_MAX;
    last.country = UINT16_MAX;
    struct store_key_bytes bytes = store_key_encode(&last);
    cursor->kv->iterator_seek_before(cursor->at, store_key_view(&bytes));
    settle(cursor);
    CHECK(!cursor->live || cursor->key.minute >= minute);
}
