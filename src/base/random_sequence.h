/* random_sequence.h: a seeded sequence of numbers, the same on every machine: for tests, simulations and synthetic
 * workloads. Never for keys: those come from the seam's random (seam/random.h). */
#pragma once

#include <stdint.h>

struct random_sequence {
    uint64_t state;
};

/* SplitMix64 (Steele, Lea, Flood 2014). */
static inline uint64_t random_sequence_next(struct random_sequence *sequence) {
    uint64_t mixed = (sequence->state += UINT64_C(0x9E3779B97F4A7C15));
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94D049BB133111EB);
    return mixed ^ (mixed >> 31);
}

/* Uniform in [0, bound), bound > 0; the bias of the multiply is below 2^-32 for bounds below 2^32. */
static inline uint64_t random_sequence_below(struct random_sequence *sequence, uint64_t bound) {
    __extension__ typedef unsigned __int128 product;
    return (uint64_t)(((product)random_sequence_next(sequence) * bound) >> 64);
}
