/* line_source.h: files of clicks (and "-", standard input) as batches of whole lines for a sender.
 *
 * A file's kind is told by its first line that is not empty: '{' begins NDJSON, "[AdClickEvent]" log lines; otherwise it is
 * sent as NDJSON, and the server says what is wrong with it. Compressed files are refused for now. Memory: one batch being
 * gathered, at most LINE_SOURCE_BATCH_BYTES_MAX and one read.
 */
#pragma once

#include "client/sender.h"

enum {
    LINE_SOURCE_BATCH_BYTES_MAX = 8 * 1024 * 1024, /* a batch of long lines ends early */
    LINE_SOURCE_PATIENCE_MS = 200,                 /* lines from a pipe wait at most so long for their batch to fill */
};

struct line_source;

/* `names` outlive it. No file is opened yet. */
struct line_source *line_source_create(char *const *names, size_t name_count, uint32_t batch_lines);
void line_source_destroy(struct line_source *lines);
/* For sender_source.next. Fails naming the file; STATUS_UNSUPPORTED: compressed. */
enum status line_source_next(void *self, struct sender_batch *batch, struct sender_pause *pause,
                             struct failure *failure) MUST_USE;
