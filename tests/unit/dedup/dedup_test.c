/* The whole of dedup/ on the fake disk against a plain model, with so little memory that tables are frozen, runs written,
 * merged and dropped all the time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random_sequence.h"
#include "dedup/dedup.h"
#include "fake/fake_files.h"

enum { KNOWN_MAX = 40000, MEMORY = 128 * 1024, TABLE = 4096 };

/* I1: an identity has at most one live entry, so the last one is all there is to know of it. */
struct known {
    struct dedup_entry last;
    bool any;
};

struct bench {
    struct random_sequence random;
    struct fake_files *fake;
    struct files files;
    struct dedup *dedup;
    struct known *known;
    uint64_t known_count;
    int64_t now_ms, horizon_ms;
    struct event_time d;
    uint64_t offset;
    uint64_t found, refused, inserted, steps, dropped;
    uint64_t runs_seen; /* the most at a time */
    uint64_t memory_bytes;
    unsigned crowd;      /* of 8 new identities so many share their first half with others */
    unsigned files_left; /* in the end, at most */
    unsigned step_each;  /* dedup_step after one of so many operations; 0: when it has to */
};

static void begin(struct bench *bench, uint64_t seed, uint64_t memory_bytes, uint64_t table_bytes, uint32_t runs_max) {
    *bench = (struct bench){
        .random = {seed}, .fake = fake_files_create(seed), .d = EVENT_TIME_NONE, .now_ms = 1, .horizon_ms = 400 * 1000};
    bench->files = fake_files_table(bench->fake);
    bench->known = memory_allocate_zeroed(KNOWN_MAX, sizeof *bench->known);
    bench->memory_bytes = memory_bytes;
    assert_int_equal(dedup_make_directory(&bench->files, NULL), STATUS_OK);
    bench->dedup = dedup_create(&(struct dedup_options){.memory_bytes = memory_bytes,
                                                        .files = &bench->files,
                                                        .name = "p00",
                                                        .table_bytes = table_bytes,
                                                        .runs_max = runs_max});
}

static void count_path(void *context, const char *path) {
    if (strstr(path, ".run") != NULL) ++*(unsigned *)context;
}

static unsigned run_files(const struct bench *bench) {
    unsigned count = 0;
    fake_files_each(bench->fake, count_path, &count);
    return count;
}

static void end(struct bench *bench) {
    fake_files_heal(bench->fake);
    dedup_destroy(bench->dedup);
    assert_true(run_files(bench) <= bench->files_left);
    free(bench->known);
    fake_files_destroy(bench->fake);
}

static uint64_t below(struct bench *bench, uint64_t bound) {
    return random_sequence_below(&bench->random, bound);
}

static struct known *choose(struct bench *bench) {
    if (bench->known_count > 0 && (bench->known_count == KNOWN_MAX || below(bench, 3) == 0)) {
        uint64_t back = below(bench, 2) == 0 ? below(bench, bench->known_count) : below(bench, bench->known_count / 20 + 1);
        return &bench->known[bench->known_count - 1 - back];
    }
    struct known *known = &bench->known[bench->known_count++];
    struct identity identity = {.low = random_sequence_next(&bench->random), .high = random_sequence_next(&bench->random)};
    if (below(bench, 8) < bench->crowd)
        identity.high = below(bench, 2) == 0 ? 0 : identity.high >> 60 << 60 | UINT64_C(0xFFFF);
    known->last.identity = identity;
    return known;
}

static void check_usage(struct bench *bench) {
    struct dedup_usage usage = dedup_usage(bench->dedup);
    assert_true(usage.bytes <= usage.bytes_max && usage.bytes_max == bench->memory_bytes);
    assert_true(usage.runs <= DEDUP_RUNS_MAX);
    if (usage.runs > bench->runs_seen) bench->runs_seen = usage.runs;
    uint64_t live = 0;
    for (uint64_t i = 0; i < bench->known_count; i++)
        live += bench->known[i].any && bench->known[i].last.bound.ms > bench->d.ms;
    assert_true(usage.entries >= live);
    /* At most two more are being made, and some wait to be removed. */
    assert_true(run_files(bench) <= usage.runs + 2 + DEDUP_RUNS_MAX);
}

static enum status make_room(struct bench *bench) {
    bool did = true;
    while (!dedup_purge_some(bench->dedup, bench->d)) continue;
    while (did && dedup_room(bench->dedup) == 0) {
        enum status status = dedup_step(bench->dedup, bench->d, &did, NULL);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

static enum status insert(struct bench *bench, struct known *known) {
    if (dedup_room(bench->dedup) == 0) {
        enum status status = make_room(bench);
        if (status != STATUS_OK) return status;
    }
    if (dedup_room(bench->dedup) == 0) {
        bench->refused++; /* as intake would: nothing is taken until time has passed */
        bench->now_ms += bench->horizon_ms / 4;
        return STATUS_OK;
    }
    struct dedup_entry entry = {
        .identity = known->last.identity,
        .content_tag = (uint32_t)random_sequence_next(&bench->random),
        .offset = {bench->offset},
        .bound = {bench->now_ms - (int64_t)below(bench, (uint64_t)(bench->now_ms < 50000 ? bench->now_ms : 50000))},
    };
    if (entry.bound.ms <= bench->d.ms) entry.bound.ms = bench->d.ms + 1;
    enum status status = dedup_insert(bench->dedup, &entry, bench->d, NULL);
    if (status != STATUS_OK) return status;
    known->last = entry;
    known->any = true;
    bench->inserted++;
    return STATUS_OK;
}

/* One click; an error of the disk ends the run, and whatever was said before was right. */
static enum status operate(struct bench *bench) {
    bench->offset++;
    bench->now_ms += (int64_t)below(bench, below(bench, 4000) == 0 ? (uint64_t)bench->horizon_ms / 2 : 60);
    if (bench->now_ms > bench->horizon_ms)
        bench->d = event_time_max(bench->d, (struct event_time){bench->now_ms - bench->horizon_ms});
    struct known *known = choose(bench);
    dedup_prefetch(bench->dedup, known->last.identity);
    struct dedup_entry found;
    enum status status = dedup_find(bench->dedup, known->last.identity, bench->d, &found, NULL);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) return status;
    bool expected = known->any && known->last.bound.ms > bench->d.ms;
    assert_int_equal(status == STATUS_OK, expected);
    if (expected) {
        assert_int_equal(found.content_tag, known->last.content_tag);
        assert_int_equal(found.offset.at, known->last.offset.at);
        assert_int_equal(found.bound.ms, known->last.bound.ms);
        bench->found++;
        status = STATUS_OK;
    } else {
        status = insert(bench, known);
    }
    if (status != STATUS_OK || bench->step_each == 0 || below(bench, bench->step_each) > 0) return status;
    bool did;
    bench->steps++;
    return dedup_step(bench->dedup, bench->d, &did, NULL);
}

static enum status run(struct bench *bench, uint64_t operations) {
    for (uint64_t i = 0; i < operations; i++) {
        enum status status = operate(bench);
        if (status != STATUS_OK) return status;
        if (i % 1024 == 0) check_usage(bench);
    }
    return STATUS_OK;
}

static void any_sequence_of_operations_equals_a_plain_model(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 16; seed++) {
        struct bench bench;
        begin(&bench, seed, MEMORY + (seed % 4) * 20000, TABLE << seed % 3, seed % 5 == 0 ? 0 : 3 + (uint32_t)(seed % 7));
        bench.step_each = seed % 4 == 0 ? 0 : (unsigned)(1 + seed % 40);
        bench.crowd = seed % 3 == 0;
        bench.horizon_ms = (int64_t)(40 + seed * seed * 12) * 1000;
        assert_int_equal(run(&bench, 60000), STATUS_OK);
        struct dedup_usage usage = dedup_usage(bench.dedup);
        assert_true(bench.found > 1000 && bench.inserted > 10000 && bench.runs_seen >= 2 && usage.reads > 1000);
        end(&bench);
    }
}

/* By all that is done to it, too: written, merged, its run kept or dropped. */
static void an_entry_is_forgotten_exactly_when_its_bound_is_not_above_d(void **state) {
    (void)state;
    enum { ENTRIES = 3000, BOUND_MS = 60000 };
    struct bench bench;
    begin(&bench, 3, MEMORY, TABLE, 3);
    for (uint64_t i = 0; i < ENTRIES; i++) {
        struct dedup_entry entry = {
            .identity = {.low = random_sequence_next(&bench.random), .high = random_sequence_next(&bench.random)},
            .offset = {i},
            .bound = {BOUND_MS}};
        bench.known[i] = (struct known){entry, true};
        assert_int_equal(dedup_insert(bench.dedup, &entry, (struct event_time){BOUND_MS - 1}, NULL), STATUS_OK);
    }
    bool did = true;
    while (did) assert_int_equal(dedup_step(bench.dedup, (struct event_time){BOUND_MS - 1}, &did, NULL), STATUS_OK);
    assert_in_range(dedup_usage(bench.dedup).runs, 1, 2);
    for (int64_t d_ms = BOUND_MS - 1; d_ms <= BOUND_MS; d_ms++)
        for (uint64_t i = 0; i < ENTRIES; i++) {
            struct dedup_entry found;
            assert_int_equal(dedup_find(bench.dedup, bench.known[i].last.identity, (struct event_time){d_ms}, &found, NULL),
                             d_ms < BOUND_MS ? STATUS_OK : STATUS_NOT_FOUND);
        }
    assert_int_equal(dedup_step(bench.dedup, (struct event_time){BOUND_MS}, &did, NULL), STATUS_OK);
    while (did) assert_int_equal(dedup_step(bench.dedup, (struct event_time){BOUND_MS}, &did, NULL), STATUS_OK);
    assert_int_equal(dedup_usage(bench.dedup).runs, 0);
    end(&bench);
}

static void when_the_filters_fill_the_memory_it_is_full_until_the_horizon_frees_some(void **state) {
    (void)state;
    struct bench bench;
    begin(&bench, 9, 100 * 1024, TABLE, 0);
    uint64_t entries_max = dedup_usage(bench.dedup).entries_max, inserted = 0;
    assert_true(entries_max < KNOWN_MAX && entries_max > 5000);
    assert_true(dedup_room(bench.dedup) >= entries_max);
    for (uint64_t room; (room = dedup_room(bench.dedup)) > 0;)
        for (; room > 0; room--, inserted++) {
            struct dedup_entry entry = {
                .identity = {.low = random_sequence_next(&bench.random), .high = random_sequence_next(&bench.random)},
                .offset = {inserted},
                .bound = {60000}};
            assert_int_equal(dedup_insert(bench.dedup, &entry, EVENT_TIME_NONE, NULL), STATUS_OK);
        }
    assert_true(inserted >= entries_max && dedup_usage(bench.dedup).entries == inserted);
    check_usage(&bench);
    bench.d = (struct event_time){60000};
    assert_int_equal(make_room(&bench), STATUS_OK);
    bool did = true;
    while (did) assert_int_equal(dedup_step(bench.dedup, bench.d, &did, NULL), STATUS_OK);
    assert_true(dedup_room(bench.dedup) >= entries_max);
    assert_int_equal(dedup_usage(bench.dedup).runs, 0);
    assert_int_equal(run_files(&bench), 0);
    end(&bench);
}

static void without_files_or_with_very_little_memory_a_full_table_is_full(void **state) {
    (void)state;
    struct files none;
    struct fake_files *fake = fake_files_create(1);
    none = fake_files_table(fake);
    const struct dedup_options options[] = {{.memory_bytes = 4096},
                                            {.memory_bytes = 65536},
                                            {.memory_bytes = 4096, .files = &none, .name = "a"},
                                            {.memory_bytes = 40000, .files = &none, .name = "a"}};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        struct dedup *dedup = dedup_create(&options[i]);
        struct random_sequence random = {i};
        uint64_t inserted = 0, entries_max = dedup_usage(dedup).entries_max;
        for (uint64_t room; (room = dedup_room(dedup)) > 0;)
            for (; room > 0; room--, inserted++) {
                struct dedup_entry entry = {
                    .identity = {.low = random_sequence_next(&random), .high = random_sequence_next(&random)},
                    .offset = {inserted}};
                assert_int_equal(dedup_insert(dedup, &entry, EVENT_TIME_NONE, NULL), STATUS_OK);
            }
        struct dedup_usage usage = dedup_usage(dedup);
        assert_true(inserted >= entries_max && inserted < options[i].memory_bytes / 32);
        assert_true(usage.runs == 0 && usage.file_bytes == 0 && usage.bytes <= options[i].memory_bytes);
        assert_false(dedup_is_behind(dedup));
        dedup_destroy(dedup);
    }
    fake_files_destroy(fake);
}

static void a_failing_disk_is_told_and_never_a_wrong_answer(void **state) {
    (void)state;
    static const enum fake_call calls[] = {FAKE_OPEN, FAKE_READ, FAKE_WRITE, FAKE_REMOVE};
    for (size_t c = 0; c < sizeof calls / sizeof *calls; c++)
        for (uint64_t nth = 1; nth < 400; nth += 1 + nth / 8) {
            struct bench bench;
            begin(&bench, nth, MEMORY, TABLE, 3);
            bench.step_each = nth % 2 == 0 ? 0 : 3;
            enum status expected = calls[c] == FAKE_WRITE ? STATUS_NO_SPACE : STATUS_IO_ERROR;
            fake_files_fail(bench.fake, calls[c], nth, true, expected);
            assert_int_equal(run(&bench, 200000), expected);
            assert_true(dedup_usage(bench.dedup).bytes <= bench.memory_bytes); /* is asked after an error, too */
            bench.files_left = calls[c] == FAKE_REMOVE ? 3 : 1;                /* for the next start */
            end(&bench);
        }
}

static void find_damaged_path(void *context, const char *path) {
    char *found = context;
    if (strstr(path, ".run") != NULL) memcpy(found, path, strlen(path) + 1);
}

static void a_damaged_run_is_told_and_never_a_wrong_answer(void **state) {
    (void)state;
    unsigned corrupt = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct bench bench;
        char path[256] = "";
        begin(&bench, seed, MEMORY, TABLE, 4);
        bench.step_each = 3;
        assert_int_equal(run(&bench, 3000), STATUS_OK);
        fake_files_each(bench.fake, find_damaged_path, path);
        assert_true(path[0] != 0);
        uint64_t size = fake_files_content(bench.fake, path).len;
        fake_files_flip(bench.fake, path, below(&bench, size), 16);
        enum status status = run(&bench, 3000);
        assert_true(status == STATUS_OK || status == STATUS_CORRUPT);
        corrupt += status == STATUS_CORRUPT;
        end(&bench);
    }
    assert_in_range(corrupt, 20, 40);
}

static void what_another_process_left_is_removed_and_nothing_else(void **state) {
    (void)state;
    struct fake_files *fake = fake_files_create(1);
    struct files files = fake_files_table(fake);
    static const char *const goes[] = {"dedup/p00-000000000001.run", "dedup/p00.manifest", "dedup/p00.manifest.new"};
    static const char *const stays[] = {"dedup/p001-000000000001.run", "dedup/p01-000000000009.run", "dedup/notes",
                                        "dedup/p01.manifest"};
    assert_int_equal(dedup_make_directory(&files, NULL), STATUS_OK);
    assert_int_equal(dedup_clear(&files, "p00", NULL), STATUS_OK);
    for (size_t i = 0; i < sizeof goes / sizeof *goes; i++) fake_files_put(fake, goes[i], BYTES_LITERAL("x"));
    for (size_t i = 0; i < sizeof stays / sizeof *stays; i++) fake_files_put(fake, stays[i], BYTES_LITERAL("x"));
    assert_int_equal(dedup_clear(&files, "p00", NULL), STATUS_OK);
    for (size_t i = 0; i < sizeof goes / sizeof *goes; i++) assert_false(fake_files_exists(fake, goes[i]));
    for (size_t i = 0; i < sizeof stays / sizeof *stays; i++) assert_true(fake_files_exists(fake, stays[i]));
    fake_files_put(fake, goes[0], BYTES_LITERAL("x"));
    fake_files_fail(fake, FAKE_REMOVE, 1, false, STATUS_IO_ERROR);
    assert_int_equal(dedup_clear(&files, "p00", NULL), STATUS_IO_ERROR);
    fake_files_destroy(fake);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_sequence_of_operations_equals_a_plain_model),
        cmocka_unit_test(an_entry_is_forgotten_exactly_when_its_bound_is_not_above_d),
        cmocka_unit_test(when_the_filters_fill_the_memory_it_is_full_until_the_horizon_frees_some),
        cmocka_unit_test(without_files_or_with_very_little_memory_a_full_table_is_full),
        cmocka_unit_test(a_failing_disk_is_told_and_never_a_wrong_answer),
        cmocka_unit_test(a_damaged_run_is_told_and_never_a_wrong_answer),
        cmocka_unit_test(what_another_process_left_is_removed_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
