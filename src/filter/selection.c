#include "filter/selection.h"

#include "base/check.h"

struct selection selection_of(const struct filter *filter, const struct filter_term *terms, size_t term_count) {
    CHECK(term_count == filter_term_count(filter));
    struct selection selection = {
        .filter = filter, .terms = terms, .term_count = term_count, .all_countries = filter->region_mode == FILTER_ANY};
    CHECK((filter->region_mode == FILTER_ANY) == (filter->region_count == 0));
    for (size_t i = 0; i < filter->region_count; i++) CHECK(filter->regions[i].code < COUNTRY_CODES);
    for (size_t i = 0; i < filter->region_count; i++)
        selection.countries[filter->regions[i].code / 64] |= UINT64_C(1) << (filter->regions[i].code % 64);
    if (filter->region_mode != FILTER_NONE_OF) return selection;
    for (size_t i = 0; i < sizeof selection.countries / sizeof selection.countries[0]; i++)
        selection.countries[i] = ~selection.countries[i];
    return selection;
}
