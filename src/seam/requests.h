/* requests.h (seam): a request comes in as bytes, and is answered later, perhaps from another thread.
 *
 * The transport (http/, or a test) owns a `struct request` from before request_begin until it has sent the reply. The node
 * calls `reply` (or `stream`) exactly once for each request that it was given, unless the transport said that the peer is
 * gone.
 */
#pragma once

#include "base/bytes.h"
#include "base/status.h"

/* All views live until the reply. Absent header = empty bytes. */
struct request_head {
    struct bytes method;           /* "GET" */
    struct bytes path;             /* as on the wire, still percent-encoded, without the query */
    struct bytes query;            /* as on the wire, without '?' */
    struct bytes content_type;     /* as on the wire */
    struct bytes content_encoding; /* as on the wire */
    struct bytes if_none_match;    /* as on the wire */
};

struct reply {
    unsigned http_status;
    const char *content_type; /* static storage */
    const char *headers;      /* static storage: lines "Name: value", each ended by CRLF, which replace the transport's own
                               * Cache-Control (no-store); or NULL */
    unsigned retry_after_seconds; /* 0 = no such header */
    struct buffer body;           /* moved: the transport frees it */
    int body_file;                /* -1, or an open file descriptor whose whole content is the body; moved */
};

struct requests {
    void *self;
    /* Takes `reply` (its body is moved out). Any thread. After it, the node never touches `request` again. */
    void (*reply)(void *self, void *request, struct reply *reply);
    /* The node can take more body again after it answered STATUS_AGAIN. Any thread. */
    void (*resume)(void *self, void *request);

    /* --- answers that go on (server-sent events); NULL = this transport has none --- */
    /* In place of `reply`: a 200 whose body goes on until `finish`. The node holds `request` until it calls finish, or until
     * push says STATUS_END. `content_type` is static storage. Any thread. */
    void (*stream)(void *self, void *request, const char *content_type);
    /* Copies `bytes` to what is to be sent; never waits. STATUS_OK; STATUS_END: the peer is gone, or so far behind that the
     * transport has cut it; the node never touches `request` again. Any thread, one at a time for a request. */
    enum status (*push)(void *self, void *request, struct bytes bytes) MUST_USE;
    /* The body ends after what was pushed. The node never touches `request` again. As push. */
    void (*finish)(void *self, void *request);
};
