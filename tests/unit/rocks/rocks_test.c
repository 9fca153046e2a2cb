/* What the seam's kv promises, kept by RocksDB and by the fake alike. */
#include <glob.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/codec.h"
#include "unit/store/kv_under_test.h"

static struct kv_under_test test;

static int open_fake(void **state) {
    (void)state;
    kv_under_test_open(&test, KV_FAKE);
    return 0;
}

static int open_rocks(void **state) {
    (void)state;
    kv_under_test_open(&test, KV_ROCKS);
    return 0;
}

static int close_kv(void **state) {
    (void)state;
    kv_under_test_close(&test);
    return 0;
}

static void put(const char *key, const char *value) {
    struct kv_batch batch = {0};
    kv_batch_put(&batch, bytes_of_text(key), bytes_of_text(value));
    assert_int_equal(test.kv.write(test.kv.self, &batch, NULL), STATUS_OK);
    kv_batch_fini(&batch);
}

static void assert_value(const struct kv_snapshot *snapshot, const char *key, const char *value) {
    struct buffer got = {0};
    enum status status = test.kv.get(test.kv.self, snapshot, bytes_of_text(key), &got, NULL);
    assert_int_equal(status, value == NULL ? STATUS_NOT_FOUND : STATUS_OK);
    if (value != NULL) assert_true(bytes_equal(buffer_view(&got), bytes_of_text(value)));
    buffer_fini(&got);
}

static void assert_at(const struct kv_iterator *iterator, const char *key) {
    assert_int_equal(test.kv.iterator_valid(iterator), key != NULL);
    assert_int_equal(test.kv.iterator_status(iterator, NULL), STATUS_OK);
    if (key != NULL) assert_true(bytes_equal(test.kv.iterator_key(iterator), bytes_of_text(key)));
}

static void a_batch_takes_effect_in_order_and_the_last_entry_wins(void **state) {
    (void)state;
    put("a", "0");
    struct kv_batch batch = {0};
    kv_batch_delete(&batch, BYTES_LITERAL("a"));
    kv_batch_put(&batch, BYTES_LITERAL("a"), BYTES_LITERAL("1"));
    kv_batch_put(&batch, BYTES_LITERAL("b"), BYTES_LITERAL("2"));
    kv_batch_delete(&batch, BYTES_LITERAL("b"));
    kv_batch_put(&batch, BYTES_LITERAL("c"), (struct bytes){NULL, 0});
    kv_batch_delete(&batch, BYTES_LITERAL("never there"));
    assert_int_equal(test.kv.write(test.kv.self, &batch, NULL), STATUS_OK);
    kv_batch_fini(&batch);
    assert_value(NULL, "a", "1");
    assert_value(NULL, "b", NULL);
    assert_value(NULL, "c", "");
}

static void an_iterator_seeks_from_both_sides(void **state) {
    (void)state;
    put("b", "1");
    put("d", "2");
    put("f", "3");
    struct kv_iterator *iterator = test.kv.iterate(test.kv.self, NULL);
    assert_at(iterator, NULL);
    test.kv.iterator_seek(iterator, BYTES_LITERAL("c"));
    assert_at(iterator, "d");
    assert_true(bytes_equal(test.kv.iterator_value(iterator), BYTES_LITERAL("2")));
    test.kv.iterator_next(iterator);
    assert_at(iterator, "f");
    test.kv.iterator_next(iterator);
    assert_at(iterator, NULL);
    test.kv.iterator_seek(iterator, BYTES_LITERAL("d"));
    assert_at(iterator, "d");
    test.kv.iterator_seek_before(iterator, BYTES_LITERAL("d"));
    assert_at(iterator, "d");
    test.kv.iterator_seek_before(iterator, BYTES_LITERAL("e"));
    assert_at(iterator, "d");
    test.kv.iterator_next(iterator);
    assert_at(iterator, "f");
    test.kv.iterator_seek_before(iterator, BYTES_LITERAL("z"));
    assert_at(iterator, "f");
    test.kv.iterator_seek_before(iterator, BYTES_LITERAL("a"));
    assert_at(iterator, NULL);
    test.kv.iterator_seek(iterator, BYTES_LITERAL("g"));
    assert_at(iterator, NULL);
    test.kv.iterator_seek(iterator, (struct bytes){(const uint8_t *)"", 0});
    assert_at(iterator, "b");
    test.kv.iterator_close(iterator);
}

static void a_snapshot_and_an_iterator_never_change(void **state) {
    (void)state;
    put("a", "1");
    struct kv_snapshot *snapshot = test.kv.snapshot_take(test.kv.self);
    struct kv_iterator *now = test.kv.iterate(test.kv.self, NULL);
    put("a", "2");
    put("b", "3");
    struct kv_iterator *then = test.kv.iterate(test.kv.self, snapshot);
    assert_value(snapshot, "a", "1");
    assert_value(snapshot, "b", NULL);
    assert_value(NULL, "a", "2");
    struct kv_iterator *both[] = {now, then};
    for (size_t i = 0; i < 2; i++) {
        test.kv.iterator_seek(both[i], BYTES_LITERAL("a"));
        assert_at(both[i], "a");
        assert_true(bytes_equal(test.kv.iterator_value(both[i]), BYTES_LITERAL("1")));
        test.kv.iterator_next(both[i]);
        assert_at(both[i], NULL);
        test.kv.iterator_close(both[i]);
    }
    test.kv.snapshot_drop(test.kv.self, snapshot);
}

static void what_was_written_is_there_after_a_restart(void **state) {
    (void)state;
    put("a", "1");
    assert_int_equal(test.kv.flush(test.kv.self, NULL), STATUS_OK);
    assert_int_equal(test.kv.flush(test.kv.self, NULL), STATUS_OK);
    put("b", "2");
    kv_under_test_restart(&test);
    assert_value(NULL, "a", "1");
    assert_value(NULL, "b", "2");
}

static void a_store_in_use_is_busy(void **state) {
    (void)state;
    struct failure failure = {0};
    struct rocks *second = NULL;
    struct rocks_options options = {.path = test.path, .cache_bytes = 1 << 20};
    assert_int_equal(rocks_open(&options, &second, &failure), STATUS_BUSY);
    assert_null(second);
    assert_non_null(strstr(failure.text, test.path));
}

static void a_path_that_is_a_file_is_refused_by_name(void **state) {
    (void)state;
    char path[] = "/tmp/tally-file-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    struct failure failure = {0};
    struct rocks *rocks = NULL;
    struct rocks_options options = {.path = path, .cache_bytes = 1 << 20};
    assert_int_equal(rocks_open(&options, &rocks, &failure), STATUS_IO_ERROR);
    assert_non_null(strstr(failure.text, path));
    assert_int_equal(unlink(path), 0);
}

static void a_damaged_file_is_corrupt_and_says_what_to_do(void **state) {
    (void)state;
    char value[3000];
    memset(value, 'x', sizeof value - 1);
    value[sizeof value - 1] = 0;
    put("a", value);
    assert_int_equal(test.kv.flush(test.kv.self, NULL), STATUS_OK);
    rocks_close(test.rocks);
    char command[256];
    (void)snprintf(command, sizeof command,
                   "for f in %s/*.sst; do printf y | dd of=$f bs=1 seek=1000 conv=notrunc status=none; done", test.path);
    assert_int_equal(system(command), 0);
    kv_under_test_open_rocks(&test);
    struct failure failure = {0};
    struct buffer got = {0};
    assert_int_equal(test.kv.get(test.kv.self, NULL, BYTES_LITERAL("a"), &got, &failure), STATUS_CORRUPT);
    assert_non_null(strstr(failure.text, "rebuilt from the journal"));
    struct kv_iterator *iterator = test.kv.iterate(test.kv.self, NULL);
    test.kv.iterator_seek(iterator, BYTES_LITERAL("a"));
    assert_false(test.kv.iterator_valid(iterator));
    assert_int_equal(test.kv.iterator_status(iterator, NULL), STATUS_CORRUPT);
    test.kv.iterator_close(iterator);
    buffer_fini(&got);
}

/* A limit on the size of files makes writes fail for real, in RocksDB's own files. */
static void after_a_failed_write_nothing_is_written_any_more(void **state) {
    (void)state;
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    struct rlimit small = {.rlim_cur = 64 * 1024, .rlim_max = before.rlim_max};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    put("a", "1");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    struct kv_batch batch = {0}, little = {0};
    static const uint8_t zeroes[1 << 20];
    kv_batch_put(&batch, BYTES_LITERAL("b"), (struct bytes){zeroes, sizeof zeroes});
    kv_batch_put(&little, BYTES_LITERAL("c"), BYTES_LITERAL("3"));
    struct failure failure = {0}, again = {0};
    assert_int_equal(test.kv.write(test.kv.self, &batch, &failure), STATUS_IO_ERROR);
    assert_non_null(strstr(failure.text, test.path));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(test.kv.write(test.kv.self, &little, &again), STATUS_IO_ERROR);
    assert_int_equal(test.kv.flush(test.kv.self, NULL), STATUS_IO_ERROR);
    assert_non_null(strstr(again.text, "after an earlier failure"));
    kv_under_test_restart(&test);
    assert_value(NULL, "a", "1");
    assert_value(NULL, "b", NULL);
    assert_value(NULL, "c", NULL);
    put("c", "3");
    kv_batch_fini(&batch);
    kv_batch_fini(&little);
    (void)signal(SIGXFSZ, handler);
}

/* Its assertions are on in Debian's build: a second line into a log on a disk that has failed would end the process. */
static void it_writes_nothing_into_a_log_of_its_own(void **state) {
    (void)state;
    put("a", "1");
    assert_int_equal(test.kv.flush(test.kv.self, NULL), STATUS_OK);
    kv_under_test_restart(&test);
    char pattern[256];
    glob_t found;
    (void)snprintf(pattern, sizeof pattern, "%s/LOG*", test.path);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    assert_int_equal(found.gl_pathc, 2);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct stat facts;
        assert_int_equal(stat(found.gl_pathv[i], &facts), 0);
        assert_int_equal(facts.st_size, 0);
    }
    globfree(&found);
}

enum { THREADED_WRITES = 300 };

/* Every batch puts one number under both keys; whoever sees two numbers saw half a batch. */
static void *read_all_the_time(void *context) {
    atomic_bool *stop = context;
    while (!*stop) {
        struct kv_snapshot *snapshot = test.kv.snapshot_take(test.kv.self);
        struct buffer first = {0}, second = {0};
        enum status status = test.kv.get(test.kv.self, snapshot, BYTES_LITERAL("first"), &first, NULL);
        if (status == STATUS_OK) status = test.kv.get(test.kv.self, snapshot, BYTES_LITERAL("second"), &second, NULL);
        if (status != STATUS_OK || !bytes_equal(buffer_view(&first), buffer_view(&second))) abort();
        struct kv_iterator *iterator = test.kv.iterate(test.kv.self, snapshot);
        test.kv.iterator_seek(iterator, BYTES_LITERAL("second"));
        if (!bytes_equal(test.kv.iterator_value(iterator), buffer_view(&first))) abort();
        test.kv.iterator_close(iterator);
        test.kv.snapshot_drop(test.kv.self, snapshot);
        buffer_fini(&first);
        buffer_fini(&second);
    }
    return NULL;
}

static void readers_on_other_threads_see_whole_batches(void **state) {
    (void)state;
    put("first", "start");
    put("second", "start");
    pthread_t readers[2];
    atomic_bool stop = false;
    for (size_t i = 0; i < 2; i++) assert_int_equal(pthread_create(&readers[i], NULL, read_all_the_time, &stop), 0);
    struct kv_batch batch = {0};
    for (uint32_t i = 0; i < THREADED_WRITES; i++) {
        uint8_t number[4];
        put_u32(number, i);
        kv_batch_put(&batch, BYTES_LITERAL("first"), (struct bytes){number, sizeof number});
        kv_batch_put(&batch, BYTES_LITERAL("second"), (struct bytes){number, sizeof number});
        assert_int_equal(test.kv.write(test.kv.self, &batch, NULL), STATUS_OK);
        kv_batch_clear(&batch);
        if (i % 100 == 99) assert_int_equal(test.kv.flush(test.kv.self, NULL), STATUS_OK);
    }
    stop = true;
    for (size_t i = 0; i < 2; i++) assert_int_equal(pthread_join(readers[i], NULL), 0);
    kv_batch_fini(&batch);
}

static void a_machine_crash_leaves_a_prefix_of_whole_batches(void **state) {
    (void)state;
    put("a", "1");
    assert_int_equal(test.kv.flush(test.kv.self, NULL), STATUS_OK);
    put("a", "2");
    put("b", "2");
    put("c", "3");
    assert_int_equal(fake_kv_unflushed(test.fake), 3);
    fake_kv_crash(test.fake, 2);
    assert_value(NULL, "a", "2");
    assert_value(NULL, "b", "2");
    assert_value(NULL, "c", NULL);
    put("d", "4");
    fake_kv_crash(test.fake, 0);
    assert_value(NULL, "a", "2");
    assert_value(NULL, "d", NULL);
}

static void an_injected_failure_lasts_until_a_crash(void **state) {
    (void)state;
    struct kv_batch batch = {0};
    kv_batch_put(&batch, BYTES_LITERAL("k"), BYTES_LITERAL("v"));
    fake_kv_fail_write(test.fake, 2, STATUS_NO_SPACE);
    assert_int_equal(test.kv.write(test.kv.self, &batch, NULL), STATUS_OK);
    assert_int_equal(test.kv.write(test.kv.self, &batch, NULL), STATUS_NO_SPACE);
    assert_int_equal(test.kv.write(test.kv.self, &batch, NULL), STATUS_NO_SPACE);
    assert_int_equal(test.kv.flush(test.kv.self, NULL), STATUS_NO_SPACE);
    fake_kv_crash(test.fake, 1);
    assert_value(NULL, "k", "v");
    assert_int_equal(test.kv.write(test.kv.self, &batch, NULL), STATUS_OK);
    fake_kv_fail_flush(test.fake, 1, STATUS_IO_ERROR);
    assert_int_equal(test.kv.flush(test.kv.self, NULL), STATUS_IO_ERROR);
    assert_int_equal(test.kv.write(test.kv.self, &batch, NULL), STATUS_IO_ERROR);
    kv_batch_fini(&batch);
}

#define ON_FAKE(function) cmocka_unit_test_setup_teardown(function, open_fake, close_kv)
#define ON_ROCKS(function) cmocka_unit_test_setup_teardown(function, open_rocks, close_kv)

int main(void) {
    const struct CMUnitTest tests[] = {
        ON_FAKE(a_batch_takes_effect_in_order_and_the_last_entry_wins),
        ON_ROCKS(a_batch_takes_effect_in_order_and_the_last_entry_wins),
        ON_FAKE(an_iterator_seeks_from_both_sides),
        ON_ROCKS(an_iterator_seeks_from_both_sides),
        ON_FAKE(a_snapshot_and_an_iterator_never_change),
        ON_ROCKS(a_snapshot_and_an_iterator_never_change),
        ON_FAKE(what_was_written_is_there_after_a_restart),
        ON_ROCKS(what_was_written_is_there_after_a_restart),
        ON_FAKE(a_machine_crash_leaves_a_prefix_of_whole_batches),
        ON_FAKE(an_injected_failure_lasts_until_a_crash),
        ON_ROCKS(a_store_in_use_is_busy),
        ON_ROCKS(a_path_that_is_a_file_is_refused_by_name),
        ON_ROCKS(a_damaged_file_is_corrupt_and_says_what_to_do),
        ON_ROCKS(after_a_failed_write_nothing_is_written_any_more),
        ON_ROCKS(it_writes_nothing_into_a_log_of_its_own),
        ON_ROCKS(readers_on_other_threads_see_whole_batches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
