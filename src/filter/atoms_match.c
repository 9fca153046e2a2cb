/* atoms_match.c: which atoms a click matches. Called for every click: what it costs when nothing matches is what counts. */
#include "base/check.h"
#include "filter/atoms_internal.h"

struct match {
    const struct atoms *atoms;
    uint32_t user; /* ENTRY_NONE: no atom names the click's user */
    uint32_t user_pairs;
    uint32_t *out;
    size_t count;
};

static void emit(struct match *match, uint32_t atom) {
    CHECK(match->count < ATOMS_MATCH_MAX);
    CHECKF(atom >= 1 && atom <= match->atoms->given, "atom %u of %u", atom, match->atoms->given);
    match->out[match->count++] = atom;
}

static void match_user(struct match *match, struct bytes user_id, uint32_t tag) {
    const struct atoms *atoms = match->atoms;
    if (user_id.len == 0) return; /* erased */
    match->user = user_find(atoms, user_id, tag);
    if (match->user == ENTRY_NONE) return;
    const struct user_entry *user = user_at(atoms, match->user);
    match->user_pairs = user->pairs;
    if (user->alone.atom != 0) emit(match, user->alone.atom);
}

static void match_net(struct match *match, uint32_t tag, const struct filter_net *wanted) {
    const struct atoms *atoms = match->atoms;
    const uint32_t number = net_find(atoms, wanted, tag);
    if (number == ENTRY_NONE) return;
    const struct net_entry *net = net_at(atoms, number);
    if (net->alone.atom != 0) emit(match, net->alone.atom);
    if (net->pairs == 0 || match->user_pairs == 0) return;
    const uint32_t pair = pair_find(atoms, number, match->user, tag_of_pair(number, match->user));
    if (pair != ENTRY_NONE) emit(match, pair_at(atoms, pair)->use.atom);
}

static void match_v4_blocks(struct match *match, const struct ip *ip, uint64_t lengths) {
    const struct atoms *atoms = match->atoms;
    const uint32_t address = ip_v4_bits(ip);
    for (; lengths != 0; lengths &= lengths - 1) {
        const uint32_t length = (uint32_t)__builtin_ctzll(lengths);
        const uint32_t bits = address & (uint32_t)(UINT64_MAX << (32 - length));
        const uint32_t tag = tag_of_v4(bits, length);
        if (!entry_table_may_hold(&atoms->nets, tag)) continue; /* before there is anything to build */
        struct filter_net net = {.ip.kind = IP_V4, .prefix_bits = (uint8_t)length};
        put_u32_be(net.ip.bytes, bits);
        match_net(match, tag, &net);
    }
}

static void match_v4_masked(struct match *match, const struct ip *ip) {
    const struct atoms *atoms = match->atoms;
    CHECKF(ip->mask >= 1 && ip->mask <= 15, "mask %u", ip->mask);
    /* A block holds all that it may stand for only if the prefix ends before the first unknown octet. That octet's bytes are
     * 0, so if it is the first, only the length 0 is looked for under octet 0. */
    const unsigned known_bits = 8 * (unsigned)__builtin_ctz(ip->mask);
    match_v4_blocks(match, ip, atoms->v4_lengths[ip->bytes[0]] & ((UINT64_C(2) << known_bits) - 1));
    if (atoms->masked_nets == 0) return;
    const struct filter_net net = {.ip = *ip, .prefix_bits = 32};
    match_net(match, tag_of_net(&net), &net);
}

static struct v6_bits first_bits(struct v6_bits bits, uint32_t length) {
    if (length > 64) return (struct v6_bits){bits.high, bits.low & UINT64_MAX << (128 - length)};
    return (struct v6_bits){length == 0 ? 0 : bits.high & UINT64_MAX << (64 - length), 0};
}

static void match_v6(struct match *match, const struct ip *ip) {
    const struct atoms *atoms = match->atoms;
    const struct v6_bits address = ip_v6_bits(ip);
    for (uint32_t word = 0; word < sizeof atoms->v6_lengths / sizeof atoms->v6_lengths[0]; word++) {
        for (uint64_t lengths = atoms->v6_lengths[word]; lengths != 0; lengths &= lengths - 1) {
            const uint32_t length = word * 64 + (uint32_t)__builtin_ctzll(lengths);
            const struct v6_bits bits = first_bits(address, length);
            const uint32_t tag = tag_of_v6(bits, length);
            if (!entry_table_may_hold(&atoms->nets, tag)) continue;
            struct filter_net net = {.ip.kind = IP_V6, .prefix_bits = (uint8_t)length};
            put_u64(net.ip.bytes, __builtin_bswap64(bits.high));
            put_u64(net.ip.bytes + 8, __builtin_bswap64(bits.low));
            match_net(match, tag, &net);
        }
    }
}

struct atoms_ahead atoms_look_ahead(const struct atoms *atoms, const struct ip *ip, struct bytes user_id) {
    /* Of the address only as a whole: blocks are few, and near. */
    struct atoms_ahead ahead = {.user_tag = tag_of_user(user_id),
                                .net_tag = ip->kind == IP_V4 ? tag_of_v4(ip_v4_bits(ip), 32) : 0};
    entry_table_prefetch_slot(&atoms->users, ahead.user_tag);
    entry_table_prefetch_slot(&atoms->nets, ahead.net_tag);
    return ahead;
}

void atoms_look_nearer(const struct atoms *atoms, struct atoms_ahead ahead) {
    entry_table_prefetch_entry(&atoms->users, ahead.user_tag);
    entry_table_prefetch_entry(&atoms->nets, ahead.net_tag);
}

size_t atoms_match(const struct atoms *atoms, const struct ip *ip, struct bytes user_id, uint32_t out[ATOMS_MATCH_MAX]) {
    return atoms_match_ahead(atoms, ip, user_id, (struct atoms_ahead){.user_tag = tag_of_user(user_id)}, out);
}

#ifdef TALLY_COSTLY_CHECKS
/* An atom that came twice would count its click twice. */
static bool each_is_once(const uint32_t *atoms, size_t count) {
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            if (atoms[i] == atoms[j]) return false;
    return true;
}
#endif

size_t atoms_match_ahead(const struct atoms *atoms, const struct ip *ip, struct bytes user_id, struct atoms_ahead ahead,
                         uint32_t out[ATOMS_MATCH_MAX]) {
    struct match match = {.atoms = atoms, .user = ENTRY_NONE, .out = out};
    COSTLY_CHECK(ahead.user_tag == tag_of_user(user_id));
    match_user(&match, user_id, ahead.user_tag);
    if (ip->kind == IP_V4) {
        match_v4_blocks(&match, ip, atoms->v4_lengths[ip->bytes[0]]);
    } else if (ip->kind == IP_V4_MASKED) {
        match_v4_masked(&match, ip);
    } else if (ip->kind == IP_V6) {
        match_v6(&match, ip);
    } else {
        CHECKF(ip->kind == 0, "ip kind %u", ip->kind); /* erased */
    }
    CHECK(match.count <= atoms->live);
    COSTLY_CHECK(each_is_once(out, match.count));
    return match.count;
}
