/* watermark.h: the time of one partition, as a function of its records in offset order and of nothing else (I2, I6, I8).
 *
 * W (closes minutes), S (seals them) and D (forgets identities) are the highest values that seen - delay, W - lateness and
 * W - horizon have had, each under the rules then in force. All are EVENT_TIME_NONE before the first click or tick.
 * The journal's writer and the partition's aggregator each run one of these; they must agree (checked at every segment).
 */
#pragma once

#include "click/click.h"
#include "rules/rules.h"

enum {
    WATERMARK_JUMP_MS = HOUR_MS, /* further ahead than this is a jump */
    WATERMARK_JUMP_CLICKS = 16,  /* that many different clicks in a row make it believed */
};

struct watermark {
    struct event_time seen;
    struct event_time w, s, d;
    uint64_t clicks; /* of this partition so far, counted by the journal itself */
    uint32_t guard_count;
    struct {
        struct identity identity;
        struct event_time time; /* min(event time, arrival) */
    } guard[WATERMARK_JUMP_CLICKS];
};

void watermark_init(struct watermark *watermark);
/* The click at the next offset. Judge it by W, S and D before this call. */
void watermark_click(struct watermark *watermark, const struct rules *rules, struct event_time time,
                     struct wall_time arrival, const struct identity *identity);
void watermark_tick(struct watermark *watermark, const struct rules *rules, struct event_time floor);
/* New rules take nothing back: this only raises. */
void watermark_rules(struct watermark *watermark, const struct rules *rules);

bool watermark_equal(const struct watermark *a, const struct watermark *b);
void watermark_encode(const struct watermark *watermark, struct buffer *out);
struct watermark watermark_decode(struct reader *reader);
