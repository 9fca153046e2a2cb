/* slices_read.c: the readers' side of the slices.
 *
 * A selection is a signed sum of its terms' cells over its countries. The term of atom 0, all clicks, of which there is at
 * most one, is the sum of the selected countries' slices, or what is plain minus those of the other countries: whichever is
 * less to read. Only countries that have clicks matter. Those of any other atom are few beside, and filtered by country one
 * by one. */
#include <stdlib.h>

#include "view/slices.h"
#include "view/slices_internal.h"

struct minute slices_from(const struct slices *slices) {
    return (struct minute){slices_active(slices) ? slices->from : UINT32_MAX};
}

struct minute slices_closed_before(const struct slices *slices) {
    return (struct minute){slices_active(slices) ? slices->closed_before : UINT32_MAX};
}

static void check_covered(const struct slices *slices, struct minute from, struct minute to) {
    CHECK(slices_active(slices) && slices->late_minute_count == 0);
    CHECK(from.index >= slices->from && from.index <= to.index && to.index <= slices->closed_before);
}

static bool has_atom_0(const struct selection *selection) {
    for (size_t i = 0; i < selection->term_count; i++) {
        if (selection->terms[i].atom != 0) continue;
        CHECK(selection->terms[i].sign == 1);
        return true;
    }
    return false;
}

/* --- one ad --- */

/* Whether fewer of the countries are selected than are not. */
static bool selected_are_fewer(const struct slices *slices, const struct selection *selection) {
    uint32_t selected = 0;
    for (uint32_t i = 0; i < slices->country_count; i++)
        selected += selection_has_country(selection, slices->countries[i].code);
    return selected <= slices->country_count / 2;
}

bool slices_count_needs_plain(const struct slices *slices, const struct selection *selection) {
    return has_atom_0(selection) && (selection->all_countries || !selected_are_fewer(slices, selection));
}

/* Of one ad, in the countries that are selected, or in those that are not: their keys. */
struct country_keys {
    uint64_t *keys;
    uint32_t count;
};

static struct country_keys country_keys_of(const struct slices *slices, const struct selection *selection, uint32_t ad,
                                           bool selected) {
    struct country_keys wanted = {.keys = memory_allocate(slices->country_count * sizeof *wanted.keys)};
    for (uint32_t i = 0; i < slices->country_count; i++) {
        struct country country = slices->countries[i];
        if (selection_has_country(selection, country.code) != selected) continue;
        wanted.keys[wanted.count++] = slice_key_country(country, ad);
    }
    return wanted;
}

/* Look-ups, gathered to be made together. */
enum { COUNT_PROBES = 64, COUNT_AHEAD = 8 };
struct counting {
    const struct selection *selection;
    struct slice_probe probes[COUNT_PROBES];
    int32_t signs[COUNT_PROBES];
    uint32_t probe_count;
    int64_t sum;
};

struct count_visit {
    const struct selection *selection; /* NULL: not asked, the keys are of one country */
    uint64_t sum;
};

static inline void count_if_selected(void *context, uint64_t key, uint64_t count) {
    struct count_visit *visit = context;
    if (visit->selection == NULL || selection_has_country(visit->selection, (uint16_t)key)) visit->sum += count;
}

static void count_gathered(struct counting *counting) {
    slice_probes_locate(counting->probes, counting->probe_count);
    /* For all before any is read. Not a function of its own: one that does nothing but fetch ahead is left out by gcc. */
    for (uint32_t i = 0; i < counting->probe_count; i++) {
        const struct slice_probe *probe = &counting->probes[i];
        if (probe->run != NULL) continue;
        const uint8_t *entries = probe->vector->entries + probe->vector->groups[slice_probe_group(probe)].offset;
        __builtin_prefetch(entries);
        __builtin_prefetch(entries + 64);
    }
    for (uint32_t i = 0; i < counting->probe_count; i++) {
        const struct slice_probe *probe = &counting->probes[i];
        struct count_visit visit = {probe->first >= SLICE_KEY_FIRST_ATOM ? counting->selection : NULL, 0};
        slice_probe_visit(probe, count_if_selected, &visit);
        CHECK(visit.sum <= INT64_MAX);
        counting->sum += counting->signs[i] * (int64_t)visit.sum;
    }
    counting->probe_count = 0;
}

static void count_probe(struct counting *counting, struct slice_probe probe, int32_t sign) {
    if (counting->probe_count == COUNT_PROBES) count_gathered(counting);
    counting->signs[counting->probe_count] = sign;
    counting->probes[counting->probe_count++] = probe;
}

static void count_range(struct counting *counting, const struct slice_vector *vector, struct slice_keys keys, int32_t sign) {
    if (vector->group_count > 0) count_probe(counting, slice_probe_base(vector, keys.first, keys.last), sign);
    for (uint32_t r = 0; r < vector->late.run_count; r++)
        count_probe(counting, slice_probe_run(&vector->late.runs[r], keys.first, keys.last), sign);
}

/* Of one ad in one minute. */
static void count_atoms(struct counting *counting, const struct slice_vector *vector, uint32_t ad) {
    for (size_t i = 0; i < counting->selection->term_count; i++) {
        struct filter_term term = counting->selection->terms[i];
        if (term.atom == 0) continue;
        struct slice_keys keys = slice_keys_atom_ad(term.atom, ad);
        count_range(counting, vector, keys, term.sign);
    }
}

uint64_t slices_count(const struct slices *slices, const struct selection *selection, uint32_t ad, struct minute from,
                      struct minute to, uint64_t plain) {
    check_covered(slices, from, to);
    bool needs_plain = slices_count_needs_plain(slices, selection);
    CHECK(!needs_plain || plain <= INT64_MAX);
    bool has_countries = has_atom_0(selection) && !selection->all_countries;
    struct counting counting = {.selection = selection};
    counting.sum = needs_plain ? (int64_t)plain : 0;
    struct country_keys wanted = {0};
    if (has_countries) wanted = country_keys_of(slices, selection, ad, !needs_plain);
    for (uint32_t minute = from.index; minute < to.index; minute++) {
        const struct slice_minute *slot = slices_slot(slices, minute);
        __builtin_prefetch(slices_slot(slices, minute + COUNT_AHEAD)); /* NULL or one outside: no harm */
        if (slot == NULL) continue;
        for (uint32_t i = 0; i < wanted.count; i++)
            count_range(&counting, &slot->vector, (struct slice_keys){wanted.keys[i], wanted.keys[i]}, needs_plain ? -1 : 1);
        count_atoms(&counting, &slot->vector, ad);
    }
    count_gathered(&counting);
    free(wanted.keys);
    CHECKF(counting.sum >= 0, "ad %u: %lld clicks in minutes %u to %u", ad, (long long)counting.sum, from.index, to.index);
    return (uint64_t)counting.sum;
}

/* --- all ads --- */

/* The countries that are selected, or those that are not, as ascending ranges of keys; neighbours in one. Free it. */
static struct slice_keys *country_ranges(const struct slices *slices, const struct selection *selection, bool selected,
                                         uint32_t *range_count) {
    struct slice_keys *ranges = memory_allocate((slices->country_count + 1) * sizeof *ranges);
    bool goes_on = false;
    *range_count = 0;
    for (uint32_t i = 0; i < slices->country_count; i++) {
        struct country country = slices->countries[i];
        bool is_wanted = selection_has_country(selection, country.code) == selected;
        uint64_t last = slice_key_country(country, (1 << 24) - 1);
        if (is_wanted && goes_on) ranges[*range_count - 1].last = last;
        CHECK(i == 0 || slices->countries[i - 1].code < country.code); /* so that neighbours make one range */
        if (is_wanted && !goes_on) ranges[(*range_count)++] = (struct slice_keys){slice_key_country(country, 0), last};
        goes_on = is_wanted;
    }
    return ranges;
}

struct slices_plan slices_plan(const struct slices *slices, const struct selection *selection, struct minute from,
                               struct minute to) {
    check_covered(slices, from, to);
    struct slices_plan plan = {.needs_plain = has_atom_0(selection) && selection->all_countries};
    uint64_t selected = 0, all = 0;
    uint32_t range_count = 0;
    struct slice_keys *ranges = NULL;
    if (has_atom_0(selection) && !selection->all_countries) ranges = country_ranges(slices, selection, true, &range_count);
    for (uint32_t minute = from.index; minute < to.index; minute++) {
        const struct slice_minute *slot = slices_slot(slices, minute);
        if (slot == NULL) continue;
        for (uint32_t i = 0; i < range_count; i++)
            selected += slice_vector_entries(&slot->vector, ranges[i].first, ranges[i].last);
        if (ranges != NULL) all += slice_vector_entries(&slot->vector, 0, SLICE_KEY_FIRST_ATOM - 1);
        for (size_t i = 0; i < selection->term_count; i++) {
            if (selection->terms[i].atom == ATOM_ALL) continue;
            struct slice_keys keys = slice_keys_atom(selection->terms[i].atom);
            plan.entries += slice_vector_entries(&slot->vector, keys.first, keys.last);
        }
    }
    free(ranges);
    uint64_t rest = all > selected ? all - selected : 0;
    plan.subtract_rest = rest < selected;
    plan.needs_plain |= plan.subtract_rest;
    plan.entries += plan.subtract_rest ? rest : selected;
    return plan;
}

struct dense_visit {
    const struct selection *selection;
    uint32_t *dense;
    uint32_t ad_count;
    uint32_t sign; /* 1, or -1 modulo 2^32 */
};

static inline void add_country_slice(void *context, uint64_t key, uint64_t count) {
    const struct dense_visit *visit = context;
    uint32_t ad = key & 0xFFFFFF;
    CHECK(ad < visit->ad_count);
    visit->dense[ad] += visit->sign * (uint32_t)count;
}

static inline void add_atom_slice(void *context, uint64_t key, uint64_t count) {
    const struct dense_visit *visit = context;
    if (!selection_has_country(visit->selection, (uint16_t)key)) return;
    uint32_t ad = slice_key_atom_ad(key);
    CHECK(ad < visit->ad_count);
    visit->dense[ad] += visit->sign * (uint32_t)count;
}

static void sum_countries(const struct slice_vector *vector, struct slice_keys range, struct dense_visit visit) {
    slice_vector_visit(vector, range.first, range.last, add_country_slice, &visit);
}

static void sum_atom(const struct slice_vector *vector, uint32_t atom, struct dense_visit visit) {
    struct slice_keys keys = slice_keys_atom(atom);
    slice_vector_visit(vector, keys.first, keys.last, add_atom_slice, &visit);
}

void slices_sum(const struct slices *slices, const struct selection *selection, const struct slices_plan *plan,
                struct minute from, struct minute to, uint32_t *dense, uint32_t ad_count) {
    check_covered(slices, from, to);
    uint32_t range_count = 0;
    struct slice_keys *ranges = NULL;
    if (has_atom_0(selection) && !selection->all_countries)
        ranges = country_ranges(slices, selection, !plan->subtract_rest, &range_count);
    struct dense_visit visit = {.selection = selection, .dense = dense, .ad_count = ad_count};
    for (uint32_t minute = from.index; minute < to.index; minute++) {
        const struct slice_minute *slot = slices_slot(slices, minute);
        if (slot == NULL) continue;
        visit.sign = plan->subtract_rest ? UINT32_MAX : 1;
        for (uint32_t i = 0; i < range_count; i++) sum_countries(&slot->vector, ranges[i], visit);
        for (size_t i = 0; i < selection->term_count; i++) {
            struct filter_term term = selection->terms[i];
            visit.sign = term.sign < 0 ? UINT32_MAX : 1;
            if (term.atom != 0) sum_atom(&slot->vector, term.atom, visit);
        }
    }
    free(ranges);
}
