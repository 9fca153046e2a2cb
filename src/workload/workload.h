/* workload.h: a synthetic stream of clicks, the same for the same seed: for the demo, the bench and tests.
 *
 * Ads by Zipf's law (s = 1.0, ad number = rank, so ad0000001 is the most clicked), event ids of 128 bits, a share of exact
 * duplicates and of late clicks, users with a home address and a country. The generator counts what it made: it knows how
 * many duplicates a server must find. (In log lines, which have no event id and whole seconds only, two clicks made apart
 * can, rarely, be the same; in JSON they never are.) One thread at a time.
 */
#pragma once

#include "base/bytes.h"
#include "base/units.h"

enum {
    WORKLOAD_COUNTRIES = 60,
    WORKLOAD_RECENT = 4096,    /* a duplicate is a copy of one of the last so many different clicks */
    WORKLOAD_LINE_BYTES = 256, /* no line is longer, its line end included */
};

/* Users and addresses that filters name (filters_workload.h makes it): a share of the clicks is theirs. Borrowed. */
struct workload_pool {
    const uint32_t *users; /* below the workload's own number of users */
    size_t user_count;
    const uint8_t (*addresses)[4];
    size_t address_count;
    uint32_t user_per_mille, address_per_mille; /* of the lines that are no duplicates; each drawn by itself */
};

struct workload_options {
    uint64_t seed;
    uint32_t ads;                  /* 1 to 99,999,999 */
    uint32_t users;                /* 1 to 99,999,999 */
    uint32_t duplicates_per_mille; /* of all lines; together with late at most 1000 */
    uint32_t late_per_mille;
    int64_t delay_ms_max;             /* an ordinary click is stamped up to this long before now, uniformly */
    int64_t late_ms_max;              /* a late one up to this long */
    const struct workload_pool *pool; /* NULL: none, and the stream is the same as without pools; outlives the workload */
};

/* 2 M ads, 4 M users, 2% duplicates, 1% late by up to an hour, seed 1. */
struct workload_options workload_defaults(void);

struct workload_totals {
    uint64_t lines;
    uint64_t duplicates; /* exact copies of an earlier line */
    uint64_t late;       /* of the others */
};

struct workload;
struct workload *workload_create(const struct workload_options *options);
void workload_destroy(struct workload *workload);

/* Appends one line with its '\n'. No stamp is later than `now`, which must be at least an hour (late_ms_max) after 1970. */
void workload_next_json(struct workload *workload, struct wall_time now, struct buffer *out);
void workload_next_log_line(struct workload *workload, struct wall_time now, struct buffer *out);

struct workload_totals workload_totals(const struct workload *workload);

/* What the line made last says, for whoever wants to count by himself what a server must count. */
struct workload_click {
    uint32_t ad;
    uint32_t user;
    int64_t time_ms;
    uint8_t octets[4];
    uint8_t country; /* for workload_country_code */
    bool duplicate;  /* the same line was made before */
};
struct workload_click workload_last(const struct workload *workload);
/* Three upper-case letters and a NUL; `country` below WORKLOAD_COUNTRIES, the most frequent first. */
const char *workload_country_code(uint8_t country);
