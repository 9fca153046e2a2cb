/* tick.h (inside journal/): which partition gets a tick in the next commit, and with which floor (design: time).
 *
 * Only the writer has one: a tick is a record like any other, so whoever reads the log needs no clock. It knows the
 * monotonic clock only, and starts anew with the writer. */
#pragma once

#include "journal/state.h"

enum { TICK_IDLE_MS = SECOND_MS };

struct tick_clock {
    struct {
        struct event_time seen;
        struct mono_time moved;
    } partitions[PARTITIONS_MAX];
    struct event_time highest; /* seen of the node */
    struct mono_time highest_moved;
};

/* Everything last moved now. */
void tick_clock_start(struct tick_clock *clock, const struct log_state *state, struct mono_time now);
/* After the clicks and ticks of a commit have been applied to the state. */
void tick_clock_observe(struct tick_clock *clock, const struct log_state *state, struct mono_time now);
/* Writes the floor for which a partition that has been idle long enough gets a tick, after the commit's clicks have been
 * observed. False when no tick can be due: the node has no click. Live: the clock, i.e. the commit's arrival. Else the
 * node's highest seen and the monotonic time since it moved, so that an idle moment never seals a historical load. */
bool tick_clock_floor(const struct tick_clock *clock, const struct log_state *state, struct wall_time arrival,
                      struct mono_time now, struct event_time *floor);
/* A floor that would not raise the partition's seen is not worth a record. */
bool tick_clock_due(const struct tick_clock *clock, uint32_t partition, struct event_time floor, struct mono_time now);
