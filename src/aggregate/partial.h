/* partial.h: what leaves an aggregator: the counted clicks of one partition between two offsets, and its state at the
 * second. The view adds partials up to absolute numbers; they must join without gap or overlap (checked, I5). */
#pragma once

#include "aggregate/verdict.h"
#include "click/click.h"
#include "rules/watermark.h"

/* One counted click. */
struct increment {
    struct minute minute;
    uint32_t ad;
    struct country country;
};

/* One counted click that matched an atom other than 0 (filter/atoms.h); beside its increment. */
struct atom_increment {
    struct minute minute;
    uint32_t ad;
    uint32_t atom;
    struct country country;
};

struct partial {
    uint32_t partition;
    struct journal_offset from;   /* inclusive */
    struct journal_offset to;     /* exclusive: everything below is in the state */
    struct watermark watermark;   /* just before `to` */
    struct rules rules;           /* in force just before `to` */
    struct verdict_totals totals; /* since the journal's beginning */
    struct increment *increments;
    size_t increment_count, increment_capacity;
    uint32_t filters_number; /* of the last filter record below `to`; 0: none */
    struct atom_increment *atom_increments;
    size_t atom_increment_count, atom_increment_capacity;
};
void partial_fini(struct partial *partial);

void partial_grow_increments(struct partial *partial);
void partial_grow_atom_increments(struct partial *partial);
static inline void partial_push(struct partial *partial, struct increment increment) {
    if (partial->increment_count == partial->increment_capacity) partial_grow_increments(partial);
    partial->increments[partial->increment_count++] = increment;
}
static inline void partial_push_atom(struct partial *partial, struct atom_increment increment) {
    if (partial->atom_increment_count == partial->atom_increment_capacity) partial_grow_atom_increments(partial);
    partial->atom_increments[partial->atom_increment_count++] = increment;
}
