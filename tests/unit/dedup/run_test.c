/* A run on the fake disk: what was written is found, and every damage is seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random_sequence.h"
#include "dedup/run_writer.h"
#include "fake/fake_files.h"

enum { CHUNK_BITS = 9, CHUNKS = 4096, CAPACITY = 2, SOME = 300 };

static const struct run_name a_name = {.path = "dedup/p0-1.run", .log = {1, 2, 3}, .partition = 7, .number = 1};

struct bench {
    struct fake_files *fake;
    struct files files;
    struct pool pool;
    uint8_t blocks[CAPACITY * RUN_BLOCK_BYTES], block[RUN_BLOCK_BYTES];
    struct dedup_entry *entries;
    uint64_t count;
    struct run *run;
};

static struct dedup_entry entry_at(uint64_t index, uint64_t count) {
    struct random_sequence random = {index};
    uint64_t low = random_sequence_next(&random);
    /* Ascending, evenly spread. */
    uint64_t high = (UINT64_MAX / (count + 1)) * (index + 1) - random_sequence_below(&random, 3);
    return (struct dedup_entry){
        .identity = {.low = low, .high = high},
        .content_tag = (uint32_t)random_sequence_next(&random),
        .offset = {random_sequence_below(&random, UINT64_C(1) << 47)},
        .bound = {(int64_t)random_sequence_below(&random, UINT64_C(1) << 47)},
    };
}

static enum status finish(struct run_writer *writer, struct run **out) {
    enum status status = STATUS_OK;
    for (*out = NULL; status == STATUS_OK && *out == NULL;) status = run_writer_finish(writer, out, NULL);
    return status;
}

static void begin(struct bench *bench, uint64_t count) {
    *bench = (struct bench){.fake = fake_files_create(1), .count = count};
    bench->files = fake_files_table(bench->fake);
    bench->entries = memory_allocate((count + 1) * sizeof *bench->entries);
    pool_init(&bench->pool, CHUNK_BITS, CHUNKS);
    assert_int_equal(dedup_make_directory(&bench->files, NULL), STATUS_OK);
    struct run_writer writer;
    assert_int_equal(
        run_writer_begin(&writer, &bench->files, &a_name, count, false, &bench->pool, bench->blocks, CAPACITY, NULL),
        STATUS_OK);
    for (uint64_t i = 0; i < count; i++) {
        bench->entries[i] = entry_at(i, count);
        assert_int_equal(run_writer_add(&writer, &bench->entries[i], NULL), STATUS_OK);
    }
    assert_int_equal(finish(&writer, &bench->run), STATUS_OK);
}

static void end(struct bench *bench) {
    run_destroy(bench->run, &bench->pool);
    pool_fini(&bench->pool); /* checks that all memory came back */
    free(bench->entries);
    fake_files_destroy(bench->fake);
}

static void assert_same(const struct dedup_entry *a, const struct dedup_entry *b) {
    assert_true(identity_equal(a->identity, b->identity));
    assert_int_equal(a->content_tag, b->content_tag);
    assert_int_equal(a->offset.at, b->offset.at);
    assert_int_equal(a->bound.ms, b->bound.ms);
}

static void what_was_written_is_found_and_read_in_order(void **state) {
    (void)state;
    static const uint64_t counts[] = {1, 2, 126, 127, 128, 254, 255, 5000, 40000};
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        struct bench bench;
        begin(&bench, counts[c]);
        assert_int_equal(bench.run->file.count, counts[c]);
        assert_int_equal(fake_files_content(bench.fake, a_name.path).len, run_file_bytes(&bench.run->file));
        struct run_cursor cursor;
        assert_int_equal(run_cursor_begin(&cursor, &bench.run->file, bench.blocks, CAPACITY, NULL), STATUS_OK);
        for (uint64_t i = 0; i < counts[c]; i++) {
            struct dedup_entry found;
            assert_false(cursor.at_end);
            assert_same(&cursor.entry, &bench.entries[i]);
            assert_int_equal(run_cursor_next(&cursor, NULL), STATUS_OK);
            struct identity identity = bench.entries[i].identity;
            struct run_key key = run_key_of(identity);
            assert_true(run_may_hold(bench.run, &key));
            assert_int_equal(run_find(bench.run, identity, EVENT_TIME_NONE, bench.block, &found, NULL), STATUS_OK);
            assert_same(&found, &bench.entries[i]);
            assert_int_equal(run_find(bench.run, identity, found.bound, bench.block, &found, NULL), STATUS_NOT_FOUND);
            identity.low++;
            assert_int_equal(run_find(bench.run, identity, EVENT_TIME_NONE, bench.block, &found, NULL), STATUS_NOT_FOUND);
        }
        assert_true(cursor.at_end);
        end(&bench);
    }
}

static void a_run_that_was_loaded_answers_as_the_one_that_was_made(void **state) {
    (void)state;
    static const uint64_t counts[] = {1, 127, 128, 5000, 70000};
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        struct bench bench;
        begin(&bench, counts[c]);
        struct run *loaded;
        assert_int_equal(run_load(&bench.files, &a_name, &bench.pool, bench.blocks, CAPACITY, &loaded, NULL), STATUS_OK);
        assert_int_equal(loaded->footer_crc, bench.run->footer_crc);
        assert_int_equal(loaded->filter_lines, bench.run->filter_lines);
        for (uint64_t i = 0; i < counts[c]; i++) {
            struct dedup_entry found;
            struct run_key key = run_key_of(bench.entries[i].identity);
            assert_true(run_may_hold(loaded, &key));
            assert_int_equal(run_find(loaded, bench.entries[i].identity, EVENT_TIME_NONE, bench.block, &found, NULL),
                             STATUS_OK);
            assert_same(&found, &bench.entries[i]);
        }
        struct random_sequence random = {9};
        for (int i = 0; i < 1000; i++) {
            struct run_key key = run_key_of((struct identity){random_sequence_next(&random), random_sequence_next(&random)});
            assert_int_equal(run_may_hold(loaded, &key), run_may_hold(bench.run, &key));
        }
        run_destroy(loaded, &bench.pool);
        end(&bench);
    }
}

static void a_run_that_does_not_fit_into_the_memory_is_not_loaded(void **state) {
    (void)state;
    struct bench bench;
    begin(&bench, 5000);
    struct pool small;
    struct run *loaded;
    pool_init(&small, CHUNK_BITS, 10);
    assert_int_equal(run_load(&bench.files, &a_name, &small, bench.blocks, CAPACITY, &loaded, NULL), STATUS_FULL);
    pool_fini(&small);
    end(&bench);
}

static void the_filter_says_no_of_99_of_100_that_are_not_there(void **state) {
    (void)state;
    struct bench bench;
    begin(&bench, 40000);
    struct random_sequence random = {77};
    unsigned maybe = 0;
    for (int i = 0; i < 100000; i++) {
        /* As in one partition of four: two bits of `low` are always the same. */
        struct identity identity = {.low = random_sequence_next(&random) & ~UINT64_C(3),
                                    .high = random_sequence_next(&random)};
        struct run_key key = run_key_of(identity);
        maybe += run_may_hold(bench.run, &key);
    }
    assert_in_range(maybe, 1, 1000);
    end(&bench);
}

static void identities_that_share_their_first_half_are_found_over_blocks(void **state) {
    (void)state;
    struct bench bench = {.fake = fake_files_create(1)};
    bench.files = fake_files_table(bench.fake);
    pool_init(&bench.pool, CHUNK_BITS, CHUNKS);
    assert_int_equal(dedup_make_directory(&bench.files, NULL), STATUS_OK);
    struct run_writer writer;
    assert_int_equal(run_writer_begin(&writer, &bench.files, &a_name, 1000, true, &bench.pool, bench.blocks, CAPACITY, NULL),
                     STATUS_OK);
    for (uint64_t i = 0; i < 1000; i++) {
        struct dedup_entry entry = {.identity = {.low = i % 500, .high = i / 500 == 0 ? 0 : UINT64_MAX}, .bound = {1}};
        assert_int_equal(run_writer_add(&writer, &entry, NULL), STATUS_OK);
    }
    assert_int_equal(finish(&writer, &bench.run), STATUS_OK);
    for (uint64_t i = 0; i < 1000; i++) {
        struct dedup_entry found;
        struct identity identity = {.low = i % 500, .high = i / 500 == 0 ? 0 : UINT64_MAX};
        assert_int_equal(run_find(bench.run, identity, EVENT_TIME_NONE, bench.block, &found, NULL), STATUS_OK);
        identity.low += 500;
        assert_int_equal(run_find(bench.run, identity, EVENT_TIME_NONE, bench.block, &found, NULL), STATUS_NOT_FOUND);
    }
    end(&bench);
}

/* Opens the file and reads all of it. */
static enum status read_all(struct bench *bench, const struct run_name *name, struct failure *failure) {
    struct run_file run = {.files = &bench->files, .name = *name};
    struct run_cursor cursor = {0};
    struct run *loaded = NULL;
    enum status status = run_load(&bench->files, name, &bench->pool, bench->blocks, CAPACITY, &loaded, failure);
    if (status != STATUS_OK) return status;
    run_destroy(loaded, &bench->pool);
    assert_int_equal(bench->files.open(bench->fake, name->path, FILE_READ, &run.file, NULL), STATUS_OK);
    status = run_file_check(&run, NULL, failure);
    if (status == STATUS_OK) status = run_cursor_begin(&cursor, &run, bench->blocks, CAPACITY, failure);
    while (status == STATUS_OK && !cursor.at_end) status = run_cursor_next(&cursor, failure);
    run_file_close(&run);
    return status;
}

static void a_run_that_was_cut_anywhere_is_damaged(void **state) {
    (void)state;
    struct bench bench;
    begin(&bench, SOME);
    uint64_t size = run_file_bytes(&bench.run->file);
    assert_int_equal(read_all(&bench, &a_name, NULL), STATUS_OK);
    for (uint64_t cut = size; cut-- > 0;) {
        struct failure failure = {0};
        fake_files_cut(bench.fake, a_name.path, cut);
        assert_int_equal(read_all(&bench, &a_name, &failure), STATUS_CORRUPT);
        assert_non_null(strstr(failure.text, a_name.path));
    }
    end(&bench);
}

static void any_flipped_bit_is_damage_with_its_place(void **state) {
    (void)state;
    struct bench bench;
    begin(&bench, SOME);
    uint64_t size = run_file_bytes(&bench.run->file);
    struct random_sequence random = {5};
    for (uint64_t at = 0; at < size; at++) {
        struct failure failure = {0};
        uint8_t mask = (uint8_t)(1 << random_sequence_below(&random, 8));
        char place[32];
        fake_files_flip(bench.fake, a_name.path, at, mask);
        assert_int_equal(read_all(&bench, &a_name, &failure), STATUS_CORRUPT);
        (void)snprintf(place, sizeof place, "byte %llu;", (unsigned long long)(at / RUN_BLOCK_BYTES * RUN_BLOCK_BYTES));
        assert_non_null(strstr(failure.text, place));
        fake_files_flip(bench.fake, a_name.path, at, mask);
    }
    assert_int_equal(read_all(&bench, &a_name, NULL), STATUS_OK);
    end(&bench);
}

static void a_look_up_in_a_damaged_block_fails_and_others_do_not(void **state) {
    (void)state;
    struct bench bench;
    begin(&bench, SOME);
    fake_files_flip(bench.fake, a_name.path, 2 * RUN_BLOCK_BYTES + 100, 4);
    unsigned damaged = 0;
    for (uint64_t i = 0; i < SOME; i++) {
        struct dedup_entry found;
        enum status status = run_find(bench.run, bench.entries[i].identity, EVENT_TIME_NONE, bench.block, &found, NULL);
        if (status == STATUS_OK) assert_same(&found, &bench.entries[i]);
        if (status != STATUS_OK) assert_int_equal(status, STATUS_CORRUPT);
        damaged += status != STATUS_OK;
    }
    assert_in_range(damaged, RUN_BLOCK_ENTRIES, RUN_BLOCK_ENTRIES + 1);
    end(&bench);
}

static void blocks_and_runs_in_another_s_place_are_seen(void **state) {
    (void)state;
    struct bench bench;
    begin(&bench, SOME);
    struct run_name other = a_name;
    other.number = 2;
    assert_int_equal(read_all(&bench, &other, NULL), STATUS_CORRUPT);
    other = a_name;
    other.partition = 6;
    assert_int_equal(read_all(&bench, &other, NULL), STATUS_CORRUPT);
    other = a_name;
    other.log[15] = 1;
    assert_int_equal(read_all(&bench, &other, NULL), STATUS_CORRUPT);

    struct buffer content = {0};
    buffer_append_bytes(&content, fake_files_content(bench.fake, a_name.path));
    memcpy(content.at + 2 * RUN_BLOCK_BYTES, content.at + RUN_BLOCK_BYTES, RUN_BLOCK_BYTES);
    fake_files_put(bench.fake, a_name.path, buffer_view(&content));
    assert_int_equal(read_all(&bench, &a_name, NULL), STATUS_CORRUPT);
    buffer_fini(&content);
    end(&bench);
}

static void version_1_is_written_as_it_always_was(void **state) {
    (void)state;
    static uint8_t golden[16 * RUN_BLOCK_BYTES];
    struct bench bench;
    begin(&bench, 130);
    FILE *file = fopen("tests/golden/dedup-run-v1.run", "rb");
    assert_non_null(file);
    size_t len = fread(golden, 1, sizeof golden, file);
    (void)fclose(file);
    struct bytes made = fake_files_content(bench.fake, a_name.path);
    assert_int_equal(made.len, len);
    assert_memory_equal(made.at, golden, len);
    end(&bench);
}

static void another_version_is_refused_with_both_numbers(void **state) {
    (void)state;
    struct bench bench;
    begin(&bench, SOME);
    struct buffer content = {0};
    buffer_append_bytes(&content, fake_files_content(bench.fake, a_name.path));
    put_u32(content.at + RUN_END_VERSION_AT, 2);
    run_seal_block(content.at);
    fake_files_put(bench.fake, a_name.path, buffer_view(&content));
    struct failure failure = {0};
    assert_int_equal(read_all(&bench, &a_name, &failure), STATUS_UNSUPPORTED);
    assert_non_null(strstr(failure.text, "version 2, this program knows 1"));
    buffer_fini(&content);
    end(&bench);
}

static void a_disk_that_fails_while_a_run_is_made_is_told(void **state) {
    (void)state;
    static const enum fake_call calls[] = {FAKE_OPEN, FAKE_WRITE, FAKE_READ};
    for (size_t c = 0; c < sizeof calls / sizeof *calls; c++) {
        unsigned failed = 0;
        for (uint64_t nth = 1;; nth++) {
            struct bench bench;
            begin(&bench, 1); /* for its place; the run that fails has another name */
            struct run_name name = {.path = "dedup/p0-2.run", .number = 2};
            fake_files_fail(bench.fake, calls[c], nth, false, STATUS_NO_SPACE);
            struct run_writer writer = {0};
            enum status status =
                run_writer_begin(&writer, &bench.files, &name, SOME, false, &bench.pool, bench.blocks, CAPACITY, NULL);
            struct run *run = NULL;
            for (uint64_t i = 0; i < SOME && status == STATUS_OK; i++) {
                struct dedup_entry entry = entry_at(i, SOME);
                status = run_writer_add(&writer, &entry, NULL);
            }
            if (status == STATUS_OK) status = finish(&writer, &run);
            run_writer_destroy(&writer);
            if (run != NULL) run_destroy(run, &bench.pool);
            fake_files_heal(bench.fake);
            end(&bench);
            if (status == STATUS_OK) break;
            assert_int_equal(status, STATUS_NO_SPACE);
            failed++;
        }
        assert_in_range(failed, 1, 10);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_found_and_read_in_order),
        cmocka_unit_test(a_run_that_was_loaded_answers_as_the_one_that_was_made),
        cmocka_unit_test(a_run_that_does_not_fit_into_the_memory_is_not_loaded),
        cmocka_unit_test(the_filter_says_no_of_99_of_100_that_are_not_there),
        cmocka_unit_test(identities_that_share_their_first_half_are_found_over_blocks),
        cmocka_unit_test(a_run_that_was_cut_anywhere_is_damaged),
        cmocka_unit_test(any_flipped_bit_is_damage_with_its_place),
        cmocka_unit_test(a_look_up_in_a_damaged_block_fails_and_others_do_not),
        cmocka_unit_test(blocks_and_runs_in_another_s_place_are_seen),
        cmocka_unit_test(version_1_is_written_as_it_always_was),
        cmocka_unit_test(another_version_is_refused_with_both_numbers),
        cmocka_unit_test(a_disk_that_fails_while_a_run_is_made_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
