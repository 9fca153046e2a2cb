#include "seam/kv.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

struct seen {
    struct buffer text;
};

static void write_down(void *context, enum kv_operation op, struct bytes key, struct bytes value) {
    struct seen *seen = context;
    buffer_printf(&seen->text, "%s %.*s=%.*s;", op == KV_PUT ? "put" : "delete", (int)key.len, (const char *)key.at,
                  (int)value.len, value.len == 0 ? "" : (const char *)value.at);
}

static void a_batch_gives_back_its_entries_in_order(void **state) {
    (void)state;
    struct kv_batch batch = {0};
    struct seen seen = {0};
    kv_batch_put(&batch, BYTES_LITERAL("b"), BYTES_LITERAL("2"));
    kv_batch_delete(&batch, BYTES_LITERAL("a"));
    kv_batch_put(&batch, BYTES_LITERAL("b"), (struct bytes){NULL, 0});
    assert_int_equal(batch.entry_count, 3);
    kv_batch_each(&batch, write_down, &seen);
    buffer_append(&seen.text, "", 1);
    assert_string_equal((const char *)seen.text.at, "put b=2;delete a=;put b=;");
    kv_batch_fini(&batch);
    buffer_fini(&seen.text);
}

static void a_cleared_batch_is_empty_and_can_be_filled_again(void **state) {
    (void)state;
    struct kv_batch batch = {0};
    struct seen seen = {0};
    kv_batch_each(&batch, write_down, &seen);
    kv_batch_put(&batch, BYTES_LITERAL("a"), BYTES_LITERAL("1"));
    kv_batch_clear(&batch);
    kv_batch_each(&batch, write_down, &seen);
    assert_int_equal(seen.text.len, 0);
    kv_batch_put(&batch, BYTES_LITERAL("c"), BYTES_LITERAL("3"));
    kv_batch_each(&batch, write_down, &seen);
    buffer_append(&seen.text, "", 1);
    assert_string_equal((const char *)seen.text.at, "put c=3;");
    kv_batch_fini(&batch);
    buffer_fini(&seen.text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_gives_back_its_entries_in_order),
        cmocka_unit_test(a_cleared_batch_is_empty_and_can_be_filled_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
