/* loop.c: the threads that serve, each with an instance of the library of its own; all of them accept from one socket.
 *
 * The library has threads of its own too, but libmicrohttpd 0.9.75 then waits a second time, for as long as the idle
 * timeout, before it looks at what it was told when it was told of exactly 128 sockets (MHD_epoll). With hundreds of
 * connections that answer together, as they do after a commit, that happens in every second run. Called from a loop outside
 * it never waits.
 */
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/check.h"
#include "http/server.h"

/* The library takes the listening socket in again, once there is room, only when it is run; nothing tells us of that. */
enum { LOOP_WAIT_MS_MAX = 100 };

/* Outside of its own threads the library does not wake anybody who resumes a connection, so we do: one write for all that
 * comes until the thread has looked. */
void http_thread_wake(struct http_thread *thread) {
    uint64_t one = 1;
    if (!atomic_exchange(&thread->woken, true)) CHECK(write(thread->wake_fd, &one, sizeof one) == sizeof one);
}

/* Before the library is run, so that who comes after it writes again. */
static void take_wake(struct http_thread *thread) {
    uint64_t count;
    if (!atomic_load(&thread->woken)) return;
    (void)!read(thread->wake_fd, &count,
                sizeof count); /* non-blocking: the write may be on its way, then it is one too many */
    atomic_store(&thread->woken, false);
}

/* Told by http_loops_quiesce. By the thread itself: the library's own call from outside races with its loop. */
static void quiesce(struct http_thread *thread) {
    if (atomic_load(&thread->quiesced) || !atomic_load(&thread->server->quiescing)) return;
    (void)MHD_quiesce_daemon(thread->daemon); /* the socket is closed by http_loops_quiesce, once for all */
    atomic_store(&thread->quiesced, true);
    CHECK(sem_post(&thread->server->quiesced) == 0);
}

static int wait_ms(struct http_thread *thread) {
    MHD_UNSIGNED_LONG_LONG timeout_ms = 0;
    bool known = MHD_get_timeout(thread->daemon, &timeout_ms) == MHD_YES;
    return known && timeout_ms < LOOP_WAIT_MS_MAX ? (int)timeout_ms : LOOP_WAIT_MS_MAX;
}

static void *loop_main(void *self) {
    struct http_thread *thread = self;
    struct pollfd wanted[] = {{.fd = thread->epoll_fd, .events = POLLIN}, {.fd = thread->wake_fd, .events = POLLIN}};
    CHECK(MHD_run(thread->daemon) == MHD_YES); /* begins to listen */
    while (!atomic_load(&thread->server->ending)) {
        int timeout_ms = wait_ms(thread);
        /* Not in between when there is more to do: a poll is what a tenth of a request costs. */
        if (timeout_ms != 0) (void)poll(wanted, 2, timeout_ms);
        take_wake(thread);
        if (atomic_load(&thread->server->quiescing)) quiesce(thread);
        CHECK(MHD_run(thread->daemon) == MHD_YES);
    }
    return NULL;
}

static bool start_one(struct http_thread *thread, const struct http_loop_options *options) {
    struct http_server *server = thread->server;
    /* No Date header: it costs every answer, and no answer may be cached anyway. */
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_SUPPRESS_DATE_NO_CLOCK;
    if (options->is_ipv6) flags |= MHD_USE_IPv6;
    thread->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (thread->wake_fd < 0) return false;
    thread->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, http_on_request, server, MHD_OPTION_LISTEN_SOCKET, (MHD_socket)options->listen_fd,
        MHD_OPTION_URI_LOG_CALLBACK, http_on_uri, (void *)server, MHD_OPTION_NOTIFY_COMPLETED, http_on_completed,
        (void *)server, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_CONNECTION_BYTES, MHD_OPTION_CONNECTION_LIMIT,
        options->connections, MHD_OPTION_CONNECTION_TIMEOUT, options->timeout_seconds, MHD_OPTION_NOTIFY_CONNECTION,
        http_on_connection, (void *)thread, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    if (thread->daemon == NULL) return false;
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(thread->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    CHECK(info != NULL);
    thread->epoll_fd = info->epoll_fd;
    return true;
}

bool http_loops_start(struct http_server *server, const struct http_loop_options *options, unsigned count) {
    CHECK(count >= 1 && count <= HTTP_THREADS_MAX && server->thread_count == 0);
    server->listen_fd = options->listen_fd;
    for (unsigned i = 0; i < count; i++) {
        struct http_thread *thread = &server->threads[i];
        *thread = (struct http_thread){.server = server};
        if (!start_one(thread, options)) return false; /* what was begun is left to the exit that follows a failed start */
    }
    for (unsigned i = 0; i < count; i++) {
        struct http_thread *thread = &server->threads[i];
        if (pthread_create(&thread->thread, NULL, loop_main, thread) != 0) return false;
        (void)pthread_setname_np(thread->thread, "http"); /* for `top -H`; nothing depends on it */
        CHECK(pthread_getcpuclockid(thread->thread, &thread->clock) == 0);
        server->thread_count++;
    }
    atomic_store(&server->timed_threads, count);
    return true;
}

void http_loops_quiesce(struct http_server *server) {
    if (server->thread_count == 0 || atomic_exchange(&server->quiescing, true)) return;
    for (unsigned i = 0; i < server->thread_count; i++) http_thread_wake(&server->threads[i]);
    for (unsigned i = 0; i < server->thread_count; i++)
        while (sem_wait(&server->quiesced) != 0) continue; /* a signal */
    CHECK(close(server->listen_fd) == 0);
}

void http_loops_stop(struct http_server *server) {
    http_loops_quiesce(server);
    atomic_store(&server->timed_threads, 0);
    atomic_store(&server->ending, true);
    for (unsigned i = 0; i < server->thread_count; i++) http_thread_wake(&server->threads[i]);
    for (unsigned i = 0; i < server->thread_count; i++) CHECK(pthread_join(server->threads[i].thread, NULL) == 0);
    for (unsigned i = 0; i < server->thread_count; i++) {
        MHD_stop_daemon(server->threads[i].daemon);
        CHECK(close(server->threads[i].wake_fd) == 0);
    }
    server->thread_count = 0;
}

double http_cpu_seconds(const struct http_server *server) {
    double seconds = 0;
    for (unsigned i = 0; i < atomic_load(&server->timed_threads); i++) {
        struct timespec used;
        if (clock_gettime(server->threads[i].clock, &used) != 0) continue;
        seconds += (double)used.tv_sec + (double)used.tv_nsec / 1e9;
    }
    return seconds;
}
