#include "view/minute_vector.h"

#include <stdlib.h>

#include "base/check.h"

enum { RADIX_BITS = 11, RADIX = 1 << RADIX_BITS, VARINT_BYTES_MAX = 5 };

/* Least significant digit first; three passes cover 33 bits. The result is in `counts`' place or in `scratch`'s. */
static struct ad_count *sort_by_ad(struct ad_count *counts, struct ad_count *scratch, uint32_t count) {
    for (unsigned shift = 0; shift < 32; shift += RADIX_BITS) {
        uint32_t begins[RADIX + 1] = {0};
        for (uint32_t i = 0; i < count; i++) begins[((counts[i].ad >> shift) & (RADIX - 1)) + 1]++;
        if (count > 0 && begins[((counts[0].ad >> shift) & (RADIX - 1)) + 1] == count) continue; /* one digit for all */
        for (uint32_t digit = 0; digit < RADIX; digit++) begins[digit + 1] += begins[digit];
        for (uint32_t i = 0; i < count; i++) scratch[begins[(counts[i].ad >> shift) & (RADIX - 1)]++] = counts[i];
        struct ad_count *swapped = counts;
        counts = scratch;
        scratch = swapped;
    }
    return counts;
}

static uint8_t *put_varint(uint8_t *at, uint32_t value) {
    for (; value >= 0x80; value >>= 7) *at++ = (uint8_t)(value | 0x80);
    *at++ = (uint8_t)value;
    return at;
}

static const uint8_t *get_varint(const uint8_t *at, uint32_t *value) {
    uint32_t byte = *at++, result = byte & 0x7F;
    for (unsigned shift = 7; byte >= 0x80; shift += 7) {
        byte = *at++;
        result |= (byte & 0x7F) << shift;
    }
    *value = result;
    return at;
}

void minute_vector_init(struct minute_vector *vector, struct ad_count *counts, struct ad_count *scratch, uint32_t count) {
    *vector = (struct minute_vector){.entry_count = count};
    if (count == 0) return;
    const struct ad_count *sorted = sort_by_ad(counts, scratch, count);
    vector->group_count = (count + VECTOR_GROUP_ADS - 1) / VECTOR_GROUP_ADS;
    vector->group_ads = memory_allocate(vector->group_count * sizeof *vector->group_ads);
    vector->group_offsets = memory_allocate(vector->group_count * sizeof *vector->group_offsets);
    CHECK(count <= UINT32_MAX / (2 * VARINT_BYTES_MAX));
    uint8_t *entries = memory_allocate((size_t)count * 2 * VARINT_BYTES_MAX), *at = entries;
    for (uint32_t i = 0; i < count; i++) {
        CHECK(i == 0 || sorted[i].ad > sorted[i - 1].ad);
        bool first = i % VECTOR_GROUP_ADS == 0;
        if (first) {
            vector->group_ads[i / VECTOR_GROUP_ADS] = sorted[i].ad;
            vector->group_offsets[i / VECTOR_GROUP_ADS] = (uint32_t)(at - entries);
        }
        at = put_varint(at, first ? 0 : sorted[i].ad - sorted[i - 1].ad);
        at = put_varint(at, sorted[i].count);
    }
    /* At least a byte each for gap and count, at most what was reserved. */
    CHECK((size_t)(at - entries) >= (size_t)count * 2 && (size_t)(at - entries) <= (size_t)count * 2 * VARINT_BYTES_MAX);
    vector->entries_bytes = (uint32_t)(at - entries);
    vector->entries = memory_resize(entries, vector->entries_bytes);
    for (uint32_t i = 0; i < count; i++) COSTLY_CHECK(minute_vector_count(vector, sorted[i].ad) == sorted[i].count);
}

void minute_vector_fini(struct minute_vector *vector) {
    free(vector->group_ads);
    free(vector->group_offsets);
    free(vector->entries);
    cell_table_fini(&vector->late);
    *vector = (struct minute_vector){0};
}

static uint32_t group_entries(const struct minute_vector *vector, uint32_t group) {
    CHECK(group < vector->group_count && vector->entry_count > group * VECTOR_GROUP_ADS);
    uint32_t left = vector->entry_count - group * VECTOR_GROUP_ADS;
    return left < VECTOR_GROUP_ADS ? left : VECTOR_GROUP_ADS;
}

uint64_t minute_vector_count(const struct minute_vector *vector, uint32_t ad) {
    uint64_t late = vector->late.cell_count == 0 ? 0 : cell_table_ad_count(&vector->late, ad);
    uint32_t low = 0, high = vector->group_count; /* the first group that begins behind the ad */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (vector->group_ads[middle] <= ad)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0) return late;
    const uint8_t *at = vector->entries + vector->group_offsets[low - 1];
    uint32_t reached = vector->group_ads[low - 1];
    for (uint32_t left = group_entries(vector, low - 1); left > 0; left--) {
        uint32_t gap, count;
        at = get_varint(get_varint(at, &gap), &count);
        reached += gap;
        if (reached == ad) return late + count;
        if (reached > ad) break;
    }
    return late;
}

void minute_vector_add_to(const struct minute_vector *vector, uint32_t *dense, bool subtract) {
    uint32_t sign = subtract ? UINT32_MAX : 1; /* modulo 2^32: times -1 */
    const uint8_t *at = vector->entries;
    for (uint32_t group = 0; group < vector->group_count; group++) {
        uint32_t ad = vector->group_ads[group];
        for (uint32_t left = group_entries(vector, group); left > 0; left--) {
            uint32_t gap, count;
            at = get_varint(get_varint(at, &gap), &count);
            ad += gap;
            dense[ad] += sign * count;
        }
    }
    CHECK(vector->entry_count == 0 ||
          at == vector->entries + vector->entries_bytes); /* every entry was added, and nothing else */
    struct cell_cursor cursor = {0};
    for (const struct cell_slot *slot; (slot = cell_table_next(&vector->late, &cursor)) != NULL;)
        dense[cell_key_ad(slot->key)] += sign * (uint32_t)slot->count;
}

uint64_t minute_vector_bytes(const struct minute_vector *vector) {
    return (uint64_t)vector->group_count * (sizeof *vector->group_ads + sizeof *vector->group_offsets) +
           vector->entries_bytes + cell_table_bytes(&vector->late);
}
