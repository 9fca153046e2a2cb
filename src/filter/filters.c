#include "filter/filters.h"

#include <stdlib.h>

#include "base/check.h"

/* A filter that was ever created. Its content stays when it is deleted: its id is never free again, and whoever asks for it
 * is told what it was. */
struct entry {
    struct stored_filter stored;
    struct filter *filter;
    struct filter_term *terms;
};

struct atom_info {
    uint32_t born;
    uint32_t uses; /* by standing filters */
    bool has_clicks, backfilled;
    struct minute covers_from;
};

struct filters {
    struct atoms *atoms;
    struct entry **by_id; /* ascending. Filters mostly come with ascending ids, so a new one mostly goes to the end */
    size_t count, capacity;
    struct atom_info *infos; /* by atom; [0] is not used */
    size_t info_capacity;
    uint32_t number, standing, ranked;
    uint64_t content_bytes;
    uint32_t recalculations; /* ever wanted */
};

struct filters *filters_create(void) {
    struct filters *filters = memory_allocate_zeroed(1, sizeof *filters);
    filters->atoms = atoms_create();
    return filters;
}

void filters_destroy(struct filters *filters) {
    if (filters == NULL) return;
    for (size_t i = 0; i < filters->count; i++) {
        filter_destroy(filters->by_id[i]->filter);
        free(filters->by_id[i]->terms);
        free(filters->by_id[i]);
    }
    free(filters->by_id);
    free(filters->infos);
    atoms_destroy(filters->atoms);
    free(filters);
}

/* How many have a lower id: where `id` is, or belongs. */
static size_t place_of(const struct filters *filters, uint32_t id) {
    size_t low = 0, high = filters->count;
    CHECK(filters->count <= filters->capacity);
    if (high > 0 && filters->by_id[high - 1]->filter->id < id) return high;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (filters->by_id[middle]->filter->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    CHECK(low == filters->count || filters->by_id[low]->filter->id >= id);
    CHECK(low == 0 || filters->by_id[low - 1]->filter->id < id);
    return low;
}

static struct entry *entry_find(const struct filters *filters, uint32_t id) {
    const size_t at = place_of(filters, id);
    return at < filters->count && filters->by_id[at]->filter->id == id ? filters->by_id[at] : NULL;
}

const struct stored_filter *filters_find(const struct filters *filters, uint32_t id) {
    const struct entry *entry = entry_find(filters, id);
    return entry == NULL ? NULL : &entry->stored;
}

const struct stored_filter *filters_next(const struct filters *filters, uint32_t from) {
    for (size_t at = place_of(filters, from); at < filters->count; at++)
        if (!filters->by_id[at]->stored.deleted) return &filters->by_id[at]->stored;
    return NULL;
}

const struct stored_filter *filters_next_created(const struct filters *filters, uint32_t from) {
    const size_t at = place_of(filters, from);
    return at < filters->count ? &filters->by_id[at]->stored : NULL;
}

bool filters_covers_from(const struct filters *filters, const struct stored_filter *stored, struct minute *covers_from) {
    bool has_any = false;
    for (size_t i = 0; i < stored->term_count; i++) {
        if (stored->terms[i].atom == 0) continue; /* all clicks were always counted */
        const struct atom_info *info = &filters->infos[stored->terms[i].atom];
        CHECK(info->born >= 1 && info->born <= filters->number);
        /* By this filter's record or by one before it; one that is asked once has none. */
        CHECK(stored->number == 0 || info->born <= stored->number);
        if (!info->has_clicks || info->backfilled) continue;
        if (!has_any || info->covers_from.index > covers_from->index) *covers_from = info->covers_from;
        has_any = true;
    }
    return has_any;
}

/* What the records alone say. */
static enum filters_verdict check_records(const struct filters *filters, enum filter_action action, uint32_t id,
                                          const struct filter *filter) {
    CHECK(id >= 1 && id <= FILTER_ID_MAX && (filter != NULL) == (action == FILTER_CREATE));
    const struct entry *entry = entry_find(filters, id);
    if (entry == NULL) return action == FILTER_CREATE ? FILTERS_OK : FILTERS_UNKNOWN;
    if (entry->stored.deleted) return FILTERS_DELETED;
    switch (action) {
    case FILTER_CREATE:
        return filter_equal(entry->filter, filter) ? FILTERS_SAME : FILTERS_CONFLICT;
    case FILTER_DELETE:
        return FILTERS_OK;
    case FILTER_RECALCULATE:
        return entry->stored.recalculate_wanted ? FILTERS_SAME : FILTERS_OK;
    }
    CHECK_FAIL("filter action %d", (int)action);
}

enum filters_verdict filters_check(const struct filters *filters, enum filter_action action, uint32_t id,
                                   const struct filter *filter) {
    const enum filters_verdict verdict = check_records(filters, action, id, filter);
    struct minute covers_from;
    if (verdict == FILTERS_OK && action == FILTER_RECALCULATE &&
        !filters_covers_from(filters, filters_find(filters, id), &covers_from))
        return FILTERS_SAME;
    return verdict;
}

static void entry_insert(struct filters *filters, struct entry *entry) {
    const size_t at = place_of(filters, entry->filter->id);
    CHECK(at == filters->count || filters->by_id[at]->filter->id != entry->filter->id);
    if (filters->count == filters->capacity) {
        filters->capacity = filters->capacity == 0 ? 16 : filters->capacity * 2;
        filters->by_id = memory_resize(filters->by_id, filters->capacity * sizeof(struct entry *));
    }
    memmove(filters->by_id + at + 1, filters->by_id + at, (filters->count - at) * sizeof(struct entry *));
    filters->by_id[at] = entry;
    filters->count++;
}

/* Those that the record brought first. */
static void note_new_atoms(struct filters *filters, uint32_t given_before, const struct filter_record *record) {
    const uint32_t given = atoms_given(filters->atoms);
    CHECK(given >= given_before);
    if (given >= filters->info_capacity) {
        const size_t doubled = filters->info_capacity * 2;
        filters->info_capacity = doubled > given + (size_t)1 ? doubled : given + (size_t)1;
        filters->infos = memory_resize(filters->infos, filters->info_capacity * sizeof *filters->infos);
    }
    for (uint32_t atom = given_before + 1; atom <= given; atom++)
        filters->infos[atom] =
            (struct atom_info){.born = record->number, .has_clicks = record->has_clicks, .covers_from = record->covers_from};
}

static void apply_create(struct filters *filters, const struct filter_record *record) {
    CHECK(record->filter->id == record->id);
    const size_t term_count = filter_term_count(record->filter);
    const uint32_t given_before = atoms_given(filters->atoms);
    struct entry *entry = memory_allocate_zeroed(1, sizeof *entry);
    entry->filter = filter_copy(record->filter);
    entry->terms = memory_allocate(term_count * sizeof *entry->terms);
    atoms_use(filters->atoms, entry->filter, entry->terms);
    note_new_atoms(filters, given_before, record);
    for (size_t i = 0; i < term_count; i++)
        if (entry->terms[i].atom != 0) filters->infos[entry->terms[i].atom].uses++;
    entry->stored = (struct stored_filter){
        .filter = entry->filter, .terms = entry->terms, .term_count = term_count, .number = record->number};
    entry_insert(filters, entry);
    CHECK(filters->standing < filters->count);
    filters->standing++;
    filters->ranked += entry->filter->ranked;
    filters->content_bytes += sizeof *entry + term_count * sizeof *entry->terms + filter_memory_bytes(entry->filter);
}

static void apply_delete(struct filters *filters, struct entry *entry) {
    atoms_release(filters->atoms, entry->filter);
    CHECK(!entry->stored.deleted);
    for (size_t i = 0; i < entry->stored.term_count; i++) {
        if (entry->terms[i].atom == 0) continue;
        CHECK(filters->infos[entry->terms[i].atom].uses > 0);
        filters->infos[entry->terms[i].atom].uses--;
    }
    entry->stored.deleted = true;
    CHECK(filters->standing > 0 && (!entry->filter->ranked || filters->ranked > 0));
    filters->standing--;
    filters->ranked -= entry->filter->ranked;
}

#ifdef TALLY_COSTLY_CHECKS
/* Each atom is used by as many terms of standing filters as its uses say; those that none uses are not matched. */
static bool uses_agree(const struct filters *filters) {
    uint64_t of_terms = 0, of_atoms = 0;
    uint32_t used = 0;
    for (size_t i = 0; i < filters->count; i++) {
        const struct stored_filter *stored = &filters->by_id[i]->stored;
        for (size_t term = 0; !stored->deleted && term < stored->term_count; term++)
            of_terms += stored->terms[term].atom != 0;
    }
    for (uint32_t atom = 1; atom <= atoms_given(filters->atoms); atom++) {
        of_atoms += filters->infos[atom].uses;
        used += filters->infos[atom].uses > 0;
    }
    return of_terms == of_atoms && used == atoms_live(filters->atoms);
}
#endif

/* Backfilled atoms are no records: what they make of filters_check's verdict is not asked here, or a record that was right
 * when it was written would be wrong when it is read again. */
void filters_apply(struct filters *filters, const struct filter_record *record) {
    CHECKF(record->number == filters->number + 1, "filter record %u after %u", record->number, filters->number);
    CHECKF(check_records(filters, record->action, record->id, record->filter) == FILTERS_OK, "filter record %u",
           record->number);
    switch (record->action) {
    case FILTER_CREATE:
        apply_create(filters, record);
        break;
    case FILTER_DELETE:
        apply_delete(filters, entry_find(filters, record->id));
        break;
    case FILTER_RECALCULATE:
        entry_find(filters, record->id)->stored.recalculate_wanted = true;
        filters->recalculations++;
        break;
    }
    filters->number = record->number;
    CHECK(filters->ranked <= filters->standing && filters->standing <= filters->count && filters->count <= filters->number);
    COSTLY_CHECK(filters->count > 500 || uses_agree(filters)); /* each time a walk over all of them */
}

static struct atom_info *info_at(const struct filters *filters, uint32_t atom) {
    CHECKF(atom >= 1 && atom <= atoms_given(filters->atoms), "atom %u", atom);
    return &filters->infos[atom];
}

void filters_atom_backfilled(struct filters *filters, uint32_t atom) {
    info_at(filters, atom)->backfilled = true;
}

uint32_t filters_atom_born(const struct filters *filters, uint32_t atom, bool *backfilled) {
    const struct atom_info *info = info_at(filters, atom);
    CHECK(info->born >= 1 && info->born <= filters->number);
    *backfilled = info->backfilled;
    return info->born;
}

bool filters_atom_lacks_past(const struct filters *filters, uint32_t atom) {
    const struct atom_info *info = info_at(filters, atom);
    return info->uses > 0 && info->has_clicks && !info->backfilled;
}

bool filters_awaits_past(const struct filters *filters, const struct stored_filter *stored) {
    for (size_t i = 0; stored->recalculate_wanted && i < stored->term_count; i++)
        if (stored->terms[i].atom != 0 && filters_atom_lacks_past(filters, stored->terms[i].atom)) return true;
    return false;
}

uint32_t filters_number(const struct filters *filters) {
    return filters->number;
}

uint32_t filters_created(const struct filters *filters) {
    return (uint32_t)filters->count;
}

uint32_t filters_standing(const struct filters *filters) {
    return filters->standing;
}

uint32_t filters_ranked(const struct filters *filters) {
    return filters->ranked;
}

const struct atoms *filters_atoms(const struct filters *filters) {
    return filters->atoms;
}

uint64_t filters_memory_bytes(const struct filters *filters) {
    return sizeof *filters + filters->capacity * sizeof(struct entry *) + filters->info_capacity * sizeof *filters->infos +
           filters->content_bytes + atoms_memory_bytes(filters->atoms);
}

uint32_t filters_recalculations(const struct filters *filters) {
    return filters->recalculations;
}
