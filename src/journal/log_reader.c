#include "journal/log_reader.h"

#include "base/check.h"
#include "journal/record_format.h"

/* Where the journal's writer is at work, it may seal and so cut the file between our look at its size and at its header. It
 * is opened again then: a sealed file changes no more. The mark comes behind the cut, so a header that shows it tells of a
 * file whose size is final; and the other way round, a size that stayed the same is that of the file whose header it is. */
static enum status open_steadily(struct log_reader *reader, uint64_t number, struct bytes *state_bytes,
                                 struct failure *failure) {
    struct segment_reader *segment = &reader->segment;
    bool first = !reader->begun;
    for (;;) {
        struct failure own = {0};
        uint64_t size_after = 0;
        CHECK(segment->file == NULL);
        enum status status = segment_reader_open(segment, reader->files, number, failure);
        if (status != STATUS_OK) return status;
        status = segment_reader_header(segment, &reader->header, first ? reader->state : reader->told,
                                       first ? reader->filter_log : NULL, state_bytes, &own);
        enum status size_status = segment->files->size(segment->file, &size_after, failure);
        if (size_status != STATUS_OK) return size_status;
        if (size_after == segment->size) return status == STATUS_OK ? status : failure_set(failure, status, "%s", own.text);
        segment_reader_close(segment);
    }
}

enum status log_reader_begin(struct log_reader *reader, uint64_t number, struct failure *failure) {
    struct segment_reader *segment = &reader->segment;
    struct segment_header *header = &reader->header;
    bool first = !reader->begun;
    struct bytes state_bytes;
    enum status status = open_steadily(reader, number, &state_bytes, failure);
    if (status != STATUS_OK) return status;
    if (!log_identity_equal(&header->log, reader->log) || header->number != number)
        return segment_damaged(failure, segment->path, 0, "the segment changed since the journal was opened");
    if (!first && !log_state_is(reader->state, header->version, reader->told, state_bytes))
        return segment_damaged(failure, segment->path, SEGMENT_FIXED_BYTES,
                               "the header's state is not what the records before it add up to");
    reader->begun = true;
    if (!header->sealed) status = segment_reader_ends_sealed(segment, header, &header->sealed, failure);
    if (status != STATUS_OK) return status;
    return header->sealed ? segment_reader_footer_at(segment, header, &segment->end, failure) : STATUS_OK;
}

enum status log_reader_record(struct log_reader *reader, struct journal_record **out, struct failure *failure) {
    struct segment_reader *segment = &reader->segment;
    uint64_t at = segment->at;
    struct journal_record *record;
    int flaw = RECORD_GOOD;
    CHECK(segment->file != NULL && reader->begun);
    enum status status = segment_reader_record(segment, &record, &flaw, failure);
    if (status == STATUS_CORRUPT)
        return segment_damaged(failure, segment->path, at, record_flaw_text((enum record_flaw)flaw));
    if (status != STATUS_OK) return status;
    const char *why = log_state_apply(reader->state, reader->header.version, record);
    if (why != NULL) {
        journal_record_release(record);
        return segment_damaged(failure, segment->path, at, why);
    }
    CHECK(reader->state->next_record == record->number + 1);
    *out = record;
    return STATUS_OK;
}

enum status log_reader_end(struct log_reader *reader, struct failure *failure) {
    struct segment_reader *segment = &reader->segment;
    CHECK(segment->at == segment->end);
    if (reader->header.sealed) {
        struct bytes view, state_bytes;
        uint32_t length;
        enum status status = segment_reader_footer_view(segment, segment->at, &view, failure);
        if (status != STATUS_OK) return status;
        if (!segment_footer_decode(view, &reader->header, &length, reader->told, NULL, &state_bytes) ||
            length != segment->size - segment->at ||
            !log_state_is(reader->state, reader->header.version, reader->told, state_bytes))
            return segment_damaged(failure, segment->path, segment->at,
                                   "the footer's state is not what the records before it add up to");
    }
    segment_reader_close(segment);
    return STATUS_OK;
}

void log_reader_close(struct log_reader *reader) {
    segment_reader_close(&reader->segment);
}
