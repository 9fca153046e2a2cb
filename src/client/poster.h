/* poster.h: several exchanges with one server at the same time from one thread, each over a kept-alive connection of its
 * own: POSTs, and GETs. */
#pragma once

#include "client/http_client.h"

enum { POSTER_SLOTS_MAX = 256 };

struct poster;

struct poster *poster_create(const char *url, unsigned slot_count);
void poster_destroy(struct poster *poster);

/* The slot must be free. `body` is borrowed until poster_take gives the slot back; `content_type` is static storage, NULL
 * for a GET. */
void poster_start(struct poster *poster, unsigned slot, const char *path, const char *content_type, struct bytes body,
                  int64_t timeout_ms);
/* Sends and receives what can be; waits up to `timeout_ms` for more to do, also for `readable_fd` (-1: none) to have input.
 */
void poster_wait(struct poster *poster, int64_t timeout_ms, int readable_fd);

/* One exchange that is over: its slot is free again. `answer` is valid until the slot starts again. The status is that of
 * http_client.h. */
struct posted {
    unsigned slot;
    enum status status;
    const struct http_answer *answer;
    struct failure failure;
};
/* False when none is over. */
bool poster_take(struct poster *poster, struct posted *out);
