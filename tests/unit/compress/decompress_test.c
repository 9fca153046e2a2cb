#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "base/random_sequence.h"
#include "unit/compress/packed.h"

static const enum compression kinds[] = {COMPRESSION_GZIP, COMPRESSION_ZSTD};
enum { KINDS = 2 };

/* Text that compresses about as clicks do. */
static struct buffer some_text(size_t len) {
    struct buffer text = {0};
    for (unsigned i = 0; text.len < len; i++)
        buffer_printf(&text, "{\"ad_id\":\"ad%u\",\"user\":%u}\n", i * 7919 % 1000, i * i);
    text.len = len;
    return text;
}

/* Feeds in parts of `cut` bytes, takes into `room` bytes; the status of the end. */
static enum status undo(struct decompressor *decompressor, struct bytes packed, size_t cut, size_t room, struct buffer *out,
                        struct failure *failure) {
    while (packed.len > 0) {
        size_t len = packed.len < cut ? packed.len : cut, made;
        uint8_t *exact = memory_allocate(len), *space = memory_allocate(room);
        memcpy(exact, packed.at, len);
        struct bytes input = {exact, len};
        enum status status;
        do {
            status = decompressor_step(decompressor, &input, space, room, &made, failure);
            buffer_append(out, space, made);
        } while (status == STATUS_OK && made == room);
        if (status == STATUS_OK) assert_int_equal(input.len, 0);
        free(exact);
        free(space);
        if (status != STATUS_OK) return status;
        packed.at += len;
        packed.len -= len;
    }
    assert_int_equal(decompressor_made(decompressor), out->len);
    return decompressor_end(decompressor, failure);
}

static void any_cut_and_any_room_give_the_same(void **state) {
    (void)state;
    struct buffer text = some_text(20000);
    static const size_t cuts[] = {1, 2, 7, 1000, 100000}, rooms[] = {1, 3, 4096, 30000};
    for (size_t k = 0; k < KINDS; k++) {
        struct buffer packed = {0};
        pack(kinds[k], buffer_view(&text), &packed);
        struct decompressor *decompressor = decompressor_create(kinds[k]);
        for (size_t c = 0; c < sizeof cuts / sizeof *cuts; c++) {
            for (size_t r = 0; r < sizeof rooms / sizeof *rooms; r++) {
                struct buffer out = {0};
                struct failure failure = {0};
                assert_int_equal(undo(decompressor, buffer_view(&packed), cuts[c], rooms[r], &out, &failure), STATUS_OK);
                assert_true(bytes_equal(buffer_view(&out), buffer_view(&text)));
                buffer_fini(&out);
                decompressor_reset(decompressor);
            }
        }
        decompressor_destroy(decompressor);
        buffer_fini(&packed);
    }
    buffer_fini(&text);
}

static void members_in_a_row_are_one_body(void **state) {
    (void)state;
    struct buffer text = some_text(5000);
    for (size_t k = 0; k < KINDS; k++) {
        struct buffer packed = {0}, out = {0};
        for (int i = 0; i < 3; i++) pack(kinds[k], buffer_view(&text), &packed);
        pack(kinds[k], (struct bytes){NULL, 0}, &packed);
        struct decompressor *decompressor = decompressor_create(kinds[k]);
        struct failure failure = {0};
        assert_int_equal(undo(decompressor, buffer_view(&packed), 13, 100, &out, &failure), STATUS_OK);
        assert_int_equal(out.len, 15000);
        assert_memory_equal(out.at + 10000, text.at, 5000);
        decompressor_destroy(decompressor);
        buffer_fini(&packed);
        buffer_fini(&out);
    }
    buffer_fini(&text);
}

static void a_cut_anywhere_is_seen(void **state) {
    (void)state;
    struct buffer text = some_text(300);
    for (size_t k = 0; k < KINDS; k++) {
        struct buffer packed = {0};
        pack(kinds[k], buffer_view(&text), &packed);
        struct decompressor *decompressor = decompressor_create(kinds[k]);
        for (size_t len = 0; len < packed.len; len++) {
            struct buffer out = {0};
            struct failure failure = {0};
            enum status status = undo(decompressor, (struct bytes){packed.at, len}, 5, 64, &out, &failure);
            assert_int_equal(status, len == 0 ? STATUS_OK : STATUS_BAD_INPUT); /* no bytes are an empty body */
            assert_true(out.len <= text.len && bytes_equal(buffer_view(&out), (struct bytes){text.at, out.len}));
            if (len > 0) assert_non_null(strstr(failure.text, "cut short"));
            buffer_fini(&out);
            decompressor_reset(decompressor);
        }
        decompressor_destroy(decompressor);
        buffer_fini(&packed);
    }
    buffer_fini(&text);
}

static void a_flipped_bit_never_gives_other_content_unnoticed(void **state) {
    (void)state;
    struct buffer text = some_text(300);
    for (size_t k = 0; k < KINDS; k++) {
        struct buffer packed = {0};
        pack(kinds[k], buffer_view(&text), &packed);
        struct decompressor *decompressor = decompressor_create(kinds[k]);
        for (size_t bit = 0; bit < packed.len * 8; bit++) {
            packed.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
            struct buffer out = {0};
            struct failure failure = {0};
            enum status status = undo(decompressor, buffer_view(&packed), 1000, 1000, &out, &failure);
            /* gzip's head holds a name, a time and the like, over which there is no checksum. */
            if (status == STATUS_OK) assert_true(bytes_equal(buffer_view(&out), buffer_view(&text)));
            packed.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
            buffer_fini(&out);
            decompressor_reset(decompressor);
        }
        decompressor_destroy(decompressor);
        buffer_fini(&packed);
    }
    buffer_fini(&text);
}

static void what_is_not_compressed_at_all_is_damaged(void **state) {
    (void)state;
    for (size_t k = 0; k < KINDS; k++) {
        struct decompressor *decompressor = decompressor_create(kinds[k]);
        struct buffer out = {0};
        struct failure failure = {0};
        assert_int_equal(undo(decompressor, BYTES_LITERAL("{\"ad_id\":\"a\"}\n"), 100, 100, &out, &failure),
                         STATUS_BAD_INPUT);
        assert_int_equal(out.len, 0);
        assert_non_null(strstr(failure.text, k == 0 ? "gzip" : "zstd"));
        decompressor_destroy(decompressor);
    }
}

static void a_bomb_is_defused_after_little_more_than_a_mebibyte(void **state) {
    (void)state;
    size_t len = 100 * 1024 * 1024;
    uint8_t *zeros = memory_allocate_zeroed(1, len);
    for (size_t k = 0; k < KINDS; k++) {
        struct buffer packed = {0}, out = {0};
        pack(kinds[k], (struct bytes){zeros, len}, &packed);
        struct decompressor *decompressor = decompressor_create(kinds[k]);
        struct failure failure = {0};
        assert_int_equal(undo(decompressor, buffer_view(&packed), 4096, 65536, &out, &failure), STATUS_FULL);
        assert_true(out.len > DECOMPRESS_FREE_BYTES && out.len <= 2 * DECOMPRESS_FREE_BYTES);
        assert_non_null(strstr(failure.text, "200 times"));
        /* Little that is very dense is nobody's harm. */
        buffer_clear(&packed);
        buffer_clear(&out);
        decompressor_reset(decompressor);
        pack(kinds[k], (struct bytes){zeros, DECOMPRESS_FREE_BYTES}, &packed);
        assert_int_equal(undo(decompressor, buffer_view(&packed), 4096, 65536, &out, &failure), STATUS_OK);
        decompressor_destroy(decompressor);
        buffer_fini(&packed);
        buffer_fini(&out);
    }
    free(zeros);
}

static void a_window_of_8_MiB_is_good_and_a_larger_one_is_not(void **state) {
    (void)state;
    struct buffer text = some_text(20 * 1024 * 1024);
    for (int bits = 23; bits <= 24; bits++) {
        struct buffer packed = {0}, out = {0};
        pack_zstd(buffer_view(&text), bits, &packed);
        struct decompressor *decompressor = decompressor_create(COMPRESSION_ZSTD);
        struct failure failure = {0};
        enum status status = undo(decompressor, buffer_view(&packed), 65536, 65536, &out, &failure);
        assert_int_equal(status, bits == 23 ? STATUS_OK : STATUS_FULL);
        if (bits == 24) assert_non_null(strstr(failure.text, "8 MiB"));
        decompressor_destroy(decompressor);
        buffer_fini(&packed);
        buffer_fini(&out);
    }
    buffer_fini(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_cut_and_any_room_give_the_same),
        cmocka_unit_test(members_in_a_row_are_one_body),
        cmocka_unit_test(a_cut_anywhere_is_seen),
        cmocka_unit_test(a_flipped_bit_never_gives_other_content_unnoticed),
        cmocka_unit_test(what_is_not_compressed_at_all_is_damaged),
        cmocka_unit_test(a_bomb_is_defused_after_little_more_than_a_mebibyte),
        cmocka_unit_test(a_window_of_8_MiB_is_good_and_a_larger_one_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
