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

struct partial {
    uint32_t partition;
    struct journal_offset from;   /* inclusive */
    struct journal_offset to;     /* exclusive: everything below is in the state */
    struct watermark watermark;   /* just before `to` */
    struct rules rules;           /* in force just before `to` */
    struct verdict_totals totals; /* since the journal's beginning */
    struct increment *increments;
    size_t increment_count, increment_capacity;
};
void partial_fini(struct partial *partial);
