/* asker.h: questions at a fixed rate, whether or not the server keeps up: an open loop.
 *
 * The n-th question is due at begin + n / rate, and its time is counted from then until its answer is here. A server that
 * stands still for a second so gets a second on every question that was due in it, instead of on one (G. Tene calls the
 * other way "coordinated omission"). One thread; each connection is kept alive and carries one question at a time.
 */
#pragma once

#include "client/http_client.h"

struct asker_options {
    const char *url;
    uint64_t rate;        /* questions a second, 1 to 1,000,000 */
    unsigned connections; /* 1 to POSTER_SLOTS_MAX; more questions than these wait, and their time goes on */
    int64_t timeout_ms;
    void *self;
    /* Appends the path of question `number` (from 0), without its NUL. What it returns is handed to `answered`. */
    unsigned (*ask)(void *self, uint64_t number, struct buffer *path);
    /* `answer` is NULL when none came: then `why` says it. `took_us` is counted from when the question was due. */
    void (*answered)(void *self, unsigned kind, int64_t took_us, const struct http_answer *answer,
                     const struct failure *why);
};

/* Asks `count` questions, waits for all answers, and returns how many ns it took from the first to the last answer. */
int64_t asker_run(const struct asker_options *options, uint64_t count);
