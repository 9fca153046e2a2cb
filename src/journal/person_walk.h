/* person_walk.h: who clicked: user and ip of each click of a block, in order and nothing else of it (the fast way; whole
 * clicks: click_cursor). */
#pragma once

#include "journal/record.h"

/* Views point into the record. */
struct person_walk {
    const uint8_t *user_lengths, *users, *ips;
};

/* The block's personal frame must not be erased (CHECK), and nothing may be read past its last click: the lengths were
 * validated when the record was made or parsed, so no step looks where the frame ends. */
struct person_walk person_walk_of(const struct click_block *block);

/* The click that the walk stands at. */
static inline struct bytes person_walk_user(const struct person_walk *walk) {
    return (struct bytes){walk->users, *walk->user_lengths};
}
static inline struct ip person_walk_ip(const struct person_walk *walk) {
    struct ip ip = {.kind = walk->ips[0], .mask = walk->ips[1]};
    memcpy(ip.bytes, walk->ips + 2, ip.kind == IP_V6 ? 16 : 4);
    return ip;
}
static inline void person_walk_step(struct person_walk *walk) {
    walk->users += *walk->user_lengths++;
    walk->ips += 2 + (walk->ips[0] == IP_V6 ? 16 : 4);
}
