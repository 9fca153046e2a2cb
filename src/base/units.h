/* units.h: kinds of number that must not mix are types of their own, so that a mix-up does not compile. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    SECOND_MS = 1000,
    MINUTE_MS = 60 * SECOND_MS,
    HOUR_MS = 60 * MINUTE_MS,
    PARTITIONS_MAX = 64,
    ID_BYTES_MAX = 128,         /* ad_id, user_id, event_id, source */
    LINE_BYTES_MAX = 64 * 1024, /* one line of a request body, without its line end */
};

/* A point of event time (a click's own stamp, and what is derived from such: watermarks), milliseconds since 1970 UTC. */
struct event_time {
    int64_t ms;
};

/* A reading of the wall clock, same unit: arrivals. */
struct wall_time {
    int64_t ms;
};

/* A reading of the monotonic clock; only differences mean anything. */
struct mono_time {
    int64_t ns;
};

/* A record's position in its partition. Increases; never subtracted (on some journals it has gaps). */
struct journal_offset {
    uint64_t at;
};

/* The start of a one-minute window [m, m + 60 s), counted in minutes since 1970 UTC. */
struct minute {
    uint32_t index;
};

/* Before everything: the watermark of a partition without a click. */
#define EVENT_TIME_NONE ((struct event_time){INT64_MIN})

static inline bool event_time_is_none(struct event_time time) {
    return time.ms == INT64_MIN;
}

/* A later time minus a span, that stays "none" when it is none. */
static inline struct event_time event_time_minus(struct event_time time, int64_t span_ms) {
    return event_time_is_none(time) ? time : (struct event_time){time.ms - span_ms};
}

static inline struct event_time event_time_max(struct event_time a, struct event_time b) {
    return a.ms > b.ms ? a : b;
}

/* Event times on the counting path are never negative (decoding refuses them). */
static inline struct minute minute_of(struct event_time time) {
    return (struct minute){(uint32_t)(time.ms / MINUTE_MS)};
}

static inline struct event_time minute_start(struct minute minute) {
    return (struct event_time){(int64_t)minute.index * MINUTE_MS};
}

/* Exclusive end: the first millisecond that is not in the minute. */
static inline struct event_time minute_end(struct minute minute) {
    return (struct event_time){((int64_t)minute.index + 1) * MINUTE_MS};
}
