/* stream.c: an answer that goes on. What the node pushes waits in the request's backlog; the library's thread takes it from
 * there when the socket has room, and the connection is suspended while there is nothing. */
#include <sys/socket.h>

#include "base/check.h"
#include "http/server.h"

enum { STREAM_BLOCK_BYTES = 32 * 1024 };

void http_request_stream(void *self, void *opaque, const char *content_type) {
    struct http_request *request = opaque;
    CHECK(request->server == self);
    http_request_lock(request);
    CHECK(!atomic_load(&request->answered)); /* one reply or one stream */
    request->stream.on = true;
    request->stream.content_type = content_type;
    atomic_store(&request->answered, true);
    if (request->suspended) http_request_wake(request);
    http_request_unlock(request);
}

/* Under the lock. Drops what the library has taken once that is most of the memory. */
static void compact(struct http_request *request) {
    struct buffer *backlog = &request->stream.backlog;
    CHECK(request->stream.sent <= backlog->len);
    if (request->stream.sent < backlog->len / 2) return;
    backlog->len -= request->stream.sent;
    memmove(backlog->at, backlog->at + request->stream.sent, backlog->len);
    request->stream.sent = 0;
}

/* Under the lock, while the library still has the connection, so its socket is open. */
static void cut(struct http_request *request) {
    CHECK(!request->completed);
    request->stream.cut = true;
    http_count(request->server, HTTP_EVENT_CUT_NOT_READING);
    (void)shutdown(request->peer->fd, SHUT_RDWR);
    if (request->suspended) http_request_wake(request);
}

enum status http_request_push(void *self, void *opaque, struct bytes bytes) {
    struct http_request *request = opaque;
    CHECK(request->server == self);
    http_request_lock(request);
    CHECK(request->stream.on && !request->stream.finished && !request->stream.cut);
    bool going = !request->completed;
    if (going && request->stream.backlog.len - request->stream.sent + bytes.len > HTTP_STREAM_BACKLOG_BYTES) {
        cut(request);
        going = false;
    }
    if (going) {
        if (request->stream.sent > 0) compact(request);
        buffer_append_bytes(&request->stream.backlog, bytes);
        if (request->suspended && bytes.len > 0) http_request_wake(request);
    }
    http_request_unlock(request);
    if (going) return STATUS_OK;
    http_request_let_go(request, 1);
    return STATUS_END;
}

void http_request_finish(void *self, void *opaque) {
    struct http_request *request = opaque;
    CHECK(request->server == self);
    http_request_lock(request);
    CHECK(request->stream.on && !request->stream.finished && !request->stream.cut);
    request->stream.finished = true;
    if (request->suspended) http_request_wake(request);
    http_request_unlock(request);
    http_request_let_go(request, 1);
}

/* The library's: fills `out`, or suspends, or ends. */
static ssize_t take(void *opaque, uint64_t position, char *out, size_t room) {
    struct http_request *request = opaque;
    (void)position;
    http_request_lock(request);
    CHECK(request->stream.on && !request->completed && room > 0);
    size_t len = request->stream.backlog.len - request->stream.sent;
    if (len > room) len = room;
    if (len > 0) memcpy(out, request->stream.backlog.at + request->stream.sent, len);
    request->stream.sent += len;
    ssize_t result = (ssize_t)len;
    if (request->stream.cut) {
        result = MHD_CONTENT_READER_END_WITH_ERROR;
    } else if (len == 0 && request->stream.finished) {
        result = MHD_CONTENT_READER_END_OF_STREAM;
    } else if (len == 0) {
        http_request_suspend(request);
    }
    http_request_unlock(request);
    return result;
}

struct MHD_Response *http_stream_response(struct http_request *request) {
    CHECK(request->stream.on);
    /* To a HEAD the library would send the end of a chunked body, which the peer would take for its next answer. */
    struct MHD_Response *response =
        request->is_head ? MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT)
                         : MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK_BYTES, take, request, NULL);
    /* A proxy in front passes each event on as it comes (nginx). */
    if (response != NULL) (void)MHD_add_response_header(response, "X-Accel-Buffering", "no");
    return response;
}
