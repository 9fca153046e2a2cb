/* damage.h: a store of two partitions on the fake kv, whose values the tests damage. */
#pragma once

#include "store/key.h"
#include "store/store.h"
#include "store/value.h"
#include "unit/store/kv_under_test.h"

static struct fake_kv *fake;
static struct kv kv;
static struct store *store;
static const uint8_t uuid[16] = "damage";

static inline int open_all(void **state) {
    (void)state;
    fake = fake_kv_create();
    kv = fake_kv_table(fake);
    return store_open(&kv, uuid, 2, &store, NULL) == STATUS_OK ? 0 : 1;
}

static inline int close_all(void **state) {
    (void)state;
    store_destroy(store);
    fake_kv_destroy(fake);
    return 0;
}

static inline void put_raw(const struct store_key *key, struct bytes value) {
    struct kv_batch batch = {0};
    struct store_key_bytes key_bytes = store_key_encode(key);
    kv_batch_put(&batch, store_key_view(&key_bytes), value);
    assert_int_equal(kv.write(kv.self, &batch, NULL), STATUS_OK);
    kv_batch_fini(&batch);
}

static inline void put_sealed(const struct store_key *key, struct bytes content) {
    struct value_writer *writer = value_writer_create();
    struct store_key_bytes key_bytes = store_key_encode(key);
    put_raw(key, value_seal(writer, store_key_view(&key_bytes), content));
    value_writer_destroy(writer);
}

/* A value that is not sealed, and sealed ones with nonsense in them: whoever reads it says which it was. */
static inline void assert_named(const struct store_key *key, const char *words,
                                enum status (*read)(struct failure *failure)) {
    const struct bytes nonsense[] = {BYTES_LITERAL(""), BYTES_LITERAL("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF")};
    for (size_t i = 0; i < 3; i++) {
        struct failure failure = {0};
        if (i < 2)
            put_sealed(key, nonsense[i]);
        else
            put_raw(key, BYTES_LITERAL("not sealed at all"));
        /* Nothing in a value of open minutes is no open minutes. */
        if ((key->table == STORE_OPEN || key->table == STORE_ATOM_OPEN) && i == 0) continue;
        assert_int_equal(read(&failure), STATUS_CORRUPT);
        assert_non_null(strstr(failure.text, words));
        assert_non_null(strstr(failure.text, "remove the store directory and start again"));
    }
}
