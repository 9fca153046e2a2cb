/* What one click pays for being remembered, with the prefetch running 8 clicks ahead as the aggregator does.
 *
 * dedup_bench [ENTRIES...]: in memory alone (default 1000000 10000000): ns of a find and an insert, and of a find; CPU time
 * of one thread, the lowest of 3 rounds, since what disturbs only adds.
 * dedup_bench --runs DIRECTORY ENTRIES MEBIBYTES: ENTRIES live in so much memory, the older ones in runs in the directory.
 * First they come; then half as many again come while as many are forgotten; then some are asked for. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/random_sequence.h"
#include "dedup/dedup.h"
#include "os/os.h"

enum { AHEAD = 8, PERCENT_FILLED = 75, BLOCK = 1024 /* clicks between two looks at the work behind */ };

static int64_t time_ns(clockid_t clock) {
    struct timespec now;
    CHECK(clock_gettime(clock, &now) == 0);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t cpu_ns(void) {
    return time_ns(CLOCK_THREAD_CPUTIME_ID);
}

static struct identity identity_at(uint64_t index) {
    struct random_sequence sequence = {index * 2};
    uint64_t low = random_sequence_next(&sequence);
    return (struct identity){.low = low, .high = random_sequence_next(&sequence)};
}

/* A new identity: found nowhere, then inserted. */
static void take(struct dedup *dedup, uint64_t index, struct event_time d) {
    struct dedup_entry found;
    struct failure failure = {0};
    dedup_prefetch(dedup, identity_at(index + AHEAD));
    struct dedup_entry entry = {.identity = identity_at(index), .offset = {index}, .bound = {(int64_t)index + 1}};
    enum status status = dedup_find(dedup, entry.identity, d, &found, &failure);
    CHECKF(status == STATUS_NOT_FOUND, "%s %s", status_text(status), failure.text);
    status = dedup_insert(dedup, &entry, d, &failure);
    CHECKF(status == STATUS_OK, "%s %s", status_text(status), failure.text);
}

static void find(struct dedup *dedup, uint64_t index, struct event_time d) {
    struct dedup_entry found;
    struct failure failure = {0};
    CHECKF(dedup_find(dedup, identity_at(index), d, &found, &failure) == STATUS_OK && found.offset.at == index, "%s",
           failure.text);
}

/* --- in memory --- */

struct figures {
    double insert_ns, duplicate_ns, slowest_insert_us;
};

static struct figures measure(uint64_t entries) {
    struct dedup *dedup = dedup_create(&(struct dedup_options){.memory_bytes = entries * 32 * 100 / PERCENT_FILLED});
    const struct event_time d = {0};
    int64_t slowest = 0, begin = cpu_ns(), batch_begin = begin;
    for (uint64_t i = 0; i < entries; ++i) {
        take(dedup, i, d);
        if (i % 64 == 63) {
            int64_t now = cpu_ns();
            if (now - batch_begin > slowest) slowest = now - batch_begin;
            batch_begin = now;
        }
    }
    int64_t middle = cpu_ns();
    for (uint64_t i = 0; i < entries; ++i) {
        dedup_prefetch(dedup, identity_at(i + AHEAD));
        find(dedup, i, d);
    }
    int64_t end = cpu_ns();
    dedup_destroy(dedup);
    return (struct figures){
        .insert_ns = (double)(middle - begin) / (double)entries,
        .duplicate_ns = (double)(end - middle) / (double)entries,
        .slowest_insert_us = (double)slowest / 1000,
    };
}

static void measure_memory(uint64_t entries) {
    CHECKF(entries >= 1000, "give at least 1000 entries");
    struct figures figures = measure(entries);
    for (int round = 1; round < 3; ++round) {
        struct figures again = measure(entries);
        if (again.insert_ns < figures.insert_ns) figures.insert_ns = again.insert_ns;
        if (again.duplicate_ns < figures.duplicate_ns) figures.duplicate_ns = again.duplicate_ns;
        if (again.slowest_insert_us < figures.slowest_insert_us) figures.slowest_insert_us = again.slowest_insert_us;
    }
    (void)printf("entries %" PRIu64 ": find+insert %.1f ns, find of a duplicate %.1f ns, slowest 64 inserts %.0f us\n",
                 entries, figures.insert_ns, figures.duplicate_ns, figures.slowest_insert_us);
}

/* --- in runs --- */

struct pauses {
    int64_t work_ns, slowest_work_ns, slowest_block_ns;
};

static int64_t larger(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* As node_step_aggregate does between two records. */
static void work_behind(struct dedup *dedup, struct event_time d, struct pauses *pauses) {
    struct failure failure = {0};
    for (bool did = true; did && dedup_is_behind(dedup);) {
        int64_t begin = time_ns(CLOCK_MONOTONIC);
        CHECKF(dedup_step(dedup, d, &did, &failure) == STATUS_OK, "%s", failure.text);
        int64_t took = time_ns(CLOCK_MONOTONIC) - begin;
        pauses->work_ns += took;
        pauses->slowest_work_ns = larger(took, pauses->slowest_work_ns);
    }
}

static void say(const struct dedup *dedup, const char *phase, uint64_t clicks, int64_t wall, int64_t cpu, uint64_t reads,
                const struct pauses *pauses) {
    struct dedup_usage usage = dedup_usage(dedup);
    (void)printf("%s: %" PRIu64
                 " clicks, %.0f ns each (CPU %.0f, of which work behind %.0f), %.3f reads each, slowest: portion "
                 "of work %.1f ms, %d clicks %.1f ms\n",
                 phase, clicks, (double)wall / (double)clicks, (double)cpu / (double)clicks,
                 (double)pauses->work_ns / (double)clicks, (double)(usage.reads - reads) / (double)clicks,
                 (double)pauses->slowest_work_ns / 1e6, BLOCK, (double)pauses->slowest_block_ns / 1e6);
    (void)printf("    %" PRIu64 " stored of at most %" PRIu64 ", memory %.1f of %.1f MiB, %" PRIu64
                 " runs, %.0f MB of files\n",
                 usage.entries, usage.entries_max, (double)usage.bytes / 1048576, (double)usage.bytes_max / 1048576,
                 usage.runs, (double)usage.file_bytes / 1e6);
}

static void come(struct dedup *dedup, const char *phase, uint64_t from, uint64_t to, uint64_t live) {
    struct pauses pauses = {0};
    uint64_t reads = dedup_usage(dedup).reads;
    int64_t wall = time_ns(CLOCK_MONOTONIC), cpu = cpu_ns();
    struct event_time d = EVENT_TIME_NONE;
    for (uint64_t i = from; i < to;) {
        if (i > live) d = (struct event_time){(int64_t)(i - live)};
        CHECKF(dedup_room(dedup) >= BLOCK, "no room after %" PRIu64 " clicks: give more memory", i);
        int64_t begin = time_ns(CLOCK_MONOTONIC);
        for (uint64_t end = i + BLOCK; i < to && i < end; i++) take(dedup, i, d);
        pauses.slowest_block_ns = larger(time_ns(CLOCK_MONOTONIC) - begin, pauses.slowest_block_ns);
        work_behind(dedup, d, &pauses);
    }
    say(dedup, phase, to - from, time_ns(CLOCK_MONOTONIC) - wall, cpu_ns() - cpu, reads, &pauses);
}

static void ask(struct dedup *dedup, uint64_t from, uint64_t to) {
    enum { ASKED = 1000000 };
    struct random_sequence random = {from};
    uint64_t ring[AHEAD], reads = dedup_usage(dedup).reads;
    int64_t wall = time_ns(CLOCK_MONOTONIC), cpu = cpu_ns();
    for (int i = 0; i < ASKED + AHEAD; i++) {
        if (i >= AHEAD) find(dedup, ring[i % AHEAD], (struct event_time){(int64_t)from});
        ring[i % AHEAD] = from + 1 + random_sequence_below(&random, to - from - 1);
        dedup_prefetch(dedup, identity_at(ring[i % AHEAD]));
    }
    say(dedup, "duplicates of any age", ASKED, time_ns(CLOCK_MONOTONIC) - wall, cpu_ns() - cpu, reads, &(struct pauses){0});
}

static void measure_runs(const char *path, uint64_t entries, uint64_t memory_bytes) {
    struct failure failure = {0};
    struct os_directory *directory;
    CHECKF(os_directory_open(path, &directory, &failure) == STATUS_OK, "%s", failure.text);
    struct files files = os_files(directory);
    CHECKF(dedup_make_directory(&files, &failure) == STATUS_OK, "%s", failure.text);
    CHECKF(dedup_clear(&files, "bench", &failure) == STATUS_OK, "%s", failure.text);
    struct dedup *dedup =
        dedup_create(&(struct dedup_options){.memory_bytes = memory_bytes, .files = &files, .name = "bench"});
    come(dedup, "the first ones", 0, entries, entries);
    come(dedup, "as many are forgotten", entries, entries + entries / 2, entries);
    ask(dedup, entries / 2, entries + entries / 2);
    dedup_destroy(dedup);
    os_directory_close(directory);
}

int main(int count, char **arguments) {
    if (count > 1 && strcmp(arguments[1], "--runs") == 0) {
        CHECKF(count == 5, "usage: dedup_bench --runs DIRECTORY ENTRIES MEBIBYTES");
        measure_runs(arguments[2], strtoull(arguments[3], NULL, 10), strtoull(arguments[4], NULL, 10) << 20);
        return 0;
    }
    if (count == 1) {
        measure_memory(1000000);
        measure_memory(10000000);
    }
    for (int i = 1; i < count; ++i) measure_memory(strtoull(arguments[i], NULL, 10));
    return 0;
}
