/* zipf.h: ranks 1..n with probability proportional to 1 / rank (Zipf's law with exponent s = 1), exactly, without a table.
 *
 * Rejection-inversion: W. Hoermann, G. Derflinger, "Rejection-inversion to generate variates from monotone discrete
 * distributions", ACM TOMACS 6 (1996). On average less than 1.1 draws a sample, whatever n is.
 * Floating point is fine here: this makes clicks, it does not count them.
 */
#pragma once

#include "base/random_sequence.h"

struct zipf {
    uint32_t count;
    double area_low;  /* of the enveloping 1/x, at the left end of rank 1 */
    double area_high; /* at the right end of the last rank */
    double sure;      /* a point at most this far left of its rank needs no second look */
};

/* `count` >= 1. */
void zipf_init(struct zipf *zipf, uint32_t count);
/* 1..count */
uint32_t zipf_next(const struct zipf *zipf, struct random_sequence *sequence);
