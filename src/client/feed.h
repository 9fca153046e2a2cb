/* feed.h: the synthetic workload at a wanted rate, as a source for a sender. */
#pragma once

#include "client/sender.h"
#include "workload/workload.h"

enum { FEED_BATCHES_A_SECOND = 50, FEED_BATCH_LINES_MAX = 5000, FEED_RATE_MAX = 100000000 };

struct feed {
    struct workload *workload; /* the caller's */
    uint64_t rate;             /* clicks a second, 1 to FEED_RATE_MAX */
    int64_t since_ns;          /* monotonic; the rate counts from here */
    uint64_t made;             /* lines since then */
    bool stopped;              /* set it, and the source ends */
    /* Told of every line; NULL after feed_init. */
    void *self;
    void (*made_line)(void *self, struct workload_click click);
};

void feed_init(struct feed *feed, struct workload *workload, uint64_t rate);
/* For sender_source.next. When the server cannot follow, what is more than a second behind is left out, not made up for. */
enum status feed_next(void *self, struct sender_batch *batch, struct sender_pause *pause, struct failure *failure) MUST_USE;
