/* oracle_filters.h: which filters the records of a journal make, and from when each covers, from the definitions: lists that
 * are searched from end to end, no atoms.h, no filters.c. */
#pragma once

#include "oracle/oracle.h"

struct oracle_filter {
    const struct filter *filter; /* the oracle's */
    uint32_t number;             /* of the record that created it */
    bool deleted;
};

struct oracle_filters;
/* Of an oracle that has counted, and that outlives it. `flaw`: the first thing wrong with the records, in words, or empty:
 * partitions that disagree, numbers with gaps, a `covers_from` that is not the first minute later than every click before.
 */
struct oracle_filters *oracle_filters_create(const struct oracle *oracle, char flaw[256]);
void oracle_filters_destroy(struct oracle_filters *filters);
const struct oracle_filter *oracle_filters_all(const struct oracle_filters *filters, size_t *count); /* by number */

enum oracle_cover {
    ORACLE_COVERS_NOTHING, /* something that it asks for is counted for no standing filter */
    ORACLE_COVERS_PART,
    ORACLE_COVERS_ALL,
};
/* From when a filter, stored or not, can be answered now that every recalculation that was asked for has ended. */
enum oracle_cover oracle_filters_cover(const struct oracle_filters *filters, const struct filter *filter,
                                       struct minute *covers_from);
