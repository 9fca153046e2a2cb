/* api.h: questions to a Tally server, and its answers and problems as a program wants them. */
#pragma once

#include "client/http_client.h"
#include "client/json.h"

/* Appends `text` percent-encoded, so that it can stand as one segment of a path or as a value of a query. */
void api_escape(struct buffer *out, struct bytes text);
/* Appends "?name=value" or "&name=value" to a path; nothing when `value` is NULL. */
void api_parameter(struct buffer *path, const char *name, const char *value);

/* Asks, and parses the answer of a 200 (`*out` is the caller's; `raw` may be NULL, else it gets the answer's own bytes).
 * `path` need not end with a NUL. STATUS_BAD_INPUT: a path of more than HTTP_PATH_BYTES_MAX, or a 400, the question is
 * wrong, or the URL is; STATUS_NOT_FOUND: a 404; STATUS_AGAIN: 429, 503, not reached, connection lost; STATUS_IO_ERROR:
 * anything else. The reason is one line. */
enum status api_get(struct http_client *client, struct bytes path, struct json **out, struct buffer *raw,
                    struct failure *failure) MUST_USE;
/* The same for a change that is asked for; also for a 201 and a 202. `raw` gets the bytes of a problem too. `*http_status`
 * is that of the answer, or 0 when there was none. */
enum status api_post(struct http_client *client, struct bytes path, const char *content_type, struct bytes body,
                     struct json **out, struct buffer *raw, unsigned *http_status, struct failure *failure) MUST_USE;
enum status api_delete(struct http_client *client, struct bytes path, struct json **out, struct buffer *raw,
                       struct failure *failure) MUST_USE;
/* What an answer other than the expected one means, as above. */
enum status api_problem(const char *url, const struct http_answer *answer, struct failure *failure);
