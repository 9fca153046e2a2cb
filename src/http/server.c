#include "http/server.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/check.h"

struct http_server *http_create(void) {
    struct http_server *server = memory_allocate_zeroed(1, sizeof *server);
    pthread_condattr_t attributes;
    CHECK(pthread_condattr_init(&attributes) == 0);
    CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(&server->watch_wanted, &attributes) == 0);
    CHECK(pthread_condattr_destroy(&attributes) == 0);
    CHECK(pthread_mutex_init(&server->peers_lock, NULL) == 0);
    CHECK(sem_init(&server->quiesced, 0, 0) == 0);
    return server;
}

struct requests http_requests(struct http_server *server) {
    return (struct requests){.self = server,
                             .reply = http_request_reply,
                             .resume = http_request_resume,
                             .stream = http_request_stream,
                             .push = http_request_push,
                             .finish = http_request_finish};
}

/* Connections that are taken in beyond the limit, to be answered 503 or to make others close. */
static unsigned spare_connections(unsigned connections_max) {
    return connections_max / 8 + 64;
}

/* A connection is an open file. The hard limit is the administrator's word, the soft one only a default. */
static enum status fit_files(struct http_server *server, const struct http_options *options, struct failure *failure) {
    struct rlimit files;
    server->connections_max = options->connections_max;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) return STATUS_OK;
    if (files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
        CHECK(getrlimit(RLIMIT_NOFILE, &files) == 0);
    }
    uint64_t wanted = (uint64_t)options->connections_max + spare_connections(options->connections_max) + HTTP_OTHER_FILES;
    if (files.rlim_cur == RLIM_INFINITY || files.rlim_cur >= wanted) return STATUS_OK;
    uint64_t room = files.rlim_cur > HTTP_OTHER_FILES + 64 ? (files.rlim_cur - HTTP_OTHER_FILES - 64) * 8 / 9 : 0;
    if (room < options->threads)
        return failure_set(failure, STATUS_BAD_CONFIG,
                           "the limit on open files is %llu, which leaves none for connections: raise it (ulimit -n) to "
                           "%llu",
                           (unsigned long long)files.rlim_cur, (unsigned long long)wanted);
    CHECK(room < options->connections_max);
    server->connections_max = (unsigned)room;
    return STATUS_OK;
}

enum status http_start(struct http_server *server, const struct http_options *options, const struct http_handler *handler,
                       struct failure *failure) {
    CHECK(server->thread_count == 0);
    CHECKF(options->threads >= 1 && options->threads <= HTTP_THREADS_MAX, "%u threads", options->threads);
    CHECK(options->connections_max >= options->threads); /* libmicrohttpd shares them out over the threads */
    struct listen_address address;
    enum status status = listen_parse(options->listen, &address, failure);
    if (status != STATUS_OK) return status;
    status = fit_files(server, options, failure);
    if (status != STATUS_OK) return status;
    int fd = -1;
    bool is_ipv6 = false;
    status = listen_open(&address, &fd, &is_ipv6, server->url, failure);
    if (status != STATUS_OK) return status;

    server->handler = *handler;
    unsigned head_timeout = options->head_timeout_seconds > 0 ? options->head_timeout_seconds : HTTP_HEAD_TIMEOUT_SECONDS;
    server->head_timeout_ms = (uint64_t)head_timeout * 1000;
    server->idle_timeout_ms =
        options->idle_timeout_seconds > 0 ? (uint64_t)options->idle_timeout_seconds * 1000 : UINT64_MAX;
    unsigned library_timeout =
        options->idle_timeout_seconds > 0 ? options->idle_timeout_seconds + HTTP_STALL_GRACE_SECONDS : 0;
    unsigned capacity = server->connections_max + spare_connections(server->connections_max);
    http_watch_start(server, capacity + options->threads); /* each thread's share is rounded up */
    struct http_loop_options loop = {
        .listen_fd = fd,
        .is_ipv6 = is_ipv6,
        .connections = (capacity + options->threads - 1) / options->threads,
        .timeout_seconds = library_timeout,
    };
    if (http_loops_start(server, &loop, options->threads)) return STATUS_OK;
    http_watch_stop(server);
    return failure_set(failure, STATUS_IO_ERROR, "cannot start the HTTP server on %s: too few file descriptors or threads?",
                       server->url);
}

const char *http_url(const struct http_server *server) {
    CHECK(server->thread_count > 0);
    return server->url;
}

unsigned http_connections_max(const struct http_server *server) {
    CHECK(server->thread_count > 0);
    return server->connections_max;
}

struct http_counters http_counters(const struct http_server *server) {
    uint64_t events[HTTP_EVENTS];
    for (size_t i = 0; i < HTTP_EVENTS; i++) events[i] = atomic_load_explicit(&server->events[i], memory_order_relaxed);
    return (struct http_counters){
        .connections = atomic_load(&server->peer_count),
        .accepted = events[HTTP_EVENT_ACCEPTED],
        .closed_idle = events[HTTP_EVENT_CLOSED_IDLE],
        .closed_for_room = events[HTTP_EVENT_CLOSED_FOR_ROOM],
        .refused_full = events[HTTP_EVENT_REFUSED_FULL],
        .cut_slow_head = events[HTTP_EVENT_CUT_SLOW_HEAD],
        .cut_stalled_body = events[HTTP_EVENT_CUT_STALLED_BODY],
        .cut_not_reading = events[HTTP_EVENT_CUT_NOT_READING],
        .lost = events[HTTP_EVENT_LOST],
    };
}

void http_quiesce(struct http_server *server) {
    http_loops_quiesce(server);
}

void http_destroy(struct http_server *server) {
    if (server == NULL) return;
    http_watch_stop(server);
    http_loops_stop(server);
    CHECK(atomic_load(&server->peer_count) == 0);
    free(server->peers);
    free(server->resting);
    CHECK(pthread_cond_destroy(&server->watch_wanted) == 0);
    CHECK(pthread_mutex_destroy(&server->peers_lock) == 0);
    CHECK(sem_destroy(&server->quiesced) == 0);
    free(server);
}
