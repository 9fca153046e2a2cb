/* key.h: the store's keys. One byte names the table, then big-endian fields, so that byte order is number order.
 * Bytes: docs/format/store.md. Only store/ (and its tests) include this. */
#pragma once

#include "base/bytes.h"

enum store_table {
    STORE_META = 'm',
    STORE_ADS = 'd',
    STORE_PARTITION = 'p',
    STORE_OPEN = 'o',
    STORE_BLOCK = 'b',
    STORE_AMENDMENT = 'a',
    STORE_ATOM_OPEN = 'u',
    STORE_ATOM_BLOCK = 'c',
    STORE_HISTORY = 'h',
    STORE_HISTORY_DONE = 'f',
    STORE_BACKFILLED = 'k',
    STORE_RANKING = 'r',
};

/* Fields that a table does not have are 0. */
struct store_key {
    enum store_table table;
    uint32_t generation;
    uint16_t partition;
    uint32_t minute;
    uint32_t run; /* of recalculation */
    uint32_t atom;
    uint32_t ad; /* STORE_ADS: the first index of the run; blocks and history: with `atom`, the first cell of the chunk */
    uint16_t country;
    uint32_t part; /* open minutes: 0, 1, 2, ... */
    uint32_t filter_id;
    uint32_t window;
};

/* The first bytes of a key: how far its fields are fixed. */
enum store_key_prefix {
    PREFIX_TABLE = 1,
    PREFIX_GENERATION = PREFIX_TABLE + 4,
    PREFIX_PARTITION = PREFIX_GENERATION + 2,
    PREFIX_MINUTE = PREFIX_PARTITION + 4,
    PREFIX_ATOM = PREFIX_MINUTE + 4, /* but for STORE_HISTORY */
    PREFIX_RUN = PREFIX_MINUTE + 4,  /* STORE_HISTORY */
    STORE_KEY_BYTES_MAX = PREFIX_RUN + 4 + 4,
};

struct store_key_bytes {
    uint8_t at[STORE_KEY_BYTES_MAX];
    uint8_t len;
};

struct store_key_bytes store_key_encode(const struct store_key *key);
/* False when it is no key of this format. */
bool store_key_decode(struct bytes bytes, struct store_key *key);

/* The view is valid as long as `bytes`. */
static inline struct bytes store_key_view(const struct store_key_bytes *bytes) {
    return (struct bytes){bytes->at, bytes->len};
}

enum { STORE_KEY_TEXT_MAX = 200 };
/* The key in words, for the message about a damaged value; any bytes will do. */
void store_key_text(struct bytes bytes, char text[STORE_KEY_TEXT_MAX]);
