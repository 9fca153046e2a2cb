#include "base/check.h"
#include "journal/journal_internal.h"

static bool state_is(const struct log_state *state, struct bytes encoded) {
    struct buffer own = {0};
    log_state_encode(state, &own);
    bool same = bytes_equal(buffer_view(&own), encoded);
    buffer_fini(&own);
    return same;
}

/* I2 put to the test: what the records before add up to must be what their writer noted. */
static enum status replay_begin_segment(struct journal *journal, struct failure *failure) {
    const struct segment_place *place = &journal->segments[journal->replay_index];
    struct segment_reader *reader = &journal->reader;
    struct segment_header header;
    struct bytes state_bytes;
    CHECK(reader->file == NULL && journal->replay_index < journal->segment_count);
    CHECK(place->sealed || journal->settled); /* I3: the unsealed segment is read from its synced copy only */
    enum status status = segment_reader_open(reader, &journal->files, place->number, failure);
    if (status != STATUS_OK) return status;
    status = segment_reader_header(reader, &header, &journal->next, &state_bytes, failure);
    if (status != STATUS_OK) return status;
    if (!log_identity_equal(&header.log, &journal->log) || header.sealed != place->sealed ||
        place->records_end > reader->size)
        return segment_damaged(failure, reader->path, 0, "the segment changed since it was opened");
    if (journal->replay_index == 0)
        log_state_copy(&journal->state, &journal->next);
    else if (!state_is(&journal->state, state_bytes))
        return segment_damaged(failure, reader->path, SEGMENT_FIXED_BYTES,
                               "the header's state is not what the records before it add up to");
    CHECK(reader->at <= place->records_end);
    reader->end = place->records_end;
    return STATUS_OK;
}

static enum status replay_end_segment(struct journal *journal, struct failure *failure) {
    const struct segment_place *place = &journal->segments[journal->replay_index];
    struct segment_reader *reader = &journal->reader;
    if (place->sealed) {
        struct segment_header header = {.log = journal->log, .number = place->number};
        struct bytes view, state_bytes;
        uint32_t length;
        enum status status = segment_reader_view(reader, reader->at, SEGMENT_HEADER_BYTES_MAX, &view, failure);
        if (status != STATUS_OK) return status;
        if (!segment_footer_decode(view, &header, &length, &journal->next, &state_bytes) ||
            !state_is(&journal->state, state_bytes))
            return segment_damaged(failure, reader->path, reader->at,
                                   "the footer's state is not what the records before it add up to");
    }
    CHECK(reader->at == place->records_end);
    segment_reader_close(reader);
    journal->replay_index++;
    return STATUS_OK;
}

/* Everything sealed has been read and is right: now the disk may be changed. */
static enum status replay_settle_if_due(struct journal *journal, struct failure *failure) {
    CHECK(journal->replay_index <= journal->segment_count);
    bool at_end = journal->replay_index == journal->segment_count;
    if (journal->settled || (!at_end && journal->segments[journal->replay_index].sealed)) return STATUS_OK;
    return journal_settle(journal, failure);
}

static enum status replay_record(struct journal *journal, struct journal_record **out, struct failure *failure) {
    struct segment_reader *reader = &journal->reader;
    uint64_t at = reader->at;
    struct journal_record *record;
    int flaw = RECORD_GOOD;
    enum status status = segment_reader_record(reader, &record, &flaw, failure);
    if (status == STATUS_CORRUPT)
        return segment_damaged(failure, reader->path, at, record_flaw_text((enum record_flaw)flaw));
    if (status != STATUS_OK) return status;
    const char *why = log_state_apply(&journal->state, record);
    if (why != NULL) {
        journal_record_release(record);
        return segment_damaged(failure, reader->path, at, why);
    }
    CHECK(journal->state.next_record == record->number + 1);
    *out = record;
    return STATUS_OK;
}

static enum status replay_step(struct journal *journal, struct journal_record **out, struct failure *failure) {
    for (;;) {
        enum status status;
        if (journal->reader.file == NULL) {
            status = replay_settle_if_due(journal, failure);
            if (status != STATUS_OK) return status;
            if (journal->replay_index == journal->segment_count) return STATUS_END;
            status = replay_begin_segment(journal, failure);
            if (status != STATUS_OK) return status;
        }
        status = replay_record(journal, out, failure);
        if (status != STATUS_END) return status;
        status = replay_end_segment(journal, failure);
        if (status != STATUS_OK) return status;
    }
}

enum status journal_replay_next(struct journal *journal, struct journal_record **out, struct failure *failure) {
    CHECK(journal->life == JOURNAL_OPENED);
    *out = NULL;
    enum status status = replay_step(journal, out, failure);
    if (status == STATUS_OK) return status;
    if (status != STATUS_END) return journal_fail(journal, status);
    /* Two readings of the same bytes. */
    CHECK(journal->state.next_record == journal->end.next_record && journal->state.digest == journal->end.digest);
    journal_move(journal, JOURNAL_REPLAYED);
    return STATUS_END;
}
