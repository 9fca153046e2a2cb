/* bare_client.h: an HTTP client of bare sockets, for tests that must see each byte. After cmocka.h. */
#pragma once

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"

/* The socket, or -1. `url` ends with the port; the host is 127.0.0.1. */
static inline int bare_connect(const char *url) {
    const char *colon = strrchr(url, ':');
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(colon + 1))};
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int one = 1; /* head and body are sent apart: without this the second waits for the first one's late acknowledgement */
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one), 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
    close(fd);
    return -1;
}

static inline void client_send(int fd, const void *at, size_t len) {
    for (size_t sent = 0; sent < len;) {
        ssize_t n = send(fd, (const char *)at + sent, len - sent, MSG_NOSIGNAL);
        assert_true(n > 0);
        sent += (size_t)n;
    }
}

static inline void client_send_text(int fd, const char *text) {
    client_send(fd, text, strlen(text));
}

static inline void client_post(int fd, const char *path, const char *extra, const void *body, size_t len) {
    char head[512];
    snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %zu\r\n\r\n", path, extra, len);
    client_send_text(fd, head);
    client_send(fd, body, len);
}

struct answer {
    unsigned status;
    char head[1024];
    struct buffer body;
    bool closed; /* the connection ended before an answer was whole */
};

static inline struct answer client_read(int fd, bool with_body) {
    struct answer answer = {0};
    size_t len = 0;
    while (len < 4 || memcmp(answer.head + len - 4, "\r\n\r\n", 4) != 0) {
        assert_true(len < sizeof answer.head - 1);
        if (recv(fd, answer.head + len, 1, 0) <= 0) {
            answer.closed = true;
            return answer;
        }
        len++;
    }
    assert_int_equal(sscanf(answer.head, "HTTP/1.1 %u", &answer.status), 1);
    const char *length = strstr(answer.head, "Content-Length: ");
    size_t body_len = length == NULL || !with_body ? 0 : (size_t)atol(length + 16);
    (void)buffer_reserve(&answer.body, body_len + 1);
    while (answer.body.len < body_len) {
        ssize_t n = recv(fd, answer.body.at + answer.body.len, body_len - answer.body.len, 0);
        assert_true(n > 0);
        answer.body.len += (size_t)n;
    }
    answer.body.at[answer.body.len] = '\0';
    return answer;
}

static inline void expect_answer(int fd, unsigned status, const void *body, size_t len) {
    struct answer answer = client_read(fd, true);
    assert_false(answer.closed);
    assert_int_equal(answer.status, status);
    assert_int_equal(answer.body.len, len);
    assert_memory_equal(answer.body.at, body, len);
    buffer_fini(&answer.body);
}
