/* line_source.h: files of clicks (and "-", standard input) as batches of whole lines for a sender.
 *
 * gzip and zstd are undone (file_reader.h). A file's kind is told by its first line that is not empty: "[AdClickEvent]"
 * begins log lines; anything else is sent as NDJSON, and the server says what is wrong with it. Memory: one batch being
 * gathered, at most LINE_SOURCE_BATCH_BYTES_MAX and one read.
 */
#pragma once

#include "client/sender.h"

enum {
    LINE_SOURCE_BATCH_BYTES_MAX = 8 * 1024 * 1024, /* a batch of long lines ends early */
    LINE_SOURCE_PATIENCE_MS = 200,                 /* lines from a pipe wait at most so long for their batch to fill */
};

struct line_source;
struct resume;

/* `names` outlive it, and so does `resume` (NULL: every file from its start). No file is opened yet. */
struct line_source *line_source_create(char *const *names, size_t name_count, uint32_t batch_lines, struct resume *resume);
void line_source_destroy(struct line_source *lines);
/* For sender_source.next. Fails naming the file, after the whole lines that could be read of it. */
enum status line_source_next(void *self, struct sender_batch *batch, struct sender_pause *pause,
                             struct failure *failure) MUST_USE;
/* Bytes of the files, as they are on the disk, that were read or skipped so far. */
uint64_t line_source_raw_bytes(const struct line_source *lines);
