/* transfer.h: one HTTP exchange at a time over libcurl; the part that the blocking client and the poster share. Only files
 * of client/ include it, since it shows libcurl. */
#pragma once

#include <curl/curl.h>

#include "client/http_client.h"

struct transfer {
    CURL *easy;
    const char *content_type; /* of the headers below; static storage */
    struct curl_slist *headers;
    struct http_answer answer;
    char error[CURL_ERROR_SIZE];
};

enum { TRANSFER_RETRY_AFTER_S_MAX = 3600 };
/* "Retry-After: 5" and its line end; false when it is another header. A date counts as 0. */
bool transfer_retry_after(struct bytes header, unsigned *seconds);

void transfer_init(struct transfer *transfer);
void transfer_fini(struct transfer *transfer);
/* Sets up the next exchange. `content_type` NULL: a GET. `body` is borrowed until the exchange is over. */
void transfer_prepare(struct transfer *transfer, const char *server_url, const char *path, const char *content_type,
                      struct bytes body, int64_t timeout_ms);
/* After the exchange: fills in answer, and tells what `code` means: STATUS_OK (answered, whatever it says), STATUS_AGAIN
 * (the server was not reached or the connection was lost), STATUS_BAD_INPUT (this URL will never work). */
enum status transfer_conclude(struct transfer *transfer, const char *server_url, CURLcode code, struct failure *failure);
