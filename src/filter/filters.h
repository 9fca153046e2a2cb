/* filters.h: all filters that the journal's filter records add up to: which stand, which are deleted, from when each covers.
 * A function of the records alone (I2). One writer; readers only while nobody writes. */
#pragma once

#include "filter/atoms.h"

enum filter_action { FILTER_CREATE = 1, FILTER_DELETE = 2, FILTER_RECALCULATE = 3 }; /* on disk: never renumber */

/* One filter record of the journal; `filter` is borrowed. */
struct filter_record {
    uint32_t number; /* 1, 2, 3, ... over the log's filter records */
    enum filter_action action;
    uint32_t id;
    const struct filter *filter; /* FILTER_CREATE, else NULL */
    /* FILTER_CREATE: the first minute later than every click journalled before; !has_clicks: there was none. */
    bool has_clicks;
    struct minute covers_from;
};
void filter_record_encode(const struct filter_record *record, struct buffer *out);
/* `*filter` is the caller's (NULL when the action has none); `record->filter` views it. False: not what encode makes. */
bool filter_record_decode(struct bytes bytes, struct filter_record *record, struct filter **filter);

struct filters;
struct filters *filters_create(void);
void filters_destroy(struct filters *filters);

/* Why a change cannot be made now; FILTERS_SAME: it is made already (the same filter again; recalculation already wanted).
 */
enum filters_verdict { FILTERS_OK, FILTERS_SAME, FILTERS_CONFLICT, FILTERS_DELETED, FILTERS_UNKNOWN };
enum filters_verdict filters_check(const struct filters *filters, enum filter_action action, uint32_t id,
                                   const struct filter *filter);
/* Takes over a record that filters_check finds OK and whose number is the next: CHECKs both (the journal has verified it).
 */
void filters_apply(struct filters *filters, const struct filter_record *record);
/* The atom's count now holds what was clicked before it was interned, too. */
void filters_atom_backfilled(struct filters *filters, uint32_t atom);

struct stored_filter {
    const struct filter *filter;
    const struct filter_term *terms;
    size_t term_count;
    uint32_t number;         /* of the record that created it */
    bool deleted;            /* questions may not name it; its id stays taken */
    bool recalculate_wanted; /* a record asks for its atoms to be backfilled */
};
/* NULL: never created. Valid until the next apply. */
const struct stored_filter *filters_find(const struct filters *filters, uint32_t id);
/* Those that are not deleted, by id ascending: the first with id >= `from`; NULL after the last. */
const struct stored_filter *filters_next(const struct filters *filters, uint32_t from);
/* The same with those that are deleted. */
const struct stored_filter *filters_next_created(const struct filters *filters, uint32_t from);
/* The latest of its atoms (docs/adr/0014); false: it covers everything. */
bool filters_covers_from(const struct filters *filters, const struct stored_filter *stored, struct minute *covers_from);
/* The number of the record that interned the atom; `*backfilled` as said above. */
uint32_t filters_atom_born(const struct filters *filters, uint32_t atom, bool *backfilled);
/* A filter that stands uses the atom, there were clicks before it was interned, and they are not in its count. */
bool filters_atom_lacks_past(const struct filters *filters, uint32_t atom);
/* A record asks for its atoms' past, and one of them lacks it. Of a deleted filter too: what others share with it must not
 * depend on whether the recalculation or the deletion came first. */
bool filters_awaits_past(const struct filters *filters, const struct stored_filter *stored);

uint32_t filters_number(const struct filters *filters);  /* of the last record applied, 0 before the first */
uint32_t filters_created(const struct filters *filters); /* deleted ones too */
uint32_t filters_standing(const struct filters *filters);
uint32_t filters_recalculations(const struct filters *filters); /* ever wanted: 0, and none awaits its past */
uint32_t filters_ranked(const struct filters *filters);         /* standing ones that are marked */
const struct atoms *filters_atoms(const struct filters *filters);
uint64_t filters_memory_bytes(const struct filters *filters);
