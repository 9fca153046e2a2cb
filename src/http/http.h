/* http.h: requests over HTTP/1.1 by libmicrohttpd, handed to whoever handles them; see docs/adr for why this library.
 *
 * Threads: loops of its own around the library (loop.c) and a watch; a request that waits for the journal's commit is
 * suspended and costs no thread.
 */
#pragma once

#include "seam/requests.h"

struct http_server;

enum {
    /* Of one connection: heads, and half of it the read buffer. The library writes zeros to all of it after each request of
     * a kept connection, so what is more than a few pages costs microseconds a request, and is memory of every idle one. */
    HTTP_CONNECTION_BYTES = 32 * 1024,
    /* Of a body that nobody wants: so much is read and dropped, so that a peer that is still sending gets its answer instead
     * of a reset; a longer one gets a closed connection. */
    HTTP_DRAIN_BYTES_MAX = 64 * 1024 * 1024,
    HTTP_HEAD_TIMEOUT_SECONDS = 10,         /* from a request's first byte to the end of its head */
    HTTP_STREAM_BACKLOG_BYTES = 256 * 1024, /* pushed and not yet taken by a slow reader; beyond, it is cut */
    HTTP_STALL_GRACE_SECONDS = 2,           /* the library's own idle timeout comes so much after ours, which says why */
    HTTP_OTHER_FILES = 512,                 /* descriptors that are left to journal, store and the rest */
};

/* The receiving side; all functions may be called from any of the server's threads. Same meaning as in node/node.h. `feed`,
 * `end` and `abort` of one request never overlap, and none comes after a reply that was given from within them or from
 * within `request`. A HEAD comes as a GET; the body of its answer is not sent. */
struct http_handler {
    void *self;
    void (*request)(void *self, const struct request_head *head, void *request, void **session, bool *body_wanted);
    enum status (*feed)(void *self, void *session, struct bytes bytes);
    void (*end)(void *self, void *session);
    void (*abort)(void *self, void *session);
};

struct http_options {
    const char *listen; /* "127.0.0.1:8080", "[::1]:8080", "0.0.0.0:80", "localhost:8080"; port 0 = any free one */
    unsigned threads;
    unsigned connections_max;      /* more are taken in for a moment and answered 503, or make room by closing idle ones */
    unsigned idle_timeout_seconds; /* without a byte: a resting connection, a body, a reader of answers */
    unsigned head_timeout_seconds; /* 0: HTTP_HEAD_TIMEOUT_SECONDS */
};

/* Why connections ended that did not end by themselves, and how many there are. */
struct http_counters {
    uint64_t connections;      /* open now */
    uint64_t accepted;         /* ever */
    uint64_t closed_idle;      /* rested longer than the idle timeout */
    uint64_t closed_for_room;  /* rested longest when there were too many */
    uint64_t refused_full;     /* answered 503: there were too many, and none to be closed */
    uint64_t cut_slow_head;    /* answered 408: the head was not whole in time */
    uint64_t cut_stalled_body; /* answered 408: no byte of the body in the idle timeout */
    uint64_t cut_not_reading;  /* did not take its answer, or fell behind in a stream */
    uint64_t lost;             /* the peer went away, or broke HTTP, in the middle of a request */
};

/* Makes the server without listening: `requests` (its reply and resume) can be given to the node before `http_start`. */
struct http_server *http_create(void);
struct requests http_requests(struct http_server *server);
/* Raises the process's soft limit on open files to the hard one; when that is too low for `connections_max`, it is lowered
 * (see http_connections_max). STATUS_BAD_CONFIG: `listen` cannot be read; STATUS_IO_ERROR: the port is in use, not allowed,
 * ...: says which and what to do. */
enum status http_start(struct http_server *server, const struct http_options *options, const struct http_handler *handler,
                       struct failure *failure) MUST_USE;
/* "http://127.0.0.1:8080", with the real port; of a server that listens on all addresses, one that can be asked here. */
const char *http_url(const struct http_server *server);
/* What of options.connections_max the limit on open files allows. */
unsigned http_connections_max(const struct http_server *server);
/* Any thread. */
struct http_counters http_counters(const struct http_server *server);
/* CPU time used by the serving threads, for the figures by stage. Between http_start and http_destroy; 0 before. */
double http_cpu_seconds(const struct http_server *server);
/* Stops listening; open requests may still be answered. */
void http_quiesce(struct http_server *server);
/* Every request whose body had ended must have been answered; the others are aborted. */
void http_destroy(struct http_server *server);
