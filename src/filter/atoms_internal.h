/* atoms_internal.h: the tables that interning (atoms.c) writes and matching (atoms_match.c) reads. */
#pragma once

#include <xxhash.h>

#include "base/codec.h"
#include "filter/atoms.h"
#include "filter/entry_table.h"
#include "filter/filter_internal.h"

/* An atom and how many filters use it; number 0: there is none. */
struct use {
    uint32_t atom;
    uint32_t count;
};

/* Stands as long as it has an atom with any user, or pairs. */
struct net_entry {
    struct use alone;
    uint32_t pairs;
    struct filter_net net;
};

enum { USER_INLINE_BYTES = 48 };
struct user_entry {
    struct use alone;
    uint32_t pairs;
    uint32_t len;
    union { /* most ids are short, and then there is nothing further away to look at */
        uint8_t near[USER_INLINE_BYTES];
        uint8_t *far; /* owned; of a longer one */
    } id;
};
static inline const uint8_t *user_id_of(const struct user_entry *user) {
    return user->len <= USER_INLINE_BYTES ? user->id.near : user->id.far;
}

struct pair_entry {
    struct use use;
    uint32_t net, user; /* entries' numbers */
};

enum { V4_LENGTHS = 33, V6_LENGTHS = 129 };

struct atoms {
    struct entry_table nets, users, pairs; /* of net_entry, user_entry, pair_entry */
    /* Which lengths of blocks (an address is one of 32 or 128) stand, so that no others are looked for; of IPv4 by the first
     * octet, since a few thousand blocks have all lengths between them but few of them in one place. */
    uint64_t v4_lengths[256];
    uint64_t v6_lengths[(V6_LENGTHS + 63) / 64];
    uint32_t v4_length_nets[256][V4_LENGTHS]; /* how many entries make the bits above */
    uint32_t v6_length_nets[V6_LENGTHS];
    uint32_t masked_nets;
    uint32_t given, live;
    uint64_t user_bytes;
};

/* Every bit of the word reaches every bit of the result. */
static inline uint64_t mixed(uint64_t word) {
    word *= UINT64_C(0x9E3779B97F4A7C15);
    word ^= word >> 32;
    return word * UINT64_C(0xD6E8FEB86659FD93);
}

static inline uint32_t tag_of_word(uint64_t word) {
    return (uint32_t)(mixed(word) >> 32);
}

/* IPv4: `low` is the prefix's length, or for a masked address 64 + its mask. No two nets have one word. */
static inline uint32_t tag_of_v4(uint32_t bits, uint32_t low) {
    return tag_of_word((uint64_t)bits << 8 | low);
}

/* The address as two numbers. */
struct v6_bits {
    uint64_t high, low;
};

static inline struct v6_bits ip_v6_bits(const struct ip *ip) {
    return (struct v6_bits){__builtin_bswap64(get_u64(ip->bytes)), __builtin_bswap64(get_u64(ip->bytes + 8))};
}

static inline uint32_t tag_of_v6(struct v6_bits bits, uint32_t prefix_bits) {
    const uint64_t high = mixed(bits.high + prefix_bits);
    return tag_of_word((high ^ high >> 32) ^ bits.low);
}

static inline uint32_t tag_of_user(struct bytes user_id) {
    return (uint32_t)(XXH3_64bits(user_id.at, user_id.len) >> 32);
}

static inline uint32_t tag_of_pair(uint32_t net, uint32_t user) {
    return tag_of_word((uint64_t)net << 32 | user);
}

static inline uint32_t ip_v4_bits(const struct ip *ip) {
    return __builtin_bswap32(get_u32(ip->bytes));
}

static inline uint32_t tag_of_net(const struct filter_net *net) {
    if (net->ip.kind == IP_V6) return tag_of_v6(ip_v6_bits(&net->ip), net->prefix_bits);
    return tag_of_v4(ip_v4_bits(&net->ip), net->ip.kind == IP_V4 ? net->prefix_bits : 64u + net->ip.mask);
}

static inline struct net_entry *net_at(const struct atoms *atoms, uint32_t number) {
    return entry_table_at(&atoms->nets, number);
}

static inline struct user_entry *user_at(const struct atoms *atoms, uint32_t number) {
    return entry_table_at(&atoms->users, number);
}

static inline struct pair_entry *pair_at(const struct atoms *atoms, uint32_t number) {
    return entry_table_at(&atoms->pairs, number);
}

static inline uint32_t user_find(const struct atoms *atoms, struct bytes user_id, uint32_t tag) {
    if (!entry_table_may_hold(&atoms->users, tag)) return ENTRY_NONE;
    uint32_t slot = entry_table_home(&atoms->users, tag), number;
    while ((number = entry_table_next(&atoms->users, tag, &slot)) != ENTRY_NONE) {
        const struct user_entry *user = user_at(atoms, number);
        if (user->len == user_id.len && memcmp(user_id_of(user), user_id.at, user_id.len) == 0) break;
    }
    return number;
}

static inline uint32_t pair_find(const struct atoms *atoms, uint32_t net, uint32_t user, uint32_t tag) {
    if (!entry_table_may_hold(&atoms->pairs, tag)) return ENTRY_NONE;
    uint32_t slot = entry_table_home(&atoms->pairs, tag), number;
    while ((number = entry_table_next(&atoms->pairs, tag, &slot)) != ENTRY_NONE) {
        const struct pair_entry *pair = pair_at(atoms, number);
        if (pair->net == net && pair->user == user) break;
    }
    return number;
}

static inline uint32_t net_find(const struct atoms *atoms, const struct filter_net *net, uint32_t tag) {
    if (!entry_table_may_hold(&atoms->nets, tag)) return ENTRY_NONE;
    uint32_t slot = entry_table_home(&atoms->nets, tag), number;
    while ((number = entry_table_next(&atoms->nets, tag, &slot)) != ENTRY_NONE) {
        if (memcmp(&net_at(atoms, number)->net, net, sizeof *net) == 0) break;
    }
    return number;
}
