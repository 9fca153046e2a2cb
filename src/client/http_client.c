#include "client/http_client.h"

#include <stdlib.h>

#include "base/check.h"
#include "client/transfer.h"

struct http_client {
    struct transfer transfer;
    char *url;
    int64_t timeout_ms;
};

void http_answer_fini(struct http_answer *answer) {
    buffer_fini(&answer->body);
}

char *http_url_trimmed(const char *url) {
    size_t len = strlen(url);
    while (len > 0 && url[len - 1] == '/') len--;
    char *trimmed = memory_allocate(len + 1);
    memcpy(trimmed, url, len);
    trimmed[len] = '\0';
    return trimmed;
}

struct http_client *http_client_create(const char *url, int64_t timeout_ms) {
    CHECK(timeout_ms > 0);
    struct http_client *client = memory_allocate_zeroed(1, sizeof *client);
    transfer_init(&client->transfer);
    client->url = http_url_trimmed(url);
    client->timeout_ms = timeout_ms;
    return client;
}

void http_client_destroy(struct http_client *client) {
    if (client == NULL) return;
    transfer_fini(&client->transfer);
    free(client->url);
    free(client);
}

const char *http_client_url(const struct http_client *client) {
    return client->url;
}

/* The answer is copied out with its body, so that `answer` can be used over and over. */
static enum status exchange(struct http_client *client, struct http_answer *answer, struct failure *failure) {
    CURLcode code = curl_easy_perform(client->transfer.easy);
    enum status status = transfer_conclude(&client->transfer, client->url, code, failure);
    struct buffer kept = answer->body;
    buffer_clear(&kept);
    buffer_append_bytes(&kept, buffer_view(&client->transfer.answer.body));
    *answer = client->transfer.answer;
    answer->body = kept;
    return status;
}

static void prepare(struct http_client *client, const char *path, const char *content_type, struct bytes body) {
    CHECK(path[0] == '/');
    transfer_prepare(&client->transfer, client->url, path, content_type, body, client->timeout_ms);
}

enum status http_client_get(struct http_client *client, const char *path, struct http_answer *answer,
                            struct failure *failure) {
    prepare(client, path, NULL, (struct bytes){0});
    return exchange(client, answer, failure);
}

enum status http_client_post(struct http_client *client, const char *path, const char *content_type, struct bytes body,
                             struct http_answer *answer, struct failure *failure) {
    CHECK(content_type != NULL);
    prepare(client, path, content_type, body);
    return exchange(client, answer, failure);
}

/* libcurl knows it as a GET of another name. */
enum status http_client_delete(struct http_client *client, const char *path, struct http_answer *answer,
                               struct failure *failure) {
    prepare(client, path, NULL, (struct bytes){0});
    CHECK(curl_easy_setopt(client->transfer.easy, CURLOPT_CUSTOMREQUEST, "DELETE") == CURLE_OK);
    enum status status = exchange(client, answer, failure);
    CHECK(curl_easy_setopt(client->transfer.easy, CURLOPT_CUSTOMREQUEST, NULL) == CURLE_OK);
    return status;
}
