#include "client/feed.h"

#include "base/check.h"
#include "client/timing.h"

void feed_init(struct feed *feed, struct workload *workload, uint64_t rate) {
    CHECK(rate >= 1 && rate <= FEED_RATE_MAX);
    *feed = (struct feed){.workload = workload, .rate = rate, .since_ns = timing_now_ns()};
}

static uint64_t due(const struct feed *feed, int64_t now_ns) {
    return (uint64_t)((unsigned long long)(now_ns - feed->since_ns) / 1000 * feed->rate / 1000000);
}

enum status feed_next(void *self, struct sender_batch *batch, struct sender_pause *pause, struct failure *failure) {
    (void)failure;
    struct feed *feed = self;
    if (feed->stopped) return STATUS_END;
    int64_t now_ns = timing_now_ns();
    if (due(feed, now_ns) > feed->made + feed->rate) { /* more than a second behind */
        feed->since_ns = now_ns;
        feed->made = 0;
    }
    uint64_t owed = due(feed, now_ns) - feed->made;
    uint64_t lines = feed->rate / FEED_BATCHES_A_SECOND;
    if (lines < 1) lines = 1;
    if (lines > FEED_BATCH_LINES_MAX) lines = FEED_BATCH_LINES_MAX;
    if (owed < lines) {
        int64_t wait_ms = (int64_t)((lines - owed) * 1000 / feed->rate) + 1;
        *pause = (struct sender_pause){.readable_fd = -1, .until_ms = timing_now_ms() + wait_ms};
        return STATUS_AGAIN;
    }
    buffer_clear(&batch->body);
    struct wall_time now = timing_wall();
    for (uint64_t i = 0; i < lines; i++) {
        workload_next_json(feed->workload, now, &batch->body);
        if (feed->made_line != NULL) feed->made_line(feed->self, workload_last(feed->workload));
    }
    batch->content_type = SENDER_NDJSON;
    batch->file = "synthetic clicks";
    batch->first_line = 1;
    batch->line_count = (uint32_t)lines;
    feed->made += lines;
    return STATUS_OK;
}
