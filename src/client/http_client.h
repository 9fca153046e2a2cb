/* http_client.h: asking a server over HTTP and waiting for the answer. One kept-alive connection; one thread at a time. */
#pragma once

#include "base/bytes.h"
#include "base/status.h"

enum { HTTP_ANSWER_BYTES_MAX = 256 * 1024 * 1024 }; /* a longer answer is taken for a lost connection */

/* A plain value; the body is the holder's. {0} is an empty one. */
struct http_answer {
    unsigned http_status;
    unsigned retry_after_seconds; /* 0: no such header */
    int64_t took_us;              /* from the start of the request to the end of the answer */
    char content_type[64];
    struct buffer body;
};
void http_answer_fini(struct http_answer *answer);

struct http_client;

/* A longer path is the caller's bug; of a server's URL no more than a kibibyte can be given. */
enum { HTTP_PATH_BYTES_MAX = 15 * 1024 };
enum { HTTP_CLIENT_TIMEOUT_MS = 60 * 1000 };

/* `url` as "http://127.0.0.1:8080", with or without a slash at the end. An answer that takes longer than `timeout_ms` is
 * given up. */
struct http_client *http_client_create(const char *url, int64_t timeout_ms);
void http_client_destroy(struct http_client *client);
const char *http_client_url(const struct http_client *client);

/* `path` begins with '/' and is already percent-encoded. STATUS_OK whenever there is an answer, also a 404; STATUS_AGAIN:
 * the server was not reached or the connection was lost; STATUS_BAD_INPUT: this URL can never work. */
enum status http_client_get(struct http_client *client, const char *path, struct http_answer *answer,
                            struct failure *failure) MUST_USE;
enum status http_client_post(struct http_client *client, const char *path, const char *content_type, struct bytes body,
                             struct http_answer *answer, struct failure *failure) MUST_USE;
enum status http_client_delete(struct http_client *client, const char *path, struct http_answer *answer,
                               struct failure *failure) MUST_USE;

/* "http://host:8080" without slashes at the end; the caller frees it. */
char *http_url_trimmed(const char *url);
