/* The fakes keep their promises and break them only when they are told to: else a simulation proves nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake/fake_files.h"
#include "fake/fake_kv.h"

struct bench {
    struct fake_files *fake;
    struct files files;
    struct file *file;
    struct random_sequence random;
};

static void write_and_sync(struct bench *bench, uint64_t offset, const char *text) {
    assert_int_equal(bench->files.write(bench->file, offset, bytes_of_text(text), NULL), STATUS_OK);
    assert_int_equal(bench->files.sync(bench->file, NULL), STATUS_OK);
}

/* A file "a" that durably holds "old". */
static struct bench begin(void) {
    struct bench bench = {.fake = fake_files_create(1), .random = {7}};
    bench.files = fake_files_table(bench.fake);
    assert_int_equal(bench.files.open(bench.fake, "a", FILE_CREATE, &bench.file, NULL), STATUS_OK);
    assert_int_equal(bench.files.directory_sync(bench.fake, ".", NULL), STATUS_OK);
    write_and_sync(&bench, 0, "old");
    return bench;
}

static void end(struct bench *bench) {
    bench->files.close(bench->file);
    fake_files_destroy(bench->fake);
}

static bool holds(const struct bench *bench, const char *text) {
    return bytes_equal(fake_files_content(bench->fake, "a"), bytes_of_text(text));
}

static void what_was_synced_outlives_every_crash(void **state) {
    (void)state;
    struct bench bench = begin();
    for (int i = 0; i < 50; i++) fake_files_crash(bench.fake, &bench.random);
    assert_true(holds(&bench, "old"));
    assert_int_equal(fake_files_counts(bench.fake).destroyed, 0);
    end(&bench);
}

static void a_sync_that_lies_is_found_out_by_a_crash(void **state) {
    (void)state;
    uint64_t lost = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct bench bench = begin();
        bench.random.state = seed;
        fake_files_lie(bench.fake, FAKE_LIE_SYNC, 1, true);
        write_and_sync(&bench, 0, "new");
        assert_true(holds(&bench, "new"));
        assert_int_equal(fake_files_counts(bench.fake).destroyed, 0);
        fake_files_crash(bench.fake, &bench.random);
        assert_int_equal(holds(&bench, "new"), fake_files_counts(bench.fake).destroyed == 0);
        lost += !holds(&bench, "new");
        end(&bench);
    }
    assert_in_range(lost, 1, 19);
}

static void a_later_honest_sync_makes_up_for_one_that_lied(void **state) {
    (void)state;
    struct bench bench = begin();
    fake_files_lie(bench.fake, FAKE_LIE_SYNC, 1, false);
    write_and_sync(&bench, 0, "one");
    write_and_sync(&bench, 3, "two");
    fake_files_crash(bench.fake, &bench.random);
    assert_true(holds(&bench, "onetwo"));
    assert_int_equal(fake_files_counts(bench.fake).destroyed, 0);
    end(&bench);
}

static void a_lost_write_is_read_until_the_cache_is_dropped(void **state) {
    (void)state;
    struct bench bench = begin();
    fake_files_lie(bench.fake, FAKE_LIE_LOST, 2, false);
    write_and_sync(&bench, 3, " and");
    write_and_sync(&bench, 0, "new");
    assert_true(holds(&bench, "new and"));
    fake_files_restart(bench.fake); /* the process alone: the cache is the machine's */
    assert_true(holds(&bench, "new and"));
    fake_files_drop_cache(bench.fake);
    assert_true(holds(&bench, "old and"));
    assert_true(fake_files_counts(bench.fake).destroyed > 0);
    end(&bench);
}

static void a_misdirected_write_harms_another_place(void **state) {
    (void)state;
    uint64_t harmed = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct bench bench = {.fake = fake_files_create(seed), .random = {seed}};
        bench.files = fake_files_table(bench.fake);
        fake_files_put(bench.fake, "b", BYTES_LITERAL("another file"));
        assert_int_equal(bench.files.open(bench.fake, "a", FILE_CREATE, &bench.file, NULL), STATUS_OK);
        assert_int_equal(bench.files.directory_sync(bench.fake, ".", NULL), STATUS_OK);
        fake_files_lie(bench.fake, FAKE_LIE_MISDIRECTED, 1, false);
        write_and_sync(&bench, 0, "new");
        fake_files_crash(bench.fake, &bench.random);
        assert_false(holds(&bench, "new"));
        harmed += !bytes_equal(fake_files_content(bench.fake, "b"), BYTES_LITERAL("another file"));
        end(&bench);
    }
    assert_true(harmed > 0);
}

static void rot_is_seen_by_readers_and_can_be_brought_back(void **state) {
    (void)state;
    struct bench bench = begin();
    assert_true(fake_files_rot(bench.fake, NULL, &bench.random));
    assert_false(holds(&bench, "old"));
    fake_files_crash(bench.fake, &bench.random);
    assert_false(holds(&bench, "old"));
    assert_true(fake_files_undo_rot(bench.fake));
    assert_true(holds(&bench, "old"));
    assert_false(fake_files_undo_rot(bench.fake));
    end(&bench);
}

/* --- the store --- */

static void put(struct kv *kv, const char *value, enum status expected) {
    struct kv_batch batch = {0};
    kv_batch_put(&batch, BYTES_LITERAL("key"), bytes_of_text(value));
    assert_int_equal(kv->write(kv->self, &batch, NULL), expected);
    kv_batch_fini(&batch);
}

static bool has(struct kv *kv, const char *value) {
    struct buffer got = {0};
    bool same = kv->get(kv->self, NULL, BYTES_LITERAL("key"), &got, NULL) == STATUS_OK &&
                bytes_equal(buffer_view(&got), bytes_of_text(value));
    buffer_fini(&got);
    return same;
}

static void a_flush_that_lies_keeps_what_was_durable_before(void **state) {
    (void)state;
    struct fake_kv *fake = fake_kv_create();
    struct kv kv = fake_kv_table(fake);
    put(&kv, "old", STATUS_OK);
    assert_int_equal(kv.flush(kv.self, NULL), STATUS_OK);
    fake_kv_lie(fake);
    put(&kv, "new", STATUS_OK);
    assert_int_equal(kv.flush(kv.self, NULL), STATUS_OK);
    fake_kv_crash(fake, 0);
    assert_true(has(&kv, "old"));
    put(&kv, "new", STATUS_OK);
    assert_int_equal(kv.flush(kv.self, NULL), STATUS_OK); /* it has stopped lying */
    fake_kv_crash(fake, 0);
    assert_true(has(&kv, "new"));
    fake_kv_destroy(fake);
}

static void a_write_that_fails_falsely_is_there_all_the_same(void **state) {
    (void)state;
    struct fake_kv *fake = fake_kv_create();
    struct kv kv = fake_kv_table(fake);
    fake_kv_fail_write_falsely(fake, 1, STATUS_IO_ERROR);
    put(&kv, "one", STATUS_IO_ERROR);
    assert_true(has(&kv, "one"));
    put(&kv, "two", STATUS_IO_ERROR); /* it is not asked again, and if it is, it says no and means it */
    assert_true(has(&kv, "one"));
    fake_kv_destroy(fake);
}

static void a_value_that_rots_differs_in_one_bit_and_stays_so(void **state) {
    (void)state;
    struct fake_kv *fake = fake_kv_create();
    struct kv kv = fake_kv_table(fake);
    struct random_sequence random = {1};
    assert_false(fake_kv_rot(fake, &random));
    put(&kv, "whole", STATUS_OK);
    assert_int_equal(kv.flush(kv.self, NULL), STATUS_OK);
    assert_true(fake_kv_rot(fake, &random));
    assert_false(has(&kv, "whole"));
    fake_kv_crash(fake, 0);
    assert_false(has(&kv, "whole"));
    assert_int_equal(fake_kv_key_count(fake), 1);
    fake_kv_destroy(fake);
}

static void a_full_disk_opens_what_is_there_and_counts_once(void **state) {
    (void)state;
    struct file *file;
    struct fake_files *fake = fake_files_create(1);
    struct files files = fake_files_table(fake);
    fake_files_put(fake, "there", bytes_of_text("x"));
    fake_files_fill(fake, FAKE_OPEN, 1);
    assert_int_equal(fake_files_counts(fake).fills, 0); /* planned only */
    assert_int_equal(files.open(files.self, "there", FILE_READ, &file, NULL), STATUS_OK);
    files.close(file);
    for (int i = 0; i < 2; i++) assert_int_equal(files.open(files.self, "new", FILE_CREATE, &file, NULL), STATUS_NO_SPACE);
    assert_int_equal(fake_files_counts(fake).fills, 1);
    assert_int_equal(fake_files_counts(fake).injected, 2);
    fake_files_destroy(fake);
}

static void a_failure_of_the_store_counts_when_it_strikes_and_once(void **state) {
    (void)state;
    struct fake_kv *fake = fake_kv_create();
    struct kv kv = fake_kv_table(fake);
    fake_kv_fail_write(fake, 2, STATUS_NO_SPACE);
    put(&kv, "one", STATUS_OK);
    assert_int_equal(fake_kv_counts(fake).writes_failed, 0);
    put(&kv, "two", STATUS_NO_SPACE);
    put(&kv, "three", STATUS_NO_SPACE);
    assert_int_equal(fake_kv_counts(fake).writes_failed, 1);
    assert_int_equal(fake_kv_counts(fake).full, 1);
    fake_kv_heal(fake);
    put(&kv, "three", STATUS_OK);
    fake_kv_destroy(fake);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_synced_outlives_every_crash),
        cmocka_unit_test(a_sync_that_lies_is_found_out_by_a_crash),
        cmocka_unit_test(a_later_honest_sync_makes_up_for_one_that_lied),
        cmocka_unit_test(a_lost_write_is_read_until_the_cache_is_dropped),
        cmocka_unit_test(a_misdirected_write_harms_another_place),
        cmocka_unit_test(rot_is_seen_by_readers_and_can_be_brought_back),
        cmocka_unit_test(a_flush_that_lies_keeps_what_was_durable_before),
        cmocka_unit_test(a_write_that_fails_falsely_is_there_all_the_same),
        cmocka_unit_test(a_full_disk_opens_what_is_there_and_counts_once),
        cmocka_unit_test(a_failure_of_the_store_counts_when_it_strikes_and_once),
        cmocka_unit_test(a_value_that_rots_differs_in_one_bit_and_stays_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
