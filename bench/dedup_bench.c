/* What one click pays for being remembered: ns of a find and an insert, with the prefetch running 8 clicks ahead as the
 * aggregator does. CPU time of one thread, the lowest of 3 rounds, since what disturbs only adds. Prints a line a size. Use:
 * dedup_bench [ENTRIES...] (default 1000000 10000000). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/check.h"
#include "base/random_sequence.h"
#include "dedup/dedup.h"

enum { AHEAD = 8, PERCENT_FILLED = 75 };

static int64_t cpu_ns(void) {
    struct timespec now;
    CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) == 0);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static struct identity identity_at(uint64_t index) {
    struct random_sequence sequence = {index * 2};
    uint64_t low = random_sequence_next(&sequence);
    return (struct identity){.low = low, .high = random_sequence_next(&sequence)};
}

struct figures {
    double insert_ns, duplicate_ns, slowest_insert_us;
};

static struct figures measure(uint64_t entries) {
    struct dedup *dedup = dedup_create(entries * 32 * 100 / PERCENT_FILLED);
    const struct event_time d = {0};
    struct dedup_entry found;
    int64_t slowest = 0, begin = cpu_ns(), batch_begin = begin;
    for (uint64_t i = 0; i < entries; ++i) {
        dedup_prefetch(dedup, identity_at(i + AHEAD));
        struct dedup_entry entry = {.identity = identity_at(i), .offset = {i}, .bound = {1}};
        CHECK(!dedup_find(dedup, entry.identity, d, &found));
        dedup_insert(dedup, &entry, d);
        if (i % 64 == 63) {
            int64_t now = cpu_ns();
            if (now - batch_begin > slowest) slowest = now - batch_begin;
            batch_begin = now;
        }
    }
    int64_t middle = cpu_ns();
    for (uint64_t i = 0; i < entries; ++i) {
        dedup_prefetch(dedup, identity_at(i + AHEAD));
        CHECK(dedup_find(dedup, identity_at(i), d, &found) && found.offset.at == i);
    }
    int64_t end = cpu_ns();
    dedup_destroy(dedup);
    return (struct figures){
        .insert_ns = (double)(middle - begin) / (double)entries,
        .duplicate_ns = (double)(end - middle) / (double)entries,
        .slowest_insert_us = (double)slowest / 1000,
    };
}

int main(int count, char **arguments) {
    const char *const sizes_default[] = {"1000000", "10000000"};
    size_t size_count = count > 1 ? (size_t)count - 1 : 2;
    for (size_t i = 0; i < size_count; ++i) {
        uint64_t entries = strtoull(count > 1 ? arguments[i + 1] : sizes_default[i], NULL, 10);
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
    return 0;
}
