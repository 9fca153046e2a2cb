/* reply.h: answers as every stage gives them. */
#pragma once

#include "seam/requests.h"

/* The length (1 to 4) of the valid UTF-8 sequence at the start of `text`; 0 when there is none. No overlong forms, no
 * surrogates, nothing above U+10FFFF (RFC 3629). */
size_t utf8_sequence(struct bytes text);

/* An RFC 9457 answer `{"type":"urn:tally:problem:TYPE","title","status","detail"}` as application/problem+json; `detail` is
 * printf-style plain text and is escaped here. Sets retry_after_seconds to 1 for 429 and 503 (change it after). */
void reply_problem(struct reply *reply, unsigned http_status, const char *type, const char *title, const char *format, ...)
    PRINTF_LIKE(5, 6);
/* The same without the closing brace: append `,"member":...` to the body, then `}`. */
void reply_problem_open(struct reply *reply, unsigned http_status, const char *type, const char *title, const char *format,
                        ...) PRINTF_LIKE(5, 6);
/* 405 for a path that has these methods, which are named in `Allow` too (RFC 9110, 15.5.6). */
#define reply_method_not_allowed(reply, path, methods)                                                                      \
    reply_not_allowed(reply, path, methods, "Allow: " methods "\r\nCache-Control: no-store\r\n")
void reply_not_allowed(struct reply *reply, struct bytes path, const char *methods, const char *headers);
/* The same for a path that is only read. */
void reply_read_only(struct reply *reply, struct bytes path);
/* Appends `text` as a JSON string with its quotes. Bytes that are not valid UTF-8 become U+FFFD each, so that an answer is
 * JSON whatever was quoted in it. */
void json_append_string(struct buffer *out, struct bytes text);

/* Finds parameter `name` in a query string as on the wire and percent-decodes its value ('+' is a space) into `value`.
 * STATUS_NOT_FOUND; STATUS_BAD_INPUT: a broken escape, a NUL, invalid UTF-8, or the parameter occurs twice. */
enum status query_parameter(struct bytes query, const char *name, struct buffer *value) MUST_USE;
/* Percent-decodes a path segment ('+' stays). STATUS_BAD_INPUT as above. */
enum status path_decode(struct bytes segment, struct buffer *out) MUST_USE;
/* STATUS_BAD_INPUT, and the first parameter that is not in `allowed` (NULL-ended) in `failure`, as it was on the wire, cut
 * after 64 bytes, with '?' for what is not printable ASCII. */
enum status query_only(struct bytes query, const char *const *allowed, struct failure *failure) MUST_USE;
