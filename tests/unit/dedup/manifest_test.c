/* The list of kept runs: whatever happens to its bytes, it is the one that was written or none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "dedup/manifest.h"
#include "fake/fake_files.h"

static const uint8_t a_log[RUN_LOG_BYTES] = {9, 8, 7};
static const char a_path[] = "dedup/p03.manifest";

static struct manifest a_manifest(void) {
    struct manifest manifest = {
        .position = {.known = true, .offset = {123456789}, .d = {1800000000000}, .state_len = 5},
        .run_count = 2,
        .runs = {{7, 1000, 0x11223344}, {9, 31, 0x55667788}},
    };
    memcpy(manifest.position.state, "where", 5);
    return manifest;
}

static struct buffer encoded(void) {
    struct manifest manifest = a_manifest();
    struct buffer buffer = {0};
    manifest_encode(&manifest, a_log, 3, &buffer);
    return buffer;
}

static void assert_is_a_manifest(const struct manifest *manifest) {
    struct manifest expected = a_manifest();
    assert_true(manifest->position.known);
    assert_int_equal(manifest->position.offset.at, expected.position.offset.at);
    assert_int_equal(manifest->position.d.ms, expected.position.d.ms);
    assert_int_equal(manifest->position.state_len, expected.position.state_len);
    assert_memory_equal(manifest->position.state, expected.position.state, expected.position.state_len);
    assert_int_equal(manifest->run_count, expected.run_count);
    for (uint32_t i = 0; i < expected.run_count; i++) {
        assert_int_equal(manifest->runs[i].number, expected.runs[i].number);
        assert_int_equal(manifest->runs[i].count, expected.runs[i].count);
        assert_int_equal(manifest->runs[i].footer_crc, expected.runs[i].footer_crc);
    }
}

static void what_was_written_is_read(void **state) {
    (void)state;
    struct fake_files *fake = fake_files_create(1);
    struct files files = fake_files_table(fake);
    struct buffer bytes = encoded();
    struct manifest read;
    assert_int_equal(dedup_make_directory(&files, NULL), STATUS_OK);
    assert_int_equal(manifest_read(&files, "p03", a_log, 3, &read, NULL), STATUS_NOT_FOUND);
    for (int i = 0; i < 2; i++) { /* the second replaces the first */
        assert_int_equal(manifest_write(&files, "p03", buffer_view(&bytes), NULL), STATUS_OK);
        assert_int_equal(manifest_read(&files, "p03", a_log, 3, &read, NULL), STATUS_OK);
        assert_is_a_manifest(&read);
    }
    struct random_sequence random = {1};
    fake_files_crash(fake, &random);
    assert_int_equal(manifest_read(&files, "p03", a_log, 3, &read, NULL), STATUS_OK); /* durable */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(manifest_remove(&files, "p03", NULL), STATUS_OK);
        assert_int_equal(manifest_read(&files, "p03", a_log, 3, &read, NULL), STATUS_NOT_FOUND);
    }
    buffer_fini(&bytes);
    fake_files_destroy(fake);
}

static void any_cut_and_any_flipped_bit_is_damage(void **state) {
    (void)state;
    struct buffer bytes = encoded();
    struct manifest read;
    for (size_t len = 0; len < bytes.len; len++)
        assert_int_equal(manifest_decode((struct bytes){bytes.at, len}, a_path, a_log, 3, &read, NULL), STATUS_CORRUPT);
    for (size_t bit = 0; bit < bytes.len * 8; bit++) {
        struct failure failure = {0};
        bytes.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(manifest_decode(buffer_view(&bytes), a_path, a_log, 3, &read, &failure), STATUS_CORRUPT);
        assert_non_null(strstr(failure.text, a_path));
        bytes.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(manifest_decode(buffer_view(&bytes), a_path, a_log, 3, &read, NULL), STATUS_OK);
    assert_is_a_manifest(&read);
    buffer_put_u8(&bytes, 0);
    assert_int_equal(manifest_decode(buffer_view(&bytes), a_path, a_log, 3, &read, NULL), STATUS_CORRUPT);
    buffer_fini(&bytes);
}

static void another_journal_partition_or_version_is_refused(void **state) {
    (void)state;
    struct buffer bytes = encoded();
    struct manifest read;
    struct failure failure = {0};
    const uint8_t other_log[RUN_LOG_BYTES] = {9, 8, 6};
    assert_int_equal(manifest_decode(buffer_view(&bytes), a_path, other_log, 3, &read, NULL), STATUS_CORRUPT);
    assert_int_equal(manifest_decode(buffer_view(&bytes), a_path, a_log, 2, &read, NULL), STATUS_CORRUPT);
    put_u32(bytes.at + 8, 2);
    put_u32(bytes.at + bytes.len - 4, crc32c(0, (struct bytes){bytes.at, bytes.len - 4}));
    assert_int_equal(manifest_decode(buffer_view(&bytes), a_path, a_log, 3, &read, &failure), STATUS_UNSUPPORTED);
    assert_non_null(strstr(failure.text, "version 2, this program knows 1"));
    buffer_fini(&bytes);
}

/* Behind right checksums: a run without a number or without an identity, and one that is listed twice. */
static void figures_that_cannot_be_are_damage(void **state) {
    (void)state;
    enum { FIRST_RUN = 56, RUN_BYTES = 8 + 8 + 4 };
    static const struct {
        size_t at;
        uint64_t value;
    } changes[] = {{FIRST_RUN, 0}, {FIRST_RUN + 8, 0}, {FIRST_RUN + RUN_BYTES, 7}};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        struct buffer bytes = encoded();
        struct manifest read;
        struct failure failure = {0};
        assert_int_equal(get_u64(bytes.at + FIRST_RUN), 7);
        put_u64(bytes.at + changes[i].at, changes[i].value);
        put_u32(bytes.at + bytes.len - 4, crc32c(0, (struct bytes){bytes.at, bytes.len - 4}));
        assert_int_equal(manifest_decode(buffer_view(&bytes), a_path, a_log, 3, &read, &failure), STATUS_CORRUPT);
        assert_string_equal(failure.text, "dedup/p03.manifest: figures that cannot be");
        buffer_fini(&bytes);
    }
}

static void assert_is_golden(const char *path, struct buffer *bytes) {
    uint8_t golden[1024];
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t len = fread(golden, 1, sizeof golden, file);
    (void)fclose(file);
    assert_int_equal(bytes->len, len);
    assert_memory_equal(bytes->at, golden, len);
    buffer_fini(bytes);
}

/* --- notes --- */

static struct buffer encoded_note(enum manifest_note_kind kind, const char *reason) {
    struct manifest manifest = {.note = manifest_note_of(kind, reason)};
    struct buffer buffer = {0};
    manifest_encode(&manifest, a_log, 3, &buffer);
    return buffer;
}

static void version_1_is_written_as_it_always_was(void **state) {
    (void)state;
    struct buffer list = encoded(), note = encoded_note(MANIFEST_ALL_OF_NO_USE, "damage at byte 4096");
    assert_is_golden("tests/golden/dedup-manifest-v1.manifest", &list);
    assert_is_golden("tests/golden/dedup-note-v1.manifest", &note);
}

static void a_note_is_read_as_it_was_written_whatever_its_length(void **state) {
    (void)state;
    char text[2 * MANIFEST_REASON_BYTES];
    for (size_t len = 0; len < sizeof text; len++) {
        struct manifest read;
        enum manifest_note_kind kind = len == 0 ? MANIFEST_NOTHING_KEPT : MANIFEST_OF_NO_USE;
        memset(text, 'x', sizeof text);
        text[len] = '\0';
        if (len > 1) text[1] = '\n'; /* nothing that a terminal would obey */
        struct buffer bytes = encoded_note(kind, text);
        assert_int_equal(manifest_decode(buffer_view(&bytes), a_path, a_log, 3, &read, NULL), STATUS_OK);
        assert_false(read.position.known);
        assert_int_equal(read.note.kind, kind);
        assert_int_equal(strlen(read.note.reason), len < MANIFEST_REASON_BYTES ? len : MANIFEST_REASON_BYTES - 1);
        if (len > 1) assert_int_equal(read.note.reason[1], '?');
        buffer_fini(&bytes);
    }
}

static void any_cut_any_flipped_bit_and_any_odd_figure_of_a_note_is_damage(void **state) {
    (void)state;
    enum { KIND = 36, LENGTH = 40, TEXT = 44 };
    static const struct {
        size_t at;
        uint32_t value;
    } changes[] = {{KIND, 0}, {KIND, 3}, {LENGTH, 0}, {LENGTH, 4}, {LENGTH, 6}, {LENGTH, UINT32_MAX}, {TEXT, 0x20200A20}};
    struct buffer bytes = encoded_note(MANIFEST_OF_NO_USE, "where");
    struct manifest read;
    for (size_t len = 0; len < bytes.len; len++)
        assert_int_equal(manifest_decode((struct bytes){bytes.at, len}, a_path, a_log, 3, &read, NULL), STATUS_CORRUPT);
    for (size_t bit = 0; bit < bytes.len * 8; bit++) {
        bytes.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(manifest_decode(buffer_view(&bytes), a_path, a_log, 3, &read, NULL), STATUS_CORRUPT);
        bytes.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        uint32_t before = get_u32(bytes.at + changes[i].at);
        put_u32(bytes.at + changes[i].at, changes[i].value);
        put_u32(bytes.at + bytes.len - 4, crc32c(0, (struct bytes){bytes.at, bytes.len - 4}));
        assert_int_equal(manifest_decode(buffer_view(&bytes), a_path, a_log, 3, &read, NULL), STATUS_CORRUPT);
        assert_int_equal(read.note.kind, MANIFEST_NOTHING_KEPT); /* and nothing of it is believed */
        put_u32(bytes.at + changes[i].at, before);
    }
    buffer_fini(&bytes);
}

static void a_note_takes_the_place_of_a_list_and_a_list_that_of_a_note(void **state) {
    (void)state;
    struct fake_files *fake = fake_files_create(1);
    struct files files = fake_files_table(fake);
    struct buffer bytes = encoded();
    struct random_sequence random = {1};
    struct manifest read;
    struct manifest_note note = manifest_note_of(MANIFEST_OF_NO_USE, "where");
    assert_int_equal(dedup_make_directory(&files, NULL), STATUS_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(manifest_write(&files, "p03", buffer_view(&bytes), NULL), STATUS_OK);
        assert_int_equal(manifest_read(&files, "p03", a_log, 3, &read, NULL), STATUS_OK);
        assert_is_a_manifest(&read);
        assert_int_equal(manifest_write_note(&files, "p03", a_log, 3, &note, NULL), STATUS_OK);
        fake_files_crash(fake, &random);
        assert_int_equal(manifest_read(&files, "p03", a_log, 3, &read, NULL), STATUS_OK);
        assert_false(read.position.known);
        assert_string_equal(read.note.reason, "where");
    }
    buffer_fini(&bytes);
    fake_files_destroy(fake);
}

static void a_crash_while_it_is_replaced_leaves_the_old_or_the_new(void **state) {
    (void)state;
    unsigned olds = 0, news = 0;
    for (uint64_t nth = 1; nth < 60; nth++) {
        struct fake_files *fake = fake_files_create(nth);
        struct files files = fake_files_table(fake);
        struct random_sequence random = {nth};
        struct buffer bytes = encoded(), other = {0};
        struct manifest changed = a_manifest(), read;
        changed.position.offset.at++;
        manifest_encode(&changed, a_log, 3, &other);
        assert_int_equal(dedup_make_directory(&files, NULL), STATUS_OK);
        assert_int_equal(manifest_write(&files, "p03", buffer_view(&bytes), NULL), STATUS_OK);
        fake_files_stop_at(fake, 1 + nth % 7);
        bool written = manifest_write(&files, "p03", buffer_view(&other), NULL) == STATUS_OK;
        fake_files_crash(fake, &random);
        assert_int_equal(manifest_read(&files, "p03", a_log, 3, &read, NULL), STATUS_OK);
        bool is_new = read.position.offset.at == changed.position.offset.at;
        assert_true(is_new || read.position.offset.at + 1 == changed.position.offset.at);
        assert_true(is_new || !written);
        olds += !is_new;
        news += is_new;
        buffer_fini(&bytes);
        buffer_fini(&other);
        fake_files_destroy(fake);
    }
    assert_true(olds > 5 && news > 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(any_cut_and_any_flipped_bit_is_damage),
        cmocka_unit_test(figures_that_cannot_be_are_damage),
        cmocka_unit_test(another_journal_partition_or_version_is_refused),
        cmocka_unit_test(version_1_is_written_as_it_always_was),
        cmocka_unit_test(a_note_is_read_as_it_was_written_whatever_its_length),
        cmocka_unit_test(any_cut_any_flipped_bit_and_any_odd_figure_of_a_note_is_damage),
        cmocka_unit_test(a_note_takes_the_place_of_a_list_and_a_list_that_of_a_note),
        cmocka_unit_test(a_crash_while_it_is_replaced_leaves_the_old_or_the_new),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
