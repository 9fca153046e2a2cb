/* history_cells.h: what one pass of a recalculation counted and has not yet written: cells of atoms by minute, within a
 * bound of memory. When they reach it, the oldest minutes go to the store as they are, and what comes for these later is
 * added to what is there. Internal to node/; the recalculation's thread only. */
#pragma once

#include "aggregate/partial.h"
#include "store/store.h"

struct history_minute {
    struct minute minute;
    struct atom_cell *cells; /* one a click until it is combined */
    size_t count, capacity;
    bool stored; /* the store has a part of it, from this pass */
};

struct history_cells {
    struct store *store;
    uint32_t run, partition;
    struct history_minute *minutes; /* ascending; not yet sealed: as many as `lateness` has, and they are small */
    size_t minute_count, minute_capacity;
    uint64_t bytes; /* of the cells */
    uint64_t bytes_max;
};

void history_cells_begin(struct history_cells *cells, struct store *store, uint32_t run, uint32_t partition,
                         uint64_t bytes_max);
/* Lets go of what was not written. */
void history_cells_clear(struct history_cells *cells);
/* One more click; false when it has no room: spill, then again. */
bool history_cells_add(struct history_cells *cells, const struct atom_increment *increment) MUST_USE;
/* Writes one or some of the oldest minutes that hold cells, about 64 Ki cells; *more: until half of the bound is free. A
 * single minute is merged in memory, whatever it holds. */
enum status history_cells_spill(struct history_cells *cells, bool *more, struct failure *failure) MUST_USE;
/* Writes and forgets the minutes that no later click can change: that end at `sealed` or before. */
enum status history_cells_write_sealed(struct history_cells *cells, struct event_time sealed,
                                       struct failure *failure) MUST_USE;
/* At the end of the pass. */
enum status history_cells_write_all(struct history_cells *cells, struct failure *failure) MUST_USE;
