/* selection.h: which cells a question adds up, with which sign. */
#pragma once

#include "filter/atoms.h"

/* Made once a question; everything is borrowed from a filter that outlives it. */
struct selection {
    const struct filter *filter;
    const struct filter_term *terms;
    size_t term_count;
    /* region: bit = the country is in. Unused when `all_countries`. */
    bool all_countries;
    uint64_t countries[(COUNTRY_CODES + 63) / 64];
};
struct selection selection_of(const struct filter *filter, const struct filter_term *terms, size_t term_count);
static inline bool selection_has_country(const struct selection *selection, uint32_t code) {
    return selection->all_countries || (selection->countries[code / 64] >> (code % 64) & 1) != 0;
}
