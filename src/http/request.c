/* request.c: one request between libmicrohttpd's thread and the node's threads.
 *
 * The library calls http_on_request many times for one request: once with the head, then for each part of the body, then
 * once more at its end; a suspended request is called again in the same place after its resume. Two hold the struct: the
 * library's side until the request is completed (or the peer is gone), the node's side until its reply (or the abort). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "http/server.h"
#include "reply/reply.h"

void http_request_lock(struct http_request *request) {
    CHECK(request->magic == HTTP_REQUEST_MAGIC);
    CHECK(pthread_mutex_lock(&request->lock) == 0);
}

void http_request_unlock(struct http_request *request) {
    CHECK(pthread_mutex_unlock(&request->lock) == 0);
}

void http_request_let_go(struct http_request *request, unsigned holds) {
    unsigned before = atomic_fetch_sub(&request->holders, holds);
    CHECK(before >= holds && before <= 2);
    if (before > holds) return;
    /* A reply that came too late is dropped here. */
    buffer_fini(&request->reply.body);
    if (request->reply.body_file >= 0) (void)close(request->reply.body_file);
    buffer_fini(&request->head_copies);
    buffer_fini(&request->stream.backlog);
    CHECK(pthread_mutex_destroy(&request->lock) == 0);
    request->magic = 0;
    free(request);
}

void http_request_suspend(struct http_request *request) {
    CHECK(!request->suspended && !request->completed);
    request->suspended = true;
    MHD_suspend_connection(request->connection);
}

void http_request_wake(struct http_request *request) {
    CHECK(request->suspended && !request->completed);
    request->suspended = false;
    MHD_resume_connection(request->connection);
    http_thread_wake(request->peer->thread);
}

void http_request_reply(void *self, void *opaque, struct reply *reply) {
    struct http_request *request = opaque;
    CHECK(request->server == self);
    http_request_lock(request);
    CHECK(!atomic_load(&request->answered)); /* exactly one reply */
    request->reply = *reply;
    reply->body = (struct buffer){0};
    reply->body_file = -1;
    atomic_store(&request->answered, true);
    if (request->suspended) http_request_wake(request);
    http_request_unlock(request);
    http_request_let_go(request, 1);
}

void http_request_resume(void *self, void *opaque) {
    struct http_request *request = opaque;
    CHECK(request->server == self);
    http_request_lock(request);
    if (request->suspended) {
        http_request_wake(request);
    } else {
        request->resume_pending = true;
    }
    http_request_unlock(request);
}

void *http_on_uri(void *self, const char *uri, struct MHD_Connection *connection) {
    struct http_server *server = self;
    size_t uri_len = uri == NULL ? 0 : strlen(uri);
    struct http_request *request = memory_allocate(sizeof *request + uri_len);
    memset(request, 0, sizeof *request);
    request->magic = HTTP_REQUEST_MAGIC;
    request->server = server;
    request->connection = connection;
    request->peer = http_peer_of(connection);
    (void)http_peer_enter(server, request->peer, PEER_HEAD); /* when it was cut: said after the head */
    atomic_init(&request->holders, 1);
    CHECK(pthread_mutex_init(&request->lock, NULL) == 0);
    request->reply.body_file = -1;
    request->uri_len = uri_len;
    if (uri_len > 0) memcpy(request->uri, uri, uri_len);
    return request;
}

static const char *header(struct http_request *request, const char *name) {
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

static struct request_head request_head_of(struct http_request *request, const char *method) {
    const char *type = header(request, MHD_HTTP_HEADER_CONTENT_TYPE);
    const char *encoding = header(request, MHD_HTTP_HEADER_CONTENT_ENCODING);
    const char *if_none_match = header(request, MHD_HTTP_HEADER_IF_NONE_MATCH);
    request->is_head = strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
    if (request->is_head) method = MHD_HTTP_METHOD_GET;
    size_t method_len = strlen(method), type_len = type == NULL ? 0 : strlen(type);
    size_t encoding_len = encoding == NULL ? 0 : strlen(encoding);
    size_t match_len = if_none_match == NULL ? 0 : strlen(if_none_match);
    uint8_t *copies = buffer_reserve(&request->head_copies, method_len + type_len + encoding_len + match_len);
    buffer_append(&request->head_copies, method, method_len);
    buffer_append(&request->head_copies, type, type_len);
    buffer_append(&request->head_copies, encoding, encoding_len);
    buffer_append(&request->head_copies, if_none_match, match_len);
    CHECK(copies == request->head_copies.at);

    const uint8_t *uri = (const uint8_t *)request->uri;
    const uint8_t *mark = request->uri_len == 0 ? NULL : memchr(uri, '?', request->uri_len);
    size_t path_len = mark == NULL ? request->uri_len : (size_t)(mark - uri);
    return (struct request_head){
        .method = {copies, method_len},
        .path = {uri, path_len},
        .query = mark == NULL ? (struct bytes){uri, 0} : (struct bytes){mark + 1, request->uri_len - path_len - 1},
        .content_type = {copies + method_len, type_len},
        .content_encoding = {copies + method_len + type_len, encoding_len},
        .if_none_match = {copies + method_len + type_len + encoding_len, match_len},
    };
}

/* The body is moved into the response, which frees it. */
static struct MHD_Response *response_of(struct reply *reply) {
    struct MHD_Response *response = NULL;
    if (reply->body_file >= 0) {
        struct stat about;
        if (fstat(reply->body_file, &about) != 0 || about.st_size < 0) return NULL;
        response = MHD_create_response_from_fd64((uint64_t)about.st_size, reply->body_file);
        if (response != NULL) reply->body_file = -1;
    } else {
        response = MHD_create_response_from_buffer(reply->body.len, reply->body.at, MHD_RESPMEM_MUST_FREE);
        if (response != NULL) reply->body = (struct buffer){0};
    }
    return response;
}

/* Lines of "Name: value", each ended by CRLF, as struct reply has them. */
static bool add_headers(struct MHD_Response *response, const char *lines) {
    char name[64], value[512];
    while (*lines != '\0') {
        const char *colon = strstr(lines, ": "), *end = strstr(lines, "\r\n");
        CHECK(colon != NULL && end != NULL && colon < end);
        int name_len = (int)(colon - lines), value_len = (int)(end - colon - 2);
        CHECK((size_t)name_len < sizeof name && (size_t)value_len < sizeof value);
        (void)snprintf(name, sizeof name, "%.*s", name_len, lines);
        (void)snprintf(value, sizeof value, "%.*s", value_len, colon + 2);
        if (MHD_add_response_header(response, name, value) != MHD_YES) return false;
        lines = end + 2;
    }
    return true;
}

/* Called once, with `answered` set. MHD_NO closes the connection: memory is out. */
static enum MHD_Result send_reply(struct http_request *request) {
    CHECK(atomic_load(&request->answered) && request->ended);
    struct reply *reply = &request->reply;
    struct MHD_Response *response = request->stream.on ? http_stream_response(request) : response_of(reply);
    unsigned http_status = request->stream.on ? MHD_HTTP_OK : reply->http_status;
    const char *content_type = request->stream.on ? request->stream.content_type : reply->content_type;
    if (response == NULL) return MHD_NO;
    bool good = add_headers(response, reply->headers != NULL ? reply->headers : "Cache-Control: no-store\r\n");
    if (content_type != NULL)
        good &= MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type) == MHD_YES;
    if (request->peer->over_limit) good &= MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close") == MHD_YES;
    if (reply->retry_after_seconds > 0) {
        char seconds[16];
        (void)snprintf(seconds, sizeof seconds, "%u", reply->retry_after_seconds);
        good &= MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, seconds) == MHD_YES;
    }
    enum MHD_Result result = good ? MHD_queue_response(request->connection, http_status, response) : MHD_NO;
    MHD_destroy_response(response);
    return result;
}

/* Whether an unwanted body should not even begin: the peer waits for our word before it sends, or the body is longer than
 * what we are ready to drop. The library then closes the connection after the answer. */
static bool refuse_body_at_once(struct http_request *request) {
    const char *expect = header(request, MHD_HTTP_HEADER_EXPECT);
    if (expect != NULL && strcasecmp(expect, "100-continue") == 0) return true;
    const char *length = header(request, MHD_HTTP_HEADER_CONTENT_LENGTH); /* digits: the library has checked it */
    return length != NULL && strtoull(length, NULL, 10) > HTTP_DRAIN_BYTES_MAX;
}

/* It came when there were too many connections already. Those that rest make room (watch.c), so it is served all the same,
 * unless that many are in the middle of a request. */
static bool refuse_connection(struct http_request *request) {
    struct http_peer *peer = request->peer;
    if (!peer->over_limit) return false;
    peer->over_limit = atomic_load(&request->server->peer_count) > request->server->connections_max &&
                       http_peers_busy(request->server) > request->server->connections_max;
    if (!peer->over_limit) return false;
    http_count(request->server, HTTP_EVENT_REFUSED_FULL);
    reply_problem(&request->reply, 503, "too-many-connections", "Too many connections",
                  "the server's %u connections are in use; try again, or raise --http-connections",
                  request->server->connections_max);
    atomic_store(&request->answered, true);
    return true;
}

static enum MHD_Result take_head(struct http_request *request, const char *method) {
    const struct http_handler *handler = &request->server->handler;
    if (!http_peer_enter(request->server, request->peer, PEER_BODY)) return MHD_NO;
    request->begun = true;
    if (refuse_connection(request)) return MHD_YES;
    atomic_store(&request->holders, 2);
    struct request_head head = request_head_of(request, method);
    handler->request(handler->self, &head, request, &request->session, &request->body_wanted);
    if (request->body_wanted || !atomic_load(&request->answered) || !refuse_body_at_once(request)) return MHD_YES;
    request->ended = true;
    return http_peer_enter(request->server, request->peer, PEER_BUSY) ? send_reply(request) : MHD_NO;
}

static enum MHD_Result take_body(struct http_request *request, const char *upload, size_t *upload_len) {
    const struct http_handler *handler = &request->server->handler;
    CHECK(!request->ended);
    if (!http_peer_enter(request->server, request->peer, PEER_BODY)) return MHD_NO;
    while (request->body_wanted && !atomic_load(&request->answered)) {
        struct bytes bytes = {(const uint8_t *)upload, *upload_len};
        enum status status = handler->feed(handler->self, request->session, bytes);
        if (status == STATUS_OK) {
            *upload_len = 0;
            return MHD_YES;
        }
        CHECKF(status == STATUS_AGAIN, "%s", status_text(status));
        if (!http_peer_enter(request->server, request->peer, PEER_BUSY)) return MHD_NO; /* now it is we who are slow */
        http_request_lock(request);
        bool go_on = request->resume_pending || atomic_load(&request->answered);
        request->resume_pending = false;
        if (!go_on) http_request_suspend(request);
        http_request_unlock(request);
        if (!go_on) return MHD_YES; /* the same bytes come again after the resume */
    }
    request->drained_bytes += *upload_len;
    *upload_len = 0;
    return request->drained_bytes <= HTTP_DRAIN_BYTES_MAX ? MHD_YES : MHD_NO;
}

static enum MHD_Result take_end(struct http_request *request) {
    const struct http_handler *handler = &request->server->handler;
    if (!http_peer_enter(request->server, request->peer, PEER_BUSY)) return MHD_NO;
    if (!request->ended) {
        request->ended = true;
        if (request->body_wanted && !atomic_load(&request->answered)) handler->end(handler->self, request->session);
    }
    http_request_lock(request);
    bool answered = atomic_load(&request->answered);
    if (!answered) http_request_suspend(request);
    http_request_unlock(request);
    return answered ? send_reply(request) : MHD_YES;
}

enum MHD_Result http_on_request(void *self, struct MHD_Connection *connection, const char *url, const char *method,
                                const char *version, const char *upload, size_t *upload_len, void **request_slot) {
    (void)url;
    (void)version;
    struct http_request *request = *request_slot;
    CHECK(request != NULL && request->magic == HTTP_REQUEST_MAGIC);
    CHECK(request->server == self && request->connection == connection);
    if (!request->begun) return take_head(request, method);
    return *upload_len > 0 ? take_body(request, upload, upload_len) : take_end(request);
}

static void count_end(struct http_request *request, enum MHD_RequestTerminationCode code, bool answered) {
    if (code == MHD_REQUEST_TERMINATED_COMPLETED_OK || code == MHD_REQUEST_TERMINATED_DAEMON_SHUTDOWN) return;
    if (request->stream.on || atomic_load(&request->peer->state) == PEER_CUT) return; /* counted, or its reader just left */
    enum http_event event = HTTP_EVENT_LOST;
    if (code == MHD_REQUEST_TERMINATED_TIMEOUT_REACHED)
        event = answered && request->ended ? HTTP_EVENT_CUT_NOT_READING
                : request->begun           ? HTTP_EVENT_CUT_STALLED_BODY
                                           : HTTP_EVENT_CUT_SLOW_HEAD;
    http_count(request->server, event);
}

void http_on_completed(void *self, struct MHD_Connection *connection, void **request_slot,
                       enum MHD_RequestTerminationCode code) {
    struct http_request *request = *request_slot;
    if (request == NULL) return;
    CHECK(request->magic == HTTP_REQUEST_MAGIC && request->server == self && request->connection == connection);
    *request_slot = NULL;
    http_request_lock(request);
    bool answered = atomic_load(&request->answered);
    request->suspended = false; /* nobody wakes this connection any more */
    request->completed = true;
    http_request_unlock(request);
    count_end(request, code, answered);
    (void)http_peer_enter(request->server, request->peer, PEER_RESTING);
    /* Whether the body had ended decides whether the node still owes a reply. */
    bool owed = request->begun && request->body_wanted && !request->ended && !answered;
    const struct http_handler *handler = &request->server->handler;
    if (owed) handler->abort(handler->self, request->session);
    http_request_let_go(request, owed ? 2 : 1); /* for the node too, which will not reply any more */
}
