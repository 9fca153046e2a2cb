/* What a filtered question costs: a day of closed minutes in slices (view/slices.h), clicks by Zipf's law on 2 million ads
 * and 60 countries; counts of one ad by a region of some countries, and the sum over all ads that a ranking begins with.
 * Time is CPU of one thread, the lowest of 3 rounds. Use: slices_bench [CLICKS_A_MINUTE [MINUTES]] (default 60000 1440). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/random_sequence.h"
#include "filter/selection.h"
#include "view/slices.h"
#include "workload/zipf.h"

enum { ADS = 2000000, COUNTRIES = 60, LATE_PERCENT = 1, LATE_MINUTES = 60, COUNTS = 100, SUMS = 5, ROUNDS = 3 };
enum { ELSEWHERE = 8 * 1024 * 1024 }; /* numbers, 64 MiB: what a server touches between two questions */

static int64_t cpu_ns(void) {
    struct timespec now;
    CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) == 0);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

struct made {
    struct zipf ads, countries;
    struct random_sequence sequence;
};

static uint64_t next_key(struct made *made) {
    uint32_t ad = zipf_next(&made->ads, &made->sequence) - 1;
    struct country country = {(uint16_t)(zipf_next(&made->countries, &made->sequence) * 11)};
    return slice_key_country(country, ad);
}

static struct slices *make_slices(struct made *made, uint32_t clicks, uint32_t minutes) {
    struct slices *slices = slices_create(UINT64_C(1) << 34);
    slices_begin(slices, (struct minute){1});
    struct slice *items = memory_allocate_large(clicks * sizeof *items);
    for (uint32_t minute = 1; minute <= minutes; minute++) {
        for (uint32_t i = 0; i < clicks; i++) items[i] = (struct slice){next_key(made), 1};
        slices_close_prepare(slices, (struct minute){minute}, items, clicks);
        slices_close_commit(slices);
        for (uint32_t i = 0; i < clicks * LATE_PERCENT / 100 && minute > LATE_MINUTES; i++) {
            struct minute late = {minute - (uint32_t)random_sequence_below(&made->sequence, LATE_MINUTES)};
            slices_add_late(slices, late, next_key(made), 1);
        }
        slices_settle(slices);
        while (slices_fold_prepare(slices)) slices_fold_commit(slices);
    }
    free(items);
    return slices;
}

static struct selection region(uint32_t countries, const struct filter_term *all) {
    struct selection selection = {.terms = all, .term_count = 1};
    for (uint32_t i = 1; i <= countries; i++) {
        uint32_t code = i * 11 * 3;
        selection.countries[code / 64] |= UINT64_C(1) << (code % 64);
    }
    return selection;
}

static double measure_counts(const struct slices *slices, uint32_t countries, uint32_t minutes, uint64_t *sum) {
    struct random_sequence sequence = {.state = 7};
    struct zipf ads;
    zipf_init(&ads, ADS);
    const struct filter_term all = {.atom = 0, .sign = 1};
    struct selection selection = region(countries, &all);
    uint64_t *elsewhere = memory_allocate_zeroed(ELSEWHERE, sizeof *elsewhere);
    int64_t took = 0;
    for (uint32_t i = 0; i < COUNTS; i++) {
        for (uint32_t at = 0; at < ELSEWHERE; at += 8) elsewhere[at] += i;
        int64_t begin = cpu_ns();
        *sum += slices_count(slices, &selection, zipf_next(&ads, &sequence) - 1, (struct minute){1},
                             (struct minute){1 + minutes}, 0);
        took += cpu_ns() - begin;
    }
    free(elsewhere);
    return (double)took / COUNTS / 1000;
}

static double measure_sums(const struct slices *slices, uint32_t countries, uint32_t minutes, uint64_t *entries) {
    const struct filter_term all = {.atom = 0, .sign = 1};
    struct selection selection = region(countries, &all);
    uint32_t *dense = memory_allocate_zeroed(ADS, sizeof *dense);
    struct minute from = {1}, to = {1 + minutes};
    struct slices_plan plan = slices_plan(slices, &selection, from, to);
    CHECK(!plan.needs_plain);
    int64_t begin = cpu_ns();
    for (uint32_t i = 0; i < SUMS; i++) slices_sum(slices, &selection, &plan, from, to, dense, ADS);
    *entries = plan.entries;
    free(dense);
    return (double)(cpu_ns() - begin) / SUMS / 1000;
}

int main(int count, char **arguments) {
    uint32_t clicks = count > 1 ? (uint32_t)strtoul(arguments[1], NULL, 10) : 60000;
    uint32_t minutes = count > 2 ? (uint32_t)strtoul(arguments[2], NULL, 10) : 1440;
    CHECKF(clicks >= 1 && minutes >= 1 && minutes <= 1440, "1 to 1440 minutes");
    struct made made = {.sequence = {.state = 1}};
    zipf_init(&made.ads, ADS);
    zipf_init(&made.countries, COUNTRIES);
    struct slices *slices = make_slices(&made, clicks, minutes);
    struct slices_usage usage = slices_usage(slices);
    (void)printf("%" PRIu64 " entries, %.2f bytes each\n", usage.entries, (double)usage.bytes / (double)usage.entries);
    for (uint32_t countries = 1; countries <= 9; countries *= 3) {
        double counts = 0, sums = 0;
        uint64_t sum = 0, entries = 0;
        for (int round = 0; round < ROUNDS; round++) {
            double us = measure_counts(slices, countries, minutes, &sum);
            if (round == 0 || us < counts) counts = us;
            us = measure_sums(slices, countries, minutes, &entries);
            if (round == 0 || us < sums) sums = us;
        }
        (void)printf(
            "%" PRIu32 " countries: count %.0f us (%.0f ns a minute and country), sum %.1f ms (%.1f ns an entry) [%" PRIu64
            "]\n",
            countries, counts, counts * 1000 / minutes / countries, sums / 1000, sums * 1000 / (double)entries, sum);
    }
    slices_destroy(slices);
    return 0;
}
