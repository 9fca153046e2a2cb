/* slices_internal.h: the insides of slices, shared by slices.c (the writer) and slices_read.c (the readers). */
#pragma once

#include "base/check.h"
#include "view/slices.h"

#define SLICES_RING 2048 /* places, more than WINDOW_MINUTES_MAX */
enum { SLICES_COUNTRY_WORDS = (COUNTRY_CODES + 63) / 64 };
_Static_assert(SLICES_RING > WINDOW_MINUTES_MAX && (SLICES_RING & (SLICES_RING - 1)) == 0, "a place for each minute");

struct slice_minute {
    struct slice_vector vector;
    struct slice *late; /* added since the last settle, in no order */
    uint32_t late_count, late_capacity;
};

enum slices_prepared { PREPARED_NONE, PREPARED_CLOSE, PREPARED_FILL, PREPARED_FOLD };

struct slices {
    uint64_t bytes_max;
    struct slice_minute **ring; /* by minute; NULL where there are no clicks. NULL itself: inactive */
    uint32_t from, closed_before;
    bool is_full;  /* of memory: no more is filled in */
    bool may_fold; /* a minute has, or had, so many late clicks that they are to be folded in */
    /* Countries that ever had a click here, as bits and ascending: those that a question has to look at. */
    uint64_t country_bits[SLICES_COUNTRY_WORDS];
    struct country countries[COUNTRY_CODES];
    uint32_t country_count;
    uint32_t *late_minutes; /* those with something to settle */
    size_t late_minute_count, late_minute_capacity;
    /* Between prepare and commit. */
    enum slices_prepared prepared;
    uint32_t prepared_minute;
    struct slice_minute *prepared_slot; /* NULL: no clicks */
    uint64_t prepared_country_bits[SLICES_COUNTRY_WORDS];
    struct slice_minute **garbage; /* let go of, to be freed outside the lock */
    size_t garbage_count, garbage_capacity;
};

static inline struct slice_minute *slices_slot(const struct slices *slices, uint32_t minute) {
    return slices->ring[minute % SLICES_RING];
}
