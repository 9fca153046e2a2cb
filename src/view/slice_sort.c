#include "view/slice_sort.h"

enum {
    RADIX_BITS = 11,
    RADIX = 1 << RADIX_BITS,
    INSERTION_MAX = 48, /* so few are sorted sooner than a radix pass has cleared its counters */
};

static void insertion_sort(struct slice *items, uint32_t count) {
    for (uint32_t i = 1; i < count; i++) {
        struct slice item = items[i];
        uint32_t at = i;
        for (; at > 0 && items[at - 1].key > item.key; at--) items[at] = items[at - 1];
        items[at] = item;
    }
}

/* Least significant digit first, over the bits that vary only: keys of one kind leave many that do not. */
struct slice *slices_sorted(struct slice *items, struct slice *scratch, uint32_t count) {
    if (count <= INSERTION_MAX) {
        insertion_sort(items, count);
        return items;
    }
    uint64_t varying = 0, falls = 0;
    for (uint32_t i = 1; i < count; i++) {
        varying |= items[i].key ^ items[0].key;
        falls += items[i].key < items[i - 1].key;
    }
    if (falls == 0) return items;
    for (unsigned shift = 0; shift < 64 && varying >> shift != 0; shift += RADIX_BITS) {
        shift += (unsigned)__builtin_ctzll(varying >> shift);
        uint32_t begins[RADIX + 1] = {0};
        for (uint32_t i = 0; i < count; i++) begins[((items[i].key >> shift) & (RADIX - 1)) + 1]++;
        for (uint32_t digit = 0; digit < RADIX; digit++) begins[digit + 1] += begins[digit];
        for (uint32_t i = 0; i < count; i++) scratch[begins[(items[i].key >> shift) & (RADIX - 1)]++] = items[i];
        struct slice *swapped = items;
        items = scratch;
        scratch = swapped;
    }
    return items;
}
