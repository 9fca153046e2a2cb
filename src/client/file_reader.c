#include "client/file_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "compress/decompress.h"

enum { RAW_BYTES = 128 * 1024, MAGIC_BYTES = 4 };

struct file_reader {
    const char *name;
    int fd;
    bool regular;
    bool told; /* whether it is compressed */
    bool raw_ended;
    struct decompressor *decompressor; /* NULL: plain */
    bool more_inside;                  /* the decompressor may have more without new input */
    struct failure broken;             /* after what was whole */
    uint64_t raw_bytes;
    struct bytes input; /* the part of `raw` that was not used yet */
    uint8_t raw[RAW_BYTES];
};

enum status file_reader_open(const char *name, struct file_reader **out, struct failure *failure) {
    bool is_stdin = strcmp(name, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
    struct stat stat;
    if (is_stdin) name = "standard input";
    if (fd < 0 || fstat(fd, &stat) != 0 || S_ISDIR(stat.st_mode)) {
        const char *reason = fd >= 0 && S_ISDIR(stat.st_mode) ? "it is a directory" : strerror(errno);
        if (fd > STDIN_FILENO) close(fd);
        return failure_set(failure, STATUS_IO_ERROR, "cannot read %s: %s", name, reason);
    }
    struct file_reader *reader = memory_allocate_zeroed(1, sizeof *reader);
    reader->name = name;
    reader->fd = fd;
    reader->regular = S_ISREG(stat.st_mode);
    if (reader->regular) posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    *out = reader;
    return STATUS_OK;
}

void file_reader_close(struct file_reader *reader) {
    if (reader == NULL) return;
    if (reader->fd > STDIN_FILENO) close(reader->fd);
    decompressor_destroy(reader->decompressor);
    free(reader);
}

const char *file_reader_name(const struct file_reader *reader) {
    return reader->name;
}

bool file_reader_is_regular(const struct file_reader *reader) {
    return reader->regular;
}

int file_reader_fd(const struct file_reader *reader) {
    return reader->fd;
}

uint64_t file_reader_raw_bytes(const struct file_reader *reader) {
    return reader->raw_bytes;
}

/* STATUS_END at the end of the file. */
static enum status read_raw(struct file_reader *reader, uint8_t *out, size_t room, size_t *got, struct failure *failure) {
    CHECK(room > 0);
    *got = 0;
    if (reader->raw_ended) return STATUS_END;
    if (!reader->regular) { /* a pipe, a terminal, a socket: look before reading, which may block */
        struct pollfd ready = {.fd = reader->fd, .events = POLLIN};
        if (poll(&ready, 1, 0) == 0) return STATUS_AGAIN;
    }
    ssize_t len = read(reader->fd, out, room);
    if (len < 0 && (errno == EINTR || errno == EAGAIN)) return STATUS_AGAIN;
    if (len < 0) return failure_set(failure, STATUS_IO_ERROR, "cannot read %s: %s", reader->name, strerror(errno));
    reader->raw_ended = len == 0;
    reader->raw_bytes += (uint64_t)len;
    *got = (size_t)len;
    return len == 0 ? STATUS_END : STATUS_OK;
}

/* Refills an empty `input`, behind what of the first bytes stands in it already while the kind is not told. */
static enum status fill_input(struct file_reader *reader, struct failure *failure) {
    size_t kept = reader->told ? 0 : reader->input.len, got;
    CHECK(kept < MAGIC_BYTES && (!reader->told || reader->input.len == 0));
    enum status status = read_raw(reader, reader->raw + kept, RAW_BYTES - kept, &got, failure);
    reader->input = (struct bytes){reader->raw, kept + got};
    return status;
}

/* STATUS_OK: it is known what the file is. */
static enum status tell_kind(struct file_reader *reader, struct failure *failure) {
    while (reader->input.len < MAGIC_BYTES && !reader->raw_ended) {
        enum status status = fill_input(reader, failure);
        if (status != STATUS_OK && status != STATUS_END) return status;
    }
    reader->told = true;
    bool gzip = reader->input.len >= 2 && memcmp(reader->input.at, "\x1f\x8b", 2) == 0;
    bool zstd = reader->input.len >= 4 && memcmp(reader->input.at, "\x28\xb5\x2f\xfd", 4) == 0;
    if (gzip || zstd) reader->decompressor = decompressor_create(gzip ? COMPRESSION_GZIP : COMPRESSION_ZSTD);
    return STATUS_OK;
}

static enum status read_plain(struct file_reader *reader, uint8_t *out, size_t room, size_t *got, struct failure *failure) {
    if (reader->input.len == 0) return read_raw(reader, out, room, got, failure);
    *got = reader->input.len < room ? reader->input.len : room;
    memcpy(out, reader->input.at, *got);
    reader->input.at += *got;
    reader->input.len -= *got;
    return STATUS_OK;
}

/* The reason of the decompressor is half a sentence. */
static enum status break_off(struct file_reader *reader, enum status status, const struct failure *reason) {
    if (status == STATUS_BAD_INPUT) {
        return failure_set(&reader->broken, status, "%s is damaged: %s; what was whole before that was read", reader->name,
                           reason->text);
    }
    return failure_set(&reader->broken, status, "%s: %s; undo it yourself, e.g. zcat or zstdcat FILE | tally send -",
                       reader->name, reason->text);
}

static enum status read_compressed(struct file_reader *reader, uint8_t *out, size_t room, size_t *got,
                                   struct failure *failure) {
    for (;;) {
        struct failure reason = {0};
        enum status status = STATUS_OK;
        if (reader->input.len == 0 && !reader->more_inside) status = fill_input(reader, failure);
        if (status == STATUS_END) {
            status = decompressor_end(reader->decompressor, &reason);
            if (status == STATUS_OK) return STATUS_END;
            status = break_off(reader, status, &reason);
            *failure = reader->broken;
            return status;
        }
        if (status != STATUS_OK) return status;
        status = decompressor_step(reader->decompressor, &reader->input, out, room, got, &reason);
        reader->more_inside = *got == room;
        if (status != STATUS_OK) break_off(reader, status, &reason);
        if (*got > 0) return STATUS_OK;
        if (status == STATUS_OK) continue;
        *failure = reader->broken;
        return status;
    }
}

enum status file_reader_read(struct file_reader *reader, uint8_t *out, size_t room, size_t *got, struct failure *failure) {
    CHECK(room > 0);
    *got = 0;
    if (reader->broken.status != STATUS_OK) {
        *failure = reader->broken;
        return failure->status;
    }
    if (!reader->told) {
        enum status status = tell_kind(reader, failure);
        if (status != STATUS_OK) return status;
    }
    return reader->decompressor != NULL ? read_compressed(reader, out, room, got, failure)
                                        : read_plain(reader, out, room, got, failure);
}

enum status file_reader_skip(struct file_reader *reader, uint64_t offset, struct failure *failure) {
    CHECK(reader->regular && !reader->told);
    enum status status = tell_kind(reader, failure);
    if (status != STATUS_OK) return status;
    if (reader->decompressor == NULL) {
        struct stat stat;
        if (fstat(reader->fd, &stat) != 0 || lseek(reader->fd, (off_t)offset, SEEK_SET) < 0) {
            return failure_set(failure, STATUS_IO_ERROR, "cannot read %s: %s", reader->name, strerror(errno));
        }
        reader->input.len = 0;
        reader->raw_ended = false;
        reader->raw_bytes = offset;
        return (uint64_t)stat.st_size < offset ? STATUS_END : STATUS_OK;
    }
    uint8_t *scrap = memory_allocate(RAW_BYTES);
    for (uint64_t left = offset; left > 0 && status == STATUS_OK;) {
        size_t got;
        status = file_reader_read(reader, scrap, left < RAW_BYTES ? (size_t)left : RAW_BYTES, &got, failure);
        left -= got;
    }
    free(scrap);
    return status;
}
