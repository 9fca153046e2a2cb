/* filter.c: a filter's life, and what makes one valid. */
#include <stdlib.h>

#include "base/check.h"
#include "click/country.h"
#include "filter/filter_internal.h"

/* So that equal nets are equal bytes, and lists can be compared as memory. */
_Static_assert(sizeof(struct filter_net) == 19 && sizeof(struct country) == 2, "no gaps");

void filter_destroy(struct filter *filter) {
    free(filter);
}

static size_t user_bytes(const struct filter *filter) {
    size_t bytes = 0;
    for (size_t i = 0; i < filter->user_count; i++) bytes += filter->users[i].len;
    return bytes;
}

uint64_t filter_memory_bytes(const struct filter *filter) {
    return sizeof *filter + filter->user_count * sizeof *filter->users + filter->region_count * sizeof *filter->regions +
           filter->ip_count * sizeof *filter->nets + user_bytes(filter);
}

/* One block of memory: the filter, then its arrays by falling alignment, then the bytes of the users. */
struct filter *filter_copy(const struct filter *filter) {
    uint8_t *block = memory_allocate(filter_memory_bytes(filter));
    struct filter *copy = (struct filter *)(void *)block;
    *copy = *filter;
    copy->users = (struct bytes *)(void *)(block + sizeof *copy);
    copy->regions = (struct country *)(void *)(copy->users + copy->user_count);
    copy->nets = (struct filter_net *)(void *)(copy->regions + copy->region_count);
    uint8_t *at = (uint8_t *)(copy->nets + copy->ip_count);
    for (size_t i = 0; i < filter->region_count; i++) copy->regions[i] = filter->regions[i];
    for (size_t i = 0; i < filter->ip_count; i++) copy->nets[i] = filter->nets[i];
    for (size_t i = 0; i < filter->user_count; i++) {
        const struct bytes user = filter->users[i];
        memcpy(at, user.at, user.len);
        copy->users[i] = (struct bytes){at, user.len};
        at += user.len;
    }
    CHECK(at == block + filter_memory_bytes(filter));
    COSTLY_CHECK(filter_equal(copy, filter));
    return copy;
}

bool filter_equal(const struct filter *a, const struct filter *b) {
    if (a->id != b->id || a->ranked != b->ranked || a->region_mode != b->region_mode || a->ip_mode != b->ip_mode ||
        a->user_mode != b->user_mode || a->region_count != b->region_count || a->ip_count != b->ip_count ||
        a->user_count != b->user_count)
        return false;
    for (size_t i = 0; i < a->region_count; i++)
        if (a->regions[i].code != b->regions[i].code) return false;
    for (size_t i = 0; i < a->ip_count; i++)
        if (filter_net_compare(&a->nets[i], &b->nets[i]) != 0) return false;
    for (size_t i = 0; i < a->user_count; i++)
        if (!bytes_equal(a->users[i], b->users[i])) return false;
    return true;
}

size_t filter_term_count(const struct filter *filter) {
    CHECK((filter->ip_mode == FILTER_ANY) <= (filter->ip_count == 0));
    return filter_part_count(filter->ip_mode, filter->ip_count) * filter_part_count(filter->user_mode, filter->user_count);
}

int filter_net_compare(const struct filter_net *a, const struct filter_net *b) {
    if (a->ip.kind != b->ip.kind) return a->ip.kind < b->ip.kind ? -1 : 1;
    const int bytes = memcmp(a->ip.bytes, b->ip.bytes, sizeof a->ip.bytes);
    if (bytes != 0) return bytes;
    if (a->ip.mask != b->ip.mask) return a->ip.mask < b->ip.mask ? -1 : 1;
    return (a->prefix_bits > b->prefix_bits) - (a->prefix_bits < b->prefix_bits);
}

/* The shorter one's bits decide; the longer one's address stands for all that is in it. */
bool filter_nets_overlap(const struct filter_net *a, const struct filter_net *b) {
    CHECK(a->prefix_bits <= 128 && b->prefix_bits <= 128);
    return a->prefix_bits <= b->prefix_bits ? filter_net_holds(a, &b->ip) : filter_net_holds(b, &a->ip);
}

bool filter_user_has_control(struct bytes user_id) {
    for (size_t i = 0; i < user_id.len; i++) {
        if (user_id.at[i] < 0x20 || user_id.at[i] == 0x7F) return true;
        if (user_id.at[i] == 0xC2 && i + 1 < user_id.len && user_id.at[i + 1] >= 0x80 && user_id.at[i + 1] < 0xA0)
            return true; /* U+0080 to U+009F */
    }
    return false;
}

static bool list_fits(enum filter_mode mode, size_t count, size_t count_max) {
    if (mode == FILTER_ANY) return count == 0;
    return (mode == FILTER_ONE_OF || mode == FILTER_NONE_OF) && count >= 1 && count <= count_max;
}

static bool regions_are_valid(const struct filter *filter) {
    for (size_t i = 0; i < filter->region_count; i++) {
        if (filter->regions[i].code >= COUNTRY_CODES) return false;
        if (i > 0 && filter->regions[i - 1].code >= filter->regions[i].code) return false;
        char text[4];
        struct country country;
        uint8_t form;
        country_text(filter->regions[i], text);
        CHECK(strlen(text) == 3);
        if (!country_parse((struct bytes){(const uint8_t *)text, 3}, &country, &form)) return false;
    }
    return true;
}

bool filter_ip_is_zero_behind(const struct ip *ip, unsigned bit) {
    for (; bit < 128; bit++)
        if ((ip->bytes[bit / 8] >> (7 - bit % 8) & 1) != 0) return false;
    return true;
}

static bool net_is_valid(const struct filter_net *net) {
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (!filter_ip_is_zero_behind(&net->ip, net->prefix_bits)) return false;
    if (net->ip.kind == IP_V4) return net->ip.mask == 0 && net->prefix_bits <= 32;
    /* A mapped address or block is an IPv4 one. */
    if (net->ip.kind == IP_V6)
        return net->ip.mask == 0 && net->prefix_bits <= 128 && memcmp(net->ip.bytes, mapped, sizeof mapped) != 0;
    if (net->ip.kind != IP_V4_MASKED || net->ip.mask == 0 || net->ip.mask > 15 || net->prefix_bits != 32) return false;
    for (unsigned octet = 0; octet < 4; octet++)
        if ((net->ip.mask >> octet & 1) != 0 && net->ip.bytes[octet] != 0) return false;
    return true;
}

static bool nets_are_valid(const struct filter *filter) {
    for (size_t i = 0; i < filter->ip_count; i++) {
        if (!net_is_valid(&filter->nets[i])) return false;
        if (i > 0 && filter_net_compare(&filter->nets[i - 1], &filter->nets[i]) >= 0) return false;
        for (size_t before = 0; before < i; before++)
            if (filter_nets_overlap(&filter->nets[before], &filter->nets[i])) return false;
    }
    return true;
}

static bool users_are_valid(const struct filter *filter) {
    for (size_t i = 0; i < filter->user_count; i++) {
        const struct bytes user = filter->users[i];
        if (user.len < 1 || user.len > ID_BYTES_MAX || filter_user_has_control(user)) return false;
        if (i > 0 && bytes_compare(filter->users[i - 1], user) >= 0) return false;
    }
    return true;
}

bool filter_is_valid(const struct filter *filter) {
    return filter->id <= FILTER_ID_MAX && list_fits(filter->region_mode, filter->region_count, COUNTRY_CODES) &&
           list_fits(filter->ip_mode, filter->ip_count, FILTER_VALUES_MAX) &&
           list_fits(filter->user_mode, filter->user_count, FILTER_VALUES_MAX) &&
           filter_term_count(filter) <= FILTER_TERMS_MAX && regions_are_valid(filter) && nets_are_valid(filter) &&
           users_are_valid(filter);
}
