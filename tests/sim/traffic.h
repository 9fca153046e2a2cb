/* traffic.h: hostile clicks under a seed: duplicates, conflicts, late, too late, future, far ahead, malformed, in every form
 * that a field can be written in. It knows of each good line which click it is, by a text that it makes on its own. */
#pragma once

#include "base/bytes.h"
#include "base/random_sequence.h"
#include "base/units.h"

enum { TRAFFIC_KEY_BYTES = 768, TRAFFIC_ID_BYTES = 160 };

/* One line that was made, or a malformed one. */
struct traffic_line {
    char json[1024];
    char log[1024]; /* the same click as a log line; empty when it has an event id or a field that cannot be written so */
    char key[TRAFFIC_KEY_BYTES]; /* the click without its source, canonical; empty = malformed: must be rejected */
    bool has_event_id;
    bool may_be_future; /* `key` is empty, but the line is good once its time has come */
    int64_t time_ms;
};

/* What was made, for the table of what happened. */
struct traffic_counts {
    uint64_t repeated, reordered, late, far_ahead, malformed, extreme;
};

struct traffic {
    struct traffic_counts counts;
    int64_t newest_ms;
    struct random_sequence *random;
    bool historical;     /* event time runs on its own, far behind the clock */
    int64_t event_ms;    /* where it is */
    int64_t lateness_ms; /* about; to aim at both sides of it */
    uint64_t next_event_id;
    struct traffic_line *lines; /* made so far, to be repeated */
    size_t line_count, line_capacity;
};

void traffic_init(struct traffic *traffic, struct random_sequence *random, struct wall_time now);
void traffic_fini(struct traffic *traffic);
/* The next line as of `now`; valid until the next call. */
const struct traffic_line *traffic_next(struct traffic *traffic, struct wall_time now);
