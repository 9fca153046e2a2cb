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

enum status api_get(struct http_client *client, struct bytes path, struct json **out, struct buffer *raw,
                    struct failure *failure) {
    *out = NULL;
    char *text = memory_allocate(path.len + 1);
    memcpy(text, path.at, path.len);
    text[path.len] = '\0';
    struct http_answer answer = {0};
    enum status status = http_client_get(client, text, &answer, failure);
    if (status == STATUS_OK && answer.http_status != 200) status = api_problem(http_client_url(client), &answer, failure);
    if (status == STATUS_OK) {
        *out = json_parse(buffer_view(&answer.body));
        if (*out == NULL) status = api_problem(http_client_url(client), &answer, failure);
        if (raw != NULL) buffer_append_bytes(raw, buffer_view(&answer.body));
    }
    http_answer_fini(&answer);
    free(text);
    CHECK((status == STATUS_OK) == (*out != NULL));
    return status;
}
