#include "client/line_source.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/units.h"
#include "client/file_reader.h"
#include "client/resume.h"
#include "client/timing.h"

enum { READ_BYTES_MIN = 4 * 1024, READ_BYTES_FIRST = 64 * 1024, READ_BYTES_MAX = 512 * 1024 };

struct line_source {
    char *const *names;
    size_t name_count;
    size_t name_index; /* of the file after the one that is open */
    uint32_t batch_lines;
    struct resume *resume;

    struct file_reader *file; /* NULL: none is open */
    uint64_t raw_bytes;       /* of the files before it */
    bool at_end;              /* of the file */
    struct failure broken;    /* it cannot be read to its end; the whole lines before come first */
    const char *content_type; /* NULL: only empty lines so far */
    uint64_t next_line;       /* of the first line in `gather` */
    uint64_t begin_offset;    /* of `gather` in the file's content */
    size_t read_bytes;        /* what a batch has needed so far, as a guess for the next */

    struct buffer gather;   /* the batch being gathered, and the start of the next */
    size_t scanned;         /* line ends before here were counted */
    size_t whole;           /* end of the last whole line */
    uint32_t line_count;    /* whole lines */
    bool skipping;          /* in a line that is far too long: its rest is dropped up to its end */
    uint64_t dropped;       /* bytes of the line that is not whole yet */
    uint64_t dropped_whole; /* bytes of the whole lines */
    int64_t first_byte_ms;  /* when the first byte of `gather` was there */
};

struct line_source *line_source_create(char *const *names, size_t name_count, uint32_t batch_lines, struct resume *resume) {
    CHECK(batch_lines >= 1);
    struct line_source *lines = memory_allocate_zeroed(1, sizeof *lines);
    lines->names = names;
    lines->name_count = name_count;
    lines->batch_lines = batch_lines;
    lines->resume = resume;
    return lines;
}

static void close_file(struct line_source *lines) {
    if (lines->file == NULL) return;
    lines->raw_bytes += file_reader_raw_bytes(lines->file);
    file_reader_close(lines->file);
    lines->file = NULL;
}

void line_source_destroy(struct line_source *lines) {
    if (lines == NULL) return;
    close_file(lines);
    buffer_fini(&lines->gather);
    free(lines);
}

uint64_t line_source_raw_bytes(const struct line_source *lines) {
    return lines->raw_bytes + (lines->file != NULL ? file_reader_raw_bytes(lines->file) : 0);
}

/* Goes to where an earlier run has come; a file that is shorter than that was cut, and begins anew. */
static enum status go_on(struct line_source *lines, const char *name, struct failure *failure) {
    if (lines->resume == NULL || !file_reader_is_regular(lines->file)) return STATUS_OK;
    uint64_t offset, whole_lines;
    size_t index = lines->name_index - 1;
    resume_begin(lines->resume, index, file_reader_fd(lines->file), name, &offset, &whole_lines);
    if (offset == 0) return STATUS_OK;
    enum status status = file_reader_skip(lines->file, offset, failure);
    if (status == STATUS_END) {
        resume_restart(lines->resume, index);
        file_reader_close(lines->file);
        lines->file = NULL;
        return file_reader_open(name, &lines->file, failure);
    }
    lines->begin_offset = offset;
    lines->next_line = whole_lines + 1;
    return status;
}

static enum status open_file(struct line_source *lines, struct failure *failure) {
    CHECK(lines->file == NULL && lines->gather.len == 0);
    const char *name = lines->names[lines->name_index];
    enum status status = file_reader_open(name, &lines->file, failure);
    if (status != STATUS_OK) return status;
    lines->name_index++;
    lines->at_end = lines->skipping = false;
    lines->content_type = NULL;
    lines->next_line = 1;
    lines->begin_offset = lines->dropped = lines->dropped_whole = 0;
    lines->read_bytes = READ_BYTES_FIRST;
    lines->scanned = lines->whole = 0;
    lines->line_count = 0;
    return go_on(lines, name, failure);
}

/* The sender needs whole lines only; of one that the server would skip anyway, just enough is kept for it to say so. */
static void drop_excess(struct line_source *lines, size_t new_at) {
    struct buffer *gather = &lines->gather;
    if (lines->skipping) {
        CHECK(new_at >= lines->whole);
        uint8_t *end = memchr(gather->at + new_at, '\n', gather->len - new_at);
        size_t dropped = end != NULL ? (size_t)(end - gather->at) - new_at : gather->len - new_at;
        memmove(gather->at + new_at, gather->at + new_at + dropped, gather->len - new_at - dropped);
        gather->len -= dropped;
        lines->dropped += dropped;
        lines->skipping = end == NULL;
    }
}

/* STATUS_AGAIN: nothing to read now. */
static enum status read_more(struct line_source *lines, struct failure *failure) {
    struct buffer *gather = &lines->gather;
    size_t wanted = lines->read_bytes > gather->len ? lines->read_bytes - gather->len : 0, got;
    if (wanted < READ_BYTES_MIN) wanted = READ_BYTES_MIN;
    if (wanted > READ_BYTES_MAX) wanted = READ_BYTES_MAX;
    enum status status = file_reader_read(lines->file, buffer_reserve(gather, wanted), wanted, &got, failure);
    if (status == STATUS_END) lines->at_end = true;
    if (status != STATUS_OK) return status == STATUS_END ? STATUS_OK : status;
    if (gather->len == 0) lines->first_byte_ms = timing_now_ms();
    size_t new_at = gather->len;
    gather->len += got;
    CHECK(gather->len <= gather->capacity);
    drop_excess(lines, new_at);
    return STATUS_OK;
}

/* Counts line ends until the batch is full; true when it is. */
static bool scan(struct line_source *lines) {
    const struct buffer *gather = &lines->gather;
    while (lines->line_count < lines->batch_lines && lines->scanned < gather->len) {
        const uint8_t *from = gather->at + lines->scanned;
        const uint8_t *end = memchr(from, '\n', gather->len - lines->scanned);
        lines->scanned = end != NULL ? (size_t)(end - gather->at) + 1 : gather->len;
        if (end == NULL) break;
        lines->whole = lines->scanned;
        lines->line_count++;
        lines->dropped_whole += lines->dropped;
        lines->dropped = 0;
    }
    if (lines->line_count == lines->batch_lines) return true;
    if (!lines->skipping && gather->len - lines->whole > LINE_BYTES_MAX + 1) {
        lines->dropped += gather->len - (lines->whole + LINE_BYTES_MAX + 1);
        lines->gather.len = lines->scanned = lines->whole + LINE_BYTES_MAX + 1;
        lines->skipping = true;
    }
    return lines->whole >= LINE_SOURCE_BATCH_BYTES_MAX;
}

static const char *tell_content_type(struct bytes body) {
    size_t i = 0;
    while (i < body.len && (body.at[i] == '\n' || body.at[i] == '\r' || body.at[i] == ' ' || body.at[i] == '\t')) i++;
    if (i == body.len) return NULL;
    static const char tag[] = "[AdClickEvent]";
    bool log_lines = body.len - i >= sizeof tag - 1 && memcmp(body.at + i, tag, sizeof tag - 1) == 0;
    return log_lines ? SENDER_LOG_LINES : SENDER_NDJSON;
}

/* Moves the first `len` bytes of `gather`, `line_count` lines, into the batch; what is behind them starts the next one. */
static void cut(struct line_source *lines, size_t len, uint32_t line_count, struct sender_batch *batch) {
    CHECK(len > 0 && len <= lines->gather.len && line_count > 0);
    batch->file_index = lines->name_index - 1;
    batch->begin_offset = lines->begin_offset;
    batch->end_offset = lines->begin_offset + lines->whole + lines->dropped_whole;
    batch->end_line = lines->next_line + lines->line_count - 1;
    lines->begin_offset = batch->end_offset;
    lines->dropped_whole = 0;
    struct buffer spare = batch->body;
    batch->body = lines->gather;
    lines->gather = spare;
    buffer_clear(&lines->gather);
    buffer_append(&lines->gather, batch->body.at + len, batch->body.len - len);
    batch->body.len = len;
    if (lines->content_type == NULL) lines->content_type = tell_content_type(buffer_view(&batch->body));
    batch->content_type = lines->content_type != NULL ? lines->content_type : SENDER_NDJSON;
    batch->file = file_reader_name(lines->file);
    batch->first_line = lines->next_line;
    batch->line_count = line_count;
    lines->next_line += line_count;
    lines->read_bytes = len + len / 64;
    lines->scanned = lines->whole = 0;
    lines->line_count = 0;
    lines->first_byte_ms = timing_now_ms();
}

enum status line_source_next(void *self, struct sender_batch *batch, struct sender_pause *pause, struct failure *failure) {
    struct line_source *lines = self;
    for (;;) {
        if (lines->broken.status != STATUS_OK) {
            *failure = lines->broken;
            return failure->status;
        }
        if (lines->file == NULL && lines->name_index == lines->name_count) return STATUS_END;
        enum status status = lines->file == NULL ? open_file(lines, failure) : STATUS_OK;
        if (status != STATUS_OK) return status;
        if (scan(lines)) {
            cut(lines, lines->whole, lines->line_count, batch);
            return STATUS_OK;
        }
        if (lines->at_end) {
            uint32_t line_count = lines->line_count + (lines->gather.len > lines->whole); /* a last line without its end */
            if (line_count > 0) cut(lines, lines->gather.len, line_count, batch);
            close_file(lines);
            if (line_count > 0) return STATUS_OK;
            continue;
        }
        status = read_more(lines, failure);
        if (status == STATUS_OK) continue;
        if (status != STATUS_AGAIN) {
            if (lines->line_count == 0) return status;
            lines->broken = *failure;
            *failure = (struct failure){0};
            cut(lines, lines->whole, lines->line_count, batch);
            return STATUS_OK;
        }
        *pause = (struct sender_pause){.readable_fd = file_reader_fd(lines->file), .until_ms = INT64_MAX};
        if (lines->line_count == 0) return STATUS_AGAIN;
        pause->until_ms = lines->first_byte_ms + LINE_SOURCE_PATIENCE_MS;
        if (timing_now_ms() < pause->until_ms) return STATUS_AGAIN;
        cut(lines, lines->whole, lines->line_count, batch);
        return STATUS_OK;
    }
}
