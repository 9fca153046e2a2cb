/* slice_sort.h: counts by a 64-bit key, and how millions of them are sorted. */
#pragma once

#include <stdint.h>

struct slice {
    uint64_t key;
    uint64_t count; /* never 0 */
};

/* Ascending by key; equal keys stay in their order. `scratch` has room for as many; the result is in `items`' place or in
 * `scratch`'s. About 25 ns an item for millions, a fifth of what qsort takes. */
struct slice *slices_sorted(struct slice *items, struct slice *scratch, uint32_t count);
