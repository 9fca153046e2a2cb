#include "http/listen.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"

enum { LISTEN_BACKLOG = 4096 }; /* the kernel cuts it to net.core.somaxconn */

enum status listen_parse(const char *text, struct listen_address *out, struct failure *failure) {
    static const char expected[] = "expected HOST:PORT, as in 127.0.0.1:8080, [::1]:8080 or 0.0.0.0:0";
    const char *host = text, *host_end, *colon;
    if (text[0] == '[') {
        host = text + 1;
        host_end = strchr(host, ']');
        if (host_end == NULL || host_end[1] != ':')
            return failure_set(failure, STATUS_BAD_CONFIG, "listen address \"%s\": %s", text, expected);
        colon = host_end + 1;
    } else {
        colon = host_end = strrchr(text, ':');
        if (colon == NULL) return failure_set(failure, STATUS_BAD_CONFIG, "listen address \"%s\": %s", text, expected);
        if (memchr(text, ':', (size_t)(colon - text)) != NULL)
            return failure_set(failure, STATUS_BAD_CONFIG, "listen address \"%s\": an IPv6 address needs brackets; %s", text,
                               expected);
    }
    size_t host_len = (size_t)(host_end - host);
    if (host_len == 0 || host_len > LISTEN_HOST_BYTES_MAX)
        return failure_set(failure, STATUS_BAD_CONFIG, "listen address \"%s\": %s", text, expected);

    uint32_t port = 0;
    const char *digit = colon + 1;
    for (; *digit >= '0' && *digit <= '9' && port <= UINT16_MAX; digit++) port = port * 10 + (uint32_t)(*digit - '0');
    if (digit == colon + 1 || *digit != '\0' || port > UINT16_MAX)
        return failure_set(failure, STATUS_BAD_CONFIG, "listen address \"%s\": the port must be a number from 0 to 65535",
                           text);
    memcpy(out->host, host, host_len);
    out->host[host_len] = '\0';
    out->port = (uint16_t)port;
    return STATUS_OK;
}

static const char *advice_for(int error) {
    switch (error) {
    case EADDRINUSE:
        return "the port is in use by another program (a tally that still runs?): stop it, or choose another port with "
               "--listen; port 0 takes any free one";
    case EACCES:
        return "ports below 1024 need a privilege: choose a higher port with --listen";
    case EADDRNOTAVAIL:
        return "this machine does not have that address: use 127.0.0.1, or 0.0.0.0 for all addresses";
    default:
        return strerror(error);
    }
}

/* The socket, or -1 with errno. */
static int bind_one(const struct addrinfo *address) {
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    int one = 1; /* a restart must not wait for the old connections' TIME_WAIT */
    bool bound = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
                 bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, LISTEN_BACKLOG) == 0;
    if (bound) return fd;
    int error = errno;
    (void)close(fd);
    errno = error;
    return -1;
}

static void url_of(const struct listen_address *address, int fd, char url[LISTEN_URL_BYTES]) {
    struct sockaddr_storage bound = {0};
    socklen_t len = sizeof bound;
    CHECK(getsockname(fd, (struct sockaddr *)&bound, &len) == 0);
    char port[8];
    CHECK(getnameinfo((struct sockaddr *)&bound, len, NULL, 0, port, sizeof port, NI_NUMERICSERV) == 0);
    const char *host = address->host;
    if (strcmp(host, "0.0.0.0") == 0) host = "127.0.0.1";
    if (strcmp(host, "::") == 0) host = "::1";
    bool brackets = strchr(host, ':') != NULL;
    int written = snprintf(url, LISTEN_URL_BYTES, "http://%s%s%s:%s", brackets ? "[" : "", host, brackets ? "]" : "", port);
    CHECK(written > 0 && written < LISTEN_URL_BYTES);
}

enum status listen_open(const struct listen_address *address, int *out_socket, bool *out_is_ipv6, char url[LISTEN_URL_BYTES],
                        struct failure *failure) {
    char port[8];
    (void)snprintf(port, sizeof port, "%u", (unsigned)address->port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *found = NULL;
    int problem = getaddrinfo(address->host, port, &hints, &found);
    if (problem != 0)
        return failure_set(failure, STATUS_IO_ERROR, "cannot listen on \"%s\": %s", address->host, gai_strerror(problem));
    int fd = -1, error = EADDRNOTAVAIL;
    for (const struct addrinfo *each = found; each != NULL && fd < 0; each = each->ai_next) {
        if (each->ai_family != AF_INET && each->ai_family != AF_INET6) continue;
        fd = bind_one(each);
        if (fd < 0) error = errno;
        *out_is_ipv6 = each->ai_family == AF_INET6;
    }
    freeaddrinfo(found);
    if (fd < 0)
        return failure_set(failure, STATUS_IO_ERROR, "cannot listen on %s port %s: %s", address->host, port,
                           advice_for(error));
    url_of(address, fd, url);
    *out_socket = fd;
    return STATUS_OK;
}
