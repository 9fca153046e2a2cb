/* filter_traffic.h: random filters under a seed, from pools as small as those that traffic.c takes its clicks from, so that
 * users, addresses, nested blocks, masked addresses, IPv6 and countries match; some of them are bad. */
#pragma once

#include "base/random_sequence.h"
#include "filter/filter.h"

/* As it is asked for. */
struct filter_wish {
    uint32_t id;
    char region[64], ip[160], user[96];
    bool ranked;
};

void filter_wish_make(struct random_sequence *random, uint32_t id, struct filter_wish *wish);
/* NULL when it is a bad one. The caller's. */
struct filter *filter_wish_parse(const struct filter_wish *wish);
/* As JSON or as a row of CSV (filter_id,region,ip,user_id,ranked), appended. */
void filter_wish_json(struct random_sequence *random, const struct filter_wish *wish, struct buffer *out);
void filter_wish_csv(const struct filter_wish *wish, struct buffer *out);
/* The three as parameters of a question. Appended. */
void filter_wish_query(const struct filter_wish *wish, struct buffer *out);
/* Bodies that hold no filter at all. */
const char *filter_wish_bad_body(struct random_sequence *random);
