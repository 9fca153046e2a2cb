/* kv_under_test.h: the same tests on the fake kv and on RocksDB. */
#pragma once

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on
#include <stdio.h>
#include <stdlib.h>

#include "fake/fake_kv.h"
#include "rocks/rocks.h"

enum kv_kind { KV_FAKE, KV_ROCKS };

struct kv_under_test {
    enum kv_kind kind;
    struct fake_kv *fake;
    struct rocks *rocks;
    char path[64];
    struct kv kv;
};

static inline void kv_under_test_open_rocks(struct kv_under_test *test) {
    struct failure failure = {0};
    enum status status =
        rocks_open(&(struct rocks_options){.path = test->path, .cache_bytes = 16 << 20}, &test->rocks, &failure);
    if (status != STATUS_OK) fail_msg("%s", failure.text);
    test->kv = rocks_kv(test->rocks);
}

static inline void kv_under_test_open(struct kv_under_test *test, enum kv_kind kind) {
    *test = (struct kv_under_test){.kind = kind};
    if (kind == KV_FAKE) {
        test->fake = fake_kv_create();
        test->kv = fake_kv_table(test->fake);
        return;
    }
    (void)snprintf(test->path, sizeof test->path, "/tmp/tally-store-XXXXXX");
    assert_non_null(mkdtemp(test->path));
    kv_under_test_open_rocks(test);
}

/* The process dies and comes back: what was written is there. */
static inline void kv_under_test_restart(struct kv_under_test *test) {
    if (test->kind == KV_FAKE) {
        fake_kv_crash(test->fake, SIZE_MAX);
        return;
    }
    rocks_close(test->rocks);
    kv_under_test_open_rocks(test);
}

static inline void kv_under_test_close(struct kv_under_test *test) {
    if (test->kind == KV_FAKE) {
        fake_kv_destroy(test->fake);
        return;
    }
    rocks_close(test->rocks);
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", test->path);
    assert_int_equal(system(command), 0);
}
