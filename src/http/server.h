/* server.h: the inside of the HTTP server, for the files of this folder only. */
#pragma once

#include <microhttpd.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>

#include "http/http.h"
#include "http/listen.h"

enum { HTTP_THREADS_MAX = 64, HTTP_PEER_MAGIC = 0x47E70EE2 };

/* Where a connection is. The library's thread moves it; the watch may move it to CUT, but from the first three only, so
 * that it never writes into an answer that has begun. */
enum peer_state { PEER_RESTING, PEER_HEAD, PEER_BODY, PEER_BUSY, PEER_CUT };

/* One open connection. Its place in the table is given and taken under peers_lock. */
struct http_peer {
    uint32_t magic; /* while it is in use */
    int fd;
    struct http_thread *thread;
    uint32_t next_free;
    atomic_uint state;      /* enum peer_state */
    atomic_ullong since_ms; /* by the watch's clock: when the state began; of a body, when its last bytes came */
    atomic_uint requests;
    bool over_limit; /* the library's thread only */
    /* the watch's */
    unsigned seen_requests;
    uint64_t resting_bytes; /* received, when the rest was first looked at */
    uint64_t head_since_ms; /* 0: no byte of a head has been seen */
    unsigned body_request;  /* the request whose body it was when the next two were noted */
    uint64_t body_since_ms, body_bytes;
};
#define PEER_NONE UINT32_MAX

enum http_event {
    HTTP_EVENT_ACCEPTED,
    HTTP_EVENT_CLOSED_IDLE,
    HTTP_EVENT_CLOSED_FOR_ROOM,
    HTTP_EVENT_REFUSED_FULL,
    HTTP_EVENT_CUT_SLOW_HEAD,
    HTTP_EVENT_CUT_STALLED_BODY,
    HTTP_EVENT_CUT_NOT_READING,
    HTTP_EVENT_LOST,
};
enum { HTTP_EVENTS = HTTP_EVENT_LOST + 1 };

struct http_server;

/* One serving thread with its instance of the library. */
struct http_thread {
    struct http_server *server;
    struct MHD_Daemon *daemon;
    int epoll_fd; /* the library's: readable when it has something to do */
    int wake_fd;  /* ours */
    pthread_t thread;
    clockid_t clock;
    atomic_bool quiesced;
    atomic_bool woken; /* a write to wake_fd is not yet taken */
};

struct http_server {
    struct http_handler handler;
    char url[LISTEN_URL_BYTES];
    unsigned connections_max;
    uint64_t idle_timeout_ms, head_timeout_ms;
    atomic_ullong events[HTTP_EVENTS];

    /* The open connections, and the thread that watches over them (watch.c). */
    pthread_mutex_t peers_lock;
    pthread_cond_t watch_wanted;
    pthread_t watch;
    bool watch_started, watch_ending; /* guarded by peers_lock, as what follows */
    struct http_peer *peers;
    struct http_peer **resting; /* scratch of the watch, for as many */
    uint32_t peer_capacity, first_free;
    atomic_uint peer_count;
    atomic_ullong now_ms; /* coarse: moved by the watch */

    /* loop.c; filled in by http_start, then only read */
    int listen_fd;
    unsigned thread_count;     /* the starter's and stopper's */
    atomic_uint timed_threads; /* whose clocks may be read, by anybody */
    struct http_thread threads[HTTP_THREADS_MAX];
    atomic_bool quiescing, ending;
    sem_t quiesced; /* once for each thread */
};

enum { HTTP_REQUEST_MAGIC = 0x47E70EA1 };

struct http_request {
    uint32_t magic;
    struct http_server *server;
    struct MHD_Connection *connection;
    struct http_peer *peer;
    atomic_uint holders;

    /* --- the library's thread only --- */
    bool begun; /* the handler has been told */
    bool is_head;
    bool body_wanted;
    bool ended; /* the body is whole, or refused */
    void *session;
    uint64_t drained_bytes;
    struct buffer head_copies; /* method, content type, content encoding: the library's own may go before the reply */

    /* --- both, under the lock --- */
    pthread_mutex_t lock;
    bool suspended;
    bool resume_pending; /* a resume came before the suspend that it is for */
    struct reply reply;
    atomic_bool answered; /* set under the lock, once */
    bool completed;       /* the library is done with it: `connection` is no more */
    struct {
        bool on; /* a stream takes the place of `reply` */
        const char *content_type;
        struct buffer backlog; /* pushed; the first `sent` bytes of it are the library's already */
        size_t sent;
        bool finished, cut;
    } stream;

    size_t uri_len;
    char uri[]; /* as on the wire, with the query */
};

/* --- request.c: libmicrohttpd's callbacks; `self` is the server --- */
void *http_on_uri(void *self, const char *uri, struct MHD_Connection *connection);
enum MHD_Result http_on_request(void *self, struct MHD_Connection *connection, const char *url, const char *method,
                                const char *version, const char *upload, size_t *upload_len, void **request_slot);
void http_on_completed(void *self, struct MHD_Connection *connection, void **request_slot,
                       enum MHD_RequestTerminationCode code);
/* --- and the node's side; `opaque` is the request --- */
void http_request_reply(void *self, void *opaque, struct reply *reply);
void http_request_resume(void *self, void *opaque);
void http_request_lock(struct http_request *request);
void http_request_unlock(struct http_request *request);
void http_request_let_go(struct http_request *request, unsigned holds);
/* Under the lock, from the library's thread, inside one of its callbacks. */
void http_request_suspend(struct http_request *request);
/* Under the lock. The library only notes it and wakes its thread, which goes on after our unlock. */
void http_request_wake(struct http_request *request);

/* --- stream.c: the node's side, and the response of a request whose `stream` is on --- */
void http_request_stream(void *self, void *opaque, const char *content_type);
enum status http_request_push(void *self, void *opaque, struct bytes bytes) MUST_USE;
void http_request_finish(void *self, void *opaque);
struct MHD_Response *http_stream_response(struct http_request *request);

/* --- watch.c --- */
/* Room for the connections, and the thread. */
void http_watch_start(struct http_server *server, uint32_t peer_capacity);
void http_watch_stop(struct http_server *server);
void http_on_connection(void *self, struct MHD_Connection *connection, void **socket_context,
                        enum MHD_ConnectionNotificationCode code);
struct http_peer *http_peer_of(struct MHD_Connection *connection);
/* From the library's thread of that connection. False: it was cut meanwhile. */
bool http_peer_enter(struct http_server *server, struct http_peer *peer, enum peer_state state);
/* Connections in the middle of a request. Walks all of them. */
unsigned http_peers_busy(struct http_server *server);
void http_count(struct http_server *server, enum http_event event);

/* --- loop.c --- */
struct http_loop_options {
    int listen_fd;
    bool is_ipv6;
    unsigned connections; /* of each thread */
    unsigned timeout_seconds;
};
/* False: too few file descriptors or threads. */
bool http_loops_start(struct http_server *server, const struct http_loop_options *options, unsigned count) MUST_USE;
/* Returns when no thread accepts any more and the socket is closed. */
void http_loops_quiesce(struct http_server *server);
void http_loops_stop(struct http_server *server);
/* Any thread. */
void http_thread_wake(struct http_thread *thread);
