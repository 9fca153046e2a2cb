/* aggregator.h: judges the clicks of one partition in offset order (I1, I6), keeps its time and its identities, and hands on
 * what was counted. No thread, lock or clock: a function of the records alone (I2). One owner.
 */
#pragma once

#include "ads/ads.h"
#include "aggregate/partial.h"
#include "base/status.h"
#include "dedup/dedup.h"
#include "filter/atoms.h"
#include "journal/record.h"

struct aggregator;

/* What the store says that the partition looked like at an offset. */
struct aggregator_checkpoint {
    struct journal_offset offset; /* 0: nothing is in the store */
    struct watermark watermark;
    struct verdict_totals totals;
};

/* Told of each verdict, for tests and for whoever explains single clicks. May be NULL. */
struct verdict_listener {
    void *self;
    void (*judged)(void *self, uint32_t partition, struct journal_offset offset, enum verdict verdict);
};

/* Starts at offset 0 of the journal. Clicks below `counted_below->offset` are judged (their identities must be remembered)
 * but not handed on, since the store has counted them; at that offset the states must agree. `ads` outlives it. */
struct aggregator *aggregator_create(uint32_t partition, const struct dedup_options *dedup, struct ads *ads,
                                     const struct aggregator_checkpoint *counted_below,
                                     const struct verdict_listener *listener);
/* For backfill.h: judges everything as above, and hands on nothing but the matches with `atoms`, which are the caller's: it
 * fills them, and lets go of some between two steps. Filter records only take their offsets. */
struct aggregator *aggregator_create_backfill(uint32_t partition, const struct dedup_options *dedup, struct ads *ads,
                                              const struct atoms *atoms);
void aggregator_destroy(struct aggregator *aggregator);

/* Right after aggregator_create: goes on from where the kept runs of identities end, if there are any and they are whole
 * (dedup_restore, also for `distrusted` and `why`); nothing is judged below. Then aggregator_begin. Errors of the files. */
enum status aggregator_restore(struct aggregator *aggregator, const struct failure *distrusted, struct failure *why,
                               struct failure *failure) MUST_USE;
/* 0: from the beginning. */
struct journal_offset aggregator_judges_from(const struct aggregator *aggregator);
/* The first record that it steps will be at `first`; the filter records before are these. STATUS_CORRUPT: nothing tells of
 * what lies between aggregator_judges_from and `first`; or as aggregator_step. Without this call it begins at 0 and without
 * filters. */
enum status aggregator_begin(struct aggregator *aggregator, struct journal_offset first, const struct filter_record *records,
                             uint32_t count, struct failure *failure) MUST_USE;

/* --- keeping the runs of identities (dedup_keep_...) --- */
bool aggregator_keep_choose(struct aggregator *aggregator, struct journal_offset counted_below);
bool aggregator_keep_take(const struct aggregator *aggregator, struct dedup_keeping *keeping);
void aggregator_keep_done(struct aggregator *aggregator);

/* Judges the partition's part of the next record. STATUS_FULL: the identities do not fit into dedup memory (only on a replay
 * with less memory than before, since intake stops accepting long before). STATUS_CORRUPT: offsets or filter records
 * do not join, the state differs from the store's checkpoint, or a run of identities is damaged. Errors of the files of
 * identities. Not usable after an error. */
enum status aggregator_step(struct aggregator *aggregator, const struct journal_record *record,
                            struct failure *failure) MUST_USE;

/* Moves out what was counted since the last call; false when the partition has not advanced. The increments' memory is
 * swapped with what `out` had. */
bool aggregator_take(struct aggregator *aggregator, struct partial *out);
size_t aggregator_increments_waiting(const struct aggregator *aggregator);

/* A portion of the work behind the identities (dedup_step), or of freeing forgotten ones when there is room for fewer than
 * `room_wanted` or for less than a quarter of all; call when idle. `*did`: there is more to do. Errors as aggregator_step.
 */
enum status aggregator_tidy(struct aggregator *aggregator, uint64_t room_wanted, bool *did,
                            struct failure *failure) MUST_USE;
/* Call aggregator_tidy before the next step, or the step will have to do all of it. */
bool aggregator_is_behind(const struct aggregator *aggregator);

/* Of the last filter record stepped; also below the checkpoint, where nothing is taken. */
uint32_t aggregator_filters_number(const struct aggregator *aggregator);
const struct watermark *aggregator_watermark(const struct aggregator *aggregator);
uint64_t aggregator_dedup_room(const struct aggregator *aggregator);
struct dedup_usage aggregator_dedup_usage(const struct aggregator *aggregator);
/* Of the filters that stand: their atoms, and what is kept to let them go. */
uint64_t aggregator_atoms_memory_bytes(const struct aggregator *aggregator);
