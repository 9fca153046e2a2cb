#include "client/poster.h"

#include <stdlib.h>

#include "base/check.h"
#include "client/transfer.h"

struct slot {
    struct transfer transfer;
    bool busy;
    CURLcode code; /* once it is among those over */
};

struct poster {
    CURLM *multi;
    char *url;
    unsigned slot_count;
    struct slot *slots;
    unsigned over_count; /* exchanges that are over, not taken yet */
    unsigned over[POSTER_SLOTS_MAX];
};

struct poster *poster_create(const char *url, unsigned slot_count) {
    CHECK(slot_count >= 1 && slot_count <= POSTER_SLOTS_MAX);
    struct poster *poster = memory_allocate_zeroed(1, sizeof *poster);
    poster->slots = memory_allocate_zeroed(slot_count, sizeof *poster->slots);
    poster->slot_count = slot_count;
    poster->url = http_url_trimmed(url);
    for (unsigned i = 0; i < slot_count; i++) transfer_init(&poster->slots[i].transfer);
    poster->multi = curl_multi_init();
    CHECK(poster->multi != NULL);
    CHECK(curl_multi_setopt(poster->multi, CURLMOPT_MAXCONNECTS, (long)slot_count) == CURLM_OK);
    CHECK(curl_multi_setopt(poster->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING) == CURLM_OK);
    return poster;
}

void poster_destroy(struct poster *poster) {
    if (poster == NULL) return;
    for (unsigned i = 0; i < poster->slot_count; i++) {
        if (poster->slots[i].busy) curl_multi_remove_handle(poster->multi, poster->slots[i].transfer.easy);
    }
    curl_multi_cleanup(poster->multi);
    for (unsigned i = 0; i < poster->slot_count; i++) transfer_fini(&poster->slots[i].transfer);
    free(poster->slots);
    free(poster->url);
    free(poster);
}

static void drive(struct poster *poster) {
    int running, left;
    CURLMcode code = curl_multi_perform(poster->multi, &running);
    CHECKF(code == CURLM_OK, "libcurl: %s", curl_multi_strerror(code));
    CURLMsg *message;
    while ((message = curl_multi_info_read(poster->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE) continue;
        CURLcode result = message->data.result;
        CURL *easy = message->easy_handle; /* the message dies with the next call */
        char *private = NULL;
        CHECK(curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private) == CURLE_OK);
        struct slot *slot = (struct slot *)(void *)private; /* the transfer is the slot's first member */
        CHECK(slot >= poster->slots && slot < poster->slots + poster->slot_count && slot->busy);
        CHECK(curl_multi_remove_handle(poster->multi, easy) == CURLM_OK);
        slot->code = result;
        CHECK(poster->over_count < poster->slot_count);
        poster->over[poster->over_count++] = (unsigned)(slot - poster->slots);
    }
}

void poster_start(struct poster *poster, unsigned slot, const char *path, const char *content_type, struct bytes body,
                  int64_t timeout_ms) {
    CHECK(slot < poster->slot_count);
    CHECK(!poster->slots[slot].busy);
    struct transfer *transfer = &poster->slots[slot].transfer;
    transfer_prepare(transfer, poster->url, path, content_type, body, timeout_ms);
    CHECK(curl_multi_add_handle(poster->multi, transfer->easy) == CURLM_OK);
    poster->slots[slot].busy = true;
}

void poster_wait(struct poster *poster, int64_t timeout_ms, int readable_fd) {
    CHECK(timeout_ms >= 0);
    drive(poster);
    if (poster->over_count > 0) return;
    struct curl_waitfd extra = {.fd = readable_fd, .events = CURL_WAIT_POLLIN};
    int timeout = timeout_ms > 60000 ? 60000 : (int)timeout_ms;
    curl_multi_poll(poster->multi, readable_fd >= 0 ? &extra : NULL, readable_fd >= 0, timeout, NULL);
    drive(poster);
}

bool poster_take(struct poster *poster, struct posted *out) {
    if (poster->over_count == 0) return false;
    unsigned index = poster->over[--poster->over_count];
    struct slot *slot = &poster->slots[index];
    CHECK(slot->busy);
    slot->busy = false;
    *out = (struct posted){.slot = index, .answer = &slot->transfer.answer};
    out->status = transfer_conclude(&slot->transfer, poster->url, slot->code, &out->failure);
    return true;
}
