#include "filter/atoms.h"

#include <stdlib.h>

#include "base/check.h"
#include "filter/atoms_internal.h"

/* A term's atom as its filter names it; NULL: any. */
struct atom_key {
    const struct filter_net *net;
    const struct bytes *user;
    int32_t sign;
};

/* The value of a list at a place of its parts, of which "any" is the first where there is one; ENTRY_NONE: that one. */
static uint32_t part_value(enum filter_mode mode, size_t part) {
    if (mode == FILTER_ONE_OF) return (uint32_t)part;
    return part == 0 ? ENTRY_NONE : (uint32_t)(part - 1);
}

static struct atom_key key_at(const struct filter *filter, size_t term_index) {
    CHECK(term_index < filter_term_count(filter));
    const size_t user_parts = filter_part_count(filter->user_mode, filter->user_count);
    const uint32_t net = part_value(filter->ip_mode, term_index / user_parts);
    const uint32_t user = part_value(filter->user_mode, term_index % user_parts);
    struct atom_key key = {.sign = 1};
    if (net != ENTRY_NONE) key.net = &filter->nets[net];
    if (user != ENTRY_NONE) key.user = &filter->users[user];
    if (key.net != NULL && filter->ip_mode == FILTER_NONE_OF) key.sign = -key.sign;
    if (key.user != NULL && filter->user_mode == FILTER_NONE_OF) key.sign = -key.sign;
    CHECK(net == ENTRY_NONE || net < filter->ip_count);
    CHECK(user == ENTRY_NONE || user < filter->user_count);
    return key;
}

struct atoms *atoms_create(void) {
    struct atoms *atoms = memory_allocate_zeroed(1, sizeof *atoms);
    entry_table_init(&atoms->nets, sizeof(struct net_entry));
    entry_table_init(&atoms->users, sizeof(struct user_entry));
    entry_table_init(&atoms->pairs, sizeof(struct pair_entry));
    return atoms;
}

enum { USER_ALLOCATION_BYTES = 16 }; /* what the allocator adds to a user's id, about */

static void user_id_free(struct user_entry *user) {
    if (user->len > USER_INLINE_BYTES) free(user->id.far);
}

static void free_user_ids(struct atoms *atoms) {
    for (uint32_t slot = 0; slot <= atoms->users.mark_mask >> 3; slot++)
        if (atoms->users.slots[slot] != 0) user_id_free(user_at(atoms, (uint32_t)atoms->users.slots[slot] - 1));
}

void atoms_destroy(struct atoms *atoms) {
    if (atoms == NULL) return;
    free_user_ids(atoms);
    entry_table_fini(&atoms->nets);
    entry_table_fini(&atoms->users);
    entry_table_fini(&atoms->pairs);
    free(atoms);
}

/* --- nets and users: there while some atom names them --- */

static void count_length(uint32_t *nets, uint64_t *bits, unsigned length, bool added) {
    CHECK(added || *nets > 0);
    *nets = added ? *nets + 1 : *nets - 1;
    const uint64_t bit = UINT64_C(1) << (length % 64);
    bits[length / 64] = *nets > 0 ? bits[length / 64] | bit : bits[length / 64] & ~bit;
}

static void count_net(struct atoms *atoms, const struct filter_net *net, bool added) {
    const unsigned length = net->prefix_bits;
    if (net->ip.kind == IP_V6) {
        count_length(&atoms->v6_length_nets[length], atoms->v6_lengths, length, added);
    } else if (net->ip.kind == IP_V4_MASKED) {
        CHECK(added || atoms->masked_nets > 0);
        atoms->masked_nets = added ? atoms->masked_nets + 1 : atoms->masked_nets - 1;
    } else {
        /* A block shorter than an octet lies in several. */
        const unsigned octets = length >= 8 ? 1 : 1u << (8 - length);
        CHECKF(net->ip.bytes[0] + octets <= 256, "%u.0.0.0/%u", net->ip.bytes[0], length);
        for (unsigned octet = net->ip.bytes[0]; octet < net->ip.bytes[0] + octets; octet++)
            count_length(&atoms->v4_length_nets[octet][length], &atoms->v4_lengths[octet], length, added);
    }
}

static uint32_t net_take(struct atoms *atoms, const struct filter_net *net) {
    const uint32_t tag = tag_of_net(net);
    uint32_t number = net_find(atoms, net, tag);
    if (number != ENTRY_NONE) return number;
    number = entry_table_add(&atoms->nets, tag);
    net_at(atoms, number)->net = *net;
    count_net(atoms, net, true);
    CHECK(net_find(atoms, net, tag) == number);
    return number;
}

static void net_let_go(struct atoms *atoms, uint32_t number) {
    const struct net_entry entry = *net_at(atoms, number);
    if (entry.alone.atom != 0 || entry.pairs > 0) return;
    count_net(atoms, &entry.net, false);
    entry_table_remove(&atoms->nets, tag_of_net(&entry.net), number);
}

static uint32_t user_take(struct atoms *atoms, struct bytes user_id) {
    CHECK(user_id.len >= 1 && user_id.len <= ID_BYTES_MAX);
    const uint32_t tag = tag_of_user(user_id);
    uint32_t number = user_find(atoms, user_id, tag);
    if (number != ENTRY_NONE) return number;
    number = entry_table_add(&atoms->users, tag);
    struct user_entry *entry = user_at(atoms, number);
    entry->len = (uint32_t)user_id.len;
    if (user_id.len <= USER_INLINE_BYTES) {
        memcpy(entry->id.near, user_id.at, user_id.len);
        return number;
    }
    entry->id.far = memory_allocate(user_id.len);
    memcpy(entry->id.far, user_id.at, user_id.len);
    atoms->user_bytes += user_id.len + USER_ALLOCATION_BYTES;
    return number;
}

static void user_let_go(struct atoms *atoms, uint32_t number) {
    struct user_entry entry = *user_at(atoms, number);
    if (entry.alone.atom != 0 || entry.pairs > 0) return;
    entry_table_remove(&atoms->users, tag_of_user((struct bytes){user_id_of(&entry), entry.len}), number);
    CHECK(entry.len <= USER_INLINE_BYTES || atoms->user_bytes >= entry.len + USER_ALLOCATION_BYTES);
    if (entry.len > USER_INLINE_BYTES) atoms->user_bytes -= entry.len + USER_ALLOCATION_BYTES;
    user_id_free(&entry);
}

/* --- atoms --- */

/* Where the atom is; all ENTRY_NONE: nowhere. */
struct place {
    uint32_t net, user, pair;
};

static struct place place_find(const struct atoms *atoms, const struct atom_key *key) {
    struct place place = {ENTRY_NONE, ENTRY_NONE, ENTRY_NONE};
    if (key->net != NULL) place.net = net_find(atoms, key->net, tag_of_net(key->net));
    if (key->user != NULL) place.user = user_find(atoms, *key->user, tag_of_user(*key->user));
    if (place.net != ENTRY_NONE && place.user != ENTRY_NONE)
        place.pair = pair_find(atoms, place.net, place.user, tag_of_pair(place.net, place.user));
    return place;
}

/* NULL when it is not there. Not for atom 0. */
static struct use *use_find(const struct atoms *atoms, const struct atom_key *key, const struct place *place) {
    struct use *use = NULL;
    if (key->net != NULL && key->user != NULL) {
        if (place->pair != ENTRY_NONE) use = &pair_at(atoms, place->pair)->use;
    } else if (key->net != NULL) {
        if (place->net != ENTRY_NONE) use = &net_at(atoms, place->net)->alone;
    } else if (place->user != ENTRY_NONE) {
        use = &user_at(atoms, place->user)->alone;
    }
    return use != NULL && use->atom != 0 ? use : NULL;
}

static bool is_all(const struct atom_key *key) {
    return key->net == NULL && key->user == NULL;
}

static struct use *use_add(struct atoms *atoms, const struct atom_key *key) {
    struct place place = {ENTRY_NONE, ENTRY_NONE, ENTRY_NONE};
    if (key->net != NULL) place.net = net_take(atoms, key->net);
    if (key->user != NULL) place.user = user_take(atoms, *key->user);
    if (key->user == NULL) return &net_at(atoms, place.net)->alone;
    if (key->net == NULL) return &user_at(atoms, place.user)->alone;
    place.pair = entry_table_add(&atoms->pairs, tag_of_pair(place.net, place.user));
    net_at(atoms, place.net)->pairs++;
    user_at(atoms, place.user)->pairs++;
    struct pair_entry *pair = pair_at(atoms, place.pair);
    pair->net = place.net;
    pair->user = place.user;
    return &pair->use;
}

static void use_remove(struct atoms *atoms, const struct place *place) {
    if (place->pair != ENTRY_NONE) {
        entry_table_remove(&atoms->pairs, tag_of_pair(place->net, place->user), place->pair);
        CHECK(net_at(atoms, place->net)->pairs > 0 && user_at(atoms, place->user)->pairs > 0);
        net_at(atoms, place->net)->pairs--;
        user_at(atoms, place->user)->pairs--;
    }
    if (place->net != ENTRY_NONE) net_let_go(atoms, place->net);
    if (place->user != ENTRY_NONE) user_let_go(atoms, place->user);
    CHECK(atoms->live > 0);
    atoms->live--;
    /* Nets and users stand for atoms alone: none is forgotten. */
    CHECK(atoms->live > 0 || (atoms->nets.live == 0 && atoms->users.live == 0 && atoms->pairs.live == 0));
}

/* `atom`: the number if it is new. Returns the one it has. */
static uint32_t key_use(struct atoms *atoms, const struct atom_key *key, uint32_t atom) {
    CHECKF(atom >= 1 && atom <= ATOMS_MAX, "atom %u", atom);
    const struct place place = place_find(atoms, key);
    struct use *use = use_find(atoms, key, &place);
    if (use == NULL) {
        use = use_add(atoms, key);
        CHECK(use->atom == 0 && use->count == 0);
        use->atom = atom;
        if (atom > atoms->given) atoms->given = atom;
        atoms->live++;
    }
    use->count++;
    CHECK(use->count > 0 && use->atom <= atoms->given && atoms->live <= atoms->given);
    return use->atom;
}

/* Returns the number that it had. */
static uint32_t key_release(struct atoms *atoms, const struct atom_key *key) {
    const struct place place = place_find(atoms, key);
    struct use *use = use_find(atoms, key, &place);
    CHECK(use != NULL && use->count > 0);
    const uint32_t atom = use->atom;
    if (--use->count > 0) return atom;
    use->atom = 0;
    use_remove(atoms, &place);
    return atom;
}

#ifdef TALLY_COSTLY_CHECKS
/* Whether a click that no value of the filter's lists names is counted as the filter says: all its terms of atom 0. */
static bool terms_agree_on_others(const struct filter *filter, const struct filter_term *terms, size_t count) {
    int64_t sum = 0;
    for (size_t i = 0; i < count; i++) sum += terms[i].atom == 0 ? terms[i].sign : 0;
    return sum == (filter->ip_mode != FILTER_ONE_OF && filter->user_mode != FILTER_ONE_OF);
}
#endif

void atoms_use(struct atoms *atoms, const struct filter *filter, struct filter_term *terms) {
    const size_t count = filter_term_count(filter);
    const uint32_t given_before = atoms->given;
    CHECK(count >= 1 && count <= FILTER_TERMS_MAX);
    for (size_t i = 0; i < count; i++) {
        const struct atom_key key = key_at(filter, i);
        terms[i] = (struct filter_term){is_all(&key) ? 0 : key_use(atoms, &key, atoms->given + 1), key.sign};
    }
    CHECK(atoms->given >= given_before && atoms->given - given_before <= count); /* numbers are never given twice */
    COSTLY_CHECK(terms_agree_on_others(filter, terms, count));
    COSTLY_CHECK(atoms_missing(atoms, filter) == 0);
}

void atoms_release(struct atoms *atoms, const struct filter *filter) {
    const size_t count = filter_term_count(filter);
    COSTLY_CHECK(atoms_missing(atoms, filter) == 0);
    for (size_t i = 0; i < count; i++) {
        const struct atom_key key = key_at(filter, i);
        if (!is_all(&key)) (void)key_release(atoms, &key);
    }
}

/* False when it is not there. */
static bool key_number(const struct atoms *atoms, const struct atom_key *key, uint32_t *atom) {
    *atom = 0;
    if (is_all(key)) return true;
    const struct place place = place_find(atoms, key);
    const struct use *use = use_find(atoms, key, &place);
    if (use == NULL) return false;
    *atom = use->atom;
    CHECK(*atom >= 1 && *atom <= atoms->given && use->count > 0);
    return true;
}

bool atoms_find(const struct atoms *atoms, const struct filter *filter, struct filter_term *terms) {
    const size_t count = filter_term_count(filter);
    for (size_t i = 0; i < count; i++) {
        const struct atom_key key = key_at(filter, i);
        terms[i].sign = key.sign;
        if (!key_number(atoms, &key, &terms[i].atom)) return false;
    }
    return true;
}

size_t atoms_missing(const struct atoms *atoms, const struct filter *filter) {
    const size_t count = filter_term_count(filter);
    size_t missing = 0;
    for (size_t i = 0; i < count; i++) {
        const struct atom_key key = key_at(filter, i);
        uint32_t atom;
        missing += !key_number(atoms, &key, &atom);
    }
    return missing;
}

void atoms_put(struct atoms *atoms, const struct filter *of, size_t term_index, uint32_t atom) {
    const struct atom_key key = key_at(of, term_index);
    CHECK(!is_all(&key));
    CHECK(key_use(atoms, &key, atom) == atom);
}

void atoms_drop(struct atoms *atoms, const struct filter *of, size_t term_index) {
    const struct atom_key key = key_at(of, term_index);
    CHECK(!is_all(&key));
    (void)key_release(atoms, &key);
}

bool atoms_none(const struct atoms *atoms) {
    return atoms->live == 0;
}

uint32_t atoms_given(const struct atoms *atoms) {
    return atoms->given;
}

uint32_t atoms_live(const struct atoms *atoms) {
    return atoms->live;
}

uint64_t atoms_memory_bytes(const struct atoms *atoms) {
    return sizeof *atoms + entry_table_memory_bytes(&atoms->nets) + entry_table_memory_bytes(&atoms->users) +
           entry_table_memory_bytes(&atoms->pairs) + atoms->user_bytes;
}
