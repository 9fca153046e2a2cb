#include "client/api.h"

#include <stdlib.h>

#include "base/check.h"

void api_escape(struct buffer *out, struct bytes text) {
    static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"; /* RFC 3986 */
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.at[i];
        if (byte != '\0' && strchr(unreserved, byte) != NULL) {
            buffer_append(out, &byte, 1);
        } else {
            buffer_printf(out, "%%%02X", byte);
        }
    }
}

void api_parameter(struct buffer *path, const char *name, const char *value) {
    if (value == NULL) return;
    bool first = path->len == 0 || memchr(path->at, '?', path->len) == NULL;
    buffer_printf(path, "%c%s=", first ? '?' : '&', name);
    api_escape(path, bytes_of_text(value));
}

static enum status status_of_http(unsigned http_status) {
    switch (http_status) {
    case 400:
        return STATUS_BAD_INPUT;
    case 404:
        return STATUS_NOT_FOUND;
    case 429:
    case 503:
        return STATUS_AGAIN;
    default:
        return STATUS_IO_ERROR;
    }
}

enum status api_problem(const char *url, const struct http_answer *answer, struct failure *failure) {
    enum status status = status_of_http(answer->http_status);
    struct json *json = json_parse(buffer_view(&answer->body));
    const char *title = json_text(json, "title"), *detail = json_text(json, "detail");
    if (detail != NULL || title != NULL) {
        const char *separator = title != NULL && detail != NULL ? ": " : "";
        failure_set(failure, status, "%s answered %u: %s%s%s", url, answer->http_status, title != NULL ? title : "",
                    separator, detail != NULL ? detail : "");
    } else {
        failure_set(failure, status, "%s answered %u, which is not what a Tally server says here. Is the URL right?", url,
                    answer->http_status);
    }
    json_destroy(json);
    return status;
}

/* One of the client's calls; `content_type` NULL: it has no body. */
struct call {
    enum { CALL_GET, CALL_POST, CALL_DELETE } method;
    const char *content_type;
    struct bytes body;
    unsigned http_status; /* of the answer */
};

static enum status call_server(struct http_client *client, const char *path, const struct call *call,
                               struct http_answer *answer, struct failure *failure) {
    if (call->method == CALL_POST) return http_client_post(client, path, call->content_type, call->body, answer, failure);
    if (call->method == CALL_DELETE) return http_client_delete(client, path, answer, failure);
    return http_client_get(client, path, answer, failure);
}

static bool is_expected(const struct call *call) {
    return call->http_status == 200 || (call->method == CALL_POST && (call->http_status == 201 || call->http_status == 202));
}

static enum status exchange(struct http_client *client, struct bytes path, struct call *call, struct json **out,
                            struct buffer *raw, struct failure *failure) {
    *out = NULL;
    if (path.len > HTTP_PATH_BYTES_MAX) {
        return failure_set(failure, STATUS_BAD_INPUT, "the question is too long: %zu bytes, but at most %d can be asked",
                           path.len, HTTP_PATH_BYTES_MAX);
    }
    char *text = memory_allocate(path.len + 1);
    memcpy(text, path.at, path.len);
    text[path.len] = '\0';
    struct http_answer answer = {0};
    enum status status = call_server(client, text, call, &answer, failure);
    call->http_status = answer.http_status;
    if (status == STATUS_OK && !is_expected(call)) status = api_problem(http_client_url(client), &answer, failure);
    if (status == STATUS_OK) {
        *out = json_parse(buffer_view(&answer.body));
        if (*out == NULL) status = api_problem(http_client_url(client), &answer, failure);
    }
    if (raw != NULL && (status == STATUS_OK || call->method == CALL_POST))
        buffer_append_bytes(raw, buffer_view(&answer.body));
    http_answer_fini(&answer);
    free(text);
    CHECK((status == STATUS_OK) == (*out != NULL));
    return status;
}

enum status api_get(struct http_client *client, struct bytes path, struct json **out, struct buffer *raw,
                    struct failure *failure) {
    struct call call = {.method = CALL_GET};
    return exchange(client, path, &call, out, raw, failure);
}

enum status api_post(struct http_client *client, struct bytes path, const char *content_type, struct bytes body,
                     struct json **out, struct buffer *raw, unsigned *http_status, struct failure *failure) {
    struct call call = {.method = CALL_POST, .content_type = content_type, .body = body};
    enum status status = exchange(client, path, &call, out, raw, failure);
    *http_status = call.http_status;
    return status;
}

enum status api_delete(struct http_client *client, struct bytes path, struct json **out, struct buffer *raw,
                       struct failure *failure) {
    struct call call = {.method = CALL_DELETE};
    return exchange(client, path, &call, out, raw, failure);
}
