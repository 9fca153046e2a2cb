/* history.h: the synthetic workload over a span of the past, in ascending order of time, as a source for a sender: as fast
 * as the server takes it. Nothing is kept on disk. */
#pragma once

#include "client/sender.h"
#include "workload/workload.h"

struct history {
    struct workload *workload; /* the caller's */
    uint64_t lines;            /* in all */
    uint64_t made;
    int64_t span_ms;
    uint32_t batch_lines;
    /* Told of every line (may be NULL). */
    void *self;
    void (*made_line)(void *self, struct workload_click click);
};

/* For sender_source.next. Line i of n is stamped about span * (n - i) / n before the moment at which it is made, so the last
 * one is of now however long the sending takes. */
enum status history_next(void *self, struct sender_batch *batch, struct sender_pause *pause,
                         struct failure *failure) MUST_USE;
