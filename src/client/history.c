#include "client/history.h"

#include "base/check.h"
#include "client/timing.h"

enum status history_next(void *self, struct sender_batch *batch, struct sender_pause *pause, struct failure *failure) {
    (void)pause;
    (void)failure;
    struct history *history = self;
    CHECK(history->batch_lines >= 1 && history->made <= history->lines);
    if (history->made == history->lines) return STATUS_END;
    uint64_t left = history->lines - history->made;
    uint32_t count = left < history->batch_lines ? (uint32_t)left : history->batch_lines;
    int64_t now_ms = timing_wall().ms;
    double ms_per_line = (double)history->span_ms / (double)history->lines;
    buffer_clear(&batch->body);
    for (uint32_t i = 0; i < count; i++) {
        struct wall_time when = {now_ms - (int64_t)(ms_per_line * (double)(left - i))};
        workload_next_json(history->workload, when, &batch->body);
        if (history->made_line != NULL) history->made_line(history->self, workload_last(history->workload));
    }
    batch->content_type = SENDER_NDJSON;
    batch->file = "synthetic history";
    batch->first_line = history->made + 1;
    batch->line_count = count;
    history->made += count;
    return STATUS_OK;
}
