#include "client/transfer.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/check.h"

enum {
    UPLOAD_BUFFER_BYTES = 512 * 1024, /* libcurl copies a body through it: most batches in one go */
    URL_BYTES_MAX = 16 * 1024,
};

static size_t take_body(char *at, size_t size, size_t count, void *context) {
    struct http_answer *answer = context;
    if (answer->body.len + size * count > HTTP_ANSWER_BYTES_MAX) return 0; /* libcurl then gives up the transfer */
    buffer_append(&answer->body, at, size * count);
    return size * count;
}

bool transfer_retry_after(struct bytes header, unsigned *seconds) {
    static const char name[] = "retry-after:";
    const size_t name_len = sizeof name - 1;
    if (header.len <= name_len + 1 || strncasecmp((const char *)header.at, name, name_len) != 0) return false;
    char digits[12] = "";
    size_t digit_count = header.len - name_len;
    if (digit_count >= sizeof digits) digit_count = sizeof digits - 1;
    memcpy(digits, header.at + name_len, digit_count);
    unsigned long given = strtoul(digits, NULL, 10);
    *seconds = given > TRANSFER_RETRY_AFTER_S_MAX ? TRANSFER_RETRY_AFTER_S_MAX : (unsigned)given;
    return true;
}

static size_t take_header(char *at, size_t size, size_t count, void *context) {
    struct http_answer *answer = context;
    size_t len = size * count;
    (void)transfer_retry_after((struct bytes){(const uint8_t *)at, len}, &answer->retry_after_seconds);
    return len;
}

static void set_option(CURLcode code) {
    CHECKF(code == CURLE_OK, "libcurl: %s", curl_easy_strerror(code));
}

void transfer_init(struct transfer *transfer) {
    *transfer = (struct transfer){0};
    CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK); /* counted by libcurl: the first call does it */
    transfer->easy = curl_easy_init();
    CHECK(transfer->easy != NULL);
    CURL *easy = transfer->easy;
    set_option(curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer));
    set_option(curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error));
    set_option(curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L));
    set_option(curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L));
    set_option(curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1));
    set_option(curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https"));
    set_option(curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, 5000L));
    set_option(curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)UPLOAD_BUFFER_BYTES));
    set_option(curl_easy_setopt(easy, CURLOPT_USERAGENT, "tally/" TALLY_VERSION));
    set_option(curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body));
    set_option(curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer->answer));
    set_option(curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header));
    set_option(curl_easy_setopt(easy, CURLOPT_HEADERDATA, &transfer->answer));
}

void transfer_fini(struct transfer *transfer) {
    curl_easy_cleanup(transfer->easy);
    curl_slist_free_all(transfer->headers);
    http_answer_fini(&transfer->answer);
    curl_global_cleanup();
}

/* No "Expect: 100-continue": it would cost a round trip a batch. */
static void set_headers(struct transfer *transfer, const char *content_type) {
    if (transfer->headers != NULL && transfer->content_type == content_type) return;
    curl_slist_free_all(transfer->headers);
    char line[160];
    int len = snprintf(line, sizeof line, "Content-Type: %s", content_type);
    CHECK(len > 0 && (size_t)len < sizeof line);
    transfer->headers = curl_slist_append(NULL, line);
    CHECK(transfer->headers != NULL);
    CHECK(curl_slist_append(transfer->headers, "Expect:") != NULL);
    transfer->content_type = content_type;
}

void transfer_prepare(struct transfer *transfer, const char *server_url, const char *path, const char *content_type,
                      struct bytes body, int64_t timeout_ms) {
    CURL *easy = transfer->easy;
    char url[URL_BYTES_MAX];
    int len = snprintf(url, sizeof url, "%s%s", server_url, path);
    CHECKF(len > 0 && (size_t)len < sizeof url, "a URL of %d bytes", len);
    set_option(curl_easy_setopt(easy, CURLOPT_URL, url));
    set_option(curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms));
    if (content_type == NULL) {
        set_option(curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L));
        set_option(curl_easy_setopt(easy, CURLOPT_HTTPHEADER, NULL));
    } else {
        set_headers(transfer, content_type);
        set_option(curl_easy_setopt(easy, CURLOPT_POST, 1L));
        set_option(curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers));
        set_option(curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len));
        set_option(curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body.len > 0 ? (const char *)body.at : ""));
    }
    transfer->error[0] = '\0';
    struct buffer kept = transfer->answer.body;
    buffer_clear(&kept);
    transfer->answer = (struct http_answer){.body = kept};
}

enum status transfer_conclude(struct transfer *transfer, const char *server_url, CURLcode code, struct failure *failure) {
    struct http_answer *answer = &transfer->answer;
    if (code == CURLE_OK) {
        long http_status = 0;
        char *content_type = NULL;
        curl_off_t took_us = 0;
        set_option(curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &http_status));
        set_option(curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_TYPE, &content_type));
        set_option(curl_easy_getinfo(transfer->easy, CURLINFO_TOTAL_TIME_T, &took_us));
        answer->http_status = (unsigned)http_status;
        answer->took_us = took_us;
        if (content_type != NULL) snprintf(answer->content_type, sizeof answer->content_type, "%.63s", content_type);
        return STATUS_OK;
    }
    const char *reason = transfer->error[0] != '\0' ? transfer->error : curl_easy_strerror(code);
    long os_errno = 0;
    switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return failure_set(failure, STATUS_BAD_INPUT,
                           "%s is not a URL of a server: %s (expected like http://127.0.0.1:8080)", server_url, reason);
    case CURLE_COULDNT_RESOLVE_HOST:
        return failure_set(failure, STATUS_BAD_INPUT, "cannot find the host of %s: %s", server_url, reason);
    case CURLE_COULDNT_CONNECT:
        if (curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &os_errno) == CURLE_OK && os_errno != 0) {
            reason = strerror((int)os_errno);
        }
        return failure_set(failure, STATUS_AGAIN,
                           "cannot reach %s: %s. Is `tally serve` running there? (--url names the server)", server_url,
                           reason);
    case CURLE_OPERATION_TIMEDOUT:
        return failure_set(failure, STATUS_AGAIN, "%s did not answer in time: %s", server_url, reason);
    default:
        return failure_set(failure, STATUS_AGAIN, "lost the connection to %s: %s", server_url, reason);
    }
}
