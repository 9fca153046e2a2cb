/* filter_internal.h: what the files of this folder share. Nobody else's business. */
#pragma once

#include "filter/filter.h"

/* The order of a list: family, then bytes, mask and length. */
int filter_net_compare(const struct filter_net *a, const struct filter_net *b);
/* One is in the other, or they are the same: a click could match both. */
bool filter_nets_overlap(const struct filter_net *a, const struct filter_net *b);
/* No click's user_id has a control character, so a value with one would match nothing and nobody would know why. */
bool filter_user_has_control(struct bytes user_id);
/* Every bit of the address from `bit` on is 0. */
bool filter_ip_is_zero_behind(const struct ip *ip, unsigned bit);
/* Everything that filter.h promises of a filter: what parse makes, and the only thing that decode lets pass. */
bool filter_is_valid(const struct filter *filter);

/* Where a filter's values lie until they are known to be good: then filter_copy puts them into memory of their size. */
struct values {
    struct country regions[COUNTRY_CODES];
    struct filter_net nets[FILTER_VALUES_MAX];
    struct bytes users[FILTER_VALUES_MAX];
    uint8_t user_bytes[FILTER_VALUES_MAX][ID_BYTES_MAX];
};

/* The parts that a list takes in the filter's sum: `*` is one, `!` adds "any" to the values. */
static inline size_t filter_part_count(enum filter_mode mode, size_t value_count) {
    return mode == FILTER_ANY ? 1 : value_count + (mode == FILTER_NONE_OF);
}

static inline bool filter_ip_is_v4(const struct ip *ip) {
    return ip->kind == IP_V4 || ip->kind == IP_V4_MASKED;
}
