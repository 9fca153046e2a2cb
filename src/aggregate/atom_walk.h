/* atom_walk.h (inside aggregate/): the users and addresses of a block, looked up among the atoms some clicks before they are
 * matched, as ad_walk.h does with ads. */
#pragma once

#include "aggregate/ad_walk.h"
#include "filter/atoms.h"
#include "journal/person_walk.h"

struct atom_walk {
    struct person_walk person; /* of the click that is judged */
    struct person_walk ahead;  /* of the click number `index` */
    uint32_t index, count;
    struct atoms_ahead ring[PREFETCH_AHEAD];
};

static inline void atom_walk_ahead(struct atom_walk *walk, const struct atoms *atoms) {
    if (walk->index >= walk->count) return;
    struct ip ip = person_walk_ip(&walk->ahead);
    walk->ring[walk->index % PREFETCH_AHEAD] = atoms_look_ahead(atoms, &ip, person_walk_user(&walk->ahead));
    person_walk_step(&walk->ahead);
    walk->index++;
}

static inline struct atom_walk atom_walk_of(const struct click_block *block, const struct atoms *atoms) {
    struct person_walk person = person_walk_of(block);
    struct atom_walk walk = {.person = person, .ahead = person, .count = block->count};
    for (uint32_t i = 0; i < PREFETCH_AHEAD; i++) atom_walk_ahead(&walk, atoms);
    return walk;
}

/* Of click number `index`, which has been walked ahead to. */
static inline void atom_walk_nearer(const struct atom_walk *walk, const struct atoms *atoms, uint32_t index) {
    if (index < walk->count) atoms_look_nearer(atoms, walk->ring[index % PREFETCH_AHEAD]);
}

static inline size_t atom_walk_match(const struct atom_walk *walk, const struct atoms *atoms, uint32_t index,
                                     uint32_t out[ATOMS_MATCH_MAX]) {
    struct ip ip = person_walk_ip(&walk->person);
    return atoms_match_ahead(atoms, &ip, person_walk_user(&walk->person), walk->ring[index % PREFETCH_AHEAD], out);
}

/* From click number `index` to the next. */
static inline void atom_walk_step(struct atom_walk *walk, const struct atoms *atoms) {
    person_walk_step(&walk->person);
    atom_walk_ahead(walk, atoms); /* into the place that was just used */
}
