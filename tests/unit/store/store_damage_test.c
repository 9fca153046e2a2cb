/* Damaged values and failing disks: a status with the place in words, never a crash, never a wrong count. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/codec.h"
#include "checksum/crc32c.h"
#include "unit/store/damage.h"

static void ignore_cell(void *context, struct minute minute, const struct cell *cell) {
    (void)context, (void)minute, (void)cell;
}
static void ignore_ad(void *context, uint32_t index, struct bytes ad_id) {
    (void)context, (void)index, (void)ad_id;
}

static enum status visit_all(struct failure *failure) {
    return store_visit_all(store, NULL, 0, (struct minute){0}, (struct minute){UINT32_MAX}, ignore_cell, NULL, failure);
}
static enum status visit_ad(struct failure *failure) {
    return store_visit_ad(store, NULL, 0, 5, (struct minute){0}, (struct minute){UINT32_MAX}, ignore_cell, NULL, failure);
}
static enum status load(struct failure *failure) {
    struct partition_checkpoint checkpoint;
    return store_load_partition(store, 0, &checkpoint, ignore_cell, NULL, failure);
}
static enum status load_ads(struct failure *failure) {
    return store_load_ads(store, ignore_ad, NULL, failure);
}
static enum status amend(struct failure *failure) {
    struct kv_batch batch = {0};
    enum status status =
        store_put_amendments(store, &batch, 0, (struct minute){26824321}, &(struct cell){5, {6}, 1}, 1, failure);
    kv_batch_fini(&batch);
    return status;
}
static enum status open_again(struct failure *failure) {
    struct store *again = NULL;
    enum status status = store_open(&kv, uuid, 2, &again, failure);
    store_destroy(again);
    return status;
}

static void a_damaged_value_is_named_in_words_with_advice(void **state) {
    (void)state;
    const char *minute = "minute 2021-01-01T00:01Z (26824321), partition 0, generation 1, atom 0";
    const struct store_key block = {.table = STORE_BLOCK, .generation = 1, .minute = 26824321, .ad = 3};
    assert_named(&block, "the block of minute 2021-01-01T00:01Z", visit_all);
    assert_named(&block, minute, visit_ad);
    struct kv_batch batch = {0};
    store_put_block(store, &batch, 0, (struct minute){26824321}, NULL, 0);
    assert_int_equal(store_write(store, &batch, NULL), STATUS_OK);
    kv_batch_fini(&batch);
    const struct store_key amendment = {
        .table = STORE_AMENDMENT, .generation = 1, .minute = 26824321, .ad = 5, .country = 6};
    assert_named(&amendment, minute, visit_all);
    assert_named(&amendment, "ad 5, country code 6", visit_ad);
    assert_named(&amendment, "the amendment of minute", amend);
    assert_named(&(struct store_key){.table = STORE_PARTITION, .generation = 1}, "checkpoint of partition 0", load);
    assert_int_equal(open_again(NULL), STATUS_CORRUPT);
    assert_named(&(struct store_key){.table = STORE_ADS}, "the ad ids from index 0", load_ads);
    assert_named(&(struct store_key){.table = STORE_META}, "the store's description", open_again);
}

static void damaged_open_minutes_are_named(void **state) {
    (void)state;
    struct kv_batch batch = {0};
    struct partition_checkpoint checkpoint = {.offset = {1}};
    watermark_init(&checkpoint.watermark);
    store_put_partition(store, &batch, 0, &checkpoint);
    assert_int_equal(store_write(store, &batch, NULL), STATUS_OK);
    kv_batch_fini(&batch);
    assert_int_equal(load(NULL), STATUS_OK);
    assert_named(&(struct store_key){.table = STORE_OPEN, .generation = 1, .part = 0}, "part 0 of the open minutes", load);
}

static void a_gap_in_the_ad_dictionary_is_damage(void **state) {
    (void)state;
    struct kv_batch batch = {0};
    const struct bytes id = BYTES_LITERAL("ad");
    store_put_ads(store, &batch, 0, &id, 1);
    store_put_ads(store, &batch, 2, &id, 1);
    assert_int_equal(store_write(store, &batch, NULL), STATUS_OK);
    kv_batch_fini(&batch);
    struct failure failure = {0};
    assert_int_equal(load_ads(&failure), STATUS_CORRUPT);
    assert_non_null(strstr(failure.text, "the ad ids from index 2"));
}

static void a_key_that_is_not_known_is_damage(void **state) {
    (void)state;
    struct kv_batch batch = {0};
    kv_batch_put(&batch, BYTES_LITERAL("b\0\0\0\1\0\0\x7F"), BYTES_LITERAL("x"));
    assert_int_equal(kv.write(kv.self, &batch, NULL), STATUS_OK);
    kv_batch_fini(&batch);
    assert_int_equal(visit_all(NULL), STATUS_CORRUPT);
}

static void another_format_version_is_refused_with_both(void **state) {
    (void)state;
    struct value_writer *writer = value_writer_create();
    struct store_key_bytes key = store_key_encode(&(struct store_key){.table = STORE_META});
    struct bytes sealed = value_seal(writer, store_key_view(&key), BYTES_LITERAL("another time"));
    uint8_t *copy = memory_allocate(sealed.len);
    memcpy(copy, sealed.at, sealed.len);
    copy[0] = 2;
    put_raw(&(struct store_key){.table = STORE_META}, (struct bytes){copy, sealed.len});
    assert_int_equal(open_again(NULL), STATUS_CORRUPT); /* only half a version: the checksum is that of version 1 */
    uint32_t crc = crc32c(crc32c(0, store_key_view(&key)), (struct bytes){copy, 2});
    put_u32(copy + 2, crc32c(crc, (struct bytes){copy + 6, sealed.len - 6}));
    struct failure failure = {0};
    put_raw(&(struct store_key){.table = STORE_META}, (struct bytes){copy, sealed.len});
    assert_int_equal(open_again(&failure), STATUS_BAD_CONFIG);
    assert_int_equal(failure.status, STATUS_BAD_CONFIG);
    assert_non_null(strstr(failure.text, "version 2, this program reads 1"));
    struct store_identity identity;
    failure = (struct failure){0};
    assert_int_equal(store_peek(&kv, &identity, &failure), STATUS_BAD_CONFIG); /* which comes first at a start */
    assert_int_equal(failure.status, STATUS_BAD_CONFIG);
    assert_non_null(strstr(failure.text, "version 2, this program reads 1"));
    free(copy);
    value_writer_destroy(writer);
}

static void foreign_content_is_not_taken_over(void **state) {
    (void)state;
    struct fake_kv *other = fake_kv_create();
    struct kv other_kv = fake_kv_table(other);
    struct kv_batch batch = {0};
    kv_batch_put(&batch, BYTES_LITERAL("somebody's"), BYTES_LITERAL("data"));
    assert_int_equal(other_kv.write(other_kv.self, &batch, NULL), STATUS_OK);
    kv_batch_fini(&batch);
    struct store *none = NULL;
    assert_int_equal(store_open(&other_kv, uuid, 2, &none, NULL), STATUS_BAD_CONFIG);
    assert_null(none);
    fake_kv_destroy(other);
}

static void a_failed_write_is_handed_on_and_repeats(void **state) {
    (void)state;
    struct kv_batch batch = {0};
    struct failure failure = {0};
    store_put_block(store, &batch, 0, (struct minute){1}, &(struct cell){1, {1}, 1}, 1);
    fake_kv_fail_write(fake, 1, STATUS_NO_SPACE);
    assert_int_equal(store_write(store, &batch, &failure), STATUS_NO_SPACE);
    assert_int_equal(failure.status, STATUS_NO_SPACE);
    assert_int_equal(store_write(store, &batch, NULL), STATUS_NO_SPACE);
    assert_int_equal(store_flush(store, NULL), STATUS_NO_SPACE);
    kv_batch_fini(&batch);
}

static enum status range(struct failure *failure) {
    struct minute lowest, highest;
    return store_minute_range(store, NULL, &lowest, &highest, failure);
}

/* Whichever of its reads it is. */
static void a_read_that_fails_fails_the_question(void **state) {
    (void)state;
    enum status (*const reads[])(struct failure *) = {visit_all, visit_ad, load, load_ads, amend, open_again, range};
    struct kv_batch batch = {0};
    for (uint32_t minute = 1; minute < 6; minute++)
        store_put_block(store, &batch, 0, (struct minute){minute}, &(struct cell){minute * 2, {1}, 1}, 1);
    const struct partition_checkpoint checkpoint = {.offset = {1}};
    store_put_partition(store, &batch, 0, &checkpoint);
    store_put_open(store, &batch, 0, &(struct open_minute){{9}, &(struct cell){1, {1}, 1}, 1}, 1);
    store_put_ads(store, &batch, 0, &(struct bytes){(const uint8_t *)"x", 1}, 1);
    assert_int_equal(store_put_amendments(store, &batch, 0, (struct minute){3}, &(struct cell){5, {1}, 1}, 1, NULL),
                     STATUS_OK);
    assert_int_equal(store_write(store, &batch, NULL), STATUS_OK);
    kv_batch_fini(&batch);
    for (size_t i = 0; i < sizeof reads / sizeof reads[0]; i++) {
        enum status status = STATUS_IO_ERROR;
        for (unsigned nth = 1; nth < 100 && status != STATUS_OK; nth++) {
            struct failure failure = {0};
            fake_kv_fail_read(fake, nth, STATUS_IO_ERROR);
            status = reads[i](&failure);
            assert_int_equal(failure.status, status);
            assert_true(status == STATUS_IO_ERROR || (status == STATUS_OK && nth > 1));
        }
        assert_int_equal(status, STATUS_OK); /* in the end there are not that many reads */
    }
}

static void a_block_whose_old_chunks_cannot_be_read_is_never_written(void **state) {
    (void)state;
    struct kv_batch batch = {0};
    fake_kv_fail_read(fake, 1, STATUS_IO_ERROR);
    store_put_block(store, &batch, 0, (struct minute){1}, &(struct cell){1, {1}, 1}, 1);
    struct failure failure = {0};
    assert_int_equal(store_write(store, &batch, &failure), STATUS_IO_ERROR);
    assert_int_equal(fake_kv_key_count(fake), 1);
    kv_batch_fini(&batch);
}

static void write_offset(uint64_t offset) {
    struct kv_batch batch = {0};
    struct partition_checkpoint checkpoint = {.offset = {offset}};
    watermark_init(&checkpoint.watermark);
    store_put_partition(store, &batch, 1, &checkpoint);
    assert_int_equal(store_write(store, &batch, NULL), STATUS_OK);
    kv_batch_fini(&batch);
}

static void a_partition_never_goes_back_to_a_lower_offset(void **state) {
    (void)state;
    write_offset(100);
    write_offset(100);
    write_offset(101);
    store_destroy(store);
    assert_int_equal(store_open(&kv, uuid, 2, &store, NULL), STATUS_OK);
    pid_t child = fork();
    if (child == 0) {
        (void)signal(SIGABRT, SIG_DFL);
        (void)fclose(stderr);
        write_offset(100);
        _exit(0);
    }
    int how = 0;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGABRT);
    write_offset(102);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_all, close_all)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_damaged_value_is_named_in_words_with_advice),
        TEST(damaged_open_minutes_are_named),
        TEST(a_gap_in_the_ad_dictionary_is_damage),
        TEST(a_key_that_is_not_known_is_damage),
        TEST(another_format_version_is_refused_with_both),
        TEST(foreign_content_is_not_taken_over),
        TEST(a_failed_write_is_handed_on_and_repeats),
        TEST(a_read_that_fails_fails_the_question),
        TEST(a_block_whose_old_chunks_cannot_be_read_is_never_written),
        TEST(a_partition_never_goes_back_to_a_lower_offset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
