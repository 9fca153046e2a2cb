/* filter_atoms.h: the atoms of the filters that stand at a place of one partition, from its filter records in order (I2).
 * One owner, the partition's aggregator.
 *
 * A record that deletes a filter names its id only, so what stands is kept: as its encoded bytes, and only where it has
 * atoms at all. To hold the journal record instead would keep the memory of up to 100,000 filters for as long as one of
 * them stands; this way memory follows what stands, and each id ever used costs 16 bytes. */
#pragma once

#include "base/status.h"
#include "filter/filters.h"

struct filter_atoms;
struct filter_atoms *filter_atoms_create(void);
void filter_atoms_destroy(struct filter_atoms *filter_atoms);

/* The next record. STATUS_CORRUPT: it creates an id that was there before, or deletes one that does not stand. */
enum status filter_atoms_step(struct filter_atoms *filter_atoms, const struct filter_record *record,
                              struct failure *failure) MUST_USE;
/* As of the last record; the pointer stays. */
const struct atoms *filter_atoms_view(const struct filter_atoms *filter_atoms);
uint64_t filter_atoms_memory_bytes(const struct filter_atoms *filter_atoms);
