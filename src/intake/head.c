/* head.c: what a `POST /v1/clicks` says about its body before the first byte of it. */
#include <strings.h>

#include "base/check.h"
#include "intake/session.h"
#include "reply/reply.h"

static struct bytes trimmed(struct bytes text) {
    while (text.len > 0 && (text.at[0] == ' ' || text.at[0] == '\t')) {
        text.at++;
        text.len--;
    }
    while (text.len > 0 && (text.at[text.len - 1] == ' ' || text.at[text.len - 1] == '\t')) text.len--;
    return text;
}

/* Of ASCII letters; header values and media types are case-insensitive (RFC 9110). */
static bool equal_any_case(struct bytes text, const char *name) {
    size_t len = strlen(name);
    return text.len == len && strncasecmp((const char *)text.at, name, len) == 0;
}

static bool body_form_of(struct bytes content_type, enum body_form *form) {
    const uint8_t *parameters = content_type.len == 0 ? NULL : memchr(content_type.at, ';', content_type.len);
    if (parameters != NULL) content_type.len = (size_t)(parameters - content_type.at);
    struct bytes type = trimmed(content_type);
    static const struct {
        const char *name;
        enum body_form form;
    } accepted[] = {{"application/json", BODY_JSON}, {"application/x-ndjson", BODY_NDJSON}, {"text/plain", BODY_LOG}};
    for (size_t i = 0; i < sizeof accepted / sizeof accepted[0]; i++) {
        if (!equal_any_case(type, accepted[i].name)) continue;
        *form = accepted[i].form;
        return true;
    }
    return false;
}

static bool body_encoding_of(struct bytes content_encoding, enum body_encoding *encoding) {
    static const char *const names[ENCODINGS] = {
        [ENCODING_IDENTITY] = "identity", [ENCODING_GZIP] = "gzip", [ENCODING_ZSTD] = "zstd"};
    struct bytes name = trimmed(content_encoding);
    *encoding = ENCODING_IDENTITY;
    if (name.len == 0) return true;
    if (equal_any_case(name, "x-gzip")) name = BYTES_LITERAL("gzip"); /* RFC 9110 8.4.1.3: the same */
    for (size_t i = 0; i < ENCODINGS; i++) {
        if (!equal_any_case(name, names[i])) continue;
        *encoding = (enum body_encoding)i;
        return true;
    }
    return false;
}

/* The rule of ids: 1 to 128 bytes of UTF-8 (query_parameter has seen to that) without control characters. */
static bool source_is_good(struct bytes source) {
    if (source.len < 1 || source.len > ID_BYTES_MAX) return false;
    for (size_t i = 0; i < source.len; i++)
        if (source.at[i] < 0x20 || source.at[i] == 0x7F) return false;
    return true;
}

static bool accept_source(struct intake_session *session, struct bytes query, struct reply *refusal) {
    struct bytes source = BYTES_LITERAL("default");
    enum status status = query_parameter(query, "source", &session->parameter_value);
    if (status != STATUS_NOT_FOUND) {
        source = buffer_view(&session->parameter_value);
        if (status != STATUS_OK || !source_is_good(source)) {
            reply_problem(refusal, 400, "bad-parameter", "Bad parameter",
                          "source must be given once, as 1 to %d bytes of UTF-8 without control characters", ID_BYTES_MAX);
            return false;
        }
    }
    CHECK(source.len <= sizeof session->source_at);
    memcpy(session->source_at, source.at, source.len);
    session->source_len = source.len;
    return true;
}

static bool accept_atomic(struct intake_session *session, struct bytes query, struct reply *refusal) {
    enum status status = query_parameter(query, "atomic", &session->parameter_value);
    session->atomic = false;
    if (status == STATUS_NOT_FOUND) return true;
    struct bytes value = buffer_view(&session->parameter_value);
    session->atomic = status == STATUS_OK && bytes_equal(value, BYTES_LITERAL("1"));
    if (session->atomic || (status == STATUS_OK && bytes_equal(value, BYTES_LITERAL("0")))) return true;
    reply_problem(refusal, 400, "bad-parameter", "Bad parameter", "atomic must be given once, as 1 or 0");
    return false;
}

bool intake_head_accept(struct intake_session *session, const struct request_head *head, struct reply *refusal) {
    if (!body_form_of(head->content_type, &session->form)) {
        reply_problem(refusal, 415, "unsupported-media-type", "Unsupported media type",
                      "Content-Type must be application/json (one click), application/x-ndjson (one click a line) or "
                      "text/plain (log lines)%s",
                      head->content_type.len == 0 ? "; none was given" : "");
        return false;
    }
    if (!body_encoding_of(head->content_encoding, &session->encoding)) {
        reply_problem(refusal, 415, "unsupported-content-encoding", "Unsupported content encoding",
                      "Content-Encoding must be one of identity, gzip or zstd, or absent");
        return false;
    }
    static const char *const allowed[] = {"atomic", "source", NULL};
    struct failure failure = {.status = STATUS_OK};
    if (head->query.len > 0 && query_only(head->query, allowed, &failure) != STATUS_OK) {
        reply_problem(refusal, 400, "unknown-parameter", "Unknown parameter", "%s: only atomic and source are known here",
                      failure.text);
        return false;
    }
    return accept_source(session, head->query, refusal) && accept_atomic(session, head->query, refusal);
}
