#include "reply/reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

size_t utf8_sequence(struct bytes text) {
    if (text.len == 0) return 0;
    uint8_t first = text.at[0];
    if (first < 0x80) return 1;
    /* The second byte's range is what excludes overlong forms (E0, F0), surrogates (ED) and values above U+10FFFF (F4). */
    size_t len;
    uint8_t second_min = 0x80, second_max = 0xBF;
    if (first >= 0xC2 && first <= 0xDF) {
        len = 2;
    } else if (first >= 0xE0 && first <= 0xEF) {
        len = 3;
        if (first == 0xE0) second_min = 0xA0;
        if (first == 0xED) second_max = 0x9F;
    } else if (first >= 0xF0 && first <= 0xF4) {
        len = 4;
        if (first == 0xF0) second_min = 0x90;
        if (first == 0xF4) second_max = 0x8F;
    } else {
        return 0;
    }
    if (text.len < len || text.at[1] < second_min || text.at[1] > second_max) return 0;
    for (size_t i = 2; i < len; i++)
        if ((text.at[i] & 0xC0) != 0x80) return 0;
    return len;
}

void json_append_string(struct buffer *out, struct bytes text) {
    CHECK(text.at != NULL || text.len == 0);
    static const char hex[] = "0123456789abcdef";
    /* The worst case is six bytes for one (\u001f), and the two quotes. */
    uint8_t *to = buffer_reserve(out, text.len * 6 + 2);
    uint8_t *const start = to;
    *to++ = '"';
    for (size_t i = 0; i < text.len;) {
        uint8_t byte = text.at[i];
        if (byte == '"' || byte == '\\') {
            *to++ = '\\';
            *to++ = byte;
            i++;
        } else if (byte < 0x20 || byte == 0x7F) {
            memcpy(to, "\\u00", 4);
            to[4] = (uint8_t)hex[byte >> 4];
            to[5] = (uint8_t)hex[byte & 15];
            to += 6;
            i++;
        } else if (byte < 0x80) {
            *to++ = byte;
            i++;
        } else {
            size_t len = utf8_sequence((struct bytes){text.at + i, text.len - i});
            memcpy(to, len == 0 ? (const void *)"\xEF\xBF\xBD" : text.at + i, len == 0 ? 3 : len);
            to += len == 0 ? 3 : len;
            i += len == 0 ? 1 : len;
        }
    }
    *to++ = '"';
    out->len += (size_t)(to - start);
    CHECK(out->len <= out->capacity);
}

PRINTF_LIKE(5, 0)
static void problem_open(struct reply *reply, unsigned http_status, const char *type, const char *title, const char *format,
                         va_list arguments) {
    CHECK(http_status >= 400 && http_status <= 599);
    char short_text[512];
    va_list again;
    va_copy(again, arguments);
    int len = vsnprintf(short_text, sizeof short_text, format, arguments);
    CHECK(len >= 0);
    char *detail = short_text;
    if ((size_t)len >= sizeof short_text) {
        detail = memory_allocate((size_t)len + 1);
        (void)vsnprintf(detail, (size_t)len + 1, format, again);
    }
    va_end(again);

    *reply = (struct reply){
        .http_status = http_status,
        .content_type = "application/problem+json",
        .retry_after_seconds = http_status == 429 || http_status == 503 ? 1 : 0,
        .body_file = -1,
    };
    buffer_append_text(&reply->body, "{\"type\":\"urn:tally:problem:");
    buffer_append_text(&reply->body, type);
    buffer_append_text(&reply->body, "\",\"title\":");
    json_append_string(&reply->body, bytes_of_text(title));
    buffer_printf(&reply->body, ",\"status\":%u,\"detail\":", http_status);
    json_append_string(&reply->body, (struct bytes){(const uint8_t *)detail, (size_t)len});
    if (detail != short_text) free(detail);
}

void reply_problem_open(struct reply *reply, unsigned http_status, const char *type, const char *title, const char *format,
                        ...) {
    va_list arguments;
    va_start(arguments, format);
    problem_open(reply, http_status, type, title, format, arguments);
    va_end(arguments);
}

void reply_problem(struct reply *reply, unsigned http_status, const char *type, const char *title, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    problem_open(reply, http_status, type, title, format, arguments);
    va_end(arguments);
    buffer_append_text(&reply->body, "}");
}

void reply_not_allowed(struct reply *reply, struct bytes path, const char *methods, const char *headers) {
    enum { SHOWN_PATH_BYTES_MAX = 128 };
    int shown = path.len < SHOWN_PATH_BYTES_MAX ? (int)path.len : SHOWN_PATH_BYTES_MAX;
    reply_problem(reply, 405, "method-not-allowed", "Method not allowed", "%.*s does not take this method; Allow: %s", shown,
                  shown == 0 ? "" : (const char *)path.at, methods);
    reply->headers = headers;
}

void reply_read_only(struct reply *reply, struct bytes path) {
    reply_method_not_allowed(reply, path, "GET, HEAD");
}
