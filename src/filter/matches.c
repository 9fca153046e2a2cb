/* matches.c: the definition of what a filter matches, click by click. For tests, the oracle and `tally filter explain`; the
 * counting path uses atoms. */
#include "base/check.h"
#include "filter/filter_internal.h"

static bool first_bits_equal(const uint8_t *a, const uint8_t *b, unsigned bits) {
    CHECK(bits <= 128);
    if (memcmp(a, b, bits / 8) != 0) return false;
    return bits % 8 == 0 || (a[bits / 8] ^ b[bits / 8]) >> (8 - bits % 8) == 0;
}

/* All bits of the prefix lie in octets that are known. */
static bool is_known(const struct ip *ip, unsigned prefix_bits) {
    for (unsigned octet = 0; octet < 4 && octet * 8 < prefix_bits; octet++)
        if ((ip->mask >> octet & 1) != 0) return false;
    return true;
}

bool filter_net_holds(const struct filter_net *net, const struct ip *ip) {
    /* A masked address stands for itself as it was written; two that could be the same address are not the same click's. */
    if (net->ip.kind == IP_V4_MASKED)
        return ip->kind == IP_V4_MASKED && ip->mask == net->ip.mask && memcmp(ip->bytes, net->ip.bytes, 4) == 0;
    if (net->ip.kind == IP_V4)
        return filter_ip_is_v4(ip) && is_known(ip, net->prefix_bits) &&
               first_bits_equal(net->ip.bytes, ip->bytes, net->prefix_bits);
    CHECKF(net->ip.kind == IP_V6, "a net of kind %u", net->ip.kind);
    return ip->kind == IP_V6 && first_bits_equal(net->ip.bytes, ip->bytes, net->prefix_bits);
}

static bool mode_matches(enum filter_mode mode, bool is_in_list) {
    CHECK(mode <= FILTER_NONE_OF && (mode != FILTER_ANY || !is_in_list));
    return mode == FILTER_ANY || (mode == FILTER_ONE_OF) == is_in_list;
}

bool filter_region_matches(const struct filter *filter, struct country country) {
    bool is_in_list = false;
    for (size_t i = 0; i < filter->region_count; i++) is_in_list |= filter->regions[i].code == country.code;
    return mode_matches(filter->region_mode, is_in_list);
}

static bool ip_matches(const struct filter *filter, const struct ip *ip) {
    bool is_in_list = false;
    for (size_t i = 0; i < filter->ip_count; i++) is_in_list |= filter_net_holds(&filter->nets[i], ip);
    return mode_matches(filter->ip_mode, is_in_list);
}

static bool user_matches(const struct filter *filter, struct bytes user_id) {
    bool is_in_list = false;
    for (size_t i = 0; i < filter->user_count; i++) is_in_list |= bytes_equal(filter->users[i], user_id);
    return mode_matches(filter->user_mode, is_in_list);
}

bool filter_matches(const struct filter *filter, struct country country, const struct ip *ip, struct bytes user_id) {
    return filter_region_matches(filter, country) && ip_matches(filter, ip) && user_matches(filter, user_id);
}
