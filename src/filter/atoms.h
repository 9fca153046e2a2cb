/* atoms.h: the interned positive predicates that filters are sums of: (an address, a block, or any) x (a user, or any).
 *
 * Atom 0 is any x any: all clicks. The others get 1, 2, 3, ... in the order in which the journal's filters bring them, so
 * every holder of the same filter records has the same numbers (I2). A click matches a few of them, found by a few hash
 * look-ups however many there are. One owner; no lock.
 *
 *   filter = sum over its terms of sign x cells of the atom, over the countries of its region
 */
#pragma once

#include "filter/filter.h"

enum {
    ATOMS_MAX = (1 << 24) - 1,
    /* Each of: any address, the address itself, every length of a block; with any user and with this one; without atom 0. */
    ATOMS_MATCH_MAX = 2 * (2 + 129),
};

struct filter_term {
    uint32_t atom;
    int32_t sign; /* 1 or -1 */
};

struct atoms;
struct atoms *atoms_create(void);
void atoms_destroy(struct atoms *atoms);

/* Interns what is not there yet; writes filter_term_count terms, in a fixed order (nets ascending, then users; "any" first).
 * Each use is counted: atoms that no filter uses any more are matched no more. CHECKs that ATOMS_MAX is not passed. */
void atoms_use(struct atoms *atoms, const struct filter *filter, struct filter_term *terms);
/* Undoes one use. An atom without a use is let go: should a later filter bring it again, it gets a new number. */
void atoms_release(struct atoms *atoms, const struct filter *filter);
/* Without interning: false when one of the atoms is not there. */
bool atoms_find(const struct atoms *atoms, const struct filter *filter, struct filter_term *terms);
/* How many of the filter's atoms use would intern. */
size_t atoms_missing(const struct atoms *atoms, const struct filter *filter);

/* Adds one atom under a number of the caller's (recalculation counts some atoms under the numbers that they have elsewhere);
 * not to be mixed with atoms_use in one instance. Each put needs its drop; one atom has one number (CHECKed). Not for atom
 * 0. `of` is a filter that has the atom at `term_index`. */
void atoms_put(struct atoms *atoms, const struct filter *of, size_t term_index, uint32_t atom);
void atoms_drop(struct atoms *atoms, const struct filter *of, size_t term_index);

/* The atoms other than 0 that a click matches, each once, in no order; returns how many. Cheap when nothing matches. */
size_t atoms_match(const struct atoms *atoms, const struct ip *ip, struct bytes user_id, uint32_t out[ATOMS_MATCH_MAX]);
/* The same for whoever walks many clicks: what atoms_match looks at lies in memory that is far away as a rule, so it is
 * asked for some clicks ahead, in two steps, the second nearer. `ahead` is of the same click and the same atoms. */
struct atoms_ahead {
    uint32_t user_tag, net_tag;
};
struct atoms_ahead atoms_look_ahead(const struct atoms *atoms, const struct ip *ip, struct bytes user_id);
void atoms_look_nearer(const struct atoms *atoms, struct atoms_ahead ahead);
size_t atoms_match_ahead(const struct atoms *atoms, const struct ip *ip, struct bytes user_id, struct atoms_ahead ahead,
                         uint32_t out[ATOMS_MATCH_MAX]);
/* Nothing but atom 0 can match: atoms_match need not be called. */
bool atoms_none(const struct atoms *atoms);

uint32_t atoms_given(const struct atoms *atoms); /* the highest number given so far */
uint32_t atoms_live(const struct atoms *atoms);
uint64_t atoms_memory_bytes(const struct atoms *atoms);
