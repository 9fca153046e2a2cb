/* watch.c: the open connections, and a thread that cuts those that hold a place without using it.
 *
 * The library closes what is silent for the idle timeout, but without a word, and a byte now and then keeps a connection for
 * ever. So the watch looks at every connection four times a second: a head has a deadline, a body must move, and when there
 * are too many, those that have rested longest make room. What it cuts is told why (408) and counted. */
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/check.h"
#include "http/server.h"

/* WATCH_STRIDE: connections looked at under one lock, so that accepting and closing wait for microseconds only. */
enum {
    WATCH_TICK_MS = 250,
    WATCH_PASSED_MS_MAX = 2 * WATCH_TICK_MS,
    WATCH_STRIDE = 128,
    WATCH_REST_MS_MIN = 500,
    WATCH_BODY_MS_MIN = 4000,
    WATCH_BODY_RATE_MIN = 256
};

void http_count(struct http_server *server, enum http_event event) {
    CHECK((unsigned)event < HTTP_EVENTS);
    atomic_fetch_add_explicit(&server->events[event], 1, memory_order_relaxed);
}

static uint64_t now_ms(const struct http_server *server) {
    return atomic_load_explicit(&server->now_ms, memory_order_relaxed);
}

static void lock_peers(struct http_server *server) {
    CHECK(pthread_mutex_lock(&server->peers_lock) == 0);
}

static void unlock_peers(struct http_server *server) {
    CHECK(pthread_mutex_unlock(&server->peers_lock) == 0);
}

/* --- the library's side --- */

static struct http_peer *take_peer(struct http_thread *thread, int fd) {
    struct http_server *server = thread->server;
    lock_peers(server);
    CHECKF(server->first_free != PEER_NONE, "%u connections", server->peer_capacity); /* the library has the same limit */
    struct http_peer *peer = &server->peers[server->first_free];
    CHECK(peer->magic == 0);
    server->first_free = peer->next_free;
    *peer = (struct http_peer){.magic = HTTP_PEER_MAGIC, .fd = fd, .thread = thread, .seen_requests = UINT32_MAX};
    atomic_init(&peer->state, PEER_RESTING);
    atomic_init(&peer->since_ms, now_ms(server));
    peer->over_limit = atomic_fetch_add(&server->peer_count, 1) + 1 > server->connections_max;
    if (peer->over_limit) CHECK(pthread_cond_signal(&server->watch_wanted) == 0);
    unlock_peers(server);
    return peer;
}

static void give_peer(struct http_server *server, struct http_peer *peer) {
    bool idle = atomic_load(&peer->state) == PEER_RESTING &&
                now_ms(server) - atomic_load(&peer->since_ms) + WATCH_TICK_MS >= server->idle_timeout_ms;
    if (idle) http_count(server, HTTP_EVENT_CLOSED_IDLE);
    lock_peers(server);
    peer->magic = 0;
    peer->next_free = server->first_free;
    server->first_free = (uint32_t)(peer - server->peers);
    CHECK(atomic_fetch_sub(&server->peer_count, 1) > 0);
    unlock_peers(server);
}

void http_on_connection(void *self, struct MHD_Connection *connection, void **socket_context,
                        enum MHD_ConnectionNotificationCode code) {
    struct http_thread *thread = self;
    struct http_server *server = thread->server;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        CHECK(info != NULL);
        http_count(server, HTTP_EVENT_ACCEPTED);
        *socket_context = take_peer(thread, info->connect_fd);
    } else {
        CHECK(*socket_context != NULL);
        give_peer(server, *socket_context); /* the socket is closed after this */
        *socket_context = NULL;
    }
}

struct http_peer *http_peer_of(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    CHECK(info != NULL);
    struct http_peer *peer = info->socket_context;
    CHECK(peer != NULL && peer->magic == HTTP_PEER_MAGIC);
    return peer;
}

bool http_peer_enter(struct http_server *server, struct http_peer *peer, enum peer_state state) {
    CHECK(peer->magic == HTTP_PEER_MAGIC && state != PEER_CUT);
    unsigned before = atomic_load(&peer->state);
    atomic_store(&peer->since_ms, now_ms(server)); /* before the state: the watch looks at the state first */
    if (state == PEER_RESTING) atomic_fetch_add(&peer->requests, 1);
    while (before != PEER_CUT)
        if (atomic_compare_exchange_weak(&peer->state, &before, state)) return true;
    return false;
}

unsigned http_peers_busy(struct http_server *server) {
    unsigned busy = 0;
    lock_peers(server);
    for (uint32_t i = 0; i < server->peer_capacity; i++) {
        unsigned state = atomic_load(&server->peers[i].state);
        busy += server->peers[i].magic != 0 && (state == PEER_BODY || state == PEER_BUSY);
    }
    unlock_peers(server);
    return busy;
}

/* --- the watch's side, under peers_lock, so that the socket stays open meanwhile --- */

/* False when the connection went on just before. Best effort: the peer may have closed already. */
static bool cut(struct http_server *server, struct http_peer *peer, unsigned state, enum http_event event,
                const char *detail) {
    if (!atomic_compare_exchange_strong(&peer->state, &state, PEER_CUT)) return false;
    http_count(server, event);
    if (detail != NULL) {
        char body[256], answer[512];
        int body_len = snprintf(body, sizeof body,
                                "{\"type\":\"urn:tally:problem:too-slow\",\"title\":\"Request too slow\",\"status\":408,"
                                "\"detail\":\"%s\"}",
                                detail);
        CHECK(body_len > 0 && (size_t)body_len < sizeof body);
        int len = snprintf(answer, sizeof answer,
                           "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nCache-Control: no-store\r\n"
                           "Content-Type: application/problem+json\r\nContent-Length: %d\r\n\r\n%s",
                           body_len, body);
        CHECK(len > 0 && (size_t)len < sizeof answer);
        (void)send(peer->fd, answer, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    (void)shutdown(peer->fd, SHUT_RDWR); /* its thread sees the end and closes */
    return true;
}

static uint64_t bytes_received(int fd) {
    struct tcp_info info = {0};
    socklen_t len = sizeof info;
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 ? info.tcpi_bytes_received : 0;
}

/* A request line that trickles in is not yet the library's word to us, so it is seen by what the socket has received. */
static void look_at_resting(struct http_server *server, struct http_peer *peer, uint64_t rested_ms) {
    static const char too_slow[] = "the request's head did not come in time";
    unsigned requests = atomic_load(&peer->requests);
    if (peer->seen_requests != requests) {
        peer->seen_requests = requests;
        peer->resting_bytes = requests == 0 ? 0 : bytes_received(peer->fd);
        peer->head_since_ms = 0;
        if (requests > 0) return;
    }
    if (peer->head_since_ms == 0 && bytes_received(peer->fd) != peer->resting_bytes) peer->head_since_ms = now_ms(server);
    if (peer->head_since_ms != 0 && now_ms(server) - peer->head_since_ms >= server->head_timeout_ms)
        (void)cut(server, peer, PEER_RESTING, HTTP_EVENT_CUT_SLOW_HEAD, too_slow);
    else if (rested_ms >= server->idle_timeout_ms)
        (void)cut(server, peer, PEER_RESTING, HTTP_EVENT_CLOSED_IDLE, NULL);
}

/* The peer has closed and nothing of it is left to read. The library, told of the last bytes and of the end at once, may
 * have missed the second. */
static bool is_at_its_end(int fd) {
    char byte;
    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* Bytes a second of the body under way; a body that has just begun is fast. */
static uint64_t body_rate(struct http_server *server, struct http_peer *peer) {
    uint64_t bytes = bytes_received(peer->fd);
    unsigned request = atomic_load(&peer->requests);
    if (peer->body_since_ms == 0 || peer->body_request != request) {
        peer->body_request = request;
        peer->body_since_ms = now_ms(server);
        peer->body_bytes = bytes;
    }
    uint64_t age_ms = now_ms(server) - peer->body_since_ms;
    return age_ms < WATCH_BODY_MS_MIN ? UINT64_MAX : (bytes - peer->body_bytes) * 1000 / age_ms;
}

static void look_at(struct http_server *server, struct http_peer *peer) {
    unsigned state = atomic_load(&peer->state);
    uint64_t now = now_ms(server), since = atomic_load(&peer->since_ms);
    uint64_t age_ms = now > since ? now - since : 0;
    if (state == PEER_RESTING && age_ms >= WATCH_REST_MS_MIN)
        look_at_resting(server, peer, age_ms);
    else if (state == PEER_HEAD && age_ms >= server->head_timeout_ms)
        (void)cut(server, peer, state, HTTP_EVENT_CUT_SLOW_HEAD, "the request's head did not come in time");
    else if (state == PEER_BODY && age_ms >= server->idle_timeout_ms)
        (void)cut(server, peer, state, HTTP_EVENT_CUT_STALLED_BODY, "nothing of the request's body came for too long");
    else if (state == PEER_BODY && is_at_its_end(peer->fd))
        (void)shutdown(peer->fd, SHUT_RD); /* its thread is told again */
    else if (state == PEER_BODY)
        (void)body_rate(server, peer); /* notes where it begins */
}

static int compare_rest(const void *a, const void *b) {
    const struct http_peer *x = *(struct http_peer *const *)a, *y = *(struct http_peer *const *)b;
    uint64_t x_ms = atomic_load(&x->since_ms), y_ms = atomic_load(&y->since_ms);
    return (x_ms > y_ms) - (x_ms < y_ms);
}

/* A slow stream is welcome while there is room for it; when there is none, it is what goes first after those that rest. */
static void cut_trickles(struct http_server *server, size_t wanted) {
    for (uint32_t i = 0; i < server->peer_capacity && wanted > 0; i++) {
        struct http_peer *peer = &server->peers[i];
        if (peer->magic == 0 || atomic_load(&peer->state) != PEER_BODY) continue;
        if (body_rate(server, peer) >= WATCH_BODY_RATE_MIN) continue;
        wanted -= cut(server, peer, PEER_BODY, HTTP_EVENT_CUT_STALLED_BODY,
                      "the request's body came too slowly while others waited for a connection");
    }
}

/* Closes those that have rested longest, a sixteenth more than needed, so that newcomers find room for a while. */
static void make_room(struct http_server *server) {
    unsigned count = atomic_load(&server->peer_count);
    if (count <= server->connections_max) return;
    size_t wanted = count - server->connections_max + server->connections_max / 16, found = 0;
    for (uint32_t i = 0; i < server->peer_capacity; i++) {
        struct http_peer *peer = &server->peers[i];
        if (peer->magic == 0 || atomic_load(&peer->state) != PEER_RESTING) continue;
        if (atomic_load(&peer->since_ms) + WATCH_REST_MS_MIN > now_ms(server)) continue;
        server->resting[found++] = peer;
    }
    qsort(server->resting, found, sizeof *server->resting, compare_rest);
    for (size_t i = 0; i < found && i < wanted; i++)
        (void)cut(server, server->resting[i], PEER_RESTING, HTTP_EVENT_CLOSED_FOR_ROOM, NULL);
    if (found < wanted) cut_trickles(server, wanted - found);
}

static uint64_t mono_ms(void) {
    struct timespec time;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &time) == 0);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static void sleep_a_tick(struct http_server *server) {
    uint64_t until_ms = mono_ms() + WATCH_TICK_MS;
    struct timespec until = {.tv_sec = (time_t)(until_ms / 1000), .tv_nsec = (long)(until_ms % 1000) * 1000000};
    int result = pthread_cond_timedwait(&server->watch_wanted, &server->peers_lock, &until);
    CHECK(result == 0 || result == ETIMEDOUT);
}

/* The watch's clock stands still while the process does (SIGSTOP, a paused machine): what could not be heard then was not
 * silent, and what came in just now would look as old as the whole pause. */
static void move_clock(struct http_server *server, uint64_t *seen_ms) {
    uint64_t mono = mono_ms(), passed_ms = mono > *seen_ms ? mono - *seen_ms : 0;
    *seen_ms = mono;
    if (passed_ms > WATCH_PASSED_MS_MAX) passed_ms = WATCH_PASSED_MS_MAX;
    (void)atomic_fetch_add_explicit(&server->now_ms, passed_ms, memory_order_relaxed);
}

static void *watch_main(void *self) {
    struct http_server *server = self;
    uint64_t seen_ms = mono_ms();
    lock_peers(server);
    while (!server->watch_ending) {
        move_clock(server, &seen_ms);
        make_room(server);
        for (uint32_t i = 0; i < server->peer_capacity && !server->watch_ending; i++) {
            if (server->peers[i].magic != 0) look_at(server, &server->peers[i]);
            if (i % WATCH_STRIDE != WATCH_STRIDE - 1) continue;
            unlock_peers(server);
            lock_peers(server);
        }
        if (!server->watch_ending) sleep_a_tick(server);
    }
    unlock_peers(server);
    return NULL;
}

void http_watch_start(struct http_server *server, uint32_t peer_capacity) {
    CHECK(!server->watch_started && peer_capacity >= server->connections_max && peer_capacity < PEER_NONE);
    server->peer_capacity = peer_capacity;
    server->peers = memory_allocate_zeroed(peer_capacity, sizeof *server->peers);
    server->resting = memory_allocate_zeroed(peer_capacity, sizeof(struct http_peer *));
    for (uint32_t i = 0; i < peer_capacity; i++) server->peers[i].next_free = i + 1 < peer_capacity ? i + 1 : PEER_NONE;
    atomic_store(&server->now_ms, mono_ms());
    CHECK(pthread_create(&server->watch, NULL, watch_main, server) == 0);
    (void)pthread_setname_np(server->watch, "http-watch");
    server->watch_started = true;
}

void http_watch_stop(struct http_server *server) {
    if (!server->watch_started) return;
    lock_peers(server);
    server->watch_ending = true;
    CHECK(pthread_cond_signal(&server->watch_wanted) == 0);
    unlock_peers(server);
    CHECK(pthread_join(server->watch, NULL) == 0);
    server->watch_started = false;
}
