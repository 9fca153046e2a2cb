#include "cli/bench_sink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/check.h"

enum { PEERS_MAX = 256, HEAD_BYTES_MAX = 8192, READ_BYTES = 256 * 1024 };

/* A connection: first a head is gathered, then its body goes by. */
struct peer {
    int fd;
    bool in_body;
    size_t head_len;
    char head[HEAD_BYTES_MAX];
    uint64_t body_left, lines;
    bool line_open; /* the body's last byte so far was not a line end */
};

struct sink {
    int listen_fd, stop_fd;
    char url[64];
    pthread_t thread;
    uint64_t lines;
    double cpu_seconds;
    size_t peer_count;
    struct peer peers[PEERS_MAX];
    char buffer[READ_BYTES];
};

static void answer(struct sink *sink, struct peer *peer) {
    uint64_t lines = peer->lines + peer->line_open;
    char body[128], text[320];
    int body_len = snprintf(body, sizeof body, "{\"received\":%llu,\"accepted\":%llu,\"rejected\":0}\n",
                            (unsigned long long)lines, (unsigned long long)lines);
    int len = snprintf(text, sizeof text,
                       "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", body_len, body);
    CHECK(len > 0 && (size_t)len < sizeof text);
    /* So little always fits into the socket of a client that waits for it. */
    if (write(peer->fd, text, (size_t)len) != len) shutdown(peer->fd, SHUT_RDWR);
    sink->lines += lines;
    peer->in_body = peer->line_open = false;
    peer->lines = 0;
}

/* Takes what belongs to the head; returns how many bytes that were. False: this is not HTTP as our client speaks it. */
static bool take_head(struct peer *peer, const char *at, size_t len, size_t *taken) {
    size_t room = HEAD_BYTES_MAX - 1 - peer->head_len, before = peer->head_len;
    size_t part = len < room ? len : room;
    memcpy(peer->head + peer->head_len, at, part);
    peer->head_len += part;
    peer->head[peer->head_len] = '\0';
    const char *end = strstr(peer->head, "\r\n\r\n");
    *taken = part;
    if (end == NULL) return peer->head_len < HEAD_BYTES_MAX - 1;
    const char *length = strcasestr(peer->head, "\r\ncontent-length:");
    bool has_body = length != NULL && length < end;
    peer->body_left = has_body ? strtoull(length + sizeof "\r\ncontent-length:" - 1, NULL, 10) : 0;
    *taken = (size_t)(end - peer->head) + 4 - before;
    peer->head_len = 0;
    peer->in_body = true;
    return true;
}

static void take_body(struct peer *peer, const char *at, size_t len) {
    CHECK(len > 0 && len <= peer->body_left);
    const char *end = at + len;
    for (const char *line = at; (line = memchr(line, '\n', (size_t)(end - line))) != NULL; line++) peer->lines++;
    peer->line_open = end[-1] != '\n';
    peer->body_left -= len;
}

/* False: the connection is over. */
static bool serve(struct sink *sink, struct peer *peer) {
    ssize_t got = read(peer->fd, sink->buffer, sizeof sink->buffer);
    if (got < 0 && errno == EINTR) return true;
    if (got <= 0) return false;
    for (size_t at = 0; at < (size_t)got;) {
        size_t len = (size_t)got - at, taken = len;
        if (!peer->in_body) {
            if (!take_head(peer, sink->buffer + at, len, &taken)) return false;
        } else {
            if (taken > peer->body_left) taken = peer->body_left;
            take_body(peer, sink->buffer + at, taken);
        }
        at += taken;
        if (peer->in_body && peer->body_left == 0) answer(sink, peer);
    }
    return true;
}

static void take_peer(struct sink *sink) {
    int fd = accept4(sink->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) return;
    if (sink->peer_count == PEERS_MAX) {
        close(fd);
        return;
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sink->peers[sink->peer_count++] = (struct peer){.fd = fd};
}

static void *run(void *self) {
    struct sink *sink = self;
    for (;;) {
        struct pollfd fds[PEERS_MAX + 2] = {{.fd = sink->stop_fd, .events = POLLIN},
                                            {.fd = sink->listen_fd, .events = POLLIN}};
        for (size_t i = 0; i < sink->peer_count; i++)
            fds[i + 2] = (struct pollfd){.fd = sink->peers[i].fd, .events = POLLIN};
        if (poll(fds, sink->peer_count + 2, -1) < 0) continue;
        if (fds[0].revents != 0) break;
        for (size_t i = sink->peer_count; i-- > 0;) { /* downwards: the last one takes the place of one that ends */
            if (fds[i + 2].revents == 0 || serve(sink, &sink->peers[i])) continue;
            close(sink->peers[i].fd);
            sink->peers[i] = sink->peers[--sink->peer_count];
        }
        if (fds[1].revents != 0) take_peer(sink);
    }
    for (size_t i = 0; i < sink->peer_count; i++) close(sink->peers[i].fd);
    struct timespec used;
    CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used) == 0);
    sink->cpu_seconds = (double)used.tv_sec + (double)used.tv_nsec / 1e9;
    return NULL;
}

struct sink *sink_start(void) {
    struct sink *sink = memory_allocate_zeroed(1, sizeof *sink);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    sink->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sink->stop_fd = eventfd(0, EFD_CLOEXEC);
    CHECK(sink->listen_fd >= 0 && sink->stop_fd >= 0);
    CHECK(bind(sink->listen_fd, (struct sockaddr *)&address, len) == 0 && listen(sink->listen_fd, PEERS_MAX) == 0);
    CHECK(getsockname(sink->listen_fd, (struct sockaddr *)&address, &len) == 0);
    snprintf(sink->url, sizeof sink->url, "http://127.0.0.1:%d", ntohs(address.sin_port));
    CHECK(pthread_create(&sink->thread, NULL, run, sink) == 0);
    return sink;
}

const char *sink_url(const struct sink *sink) {
    return sink->url;
}

uint64_t sink_stop(struct sink *sink, double *cpu_seconds) {
    uint64_t one = 1, lines;
    CHECK(write(sink->stop_fd, &one, sizeof one) == (ssize_t)sizeof one);
    CHECK(pthread_join(sink->thread, NULL) == 0);
    close(sink->stop_fd);
    close(sink->listen_fd);
    *cpu_seconds = sink->cpu_seconds;
    lines = sink->lines;
    free(sink);
    return lines;
}
