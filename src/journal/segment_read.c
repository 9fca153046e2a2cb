/* One segment that lies in memory, read by the same code as a file. */
#include <stdlib.h>

#include "base/check.h"
#include "journal/journal_internal.h"

static enum status memory_read(struct file *file, uint64_t offset, void *at, size_t len, size_t *got,
                               struct failure *failure) {
    (void)failure;
    const struct bytes *bytes = (const struct bytes *)(const void *)file;
    CHECK(offset <= bytes->len);
    *got = len < bytes->len - offset ? len : (size_t)(bytes->len - offset);
    CHECK(offset + *got <= bytes->len);
    if (*got > 0) memcpy(at, bytes->at + offset, *got);
    return STATUS_OK;
}

static enum status memory_size(struct file *file, uint64_t *out, struct failure *failure) {
    (void)failure;
    *out = ((const struct bytes *)(const void *)file)->len;
    return STATUS_OK;
}

static void memory_close(struct file *file) {
    (void)file;
}

struct segment_visit {
    void (*visit)(void *context, struct journal_record *record);
    void *context;
};

/* Where the records must end: a sealed segment's footer is its last bytes. */
static bool footer_ends_segment(struct bytes segment, uint64_t at, const struct segment_header *header) {
    CHECK(at <= segment.len);
    uint32_t length;
    return segment_footer_decode((struct bytes){segment.at + at, segment.len - at}, header, &length, NULL, NULL, NULL) &&
           length == segment.len - at;
}

static bool all_zero(struct bytes bytes) {
    for (size_t i = 0; i < bytes.len; i++)
        if (bytes.at[i] != 0) return false;
    return true;
}

static enum status read_records(struct segment_reader *reader, struct bytes segment, const struct segment_header *header,
                                struct log_state *state, const struct segment_visit *visit, struct failure *failure) {
    for (;;) {
        uint64_t at = reader->at;
        CHECK(at >= header->length && at <= segment.len);
        struct journal_record *record;
        int flaw = RECORD_ABSENT;
        enum status status = segment_reader_record(reader, &record, &flaw, failure);
        if (status == STATUS_OK) {
            const char *why = log_state_apply(state, header->version, record);
            if (why == NULL) visit->visit(visit->context, record);
            journal_record_release(record);
            if (why != NULL) return segment_damaged(failure, reader->path, at, why);
            continue;
        }
        if (footer_ends_segment(segment, at, header)) return STATUS_OK;
        if (!header->sealed && all_zero((struct bytes){segment.at + at, segment.len - at})) return STATUS_OK;
        if (status == STATUS_END) return segment_damaged(failure, reader->path, at, "the footer is missing");
        return segment_damaged(failure, reader->path, at, record_flaw_text((enum record_flaw)flaw));
    }
}

enum status segment_read(struct bytes segment, void (*visit)(void *context, struct journal_record *record), void *context,
                         struct failure *failure) {
    const struct files memory = {.read = memory_read, .size = memory_size, .close = memory_close};
    struct segment_reader reader = {.path = "the segment"};
    struct bytes view = segment, state_bytes;
    segment_reader_attach(&reader, &memory, (struct file *)(void *)&view, segment.len);
    struct log_state *state = memory_allocate(sizeof *state);
    struct filter_log *filters = filter_log_create();
    struct segment_header header;
    enum status status = segment_reader_header(&reader, &header, state, filters, &state_bytes, failure);
    if (status == STATUS_OK)
        status = read_records(&reader, segment, &header, state, &(struct segment_visit){visit, context}, failure);
    segment_reader_close(&reader);
    filter_log_destroy(filters);
    free(state);
    return status;
}
