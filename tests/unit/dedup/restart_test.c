/* A partition's identities over many processes: whatever the disk does to a start, each click gets the verdict that it would
 * get in one process that never ends.
 *
 * The stream of clicks is a function of the seed, so any of them can be judged again. A process judges on from where the
 * kept runs end, or from the beginning, counts from the store's durable checkpoint on, and dies at some call of the disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/codec.h"
#include "base/random_sequence.h"
#include "dedup/dedup.h"
#include "dedup/manifest.h"
#include "fake/fake_files.h"

enum { CLICKS = 6000, IDENTITIES = 2500, MEMORY = 128 * 1024, TABLE = 2048, HORIZON_MS = 400 * 60 };

static const uint8_t a_log[16];

struct stream_click {
    struct identity identity;
    int64_t time_ms;
    uint64_t first; /* the click that it is a copy of, in truth; its own offset: of none */
};

struct process {
    struct random_sequence random;
    struct fake_files *fake;
    struct files files;
    const struct stream_click *clicks;
    struct dedup *dedup;
    uint64_t at; /* the click that is judged, or the next */
    struct event_time w, d;
    uint64_t written, durable; /* the store's checkpoints */
    bool chosen;
    uint64_t begun_at; /* where the last process began */
    unsigned restored, rebuilt, kept;
    struct failure met; /* by the last call that failed */
};

static int64_t larger(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* Identities come in waves, so that some are remembered, some forgotten and some come again after that. */
static struct stream_click *make_stream(uint64_t seed) {
    struct random_sequence random = {seed};
    struct stream_click *clicks = memory_allocate_zeroed(CLICKS, sizeof *clicks);
    uint64_t *last = memory_allocate(IDENTITIES * sizeof *last);
    int64_t *bound = memory_allocate_zeroed(IDENTITIES, sizeof *bound), now_ms = HORIZON_MS + 1, w_ms = 0;
    memset(last, 0xFF, IDENTITIES * sizeof *last);
    for (uint64_t i = 0; i < CLICKS; i++) {
        uint64_t known = i * IDENTITIES / CLICKS + 1;
        uint64_t which = random_sequence_below(&random, 3) == 0 ? random_sequence_below(&random, known) : known - 1;
        struct random_sequence of = {seed * 100000 + which};
        now_ms += (int64_t)random_sequence_below(&random, random_sequence_below(&random, 500) == 0 ? HORIZON_MS / 2 : 20);
        clicks[i] = (struct stream_click){
            .identity = {.low = random_sequence_next(&of), .high = random_sequence_next(&of)},
            .time_ms = now_ms - (int64_t)random_sequence_below(&random, 3000),
        };
        int64_t d_ms = w_ms - HORIZON_MS;
        bool copy = last[which] != UINT64_MAX && bound[which] > d_ms;
        if (!copy) {
            last[which] = i;
            bound[which] = larger(clicks[i].time_ms, w_ms);
        }
        clicks[i].first = last[which];
        w_ms = larger(w_ms, clicks[i].time_ms);
    }
    free(last);
    free(bound);
    return clicks;
}

/* --- the owner --- */

static void position(void *self, struct journal_offset *offset, struct buffer *state) {
    const struct process *process = self;
    offset->at = process->at;
    buffer_put_u64(state, (uint64_t)process->w.ms);
    buffer_put_u64(state, (uint64_t)process->d.ms);
}

static bool go_on_from(void *self, struct journal_offset offset, struct bytes state) {
    struct process *process = self;
    assert_int_equal(state.len, 16);
    process->at = offset.at;
    process->w.ms = (int64_t)get_u64(state.at);
    process->d.ms = (int64_t)get_u64(state.at + 8);
    return true;
}

static enum status start(struct process *process, struct failure *why) {
    process->dedup = dedup_create(&(struct dedup_options){.memory_bytes = MEMORY,
                                                          .files = &process->files,
                                                          .name = "p00",
                                                          .position = position,
                                                          .go_on_from = go_on_from,
                                                          .owner = process,
                                                          .table_bytes = TABLE,
                                                          .runs_max = 4});
    process->at = 0;
    process->w = (struct event_time){0};
    process->d = (struct event_time){-HORIZON_MS};
    process->written = process->durable;
    process->chosen = false;
    enum status status = dedup_make_directory(&process->files, NULL);
    struct failure met = {0};
    const struct failure *distrusted = dedup_all_of_no_use(&process->files, "p00", a_log, 0, &met) ? &met : NULL;
    if (status == STATUS_OK)
        status = dedup_restore(process->dedup, (struct journal_offset){process->durable}, distrusted, why, NULL);
    process->begun_at = process->at;
    process->restored += status == STATUS_OK && process->at > 0;
    process->rebuilt += why->status != STATUS_OK;
    return status;
}

/* I1, as the aggregator judges. */
static enum status judge(struct process *process) {
    const struct stream_click *click = &process->clicks[process->at];
    struct dedup_entry found;
    enum status status = dedup_find(process->dedup, click->identity, process->d, &found, &process->met);
    if (status == STATUS_OK) {
        assert_true(found.offset.at < process->at);
        assert_int_equal(found.offset.at, click->first);
    } else if (status == STATUS_NOT_FOUND) {
        assert_int_equal(click->first, process->at);
        struct dedup_entry entry = {
            .identity = click->identity, .offset = {process->at}, .bound = {larger(click->time_ms, process->w.ms)}};
        status = dedup_insert(process->dedup, &entry, process->d, &process->met);
    }
    if (status != STATUS_OK) return status;
    process->w.ms = larger(process->w.ms, click->time_ms);
    process->d.ms = larger(process->d.ms, process->w.ms - HORIZON_MS);
    process->at++;
    return STATUS_OK;
}

static enum status keep(struct process *process) {
    struct dedup_keeping keeping = {0};
    if (!dedup_keep_take(process->dedup, &keeping)) return STATUS_OK;
    enum status status = dedup_keep_write(&process->files, &keeping, NULL);
    if (status == STATUS_OK) {
        dedup_keep_done(process->dedup);
        process->kept++;
        process->chosen = false;
    }
    dedup_keeping_fini(&keeping);
    return status;
}

/* The store: a checkpoint now and then, and later it is synced; and the work behind. */
static enum status do_the_rest(struct process *process) {
    bool did;
    if (random_sequence_below(&process->random, 100) == 0 && process->at > process->written) {
        process->written = process->at;
        process->chosen = dedup_keep_choose(process->dedup, (struct journal_offset){process->written}) || process->chosen;
    }
    if (random_sequence_below(&process->random, 150) == 0) {
        process->durable = process->written;
        enum status status = keep(process);
        if (status != STATUS_OK) return status;
    }
    if (random_sequence_below(&process->random, 3) > 0) return STATUS_OK;
    return dedup_step(process->dedup, process->d, &did, &process->met);
}

static enum status judge_until(struct process *process, uint64_t end) {
    enum status status = STATUS_OK;
    while (status == STATUS_OK && process->at < end) {
        status = judge(process);
        if (status == STATUS_OK) status = do_the_rest(process);
    }
    return status;
}

static void begin(struct process *process, uint64_t seed, const struct stream_click *clicks) {
    *process = (struct process){.random = {seed}, .fake = fake_files_create(seed), .clicks = clicks};
    process->files = fake_files_table(process->fake);
}

static void crash(struct process *process) {
    dedup_destroy(process->dedup);
    fake_files_crash(process->fake, &process->random);
}

static void end(struct process *process) {
    dedup_destroy(process->dedup);
    fake_files_destroy(process->fake);
}

static void a_crash_at_any_call_of_the_disk_changes_no_verdict(void **state) {
    (void)state;
    struct stream_click *clicks = make_stream(1);
    unsigned restored = 0, kept = 0, starts = 0;
    uint64_t saved = 0;
    for (uint64_t nth = 1; nth < 2500; nth += 1 + nth / 300) {
        struct process process;
        struct failure why = {0};
        begin(&process, nth, clicks);
        for (unsigned process_count = 0;; process_count++) {
            fake_files_heal(process.fake);
            if (process_count < 3) fake_files_stop_at(process.fake, nth + process_count * 37);
            why = (struct failure){0};
            enum status status = start(&process, &why);
            assert_int_equal(why.status, STATUS_OK); /* what a crash leaves is never damaged */
            starts++;
            saved += process.begun_at;
            if (status == STATUS_OK) status = judge_until(&process, CLICKS);
            if (status == STATUS_OK) break;
            assert_int_equal(status, STATUS_IO_ERROR);
            assert_in_range(process_count, 0, 2);
            crash(&process);
        }
        restored += process.restored;
        kept += process.kept;
        end(&process);
    }
    assert_true(restored > starts / 3 && kept > starts && saved > (uint64_t)starts * CLICKS / 20);
    free(clicks);
}

static void a_lost_store_means_the_whole_journal(void **state) {
    (void)state;
    struct stream_click *clicks = make_stream(2);
    struct process process;
    struct failure why = {0};
    begin(&process, 1, clicks);
    assert_int_equal(start(&process, &why), STATUS_OK);
    assert_int_equal(judge_until(&process, CLICKS / 2), STATUS_OK);
    assert_true(process.kept > 0);
    crash(&process);
    process.durable = 0;
    assert_int_equal(start(&process, &why), STATUS_OK);
    assert_int_equal(process.begun_at, 0);
    assert_int_equal(why.status, STATUS_AGAIN);
    assert_int_equal(dedup_usage(process.dedup).runs, 0);
    assert_int_equal(judge_until(&process, CLICKS), STATUS_OK);
    end(&process);
    free(clicks);
}

struct paths {
    char at[64][64];
    unsigned count;
};

static void note_path(void *context, const char *path) {
    struct paths *paths = context;
    if (strncmp(path, "dedup/", 6) != 0 || paths->count == 64) return;
    (void)snprintf(paths->at[paths->count++], sizeof paths->at[0], "%.63s", path);
}

/* Damage is met at the start, or when a block is read, or never; after it the runs are made anew, once. */
static void damage_anywhere_in_what_was_kept_heals_by_itself(void **state) {
    (void)state;
    struct stream_click *clicks = make_stream(3);
    unsigned at_start = 0, while_running = 0, never = 0;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        struct process process;
        struct failure why = {0};
        struct paths paths = {0};
        begin(&process, seed, clicks);
        assert_int_equal(start(&process, &why), STATUS_OK);
        assert_int_equal(judge_until(&process, CLICKS / 2 + seed), STATUS_OK);
        crash(&process);
        assert_int_equal(start(&process, &why), STATUS_OK); /* leaves nothing but what is kept */
        crash(&process);
        fake_files_each(process.fake, note_path, &paths);
        const char *path = paths.at[random_sequence_below(&process.random, paths.count)];
        uint64_t size = fake_files_content(process.fake, path).len;
        if (seed % 10 == 0)
            fake_files_delete(process.fake, path);
        else if (seed % 10 == 1)
            fake_files_cut(process.fake, path, random_sequence_below(&process.random, size));
        else
            fake_files_flip(process.fake, path, random_sequence_below(&process.random, size),
                            (uint8_t)(1 << random_sequence_below(&process.random, 8)));
        assert_int_equal(start(&process, &why), STATUS_OK);
        if (process.begun_at == 0) {
            at_start++;
            assert_int_not_equal(why.status, STATUS_OK);
            assert_non_null(strstr(why.text, path)); /* which file */
        }
        enum status status = judge_until(&process, CLICKS);
        if (status != STATUS_OK) {
            assert_int_equal(status, STATUS_CORRUPT);
            while_running++;
            crash(&process);
            why = (struct failure){0};
            assert_int_equal(start(&process, &why), STATUS_OK);
            assert_int_equal(process.begun_at, 0);
            assert_int_equal(why.status, STATUS_CORRUPT);
            assert_non_null(strstr(why.text, path));
            assert_non_null(strstr(why.text, " at byte "));
            assert_int_equal(judge_until(&process, CLICKS), STATUS_OK);
        } else {
            never += process.begun_at > 0;
        }
        end(&process);
    }
    assert_true(at_start > 10 && while_running > 10 && never > 0);
    free(clicks);
}

/* Whole in itself, of the same name and as many entries: only the sum over its footer tells that it is not the one that was
 * kept. */
static void a_run_in_the_place_of_the_one_that_was_kept_is_not_taken_over(void **state) {
    (void)state;
    static const uint8_t log[RUN_LOG_BYTES] = {0};
    struct stream_click *clicks = make_stream(9);
    struct process process;
    struct failure why = {0};
    struct manifest manifest;
    struct buffer encoded = {0};
    begin(&process, 1, clicks);
    assert_int_equal(start(&process, &why), STATUS_OK);
    assert_int_equal(judge_until(&process, CLICKS / 2), STATUS_OK);
    crash(&process);
    assert_int_equal(manifest_read(&process.files, "p00", log, 0, &manifest, NULL), STATUS_OK);
    assert_true(manifest.run_count > 0);
    manifest.runs[0].footer_crc++;
    manifest_encode(&manifest, log, 0, &encoded);
    assert_int_equal(manifest_write(&process.files, "p00", buffer_view(&encoded), NULL), STATUS_OK);
    buffer_fini(&encoded);
    assert_int_equal(start(&process, &why), STATUS_OK);
    assert_int_equal(why.status, STATUS_CORRUPT);
    assert_non_null(strstr(why.text, "another run than the one that was kept"));
    assert_int_equal(process.begun_at, 0);
    end(&process);
    free(clicks);
}

static bool refuse(void *self, struct journal_offset offset, struct bytes bytes) {
    (void)self;
    (void)offset;
    (void)bytes;
    return false;
}

static void an_owner_that_cannot_go_on_from_there_begins_anew(void **state) {
    (void)state;
    struct stream_click *clicks = make_stream(4);
    struct process process;
    struct failure why = {0};
    begin(&process, 1, clicks);
    assert_int_equal(start(&process, &why), STATUS_OK);
    assert_int_equal(judge_until(&process, CLICKS / 2), STATUS_OK);
    crash(&process);
    struct dedup *dedup = dedup_create(&(struct dedup_options){.memory_bytes = MEMORY,
                                                               .files = &process.files,
                                                               .name = "p00",
                                                               .position = position,
                                                               .go_on_from = refuse,
                                                               .table_bytes = TABLE});
    assert_int_equal(dedup_restore(dedup, (struct journal_offset){CLICKS}, NULL, &why, NULL), STATUS_OK);
    assert_int_equal(why.status, STATUS_UNSUPPORTED);
    assert_int_equal(dedup_usage(dedup).runs, 0);
    dedup_destroy(dedup);
    struct paths paths = {0};
    fake_files_each(process.fake, note_path, &paths);
    assert_int_equal(paths.count, 1); /* the note of it */
    fake_files_destroy(process.fake);
    free(clicks);
}

static void less_memory_than_the_filters_need_begins_anew(void **state) {
    (void)state;
    struct stream_click *clicks = make_stream(5);
    struct process process;
    struct failure why = {0};
    begin(&process, 1, clicks);
    assert_int_equal(start(&process, &why), STATUS_OK);
    assert_int_equal(judge_until(&process, CLICKS / 2), STATUS_OK);
    crash(&process);
    struct dedup *dedup = dedup_create(&(struct dedup_options){.memory_bytes = 16384, /* not even runs */
                                                               .files = &process.files,
                                                               .name = "p00",
                                                               .position = position,
                                                               .go_on_from = go_on_from,
                                                               .owner = &process});
    assert_int_equal(dedup_restore(dedup, (struct journal_offset){CLICKS}, NULL, &why, NULL), STATUS_OK);
    assert_int_equal(dedup_usage(dedup).entries, 0);
    dedup_destroy(dedup);
    fake_files_destroy(process.fake);
    free(clicks);
}

/* Two lists at most stand on the disk or on their way, and what neither names goes. */
static void files_that_no_list_names_go(void **state) {
    (void)state;
    struct stream_click *clicks = make_stream(6);
    struct process process;
    struct failure why = {0};
    begin(&process, 1, clicks);
    assert_int_equal(start(&process, &why), STATUS_OK);
    for (uint64_t at = 0; at < CLICKS; at += 100) {
        assert_int_equal(judge_until(&process, at), STATUS_OK);
        struct paths paths = {0};
        fake_files_each(process.fake, note_path, &paths);
        assert_in_range(paths.count, 0, 3 * 4 + 2 + 2 + 1);
    }
    process.durable = process.written = CLICKS;
    for (int i = 0; i < 2; i++) { /* one that was chosen before, then the last */
        (void)dedup_keep_choose(process.dedup, (struct journal_offset){process.written});
        assert_int_equal(keep(&process), STATUS_OK);
        for (bool did = true; did;) assert_int_equal(dedup_step(process.dedup, process.d, &did, NULL), STATUS_OK);
    }
    (void)dedup_keep_choose(process.dedup, (struct journal_offset){process.written});
    assert_int_equal(keep(&process), STATUS_OK);
    for (bool did = true; did;) assert_int_equal(dedup_step(process.dedup, process.d, &did, NULL), STATUS_OK);
    struct paths paths = {0};
    fake_files_each(process.fake, note_path, &paths);
    assert_int_equal(paths.count, dedup_usage(process.dedup).runs + 1);
    end(&process);
    free(clicks);
}

/* New identities with one bound for all, as many as `end` says; D stays where it is. */
static void insert_until(struct process *process, uint64_t end, int64_t bound_ms) {
    for (; process->at < end; process->at++) {
        struct random_sequence of = {process->at};
        struct dedup_entry entry = {.identity = {random_sequence_next(&of), random_sequence_next(&of)},
                                    .offset = {process->at},
                                    .bound = {bound_ms}};
        assert_int_equal(dedup_insert(process->dedup, &entry, process->d, NULL), STATUS_OK);
    }
}

static void step_until_done(struct process *process) {
    for (bool did = true; did;) assert_int_equal(dedup_step(process->dedup, process->d, &did, NULL), STATUS_OK);
}

static void assert_all_are_found_below(struct process *process, uint64_t end) {
    for (uint64_t i = 0; i < end; i++) {
        struct random_sequence of = {i};
        struct identity identity = {random_sequence_next(&of), random_sequence_next(&of)};
        struct dedup_entry found;
        assert_int_equal(dedup_find(process->dedup, identity, process->d, &found, NULL), STATUS_OK);
        assert_int_equal(found.offset.at, i);
    }
}

static void nothing_is_kept_beyond_what_the_store_holds(void **state) {
    (void)state;
    struct process process;
    struct failure why = {0};
    begin(&process, 1, NULL);
    assert_int_equal(start(&process, &why), STATUS_OK);
    insert_until(&process, 1000, HORIZON_MS);
    step_until_done(&process);
    uint64_t place = 0; /* that is chosen first when the store's checkpoint rises */
    while (!dedup_keep_choose(process.dedup, (struct journal_offset){place})) place++;
    assert_in_range(place, 100, 1000);
    assert_int_equal(keep(&process), STATUS_OK);
    crash(&process);
    process.durable = place;
    assert_int_equal(start(&process, &why), STATUS_OK);
    assert_int_equal(process.begun_at, place);
    assert_all_are_found_below(&process, place);
    end(&process);
}

static void a_run_that_is_forgotten_stays_as_long_as_a_start_would_need_it(void **state) {
    (void)state;
    for (uint64_t more = 0; more < 200; more += 20) {
        struct process process;
        struct failure why = {0};
        begin(&process, 1, NULL);
        assert_int_equal(start(&process, &why), STATUS_OK);
        insert_until(&process, 1000 + more, HORIZON_MS);
        step_until_done(&process);
        process.d.ms = HORIZON_MS; /* all are forgotten */
        for (bool did = true, first = true; did; first = false) {
            assert_int_equal(dedup_step(process.dedup, process.d, &did, NULL), STATUS_OK);
            if (first) (void)dedup_keep_choose(process.dedup, (struct journal_offset){process.at});
        }
        assert_int_equal(dedup_usage(process.dedup).runs, 0);
        assert_int_equal(keep(&process), STATUS_OK);
        crash(&process);
        process.durable = process.at;
        assert_int_equal(start(&process, &why), STATUS_OK);
        if (process.d.ms < HORIZON_MS) assert_all_are_found_below(&process, process.begun_at);
        end(&process);
    }
}

/* The last resort when memory is full: what is forgotten goes at once, and a start still goes on from what was kept. */
static void what_was_kept_stays_right_when_memory_is_full_of_what_is_forgotten(void **state) {
    (void)state;
    enum { LATE_MS = 100000 };
    struct process process;
    struct failure why = {0};
    uint64_t kept_at = 0, inserted = 0;
    begin(&process, 1, NULL);
    assert_int_equal(start(&process, &why), STATUS_OK);
    for (uint64_t room; (room = dedup_room(process.dedup)) > 0;)
        for (; room > 0; room--, process.at++, inserted++) {
            struct random_sequence of = {process.at};
            struct dedup_entry entry = {.identity = {random_sequence_next(&of), random_sequence_next(&of)},
                                        .offset = {process.at},
                                        .bound = {LATE_MS}};
            assert_int_equal(dedup_insert(process.dedup, &entry, process.d, NULL), STATUS_OK);
            if (process.at != 3000) continue;
            for (bool did = true; did;) assert_int_equal(dedup_step(process.dedup, process.d, &did, NULL), STATUS_OK);
            process.durable = process.at;
            assert_true(dedup_keep_choose(process.dedup, (struct journal_offset){process.durable}));
            assert_int_equal(keep(&process), STATUS_OK);
        }
    process.d.ms = LATE_MS;
    while (!dedup_purge_some(process.dedup, process.d)) continue;
    for (bool did = true; did;) {
        assert_int_equal(dedup_step(process.dedup, process.d, &did, NULL), STATUS_OK);
        while (!dedup_purge_some(process.dedup, process.d)) continue;
    }
    assert_true(dedup_room(process.dedup) >= dedup_usage(process.dedup).entries_max);
    assert_int_equal(dedup_usage(process.dedup).runs, 0);
    crash(&process);
    assert_int_equal(start(&process, &why), STATUS_OK);
    kept_at = process.begun_at;
    assert_in_range(kept_at, 1000, 3000);
    assert_all_are_found_below(&process, kept_at);
    end(&process);
}

static void start_well(struct process *process, struct failure *why) {
    *why = (struct failure){0};
    assert_int_equal(start(process, why), STATUS_OK);
}

/* Up to the middle, with a list that a start goes on from. */
static void begin_with_a_list(struct process *process, const struct stream_click *clicks) {
    struct failure why;
    begin(process, 1, clicks);
    start_well(process, &why);
    assert_int_equal(judge_until(process, CLICKS / 2), STATUS_OK);
    assert_true(process->kept > 0);
    crash(process);
    start_well(process, &why);
    assert_true(process->begun_at > 0 && why.status == STATUS_OK);
    crash(process);
}

static struct paths paths_of(const struct process *process) {
    struct paths paths = {0};
    fake_files_each(process->fake, note_path, &paths);
    return paths;
}

/* All blocks of entries of all runs; a start reads none of them. */
static void damage_the_entries(struct process *process) {
    struct paths paths = paths_of(process);
    for (unsigned i = 0; i < paths.count; i++) {
        if (strstr(paths.at[i], ".run") == NULL) continue;
        uint64_t size = fake_files_content(process->fake, paths.at[i]).len;
        for (uint64_t at = 4096; at + 3 * 4096 < size; at += 4096) fake_files_flip(process->fake, paths.at[i], at + 5, 1);
    }
}

static void why_all_is_read_again_is_told_until_something_is_kept(void **state) {
    (void)state;
    struct stream_click *clicks = make_stream(7);
    struct process process;
    struct failure first, why;
    begin_with_a_list(&process, clicks);
    damage_the_entries(&process);
    start_well(&process, &why);
    assert_int_equal(judge_until(&process, CLICKS), STATUS_CORRUPT);
    crash(&process);
    start_well(&process, &first);
    assert_int_equal(process.begun_at, 0);
    assert_non_null(strstr(first.text, " at byte "));
    for (int i = 0; i < 3; i++) {
        crash(&process); /* before it has read anything */
        start_well(&process, &why);
        assert_int_equal(process.begun_at, 0);
        assert_string_equal(why.text, first.text);
    }
    process.kept = 0;
    for (uint64_t at = 0; process.kept == 0 && at < CLICKS; at += 10) assert_int_equal(judge_until(&process, at), STATUS_OK);
    crash(&process);
    start_well(&process, &why);
    assert_true(process.begun_at > 0);
    assert_int_equal(why.status, STATUS_OK);
    end(&process);
    free(clicks);
}

static void files_that_were_removed_are_told(void **state) {
    (void)state;
    struct stream_click *clicks = make_stream(8);
    struct process process;
    struct failure why;
    begin_with_a_list(&process, clicks);
    struct paths paths = paths_of(&process);
    for (unsigned i = 0; i < paths.count; i++) fake_files_delete(process.fake, paths.at[i]);
    for (int i = 0; i < 2; i++) {
        start_well(&process, &why);
        assert_int_equal(process.begun_at, 0);
        assert_non_null(strstr(why.text, "dedup/p00.manifest is missing"));
        if (i == 0) crash(&process);
    }
    assert_int_equal(judge_until(&process, CLICKS), STATUS_OK);
    end(&process);
    free(clicks);
}

/* Little was counted, or much of few identities: nothing was ever kept, and no start complains of it. */
static void what_was_never_kept_is_not_missed(void **state) {
    (void)state;
    enum { LITTLE = TABLE / 32 };
    struct stream_click *clicks = make_stream(9);
    struct process process;
    struct failure why;
    begin(&process, 1, clicks);
    start_well(&process, &why);
    for (int i = 0; i < 3; i++) {
        struct paths paths = paths_of(&process);
        if (i == 2) fake_files_delete(process.fake, paths.at[0]); /* the note, even */
        crash(&process);
        process.durable = process.written = LITTLE;
        start_well(&process, &why);
        assert_int_equal(why.status, STATUS_OK);
    }
    crash(&process);
    process.durable = process.written = CLICKS; /* copies, all of them */
    start_well(&process, &why);
    assert_int_equal(why.status, STATUS_OK);
    end(&process);
    free(clicks);
}

static void what_another_partition_met_makes_all_of_no_use(void **state) {
    (void)state;
    struct stream_click *clicks = make_stream(10);
    struct process process;
    struct failure why = {0}, met = {0};
    begin_with_a_list(&process, clicks);
    (void)failure_set(&met, STATUS_CORRUPT, "dedup/p09-000000000001.run: damage at byte 4096");
    struct dedup *dedup = dedup_create(&(struct dedup_options){.memory_bytes = MEMORY,
                                                               .files = &process.files,
                                                               .name = "p00",
                                                               .position = position,
                                                               .go_on_from = go_on_from,
                                                               .owner = &process,
                                                               .table_bytes = TABLE});
    process.at = 0;
    assert_int_equal(dedup_restore(dedup, (struct journal_offset){CLICKS}, &met, &why, NULL), STATUS_OK);
    assert_string_equal(why.text, met.text);
    assert_int_equal(process.at, 0);
    assert_int_equal(dedup_usage(dedup).runs, 0);
    dedup_destroy(dedup);
    assert_int_equal(paths_of(&process).count, 1);
    assert_true(dedup_all_of_no_use(&process.files, "p00", a_log, 0, &why)); /* also after a crash before all know */
    fake_files_destroy(process.fake);
    free(clicks);
}

static void a_note_that_cannot_be_written_leaves_no_list(void **state) {
    (void)state;
    struct stream_click *clicks = make_stream(11);
    struct process process;
    struct failure why;
    for (int call = FAKE_OPEN; call <= FAKE_RENAME; call++) {
        if (call != FAKE_WRITE && call != FAKE_SYNC && call != FAKE_RENAME) continue;
        begin_with_a_list(&process, clicks);
        damage_the_entries(&process);
        start_well(&process, &why);
        enum status status = STATUS_OK;
        while (status == STATUS_OK && process.at < process.durable) {
            fake_files_heal(process.fake);
            fake_files_fail(process.fake, (enum fake_call)call, 1, true, STATUS_NO_SPACE);
            status = judge(&process);
        }
        if (status == STATUS_OK) { /* what comes next meets it */
            fake_files_heal(process.fake);
            status = judge_until(&process, CLICKS);
        }
        fake_files_heal(process.fake);
        crash(&process);
        start_well(&process, &why);
        if (status == STATUS_CORRUPT) {
            assert_int_equal(process.begun_at, 0);
            assert_int_not_equal(why.status, STATUS_OK);
        }
        assert_int_equal(judge_until(&process, CLICKS), STATUS_OK);
        end(&process);
    }
    free(clicks);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crash_at_any_call_of_the_disk_changes_no_verdict),
        cmocka_unit_test(a_lost_store_means_the_whole_journal),
        cmocka_unit_test(damage_anywhere_in_what_was_kept_heals_by_itself),
        cmocka_unit_test(a_run_in_the_place_of_the_one_that_was_kept_is_not_taken_over),
        cmocka_unit_test(an_owner_that_cannot_go_on_from_there_begins_anew),
        cmocka_unit_test(less_memory_than_the_filters_need_begins_anew),
        cmocka_unit_test(files_that_no_list_names_go),
        cmocka_unit_test(nothing_is_kept_beyond_what_the_store_holds),
        cmocka_unit_test(a_run_that_is_forgotten_stays_as_long_as_a_start_would_need_it),
        cmocka_unit_test(what_was_kept_stays_right_when_memory_is_full_of_what_is_forgotten),
        cmocka_unit_test(why_all_is_read_again_is_told_until_something_is_kept),
        cmocka_unit_test(files_that_were_removed_are_told),
        cmocka_unit_test(what_was_never_kept_is_not_missed),
        cmocka_unit_test(what_another_partition_met_makes_all_of_no_use),
        cmocka_unit_test(a_note_that_cannot_be_written_leaves_no_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
