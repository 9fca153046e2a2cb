#include "client/download.h"

#include <curl/curl.h>
#include <stdlib.h>

#include "client/api.h"

struct download {
    CURL *curl;
    enum status (*write)(void *context, struct bytes part);
    void *context;
    enum status written;
    struct http_answer problem; /* the body of anything but a 200 */
};

enum { PROBLEM_BYTES_MAX = 64 * 1024 };

static size_t take_part(char *at, size_t size, size_t count, void *self) {
    struct download *download = self;
    struct bytes part = {(const uint8_t *)at, size * count};
    long http_status = 0;
    (void)curl_easy_getinfo(download->curl, CURLINFO_RESPONSE_CODE, &http_status);
    if (http_status == 200) {
        download->written = download->write(download->context, part);
        return download->written == STATUS_OK ? part.len : 0;
    }
    if (download->problem.body.len + part.len > PROBLEM_BYTES_MAX) return 0;
    buffer_append_bytes(&download->problem.body, part);
    return part.len;
}

enum status download(const char *url, const char *path, enum status (*write)(void *context, struct bytes part),
                     void *context, struct failure *failure) {
    struct download download = {.curl = curl_easy_init(), .write = write, .context = context};
    if (download.curl == NULL) return failure_set(failure, STATUS_IO_ERROR, "libcurl could not be started");
    char *trimmed = http_url_trimmed(url);
    struct buffer full = {0};
    buffer_printf(&full, "%s%s", trimmed, path);
    buffer_append(&full, "", 1);
    (void)curl_easy_setopt(download.curl, CURLOPT_URL, (const char *)full.at);
    (void)curl_easy_setopt(download.curl, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(download.curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(download.curl, CURLOPT_WRITEFUNCTION, take_part);
    (void)curl_easy_setopt(download.curl, CURLOPT_WRITEDATA, &download);
    CURLcode code = curl_easy_perform(download.curl);
    long http_status = 0;
    (void)curl_easy_getinfo(download.curl, CURLINFO_RESPONSE_CODE, &http_status);
    const char *type = NULL;
    (void)curl_easy_getinfo(download.curl, CURLINFO_CONTENT_TYPE, &type);
    enum status status = STATUS_OK;
    if (download.written != STATUS_OK) {
        status = failure_set(failure, download.written, "the output could not be written");
    } else if (code != CURLE_OK) {
        status = failure_set(failure, STATUS_AGAIN, "%s: %s (is `tally serve` running?)", trimmed, curl_easy_strerror(code));
    } else if (http_status != 200) {
        download.problem.http_status = (unsigned)http_status;
        if (type != NULL) {
            struct buffer copy = {0};
            buffer_append_text(&copy, type);
            size_t len =
                copy.len < sizeof download.problem.content_type ? copy.len : sizeof download.problem.content_type - 1;
            memcpy(download.problem.content_type, copy.at, len);
            buffer_fini(&copy);
        }
        status = api_problem(trimmed, &download.problem, failure);
    }
    http_answer_fini(&download.problem);
    curl_easy_cleanup(download.curl);
    buffer_fini(&full);
    free(trimmed);
    return status;
}
