#include "client/line_source.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/units.h"
#include "client/timing.h"

enum { READ_BYTES_MIN = 4 * 1024, READ_BYTES_FIRST = 64 * 1024, READ_BYTES_MAX = 512 * 1024 };

struct line_source {
    char *const *names;
    size_t name_count;
    size_t name_index; /* of the file that is open, or of the next one */
    uint32_t batch_lines;

    int fd; /* -1: none is open */
    const char *name;
    bool may_block;           /* a pipe, a terminal, a socket: look before reading */
    bool at_end;              /* of the file */
    bool start_seen;          /* the first bytes were looked at */
    const char *content_type; /* NULL: only empty lines so far */
    uint64_t next_line;       /* of the first line in `gather` */
    size_t read_bytes;        /* what a batch has needed so far, as a guess for the next */

    struct buffer gather;  /* the batch being gathered, and the start of the next */
    size_t scanned;        /* line ends before here were counted */
    size_t whole;          /* end of the last whole line */
    uint32_t line_count;   /* whole lines */
    bool skipping;         /* in a line that is far too long: its rest is dropped up to its end */
    int64_t first_byte_ms; /* when the first byte of `gather` was there */
};

struct line_source *line_source_create(char *const *names, size_t name_count, uint32_t batch_lines) {
    CHECK(batch_lines >= 1);
    struct line_source *lines = memory_allocate_zeroed(1, sizeof *lines);
    lines->names = names;
    lines->name_count = name_count;
    lines->batch_lines = batch_lines;
    lines->fd = -1;
    return lines;
}

static void close_file(struct line_source *lines) {
    if (lines->fd > STDIN_FILENO) close(lines->fd);
    lines->fd = -1;
}

void line_source_destroy(struct line_source *lines) {
    if (lines == NULL) return;
    close_file(lines);
    buffer_fini(&lines->gather);
    free(lines);
}

static enum status open_file(struct line_source *lines, struct failure *failure) {
    CHECK(lines->fd == -1 && lines->gather.len == 0);
    bool is_stdin = strcmp(lines->names[lines->name_index], "-") == 0;
    lines->name = is_stdin ? "standard input" : lines->names[lines->name_index];
    lines->fd = is_stdin ? STDIN_FILENO : open(lines->name, O_RDONLY | O_CLOEXEC);
    struct stat stat;
    if (lines->fd < 0 || fstat(lines->fd, &stat) != 0) {
        return failure_set(failure, STATUS_IO_ERROR, "cannot open %s: %s", lines->name, strerror(errno));
    }
    if (S_ISDIR(stat.st_mode)) return failure_set(failure, STATUS_IO_ERROR, "%s is a directory", lines->name);
    lines->name_index++;
    lines->may_block = !S_ISREG(stat.st_mode);
    if (!lines->may_block) posix_fadvise(lines->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    lines->at_end = lines->start_seen = lines->skipping = false;
    lines->content_type = NULL;
    lines->next_line = 1;
    lines->read_bytes = READ_BYTES_FIRST;
    lines->scanned = lines->whole = 0;
    lines->line_count = 0;
    return STATUS_OK;
}

static enum status look_at_start(struct line_source *lines, struct failure *failure) {
    const struct buffer *gather = &lines->gather;
    if (lines->start_seen || (gather->len < 4 && !lines->at_end)) return STATUS_OK;
    lines->start_seen = true;
    bool gzip = gather->len >= 2 && memcmp(gather->at, "\x1f\x8b", 2) == 0;
    bool zstd = gather->len >= 4 && memcmp(gather->at, "\x28\xb5\x2f\xfd", 4) == 0;
    if (!gzip && !zstd) return STATUS_OK;
    return failure_set(failure, STATUS_UNSUPPORTED,
                       "%s is compressed, which this version cannot read by itself. Try: %s %s | tally send -", lines->name,
                       gzip ? "zcat" : "zstdcat", lines->name);
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
        lines->skipping = end == NULL;
    }
}

/* STATUS_AGAIN: nothing to read now. */
static enum status read_more(struct line_source *lines, struct failure *failure) {
    if (lines->may_block) {
        struct pollfd ready = {.fd = lines->fd, .events = POLLIN};
        if (poll(&ready, 1, 0) == 0) return STATUS_AGAIN;
    }
    struct buffer *gather = &lines->gather;
    size_t wanted = lines->read_bytes > gather->len ? lines->read_bytes - gather->len : 0;
    if (wanted < READ_BYTES_MIN) wanted = READ_BYTES_MIN;
    if (wanted > READ_BYTES_MAX) wanted = READ_BYTES_MAX;
    ssize_t got = read(lines->fd, buffer_reserve(gather, wanted), wanted);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return STATUS_AGAIN;
    if (got < 0) return failure_set(failure, STATUS_IO_ERROR, "cannot read %s: %s", lines->name, strerror(errno));
    if (got == 0) lines->at_end = true;
    if (gather->len == 0) lines->first_byte_ms = timing_now_ms();
    size_t new_at = gather->len;
    gather->len += (size_t)got;
    CHECK(gather->len <= gather->capacity);
    drop_excess(lines, new_at);
    return look_at_start(lines, failure);
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
    }
    if (lines->line_count == lines->batch_lines) return true;
    if (!lines->skipping && gather->len - lines->whole > LINE_BYTES_MAX + 1) {
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
    struct buffer spare = batch->body;
    batch->body = lines->gather;
    lines->gather = spare;
    buffer_clear(&lines->gather);
    buffer_append(&lines->gather, batch->body.at + len, batch->body.len - len);
    batch->body.len = len;
    if (lines->content_type == NULL) lines->content_type = tell_content_type(buffer_view(&batch->body));
    batch->content_type = lines->content_type != NULL ? lines->content_type : SENDER_NDJSON;
    batch->file = lines->name;
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
        if (lines->fd == -1 && lines->name_index == lines->name_count) return STATUS_END;
        enum status status = lines->fd == -1 ? open_file(lines, failure) : STATUS_OK;
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
        if (status != STATUS_AGAIN) return status;
        *pause = (struct sender_pause){.readable_fd = lines->fd, .until_ms = INT64_MAX};
        if (lines->line_count == 0) return STATUS_AGAIN;
        pause->until_ms = lines->first_byte_ms + LINE_SOURCE_PATIENCE_MS;
        if (timing_now_ms() < pause->until_ms) return STATUS_AGAIN;
        cut(lines, lines->whole, lines->line_count, batch);
        return STATUS_OK;
    }
}
