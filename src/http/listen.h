/* listen.h: from "HOST:PORT" to a listening socket. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

enum { LISTEN_HOST_BYTES_MAX = 255, LISTEN_URL_BYTES = LISTEN_HOST_BYTES_MAX + 32 };

struct listen_address {
    char host[LISTEN_HOST_BYTES_MAX + 1]; /* without brackets */
    uint16_t port;
};

/* STATUS_BAD_CONFIG, saying what is wrong and what is expected. */
enum status listen_parse(const char *text, struct listen_address *out, struct failure *failure) MUST_USE;

/* Non-blocking, close-on-exec. `url` gets "http://HOST:PORT" with the real port. STATUS_IO_ERROR: says which address and
 * what to do. */
enum status listen_open(const struct listen_address *address, int *out_socket, bool *out_is_ipv6, char url[LISTEN_URL_BYTES],
                        struct failure *failure) MUST_USE;
