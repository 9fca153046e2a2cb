/* minute_vector.h: the counts of one closed minute by ad, over all partitions and countries: about 2 bytes an ad. Immutable
 * base plus what late clicks added. One writer; readers only while nobody writes. */
#pragma once

#include "view/cell_table.h"

enum { VECTOR_GROUP_ADS = 64 }; /* a look-up decodes at most this many entries */

struct ad_count {
    uint32_t ad;
    uint32_t count;
};

struct minute_vector {
    uint32_t entry_count; /* of the base */
    uint32_t group_count;
    uint32_t *group_ads;     /* the first ad of each group, ascending */
    uint32_t *group_offsets; /* where its entries begin in `entries` */
    uint8_t *entries;        /* varint gap to the ad before in the group (0 for the first), varint count */
    uint32_t entries_bytes;
    struct cell_table late; /* by ad, country 0 */
};

/* From (ad, count) in any order, each ad once; `scratch` has room for as many. Both are used as working memory. */
void minute_vector_init(struct minute_vector *vector, struct ad_count *counts, struct ad_count *scratch, uint32_t count);
void minute_vector_fini(struct minute_vector *vector);
uint64_t minute_vector_count(const struct minute_vector *vector, uint32_t ad);
/* Adds every count to dense[ad], or subtracts it; modulo 2^32. */
void minute_vector_add_to(const struct minute_vector *vector, uint32_t *dense, bool subtract);
uint64_t minute_vector_bytes(const struct minute_vector *vector);
/* Entries that minute_vector_add_to touches. */
static inline uint64_t minute_vector_entries(const struct minute_vector *vector) {
    return (uint64_t)vector->entry_count + vector->late.cell_count;
}
