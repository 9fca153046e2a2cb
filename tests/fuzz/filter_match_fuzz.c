/* Bytes as a sequence of filters that are made, deleted and made again, and of clicks between them. What the interned atoms
 * say of a click must be what the plain definition says of every filter that stands: signed sum of matched atoms = 1 or 0.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "filter/filter_internal.h"
#include "filter/filters.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STANDING_MAX = 24, LIST_MAX = 4, TEXT_BYTES = 400, LONG_USER = 60 };

struct standing {
    struct filter *filter;
    struct filter_term terms[FILTER_TERMS_MAX];
};

struct world {
    const uint8_t *at, *end;
    struct atoms *atoms;
    struct standing standing[STANDING_MAX];
    size_t count;
};

static uint8_t take(struct world *world) {
    return world->at < world->end ? *world->at++ : 0;
}

/* Few octets, so that things meet. */
static uint8_t octet(uint8_t choice) {
    static const uint8_t octets[] = {0, 1, 10, 127, 128, 192, 254, 255};
    return octets[choice & 7];
}

static struct ip make_ip(struct world *world) {
    const uint8_t kind = take(world), first = take(world), second = take(world);
    struct ip ip = {.kind = IP_V4};
    if (kind % 4 == 0) {
        ip.kind = IP_V6;
        ip.bytes[0] = 0x20;
        ip.bytes[1] = octet(first);
        ip.bytes[7] = octet(first >> 3);
        ip.bytes[8] = octet(second);
        ip.bytes[15] = octet(second >> 3);
        return ip;
    }
    ip.bytes[0] = octet(first);
    ip.bytes[1] = octet(first >> 3);
    ip.bytes[2] = octet(second);
    ip.bytes[3] = octet(second >> 3);
    if (kind % 4 == 1 && kind >> 2 != 0) {
        ip.kind = IP_V4_MASKED;
        ip.mask = (uint8_t)(1 + (kind >> 2) % 15);
        for (unsigned i = 0; i < 4; i++)
            if ((ip.mask >> i & 1) != 0) ip.bytes[i] = 0;
    }
    return ip;
}

static void append_ip(const struct ip *ip, uint8_t prefix, struct buffer *out) {
    struct ip net = *ip;
    const unsigned bits_max = ip->kind == IP_V6 ? 128 : 32, bits = prefix % (bits_max + 1);
    if (ip->kind == IP_V4_MASKED) {
        for (unsigned i = 0; i < 4; i++)
            if ((ip->mask >> i & 1) != 0)
                buffer_printf(out, i == 0 ? "xxx" : ".xxx");
            else
                buffer_printf(out, i == 0 ? "%u" : ".%u", ip->bytes[i]);
        return;
    }
    for (unsigned bit = bits; bit < bits_max; bit++) net.bytes[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
    for (unsigned i = 0; i < bits_max / 8; i++)
        if (ip->kind == IP_V6)
            buffer_printf(out, i > 0 && i % 2 == 0 ? ":%02x" : "%02x", net.bytes[i]);
        else
            buffer_printf(out, i == 0 ? "%u" : ".%u", net.bytes[i]);
    if (bits < bits_max) buffer_printf(out, "/%u", bits);
}

static void append_user(uint8_t choice, struct buffer *out) {
    buffer_printf(out, "u%u", choice & 7);
    for (int i = 0; (choice & 8) != 0 && i < LONG_USER; i++) buffer_append_text(out, "x");
}

static void make_lists(struct world *world, struct buffer *ip, struct buffer *user) {
    const uint8_t shape = take(world);
    const unsigned ips = shape & 3, users = shape >> 2 & 3;
    if (ips == 0) buffer_append_text(ip, "*");
    if (users == 0) buffer_append_text(user, "*");
    if (ips > 0 && (shape & 16) != 0) buffer_append_text(ip, "!");
    if (users > 0 && (shape & 32) != 0) buffer_append_text(user, "!");
    for (unsigned i = 0; i < ips; i++) {
        const struct ip value = make_ip(world);
        if (i > 0) buffer_append_text(ip, "|");
        append_ip(&value, take(world), ip);
    }
    for (unsigned i = 0; i < users; i++) {
        if (i > 0) buffer_append_text(user, "|");
        append_user(take(world), user);
    }
}

static void create(struct world *world) {
    struct buffer ip = {0}, user = {0};
    struct filter_flaw flaw;
    make_lists(world, &ip, &user);
    struct standing *added = &world->standing[world->count];
    if (world->count < STANDING_MAX &&
        filter_parse(1, BYTES_LITERAL("*"), buffer_view(&ip), buffer_view(&user), false, &added->filter, &flaw)) {
        const size_t missing = atoms_missing(world->atoms, added->filter);
        const uint32_t given = atoms_given(world->atoms);
        atoms_use(world->atoms, added->filter, added->terms);
        CHECK(atoms_given(world->atoms) == given + missing);
        world->count++;
    }
    buffer_fini(&ip);
    buffer_fini(&user);
}

static void drop(struct world *world, size_t index) {
    struct standing *dropped = &world->standing[index];
    atoms_release(world->atoms, dropped->filter);
    filter_destroy(dropped->filter);
    *dropped = world->standing[--world->count];
}

static void match(struct world *world) {
    uint32_t matched[ATOMS_MATCH_MAX], ahead_matched[ATOMS_MATCH_MAX];
    const struct ip ip = make_ip(world), erased = {0};
    const uint8_t choice = take(world);
    struct buffer user = {0};
    append_user(choice, &user);
    const bool is_erased = choice > 250;
    const struct ip *from = is_erased ? &erased : &ip;
    const struct bytes who = is_erased ? (struct bytes){0} : buffer_view(&user);
    const size_t count = atoms_match(world->atoms, from, who, matched);
    const struct atoms_ahead ahead = atoms_look_ahead(world->atoms, from, who);
    atoms_look_nearer(world->atoms, ahead);
    CHECK(atoms_match_ahead(world->atoms, from, who, ahead, ahead_matched) == count);
    CHECK(count == 0 || memcmp(matched, ahead_matched, count * sizeof matched[0]) == 0);
    for (size_t f = 0; f < world->count; f++) {
        const struct standing *standing = &world->standing[f];
        int64_t sum = 0;
        for (size_t i = 0; i < filter_term_count(standing->filter); i++) {
            int64_t hits = standing->terms[i].atom == 0;
            for (size_t k = 0; k < count; k++) hits += matched[k] == standing->terms[i].atom;
            sum += standing->terms[i].sign * hits;
        }
        CHECK(sum == filter_matches(standing->filter, (struct country){COUNTRY_UNKNOWN}, from, who));
    }
    buffer_fini(&user);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct world world;
    world = (struct world){.at = data, .end = data + size, .atoms = atoms_create()};
    while (world.at < world.end) {
        const uint8_t what = take(&world);
        if (what < 96)
            create(&world);
        else if (what < 128 && world.count > 0)
            drop(&world, what % world.count);
        else
            match(&world);
    }
    while (world.count > 0) drop(&world, 0);
    CHECK(atoms_none(world.atoms));
    atoms_destroy(world.atoms);
    return 0;
}
