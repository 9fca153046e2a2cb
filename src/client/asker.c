#include "client/asker.h"

#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/check.h"
#include "client/poster.h"
#include "client/timing.h"

enum { SECOND_NS = 1000000000, IDLE_WAIT_MS = 1000 };

struct question {
    unsigned kind;
    int64_t due_ns;
    struct buffer path; /* with its NUL: the poster borrows it */
};

struct asker {
    const struct asker_options *options;
    struct poster *poster;
    struct question *questions; /* one a slot */
    unsigned *free_slots;
    unsigned free_count;
    uint64_t asked, answered;
    int64_t begun_ns;
    int timer_fd; /* poll knows whole milliseconds only, too coarse for a thousand questions a second */
};

static int64_t due_ns(const struct asker *asker, uint64_t number) {
    uint64_t rate = asker->options->rate;
    return asker->begun_ns + (int64_t)(number / rate * SECOND_NS + number % rate * SECOND_NS / rate);
}

static void ask_one(struct asker *asker) {
    CHECK(asker->free_count > 0);
    unsigned slot = asker->free_slots[--asker->free_count];
    struct question *question = &asker->questions[slot];
    buffer_clear(&question->path);
    question->due_ns = due_ns(asker, asker->asked);
    question->kind = asker->options->ask(asker->options->self, asker->asked, &question->path);
    buffer_append(&question->path, "", 1);
    asker->asked++;
    poster_start(asker->poster, slot, (const char *)question->path.at, NULL, (struct bytes){0}, asker->options->timeout_ms);
}

static void take_answers(struct asker *asker) {
    struct posted posted;
    while (poster_take(asker->poster, &posted)) {
        struct question *question = &asker->questions[posted.slot];
        int64_t took_us = (timing_now_ns() - question->due_ns) / 1000;
        asker->options->answered(asker->options->self, question->kind, took_us,
                                 posted.status == STATUS_OK ? posted.answer : NULL, &posted.failure);
        asker->free_slots[asker->free_count++] = posted.slot;
        asker->answered++;
    }
}

/* Until something is answered or the next question is due. */
static void wait_for_more(struct asker *asker, uint64_t count) {
    bool may_ask = asker->asked < count && asker->free_count > 0;
    int64_t next_ns = may_ask ? due_ns(asker, asker->asked) : 0;
    struct itimerspec next = {.it_value = {next_ns / SECOND_NS, next_ns % SECOND_NS}}; /* 0 disarms */
    CHECK(timerfd_settime(asker->timer_fd, TFD_TIMER_ABSTIME, &next, NULL) == 0);
    poster_wait(asker->poster, IDLE_WAIT_MS, asker->timer_fd);
}

int64_t asker_run(const struct asker_options *options, uint64_t count) {
    CHECK(options->rate >= 1 && options->rate <= 1000000);
    struct asker asker = {.options = options, .poster = poster_create(options->url, options->connections)};
    asker.questions = memory_allocate_zeroed(options->connections, sizeof *asker.questions);
    asker.free_slots = memory_allocate_zeroed(options->connections, sizeof *asker.free_slots);
    while (asker.free_count < options->connections) {
        asker.free_slots[asker.free_count] = options->connections - 1 - asker.free_count;
        asker.free_count++;
    }
    asker.timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    CHECK(asker.timer_fd >= 0);
    asker.begun_ns = timing_now_ns();
    while (asker.answered < count) {
        while (asker.asked < count && asker.free_count > 0 && timing_now_ns() >= due_ns(&asker, asker.asked)) {
            ask_one(&asker);
        }
        wait_for_more(&asker, count);
        take_answers(&asker);
        CHECK(asker.answered + (options->connections - asker.free_count) == asker.asked);
    }
    int64_t took_ns = timing_now_ns() - asker.begun_ns;
    close(asker.timer_fd);
    poster_destroy(asker.poster);
    for (unsigned i = 0; i < options->connections; i++) buffer_fini(&asker.questions[i].path);
    free(asker.questions);
    free(asker.free_slots);
    return took_ns;
}
