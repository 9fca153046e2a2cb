#include "http/server.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/check.h"

struct http_server *http_create(void) {
    struct http_server *server = memory_allocate_zeroed(1, sizeof *server);
    CHECK(pthread_mutex_init(&server->threads_lock, NULL) == 0);
    return server;
}

struct requests http_requests(struct http_server *server) {
    return (struct requests){.self = server, .reply = http_request_reply, .resume = http_request_resume};
}

enum status http_start(struct http_server *server, const struct http_options *options, const struct http_handler *handler,
                       struct failure *failure) {
    CHECK(server->daemon == NULL);
    CHECKF(options->threads >= 1 && options->threads <= HTTP_THREADS_MAX, "%u threads", options->threads);
    CHECK(options->connections_max >= options->threads); /* libmicrohttpd shares them out over the threads */
    struct listen_address address;
    enum status status = listen_parse(options->listen, &address, failure);
    if (status != STATUS_OK) return status;
    int fd = -1;
    bool is_ipv6 = false;
    status = listen_open(&address, &fd, &is_ipv6, server->url, failure);
    if (status != STATUS_OK) return status;

    server->handler = *handler;
    /* The library does not take a pool of one. */
    struct MHD_OptionItem pool[] = {
        {options->threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, (intptr_t)options->threads, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    /* No Date header: it costs every answer, and no answer may be cached anyway. */
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_SUPPRESS_DATE_NO_CLOCK;
    if (is_ipv6) flags |= MHD_USE_IPv6;
    server->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, http_on_request, server, MHD_OPTION_LISTEN_SOCKET, (MHD_socket)fd, MHD_OPTION_URI_LOG_CALLBACK,
        http_on_uri, (void *)server, MHD_OPTION_NOTIFY_COMPLETED, http_on_completed, (void *)server,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_CONNECTION_BYTES, MHD_OPTION_CONNECTION_LIMIT,
        options->connections_max, MHD_OPTION_CONNECTION_TIMEOUT, options->idle_timeout_seconds, MHD_OPTION_STRICT_FOR_CLIENT,
        1, MHD_OPTION_ARRAY, pool, MHD_OPTION_END);
    if (server->daemon != NULL) return STATUS_OK;
    /* Whether the library closed the socket before it gave up depends on how far it came, so it is left to the exit that
     * follows a failed start. */
    return failure_set(failure, STATUS_IO_ERROR, "cannot start the HTTP server on %s: too few file descriptors or threads?",
                       server->url);
}

const char *http_url(const struct http_server *server) {
    CHECK(server->daemon != NULL);
    return server->url;
}

void http_note_thread(struct http_server *server) {
    pthread_t self = pthread_self();
    unsigned count = atomic_load_explicit(&server->thread_count, memory_order_acquire);
    for (unsigned i = 0; i < count; i++)
        if (pthread_equal(server->threads[i], self)) return;
    CHECK(pthread_mutex_lock(&server->threads_lock) == 0);
    count = atomic_load_explicit(&server->thread_count, memory_order_relaxed);
    CHECKF(count < HTTP_THREADS_MAX, "%u threads", count);
    server->threads[count] = self;
    CHECK(pthread_getcpuclockid(self, &server->thread_clocks[count]) == 0);
    atomic_store_explicit(&server->thread_count, count + 1, memory_order_release);
    CHECK(pthread_mutex_unlock(&server->threads_lock) == 0);
}

double http_cpu_seconds(const struct http_server *server) {
    double seconds = 0;
    unsigned count = atomic_load_explicit(&server->thread_count, memory_order_acquire);
    for (unsigned i = 0; i < count; i++) {
        struct timespec used;
        if (clock_gettime(server->thread_clocks[i], &used) != 0) continue;
        seconds += (double)used.tv_sec + (double)used.tv_nsec / 1e9;
    }
    return seconds;
}

void http_quiesce(struct http_server *server) {
    if (server->daemon == NULL || server->quiesced) return;
    MHD_socket fd = MHD_quiesce_daemon(server->daemon);
    if (fd != MHD_INVALID_SOCKET) (void)close(fd);
    server->quiesced = true;
}

void http_destroy(struct http_server *server) {
    if (server == NULL) return;
    if (server->daemon != NULL) MHD_stop_daemon(server->daemon);
    CHECK(pthread_mutex_destroy(&server->threads_lock) == 0);
    free(server);
}
