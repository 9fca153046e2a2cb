/* store_under_test.h: a store of three partitions, on the fake kv or on RocksDB, as a test's setup and teardown. */
#pragma once

#include "store/store.h"
#include "unit/store/kv_under_test.h"

static struct kv_under_test test;
static struct store *store;
static struct kv_batch batch;
static const uint8_t uuid[16] = "journal no. one";

static inline void open_store(void) {
    struct failure failure = {0};
    if (store_open(&test.kv, uuid, 3, &store, &failure) != STATUS_OK) fail_msg("%s", failure.text);
}

static inline int on_fake(void **state) {
    (void)state;
    kv_under_test_open(&test, KV_FAKE);
    open_store();
    return 0;
}

static inline int on_rocks(void **state) {
    (void)state;
    kv_under_test_open(&test, KV_ROCKS);
    open_store();
    return 0;
}

static inline int close_all(void **state) {
    (void)state;
    kv_batch_fini(&batch);
    store_destroy(store);
    store = NULL;
    kv_under_test_close(&test);
    return 0;
}

static inline void write_batch(void) {
    assert_int_equal(store_write(store, &batch, NULL), STATUS_OK);
    kv_batch_clear(&batch);
}

static inline void restart(void) {
    store_destroy(store);
    kv_under_test_restart(&test);
    open_store();
}

static inline void assert_text(struct buffer *got, const char *wanted) {
    buffer_append(got, "", 1);
    assert_string_equal((const char *)got->at, wanted);
    buffer_fini(got);
}

#define ON_FAKE(function)                                                                                                   \
    { "fake: " #function, function, on_fake, close_all, NULL }
#define ON_ROCKS(function)                                                                                                  \
    { "rocks: " #function, function, on_rocks, close_all, NULL }
#define ON_BOTH(function) ON_FAKE(function), ON_ROCKS(function)
