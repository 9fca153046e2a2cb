/* state.h (inside journal/): all that the log's records add up to, as a function of those records and of nothing else (I2).
 *
 * The writer, the replay and every offline reader run the same functions; every segment header and footer holds an encoded
 * copy, so that a segment can be read when those before it are deleted, and so that the replay can be checked against it. */
#pragma once

#include "journal/arrival.h"
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

struct log_state {
    uint32_t partition_count;
    uint64_t next_record;          /* number of the next record */
    struct wall_time last_arrival; /* INT64_MIN before the first record */
    uint32_t digest;               /* CRC-32C over the CRCs of all records so far */
    struct rules rules;            /* number 0: none yet */
    struct recent_clicks recent;
    uint64_t received, accepted, record_bytes;
    uint64_t rejected_by[REJECT_CODES];
    struct {
        struct journal_offset next;
        struct watermark watermark;
    } partitions[PARTITIONS_MAX];
};

void log_state_init(struct log_state *state, uint32_t partition_count);
/* Copies only the partitions there are. */
void log_state_copy(struct log_state *to, const struct log_state *from);

/* The parts of a record, in its order; then log_state_record. */
void log_state_clicks(struct log_state *state, uint32_t partition, struct wall_time arrival, uint32_t count,
                      const uint8_t *times, const uint8_t *identities);
void log_state_tick(struct log_state *state, uint32_t partition, struct event_time floor);
void log_state_rules(struct log_state *state, const struct rules *rules);
void log_state_record(struct log_state *state, const struct journal_record *record);

/* The whole of a parsed record. NULL, or why it cannot be the next one: then the state is unchanged. */
const char *log_state_apply(struct log_state *state, const struct journal_record *record);

void log_state_encode(const struct log_state *state, struct buffer *out);
/* `reader->bad` when cut short or not possible. */
void log_state_decode(struct log_state *state, uint32_t partition_count, struct reader *reader);
