/* state.h (inside journal/): all that the log's records add up to, as a function of those records and of nothing else (I2).
 *
 * The writer, the replay and every offline reader run the same functions; every segment header and footer holds an encoded
 * copy, so that a segment can be read when those before it are deleted, and so that the replay can be checked against it. */
#pragma once

#include "journal/arrival.h"
#include "journal/filter_log.h"
#include "journal/record.h"
#include "rules/watermark.h"

enum { RECENT_CLICKS = 16, RECENT_LIVE_MS_MAX = 5 * MINUTE_MS };

/* The node's last clicks, for the live test of ticks. A ring: the oldest is at `next` once it is full. */
struct recent_clicks {
    uint32_t count, next;
    struct {
        struct wall_time arrival;
        struct event_time time;
    } clicks[RECENT_CLICKS];
};
/* Each arrived within 5 minutes of its event time. False when there is none. */
bool recent_clicks_live(const struct recent_clicks *recent);
void recent_clicks_add(struct recent_clicks *recent, struct wall_time arrival, struct event_time time);

struct log_state {
    uint32_t partition_count;
    uint64_t next_record;          /* number of the next record */
    struct wall_time last_arrival; /* INT64_MIN before the first record */
    uint32_t digest;               /* CRC-32C over the CRCs of all records so far */
    struct rules rules;            /* number 0: none yet */
    struct recent_clicks recent;
    uint64_t received, accepted, record_bytes;
    uint64_t rejected_by[REJECT_CODES];
    /* Of the clicks' own stamps, EVENT_TIME_NONE before the first. Not known: no click was later than this; so it is in a
     * log of format version 1 whose first segments are gone, until a segment of version 2 tells. */
    struct event_time highest;
    bool highest_known;
    /* The filter records so far: the first `filter_bytes` of the log's, which it may share with states that are further on.
     * NULL in a state that is only there to be looked at. */
    uint32_t filter_count;
    size_t filter_bytes;
    struct filter_log *filter_log;
    struct {
        struct journal_offset next;
        struct watermark watermark;
    } partitions[PARTITIONS_MAX];
};

void log_state_init(struct log_state *state, uint32_t partition_count, struct filter_log *filter_log);
/* Copies only the partitions there are, and shares the filter log. */
void log_state_copy(struct log_state *to, const struct log_state *from);

/* The parts of a record, in its order; then log_state_record. */
void log_state_clicks(struct log_state *state, uint32_t partition, struct wall_time arrival, uint32_t count,
                      const uint8_t *times, const uint8_t *identities);
void log_state_tick(struct log_state *state, uint32_t partition, struct event_time floor);
void log_state_rules(struct log_state *state, const struct rules *rules);
/* A filters record: `frame` is the bytes of the records. NULL; or why it cannot be the next: the state is of no use then. */
const char *log_state_filters(struct log_state *state, const struct filter_record *records, uint32_t count,
                              struct bytes frame);
/* From when a filter created now covers: the minute behind the highest click. False: there was no click. */
bool log_state_covers_from(const struct log_state *state, struct minute *covers_from);
void log_state_record(struct log_state *state, const struct journal_record *record);

/* The whole of a parsed record, from a segment of format version `version`. NULL; or why it cannot be the next one: then the
 * state is of no use any more. */
const char *log_state_apply(struct log_state *state, uint32_t version, const struct journal_record *record);

/* As a segment of the format version holds it. A state with filters cannot be told in version 1. */
void log_state_encode(const struct log_state *state, uint32_t version, struct buffer *out);
/* Extends `filter_log` to the state's records and has the state use it; NULL: the filter records are not looked into, and
 * the state is only there to be looked at. `reader->bad` when cut short or not possible: then the filter log is of no use
 * either. */
void log_state_decode(struct log_state *state, uint32_t partition_count, uint32_t version, struct filter_log *filter_log,
                      struct reader *reader);
/* Whether the state is what the end of a segment tells: `encoded`, which was decoded as `told`. A state that did not know
 * its highest click takes it from there. */
bool log_state_is(struct log_state *state, uint32_t version, const struct log_state *told, struct bytes encoded);
