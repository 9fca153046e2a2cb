/* filters_workload.h: synthetic filters, the same for the same seed, and the pool that makes clicks match them.
 *
 * Of 20 filters 12 are by region (half of them one country, a quarter lists, a quarter `!`), 4 by user, 2 by address, 1 by
 * block (/16, /20, /24, /28 in turns), and 1 is, in turns, `!` address, `!` user, both, or a pair of address and user. All
 * are among any 20 consecutive ids; countries, users and addresses are as in workload.h. */
#pragma once

#include "base/bytes.h"
#include "workload/workload.h"

enum { FILTERS_WORKLOAD_KINDS = 20, FILTERS_WORKLOAD_RANKED_STRIDE = 311 };

struct filters_workload_options {
    uint64_t seed;
    uint32_t filters; /* their ids are 1, 2, ... */
    uint32_t ranked;  /* so many of them are ranked: every FILTERS_WORKLOAD_RANKED_STRIDE-th, as far as there are such */
    uint32_t users;   /* of the workload */
};
/* 10,000 filters, none ranked, seed 1, the users of workload_defaults. */
struct filters_workload_options filters_workload_defaults(void);

/* The fields as POST /v1/filters takes them. */
struct filter_texts {
    uint32_t id;
    const char *region, *ip, *user_id;
    bool ranked;
};

struct filters_workload;
struct filters_workload *filters_workload_create(const struct filters_workload_options *options);
void filters_workload_destroy(struct filters_workload *filters);
/* `index` from 0. Valid as long as `filters`. */
struct filter_texts filters_workload_at(const struct filters_workload *filters, uint32_t index);
/* All of them as one JSON array, appended. */
void filters_workload_json(const struct filters_workload *filters, struct buffer *out);
/* Lets clicks match so many named users, addresses and blocks on average, 0 to 2: half of them by the user, half by the
 * address. (Blocks that hold other addresses too, and pairs, add about 1%.) Views into `filters`. */
struct workload_pool filters_workload_pool(const struct filters_workload *filters, double matches_per_click);
