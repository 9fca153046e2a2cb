#include "client/sender.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/random_sequence.h"
#include "client/api.h"
#include "client/json.h"
#include "client/poster.h"
#include "client/timing.h"

enum {
    ATTEMPT_MS_MAX = 30 * 1000, /* for one attempt; a stuck server is given up and tried again */
    BACKOFF_MS_MIN = 50,
    NOTICE_MS_MIN = 5000,
    PATH_BYTES = 512,
};

/* The life of a slot: IDLE -> FLYING -> IDLE (answered), or FLYING -> RESTING (backoff) -> FLYING ... */
enum slot_state { SLOT_IDLE, SLOT_FLYING, SLOT_RESTING };

struct sender_slot {
    enum slot_state state;
    struct sender_batch batch;
    uint32_t attempts;    /* of this batch that came to nothing */
    int64_t rest_till_ms; /* RESTING */
};

struct sender {
    struct sender_options options;
    struct sender_source source;
    struct sender_observer observer;
    struct poster *poster;
    struct sender_slot *slots;
    unsigned flying, resting;
    bool source_ended;
    struct sender_pause pause; /* of the source; readable_fd -1 and until_ms 0 when it has none */
    struct sender_totals totals;
    int64_t progress_ms; /* when the last batch was answered, or when the first of these went out */
    bool in_trouble;
    int64_t next_notice_ms; /* the observer hears no more of trouble before */
    struct failure last_trouble;
    struct failure source_failure; /* set: source_ended too */
    struct failure fatal;          /* set: nothing new is started, what flies is let land */
    struct random_sequence jitter;
    char path[PATH_BYTES];
};

struct sender *sender_create(const struct sender_options *options, const struct sender_source *source,
                             const struct sender_observer *observer) {
    CHECK(options->connections >= 1 && options->connections <= SENDER_CONNECTIONS_MAX);
    CHECK(options->give_up_ms > 0);
    struct sender *sender = memory_allocate_zeroed(1, sizeof *sender);
    sender->options = *options;
    sender->source = *source;
    sender->observer = *observer;
    sender->pause.readable_fd = -1;
    sender->poster = poster_create(options->url, options->connections);
    sender->slots = memory_allocate_zeroed(options->connections, sizeof *sender->slots);
    sender->jitter.state = (uint64_t)timing_now_ns();
    struct buffer path = {0};
    buffer_append_text(&path, "/v1/clicks");
    if (options->source_name != NULL && options->source_name[0] != '\0') {
        buffer_append_text(&path, "?source=");
        api_escape(&path, bytes_of_text(options->source_name));
    }
    buffer_append(&path, "", 1);
    CHECK(path.len <= PATH_BYTES); /* a source has at most 128 bytes, escaped 384: the verb checks it */
    memcpy(sender->path, path.at, path.len);
    buffer_fini(&path);
    return sender;
}

void sender_destroy(struct sender *sender) {
    if (sender == NULL) return;
    poster_destroy(sender->poster);
    for (unsigned i = 0; i < sender->options.connections; i++) buffer_fini(&sender->slots[i].batch.body);
    free(sender->slots);
    free(sender);
}

const struct sender_totals *sender_totals(const struct sender *sender) {
    return &sender->totals;
}

static void launch(struct sender *sender, struct sender_slot *slot) {
    CHECK(slot->state != SLOT_FLYING);
    int64_t attempt_ms = sender->options.give_up_ms < ATTEMPT_MS_MAX ? sender->options.give_up_ms : ATTEMPT_MS_MAX;
    if (slot->state == SLOT_RESTING) sender->resting--;
    if (sender->flying + sender->resting == 0) sender->progress_ms = timing_now_ms();
    slot->state = SLOT_FLYING;
    sender->flying++;
    poster_start(sender->poster, (unsigned)(slot - sender->slots), sender->path, slot->batch.content_type,
                 buffer_view(&slot->batch.body), attempt_ms);
}

/* Exponential from 50 ms to 2 s, or what the server asks for, up to a quarter more so that senders do not march in step. */
static void rest(struct sender *sender, struct sender_slot *slot, unsigned retry_after_seconds, const struct failure *why) {
    int64_t wait_ms = BACKOFF_MS_MIN << (slot->attempts < 6 ? slot->attempts : 6);
    if (retry_after_seconds > 0) wait_ms = (int64_t)retry_after_seconds * 1000;
    if (wait_ms > SENDER_BACKOFF_MS_MAX) wait_ms = SENDER_BACKOFF_MS_MAX;
    wait_ms += (int64_t)random_sequence_below(&sender->jitter, (uint64_t)wait_ms / 4 + 1);
    slot->attempts++;
    slot->rest_till_ms = timing_now_ms() + wait_ms;
    slot->state = SLOT_RESTING;
    sender->resting++;
    sender->totals.retries++;
    sender->last_trouble = *why;
    sender->in_trouble = true;
    if (sender->observer.waiting == NULL || timing_now_ms() < sender->next_notice_ms) return;
    sender->observer.waiting(sender->observer.self, why->text);
    sender->next_notice_ms = timing_now_ms() + NOTICE_MS_MIN;
}

/* The lines of a body, found one after the other: the server lists them in ascending order. */
struct line_finder {
    struct bytes body;
    uint64_t line; /* from 1, which begins at `at` */
    size_t at;
};

static struct bytes find_line(struct line_finder *finder, uint64_t line) {
    if (line < finder->line) *finder = (struct line_finder){.body = finder->body, .line = 1};
    for (;;) {
        const uint8_t *from = finder->body.at + finder->at;
        size_t left = finder->body.len - finder->at;
        const uint8_t *end = left > 0 ? memchr(from, '\n', left) : NULL;
        size_t len = end != NULL ? (size_t)(end - from) : left;
        if (finder->line == line || end == NULL) return (struct bytes){from, finder->line == line ? len : 0};
        finder->at += len + 1;
        finder->line++;
    }
}

static void report_by_code(struct sender *sender, const struct json *json) {
    if (sender->observer.rejected_by == NULL) return;
    const char *code;
    for (size_t i = 0; (code = json_member(json, "errors_by_code", i)) != NULL; i++) {
        char path[128];
        uint64_t count = 0;
        snprintf(path, sizeof path, "errors_by_code/%.64s", code);
        if (json_u64(json, path, &count)) sender->observer.rejected_by(sender->observer.self, code, count);
    }
}

static void report_rejects(struct sender *sender, const struct sender_batch *batch, const struct json *json) {
    report_by_code(sender, json);
    if (sender->observer.rejected == NULL) return;
    struct line_finder finder = {.body = buffer_view(&batch->body), .line = 1};
    size_t count = json_count(json, "errors");
    for (size_t i = 0; i < count; i++) {
        char path[64];
        uint64_t line = 0;
        snprintf(path, sizeof path, "errors/%zu/line", i);
        if (!json_u64(json, path, &line) || line == 0) continue;
        snprintf(path, sizeof path, "errors/%zu/code", i);
        const char *code = json_text(json, path);
        snprintf(path, sizeof path, "errors/%zu/detail", i);
        const char *detail = json_text(json, path);
        struct sender_reject reject = {batch->file, batch->first_line + line - 1, code != NULL ? code : "",
                                       detail != NULL ? detail : "", find_line(&finder, line)};
        sender->observer.rejected(sender->observer.self, &reject);
    }
}

/* 200, and 400 and 413 that carry the three numbers, are the last word about a batch; any other 4xx is about the request,
 * so no batch will fare better. */
static void settle(struct sender *sender, struct sender_slot *slot, const struct http_answer *answer) {
    struct json *json = json_parse(buffer_view(&answer->body));
    uint64_t received, accepted, rejected;
    bool counted = json != NULL && json_u64(json, "received", &received) && json_u64(json, "accepted", &accepted) &&
                   json_u64(json, "rejected", &rejected);
    bool may_count = answer->http_status == 200 || answer->http_status == 400 || answer->http_status == 413;
    if (!counted || !may_count) {
        api_problem(sender->options.url, answer, &sender->fatal);
        json_destroy(json);
        return;
    }
    if (received != accepted + rejected || received > slot->batch.line_count) {
        failure_set(&sender->fatal, STATUS_IO_ERROR,
                    "%s answered numbers that cannot be: received %" PRIu64 ", accepted %" PRIu64 ", rejected %" PRIu64
                    " for a batch of %u lines",
                    sender->options.url, received, accepted, rejected, slot->batch.line_count);
        json_destroy(json);
        return;
    }
    sender->totals.received += received;
    sender->totals.accepted += accepted;
    sender->totals.rejected += rejected;
    sender->totals.lines += slot->batch.line_count;
    sender->totals.bytes += slot->batch.body.len;
    sender->totals.batches++;
    sender->progress_ms = timing_now_ms();
    sender->in_trouble = false;
    slot->attempts = 0;
    if (rejected > 0) report_rejects(sender, &slot->batch, json);
    if (sender->observer.acknowledged != NULL) {
        sender->observer.acknowledged(sender->observer.self, &slot->batch, answer->took_us);
    }
    json_destroy(json);
}

static void land(struct sender *sender, const struct posted *posted) {
    struct sender_slot *slot = &sender->slots[posted->slot];
    CHECK(slot->state == SLOT_FLYING && sender->flying > 0);
    slot->state = SLOT_IDLE;
    sender->flying--;
    if (posted->status == STATUS_AGAIN) {
        rest(sender, slot, 0, &posted->failure);
        return;
    }
    if (posted->status != STATUS_OK) {
        /* A host name that was found before is found again: only at the start is this final. */
        if (sender->totals.batches > 0) {
            rest(sender, slot, 0, &posted->failure);
        } else if (sender->fatal.status == STATUS_OK) {
            sender->fatal = posted->failure;
        }
        return;
    }
    unsigned http_status = posted->answer->http_status;
    if (http_status == 429 || http_status >= 500) {
        struct failure why = {0};
        api_problem(sender->options.url, posted->answer, &why);
        rest(sender, slot, posted->answer->retry_after_seconds, &why);
        return;
    }
    settle(sender, slot, posted->answer);
}

/* Puts the source's next batches, and those that have rested, on their way. */
static void fill_slots(struct sender *sender, int64_t now_ms) {
    bool source_quiet = sender->source_ended;
    for (unsigned i = 0; i < sender->options.connections && sender->fatal.status == STATUS_OK; i++) {
        struct sender_slot *slot = &sender->slots[i];
        if (slot->state == SLOT_RESTING && slot->rest_till_ms <= now_ms) launch(sender, slot);
        if (slot->state != SLOT_IDLE || source_quiet) continue;
        sender->pause = (struct sender_pause){.readable_fd = -1};
        enum status status = sender->source.next(sender->source.self, &slot->batch, &sender->pause, &sender->source_failure);
        switch (status) {
        case STATUS_OK:
            CHECK(slot->batch.line_count > 0 && slot->batch.body.len > 0);
            CHECK(slot->batch.content_type != NULL);
            launch(sender, slot);
            break;
        case STATUS_AGAIN:
            source_quiet = true;
            break;
        case STATUS_END:
            sender->source_ended = source_quiet = true;
            break;
        default:
            CHECK(sender->source_failure.status == status);
            sender->source_ended = source_quiet = true;
        }
    }
}

/* Until when a step may sleep: the caller's time, the first retry, the source's pause. */
static int64_t sleep_ms(const struct sender *sender, int64_t timeout_ms, int64_t now_ms, int *readable_fd) {
    *readable_fd = -1;
    bool has_idle = false;
    for (unsigned i = 0; i < sender->options.connections; i++) {
        const struct sender_slot *slot = &sender->slots[i];
        has_idle |= slot->state == SLOT_IDLE;
        if (slot->state == SLOT_RESTING && slot->rest_till_ms - now_ms < timeout_ms)
            timeout_ms = slot->rest_till_ms - now_ms;
    }
    if (has_idle && !sender->source_ended && sender->fatal.status == STATUS_OK) {
        *readable_fd = sender->pause.readable_fd;
        int64_t pause_ms = sender->pause.until_ms - now_ms;
        if (sender->pause.until_ms > 0 && pause_ms < timeout_ms) timeout_ms = pause_ms;
    }
    return timeout_ms < 0 ? 0 : timeout_ms;
}

enum status sender_step(struct sender *sender, int64_t timeout_ms, struct failure *failure) {
    int64_t now_ms = timing_now_ms();
    fill_slots(sender, now_ms);
    CHECK(sender->flying + sender->resting <= sender->options.connections);
    if (sender->fatal.status != STATUS_OK && sender->flying == 0) {
        *failure = sender->fatal;
        return failure->status;
    }
    if (sender->source_ended && sender->flying + sender->resting == 0) {
        if (sender->source_failure.status == STATUS_OK) return STATUS_END;
        *failure = sender->source_failure;
        return failure->status;
    }
    int readable_fd;
    int64_t wait_ms = sleep_ms(sender, timeout_ms, now_ms, &readable_fd);
    poster_wait(sender->poster, wait_ms, readable_fd);
    struct posted posted;
    while (poster_take(sender->poster, &posted)) land(sender, &posted);

    int64_t stuck_ms = timing_now_ms() - sender->progress_ms;
    if (sender->flying + sender->resting > 0 && stuck_ms >= sender->options.give_up_ms &&
        sender->fatal.status == STATUS_OK) {
        const char *reason = sender->in_trouble ? sender->last_trouble.text : "no answer";
        return failure_set(failure, STATUS_IO_ERROR, "gave up after %" PRId64 " s without any progress: %s",
                           sender->options.give_up_ms / 1000, reason);
    }
    return STATUS_OK;
}
