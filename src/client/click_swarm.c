#include "client/click_swarm.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/check.h"
#include "client/timing.h"

enum { MEMBER_BYTES = 1024, EVENTS = 512, SILENCE_MS_MAX = 60 * SECOND_MS, ADS = 10000 };

struct member {
    int fd;
    int64_t sent_ns;
    size_t received;
    char answer[MEMBER_BYTES];
};

struct swarm {
    const struct click_swarm_options *options;
    struct click_swarm_result *result;
    struct failure *failure;
    struct sockaddr_in address;
    char host[64];
    int epoll;
    uint64_t sent;
    int64_t wall_ms;
    struct member *members;
};

static enum status fail(struct swarm *swarm, const char *what, int error) {
    return failure_set(swarm->failure, STATUS_IO_ERROR, "%s: %s: %s", swarm->options->url, what, strerror(error));
}

static enum status read_url(struct swarm *swarm) {
    static const char scheme[] = "http://";
    unsigned port = 0;
    char ip[48];
    const char *url = swarm->options->url;
    bool good =
        strncmp(url, scheme, sizeof scheme - 1) == 0 && sscanf(url + sizeof scheme - 1, "%47[0-9.]:%u", ip, &port) == 2;
    swarm->address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (!good || port > UINT16_MAX || inet_pton(AF_INET, ip, &swarm->address.sin_addr) != 1)
        return failure_set(swarm->failure, STATUS_BAD_CONFIG, "%s: must be http://IPV4:PORT here", url);
    (void)snprintf(swarm->host, sizeof swarm->host, "%s:%u", ip, port);
    return STATUS_OK;
}

static enum status send_click(struct swarm *swarm, struct member *member) {
    char body[256], request[512];
    uint64_t number = swarm->options->first + swarm->sent++;
    int body_len = snprintf(body, sizeof body,
                            "{\"event_id\":\"s%" PRIx64 "\",\"ad_id\":\"ad%" PRIu64 "\",\"click_timestamp\":%" PRId64
                            ",\"user_id\":\"user%" PRIu64 "\",\"ip\":\"11.%" PRIu64 ".0.1\",\"country\":\"DEU\"}",
                            number, number * 7919 % ADS, swarm->wall_ms, number * 31 % 100000, number % 256);
    int len =
        snprintf(request, sizeof request,
                 "POST /v1/clicks HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
                 swarm->host, body_len, body);
    CHECK(body_len > 0 && (size_t)body_len < sizeof body && len > 0 && (size_t)len < sizeof request);
    member->received = 0;
    member->sent_ns = timing_now_ns();
    ssize_t sent = send(member->fd, request, (size_t)len, MSG_NOSIGNAL);
    /* One request is in flight, so an empty socket buffer takes it whole. */
    return sent == len ? STATUS_OK : fail(swarm, "send", sent < 0 ? errno : EAGAIN);
}

/* STATUS_AGAIN: it is not whole yet. */
static enum status read_answer(struct swarm *swarm, struct member *member) {
    ssize_t len = recv(member->fd, member->answer + member->received, sizeof member->answer - 1 - member->received, 0);
    if (len < 0 && errno == EAGAIN) return STATUS_AGAIN;
    if (len <= 0) return fail(swarm, "the connection ended", len < 0 ? errno : ECONNRESET);
    member->received += (size_t)len;
    member->answer[member->received] = '\0';
    const char *end = strstr(member->answer, "\r\n\r\n"), *length = strstr(member->answer, "Content-Length: ");
    if (end == NULL || length == NULL) return STATUS_AGAIN;
    size_t whole = (size_t)(end + 4 - member->answer) + strtoul(length + strlen("Content-Length: "), NULL, 10);
    bool good = strncmp(member->answer, "HTTP/1.1 200", 12) == 0;
    if (!good || whole >= sizeof member->answer)
        return failure_set(swarm->failure, STATUS_IO_ERROR, "%s: %.200s", swarm->options->url, member->answer);
    return member->received >= whole ? STATUS_OK : STATUS_AGAIN;
}

static enum status connect_all(struct swarm *swarm) {
    for (unsigned i = 0; i < swarm->options->connections; i++) {
        struct member *member = &swarm->members[i];
        member->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (member->fd < 0) return fail(swarm, "socket", errno);
        int one = 1;
        if (setsockopt(member->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0 ||
            connect(member->fd, (struct sockaddr *)&swarm->address, sizeof swarm->address) != 0)
            return fail(swarm, "connect", errno);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = member};
        if (epoll_ctl(swarm->epoll, EPOLL_CTL_ADD, member->fd, &event) != 0) return fail(swarm, "epoll", errno);
    }
    return STATUS_OK;
}

static enum status turn(struct swarm *swarm, struct member *member) {
    enum status status = read_answer(swarm, member);
    if (status == STATUS_AGAIN) return STATUS_OK;
    if (status != STATUS_OK) return status;
    CHECK(swarm->result->acks < swarm->options->clicks);
    swarm->result->ack_us[swarm->result->acks++] = (uint64_t)(timing_now_ns() - member->sent_ns) / 1000;
    return swarm->sent < swarm->options->clicks ? send_click(swarm, member) : STATUS_OK;
}

static enum status run(struct swarm *swarm) {
    struct epoll_event events[EVENTS];
    enum status status = connect_all(swarm);
    int64_t began_ns = timing_now_ns();
    swarm->wall_ms = timing_wall().ms;
    for (unsigned i = 0; i < swarm->options->connections && status == STATUS_OK && swarm->sent < swarm->options->clicks; i++)
        status = send_click(swarm, &swarm->members[i]);
    while (status == STATUS_OK && swarm->result->acks < swarm->options->clicks) {
        int count = epoll_wait(swarm->epoll, events, EVENTS, SILENCE_MS_MAX);
        if (count == 0) return failure_set(swarm->failure, STATUS_IO_ERROR, "%s: no answer", swarm->options->url);
        if (count < 0 && errno != EINTR) return fail(swarm, "epoll", errno);
        swarm->wall_ms = timing_wall().ms;
        for (int i = 0; i < count && status == STATUS_OK; i++) status = turn(swarm, events[i].data.ptr);
    }
    swarm->result->seconds = (double)(timing_now_ns() - began_ns) / 1e9;
    return status;
}

enum status click_swarm_run(const struct click_swarm_options *options, struct click_swarm_result *result,
                            struct failure *failure) {
    CHECK(options->connections >= 1 && options->connections <= CLICK_SWARM_CONNECTIONS_MAX);
    struct swarm swarm = {.options = options, .result = result, .failure = failure};
    result->acks = 0;
    enum status status = read_url(&swarm);
    if (status != STATUS_OK) return status;
    swarm.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (swarm.epoll < 0) return fail(&swarm, "epoll", errno);
    swarm.members = memory_allocate_zeroed(options->connections, sizeof *swarm.members);
    for (unsigned i = 0; i < options->connections; i++) swarm.members[i].fd = -1;
    status = run(&swarm);
    for (unsigned i = 0; i < options->connections; i++)
        if (swarm.members[i].fd >= 0) (void)close(swarm.members[i].fd);
    (void)close(swarm.epoll);
    free(swarm.members);
    return status;
}
