/* sender.h: batches of lines to a server, several in flight, each again and again until the server has answered for it.
 *
 * A batch is always sent again whole: a server that has it already counts its clicks as duplicates, so sending again is
 * safe and no state about half-taken batches is needed. What a batch's last answer says is what is added up, once.
 *
 * One thread, no lock: the caller calls sender_step until it says STATUS_END or fails. The source makes batches on demand.
 */
#pragma once

#include "base/bytes.h"
#include "base/status.h"

#define SENDER_NDJSON "application/x-ndjson"
#define SENDER_LOG_LINES "text/plain"

/* Filled in by the source; the body is the sender's and keeps its memory from use to use. */
struct sender_batch {
    struct buffer body;
    const char *content_type; /* SENDER_NDJSON or SENDER_LOG_LINES */
    const char *file;         /* for messages; outlives the sender */
    uint64_t first_line;      /* of the body in the file, counted from 1 */
    uint32_t line_count;
    /* Where it stands in its source, for whoever keeps account of what was answered (resume.h); the sender does not look. A
     * last line without its end is not in `end`: it may still grow. */
    size_t file_index;
    uint64_t begin_offset, end_offset, end_line;
};

/* When a source has nothing now: ask again when `readable_fd` (-1: none) has input, or at `until_ms` (monotonic). */
struct sender_pause {
    int readable_fd;
    int64_t until_ms;
};

struct sender_source {
    void *self;
    /* STATUS_OK: a batch; STATUS_AGAIN: `pause` is filled in; STATUS_END: there will be no more; else it failed, and what it
     * gave before is still sent to its end. */
    enum status (*next)(void *self, struct sender_batch *batch, struct sender_pause *pause, struct failure *failure);
};

/* A line that the server rejected. Views are valid during the call only. */
struct sender_reject {
    const char *file;
    uint64_t line; /* in the file, counted from 1 */
    const char *code;
    const char *detail;
    struct bytes text; /* the line itself, without its end */
};

struct sender_observer {
    void *self;
    void (*rejected)(void *self, const struct sender_reject *reject);
    /* How many lines of a batch were rejected for a code, also those that the server did not list one by one. */
    void (*rejected_by)(void *self, const char *code, uint64_t count);
    /* A batch has its last answer. `took_us` is the time of its last attempt. */
    void (*acknowledged)(void *self, const struct sender_batch *batch, int64_t took_us);
    /* The sender has to wait; `reason` is one line. Called at most every 5 s. */
    void (*waiting)(void *self, const char *reason);
};

struct sender_options {
    const char *url;
    const char *source_name; /* ?source=; NULL or "": the server's default */
    unsigned connections;    /* 1 to SENDER_CONNECTIONS_MAX: so many batches in flight */
    int64_t give_up_ms;      /* fails after so long without any batch answered */
};

enum {
    SENDER_CONNECTIONS_MAX = 256,
    SENDER_BACKOFF_MS_MAX = 2000, /* also the most that a Retry-After is honoured: we are many times more patient */
};

struct sender_totals {
    uint64_t lines;    /* in batches that were answered for, empty lines too */
    uint64_t received; /* as the server says, in the last answer of each batch */
    uint64_t accepted;
    uint64_t rejected;
    uint64_t batches;
    uint64_t bytes;
    uint64_t retries;
};

struct sender;
/* Members of `observer` may be NULL. */
struct sender *sender_create(const struct sender_options *options, const struct sender_source *source,
                             const struct sender_observer *observer);
void sender_destroy(struct sender *sender);

/* Goes on for at most about `timeout_ms`. STATUS_OK: call again. STATUS_END: everything has been answered. Anything else:
 * failed for good, with the reason; batches in flight were given the time to be answered. */
enum status sender_step(struct sender *sender, int64_t timeout_ms, struct failure *failure) MUST_USE;
const struct sender_totals *sender_totals(const struct sender *sender);
