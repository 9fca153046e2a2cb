/* bench_filters_made.h: the filters of filters_workload.h as a scenario needs them: posted to a server, and counted by the
 * generator itself for some of them, by the definition (filter_matches), so that the server's answers can be checked. */
#pragma once

#include "base/units.h"
#include "cli/bench_answers.h"
#include "workload/filters_workload.h"

enum {
    FILTERS_MADE_SAMPLED = 50, /* filters of all kinds */
    FILTERS_MADE_ADS = 100,    /* the most clicked, for which clicks are counted by filter and minute */
};

struct filters_made;
/* For clicks of `minutes` minutes from begin_minute (since 1970) on. */
struct filters_made *filters_made_create(uint64_t seed, int64_t begin_minute, int64_t minutes);
void filters_made_destroy(struct filters_made *filters);
uint32_t filters_made_count(const struct filters_made *filters);
/* For workload_options.pool; valid as long as `filters`. */
struct workload_pool filters_made_pool(const struct filters_made *filters, double matches_per_click);
/* All of them in one request; `ranked` of them marked. */
enum status filters_made_post(const struct filters_made *filters, uint32_t ranked, struct http_client *client,
                              struct failure *failure) MUST_USE;

/* For made_line of feed, history and bench_making; `self` is a struct filters_made. */
void filters_made_note(void *self, struct workload_click click);
/* Atoms other than atom 0 that a click matched, on average over every 16th click that was noted. */
double filters_made_matched(const struct filters_made *filters);

/* What the server must say about a sampled filter, `sample` below FILTERS_MADE_SAMPLED, for ads 1..`ads`. Borrows `at`. */
struct filters_made_sample {
    const struct filters_made *filters;
    uint32_t sample;
};
struct answers_expected filters_made_expected(const struct filters_made_sample *at, uint32_t ads);
