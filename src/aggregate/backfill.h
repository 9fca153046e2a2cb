/* backfill.h: counts again what was clicked before some atoms were interned: one partition's pass over the beginning of its
 * journal (the atoms' own counts begin at their filter records; docs/adr/0014). No thread, lock or clock; one owner.
 *
 *   what the aggregator hands on of an atom, from its record on  +  what the backfill hands on  =  all of the journal
 *
 * Verdicts are the aggregator's own: the same code judges the same records, with its own memory of identities. */
#pragma once

#include "ads/ads.h"
#include "aggregate/partial.h"
#include "base/status.h"
#include "dedup/dedup.h"
#include "filter/filter.h"
#include "journal/record.h"

struct backfill;

/* `dedup` as for the partition's aggregator, but for the name: less memory may be too little (STATUS_FULL). `ads` is the
 * node's, and outlives it; every ad that it meets should be there already. */
struct backfill *backfill_create(uint32_t partition, const struct dedup_options *dedup, struct ads *ads);
void backfill_destroy(struct backfill *backfill);

/* Before the first step: count the clicks before the filter record number `born` for the filter's atom at `term_index`,
 * which has the number `atom` (not 0) elsewhere. The same atom again changes nothing. The filter is copied. */
void backfill_want(struct backfill *backfill, const struct filter *filter, size_t term_index, uint32_t atom, uint32_t born);

/* The partition's part of the next record, from the journal's first one on. Errors as aggregator_step. */
enum status backfill_step(struct backfill *backfill, const struct journal_record *record, struct failure *failure) MUST_USE;
/* Nothing more will be counted: the records of all wanted atoms have passed. */
bool backfill_done(const struct backfill *backfill);

/* As aggregator_take, with atom increments only. Take often: the waiting increments are not bounded otherwise. */
bool backfill_take(struct backfill *backfill, struct partial *out);

/* Of the identities that it remembers; at most what `dedup` allows. */
uint64_t backfill_memory_bytes(const struct backfill *backfill);
