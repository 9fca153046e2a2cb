/* cursor.h: a walk over the cells of one table of one partition, minute by minute upwards, past what is not wanted. Any
 * thread. Only store/ includes this. */
#pragma once

#include "store/inner.h"

enum cursor_way {
    CURSOR_WALK,   /* every key */
    CURSOR_CHUNKS, /* chunks that may hold cells from `first` to `last`, of `run` */
    CURSOR_KEYS,   /* keys (of amendments) from `first` to `last` */
};

struct cursor {
    const struct kv *kv;
    struct kv_iterator *at;
    enum cursor_way way;
    uint64_t first, last; /* places (cell_place) that are wanted in each minute, both included */
    uint32_t run;
    struct store_key key;         /* where it stands, while live */
    struct store_key_bytes range; /* table, generation, partition */
    uint32_t to;                  /* the minute to stop at */
    bool live;
    enum status status;
    struct failure *failure;
};

/* Stands at nothing; CURSOR_WALK until told otherwise. */
struct cursor cursor_open(const struct store *store, const struct kv_snapshot *snapshot, enum store_table table,
                          uint32_t partition, struct minute to, struct failure *failure);
void cursor_close(struct cursor *cursor);
/* Moves to what is wanted first, from `minute` on; not live when there is nothing, or `status` is a failure. */
void cursor_find(struct cursor *cursor, uint32_t minute);
/* From something wanted to the next. */
void cursor_next(struct cursor *cursor);
/* Moves to the last key, wanted or not. */
void cursor_last(struct cursor *cursor);
