#include "base/check.h"
#include "base/codec.h"
#include "journal/record_format.h"
#include "journal/segment.h"

enum { SEGMENT_WINDOW_BYTES = 1024 * 1024 };

void segment_reader_attach(struct segment_reader *reader, const struct files *files, struct file *file, uint64_t size) {
    CHECK(reader->file == NULL && file != NULL);
    reader->files = files;
    reader->file = file;
    reader->size = size;
    reader->end = size;
}

enum status segment_reader_open(struct segment_reader *reader, const struct files *files, uint64_t number,
                                struct failure *failure) {
    *reader = (struct segment_reader){0};
    segment_path(reader->path, number, "");
    struct file *file;
    enum status status = files->open(files->self, reader->path, FILE_READ, &file, failure);
    if (status != STATUS_OK) return status;
    uint64_t size;
    status = files->size(file, &size, failure);
    if (status != STATUS_OK) {
        files->close(file);
        return status;
    }
    segment_reader_attach(reader, files, file, size);
    return STATUS_OK;
}

void segment_reader_close(struct segment_reader *reader) {
    if (reader->file != NULL) reader->files->close(reader->file);
    buffer_fini(&reader->window);
    *reader = (struct segment_reader){0};
}

enum status segment_reader_view(struct segment_reader *reader, uint64_t at, size_t len, struct bytes *out,
                                struct failure *failure) {
    CHECK(at <= reader->size);
    if (len > reader->size - at) len = (size_t)(reader->size - at);
    *out = (struct bytes){NULL, 0};
    if (len == 0) return STATUS_OK;
    struct buffer *window = &reader->window;
    if (at < reader->window_at || at + len > reader->window_at + window->len) {
        /* A header is asked for in one piece, and often nothing behind it: a log may have thousands of segments. */
        size_t wanted = len >= SEGMENT_GLANCE_BYTES ? len : SEGMENT_WINDOW_BYTES;
        buffer_clear(window);
        uint8_t *space = buffer_reserve(window, wanted);
        size_t got;
        enum status status = reader->files->read(reader->file, at, space, wanted, &got, failure);
        if (status != STATUS_OK) return status;
        reader->window_at = at;
        window->len = got;
        if (got < len) return segment_damaged(failure, reader->path, at + got, "the file became shorter while it was read");
    }
    CHECK(at >= reader->window_at && at - reader->window_at + len <= window->len);
    *out = (struct bytes){window->at + (at - reader->window_at), len};
    return STATUS_OK;
}

enum status segment_reader_header(struct segment_reader *reader, struct segment_header *header, struct log_state *state,
                                  struct filter_log *filter_log, struct bytes *state_bytes, struct failure *failure) {
    struct bytes bytes;
    enum status status = segment_reader_view(reader, 0, SEGMENT_GLANCE_BYTES, &bytes, failure);
    if (status != STATUS_OK) return status;
    uint32_t length = bytes.len < SEGMENT_FIXED_BYTES ? 0 : get_u32(bytes.at + 12);
    if (length > bytes.len && length <= SEGMENT_HEADER_BYTES_MAX)
        status = segment_reader_view(reader, 0, length, &bytes, failure);
    if (status != STATUS_OK) return status;
    status = segment_header_decode(bytes, reader->path, header, state, filter_log, state_bytes, failure);
    if (status != STATUS_OK) return status;
    CHECK(header->length <= reader->size && header->length % RECORD_ALIGNMENT == 0);
    reader->at = header->length;
    reader->seed = log_seed(&header->log);
    return STATUS_OK;
}

/* Beside the window, and content with less than it asks for: the writer may be sealing the file just now. */
enum status segment_reader_ends_sealed(struct segment_reader *reader, const struct segment_header *header, bool *sealed,
                                       struct failure *failure) {
    const struct files *files = reader->files;
    uint8_t trailer[FOOTER_TRAILER_BYTES];
    uint32_t length;
    size_t got;
    *sealed = false;
    if (reader->size < header->length + FOOTER_TRAILER_BYTES) return STATUS_OK;
    enum status status =
        files->read(reader->file, reader->size - FOOTER_TRAILER_BYTES, trailer, sizeof trailer, &got, failure);
    if (status != STATUS_OK || got < sizeof trailer) return status;
    if (!segment_footer_length(trailer, &length) || length > reader->size - header->length) return STATUS_OK;
    struct buffer footer = {0};
    status = files->read(reader->file, reader->size - length, buffer_reserve(&footer, length), length, &got, failure);
    if (status == STATUS_OK && got == length)
        *sealed = segment_footer_decode((struct bytes){footer.at, length}, header, &length, NULL, NULL, NULL);
    buffer_fini(&footer);
    return status;
}

enum status segment_reader_footer_at(struct segment_reader *reader, const struct segment_header *header, uint64_t *at,
                                     struct failure *failure) {
    struct bytes view;
    uint32_t length;
    if (reader->size < header->length + FOOTER_TRAILER_BYTES)
        return segment_damaged(failure, reader->path, reader->size, "the segment is sealed, but its footer is missing");
    uint64_t trailer_at = reader->size - FOOTER_TRAILER_BYTES;
    enum status status = segment_reader_view(reader, trailer_at, FOOTER_TRAILER_BYTES, &view, failure);
    if (status != STATUS_OK) return status;
    if (!segment_footer_length(view.at, &length) || length > reader->size - header->length)
        return segment_damaged(failure, reader->path, trailer_at, "the segment is sealed, but its footer is missing");
    *at = reader->size - length;
    CHECK(*at >= header->length);
    return STATUS_OK;
}

enum status segment_reader_footer_view(struct segment_reader *reader, uint64_t at, struct bytes *out,
                                       struct failure *failure) {
    enum status status = segment_reader_view(reader, at, FOOTER_FIXED_BYTES, out, failure);
    if (status != STATUS_OK || out->len < FOOTER_FIXED_BYTES) return status;
    uint32_t length = get_u32(out->at + FOOTER_AT_LENGTH);
    if (length > SEGMENT_HEADER_BYTES_MAX || length <= FOOTER_FIXED_BYTES) return STATUS_OK;
    return segment_reader_view(reader, at, length, out, failure);
}

/* Straight into the record's own memory when it is larger than the window. */
static enum status record_read(struct segment_reader *reader, struct journal_record *record, struct failure *failure) {
    uint8_t *at = record_writable(record);
    size_t len = record->bytes.len;
    CHECK(len <= reader->size - reader->at);
    struct bytes view;
    if (len <= SEGMENT_WINDOW_BYTES) {
        enum status status = segment_reader_view(reader, reader->at, len, &view, failure);
        if (status == STATUS_OK) memcpy(at, view.at, len);
        return status;
    }
    size_t got;
    enum status status = reader->files->read(reader->file, reader->at, at, len, &got, failure);
    if (status == STATUS_OK && got < len)
        return segment_damaged(failure, reader->path, reader->at + got, "the file became shorter while it was read");
    return status;
}

enum status segment_reader_record(struct segment_reader *reader, struct journal_record **out, int *flaw,
                                  struct failure *failure) {
    CHECK(reader->at <= reader->end && reader->end <= reader->size);
    uint64_t left = reader->end - reader->at;
    if (left == 0) return STATUS_END;
    *flaw = RECORD_ABSENT;
    if (left < RECORD_HEADER_BYTES) return STATUS_CORRUPT;
    struct bytes header;
    enum status status = segment_reader_view(reader, reader->at, RECORD_HEADER_BYTES, &header, failure);
    if (status != STATUS_OK) return status;
    if (get_u32(header.at) != RECORD_MAGIC) return STATUS_CORRUPT;
    uint32_t length = get_u32(header.at + RECORD_AT_LENGTH);
    *flaw = RECORD_CUT;
    if (length < RECORD_HEADER_BYTES || length > left || length > RECORD_BYTES_MAX) return STATUS_CORRUPT;
    struct journal_record *record = record_allocate(length);
    status = record_read(reader, record, failure);
    if (status == STATUS_OK) {
        *flaw = (int)record_parse(record, reader->seed);
        if (*flaw != RECORD_GOOD) status = STATUS_CORRUPT;
    }
    if (status != STATUS_OK) {
        journal_record_release(record);
        return status;
    }
    CHECK(record->bytes.len == length && length % RECORD_ALIGNMENT == 0);
    *out = record;
    reader->at += length;
    return STATUS_OK;
}
