#include "journal/filter_log.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/codec.h"

enum { FILTER_LENGTH_BYTES = 4 };

void filter_frame_append(struct buffer *frame, const struct filter_record *record) {
    size_t begin = frame->len;
    buffer_put_u32(frame, 0); /* length, below */
    filter_record_encode(record, frame);
    CHECK(frame->len > begin + FILTER_LENGTH_BYTES && frame->len - begin <= FILTER_LOG_BYTES_MAX);
    put_u32(frame->at + begin, (uint32_t)(frame->len - begin - FILTER_LENGTH_BYTES));
}

static bool parse_record(struct filter_frame *frame, struct reader *reader) {
    uint32_t length = reader_u32(reader);
    struct bytes bytes = reader_bytes(reader, length);
    struct filter_record *record = &frame->records[frame->count];
    struct filter **filter = &frame->filters[frame->count];
    if (reader->bad || !filter_record_decode(bytes, record, filter)) return false;
    frame->count++;
    CHECK((record->action == FILTER_CREATE) == (*filter != NULL) && record->filter == *filter);
    return true;
}

bool filter_frame_parse(struct filter_frame *frame, uint32_t count, struct bytes bytes) {
    *frame = (struct filter_frame){0};
    if (bytes.len / (FILTER_LENGTH_BYTES + 1) < count) return false; /* before memory is taken for them */
    frame->records = memory_allocate_zeroed(count, sizeof *frame->records);
    frame->filters = memory_allocate_zeroed(count, sizeof *frame->filters);
    struct reader reader = reader_of(bytes);
    bool good = true;
    while (good && frame->count < count) good = parse_record(frame, &reader);
    if (good && reader_left(&reader) == 0) return true;
    filter_frame_fini(frame);
    return false;
}

void filter_frame_fini(struct filter_frame *frame) {
    for (uint32_t i = 0; i < frame->count; i++)
        if (frame->filters[i] != NULL) filter_destroy(frame->filters[i]);
    free(frame->records);
    free(frame->filters);
    *frame = (struct filter_frame){0};
}

struct filter_log *filter_log_create(void) {
    struct filter_log *log = memory_allocate_zeroed(1, sizeof *log);
    log->filters = filters_create();
    return log;
}

void filter_log_destroy(struct filter_log *log) {
    if (log == NULL) return;
    filters_destroy(log->filters);
    buffer_fini(&log->bytes);
    free(log);
}

/* Everything that filters_apply CHECKs. */
static const char *record_flaw_in(const struct filter_log *log, const struct filter_record *record) {
    if (record->number == 0 || record->number != filters_number(log->filters) + 1)
        return "a filter record's number is not the next one";
    switch (filters_check(log->filters, record->action, record->id, record->filter)) {
    case FILTERS_SAME:
        return "a filter record asks for what is there already";
    case FILTERS_CONFLICT:
        return "a filter record creates a filter whose id is taken";
    case FILTERS_DELETED:
        return "a filter record names a filter that was deleted";
    case FILTERS_UNKNOWN:
        return "a filter record names a filter that was never created";
    case FILTERS_OK:
        break;
    }
    if (record->action != FILTER_CREATE) return NULL;
    const struct atoms *atoms = filters_atoms(log->filters);
    if (atoms_missing(atoms, record->filter) > (size_t)ATOMS_MAX - atoms_given(atoms))
        return "the filters need more atoms than there can be";
    return NULL;
}

const char *filter_log_append(struct filter_log *log, const struct filter_record *records, uint32_t count,
                              struct bytes bytes) {
    CHECK(log->bytes.len <= FILTER_LOG_BYTES_MAX);
    if (bytes.len > FILTER_LOG_BYTES_MAX - log->bytes.len) return "the log's filter records take more than 256 MiB";
    for (uint32_t i = 0; i < count; i++) {
        const char *flaw = record_flaw_in(log, &records[i]);
        if (flaw != NULL) return flaw;
        filters_apply(log->filters, &records[i]);
    }
    buffer_append_bytes(&log->bytes, bytes);
    return NULL;
}

bool filter_log_extend(struct filter_log *log, uint32_t count, struct bytes bytes) {
    uint32_t known = filters_number(log->filters);
    size_t len = log->bytes.len;
    if (count < known || bytes.len < len || !bytes_equal((struct bytes){bytes.at, len}, buffer_view(&log->bytes)))
        return false;
    struct bytes rest = {bytes.at + len, bytes.len - len};
    struct filter_frame frame;
    if (!filter_frame_parse(&frame, count - known, rest)) return false;
    const char *flaw = filter_log_append(log, frame.records, frame.count, rest);
    filter_frame_fini(&frame);
    CHECK(flaw != NULL || log->bytes.len == bytes.len);
    return flaw == NULL;
}
