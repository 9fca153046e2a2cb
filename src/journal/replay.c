#include "base/check.h"
#include "journal/journal_internal.h"

static enum status replay_begin_segment(struct journal *journal, struct failure *failure) {
    CHECK(journal->replay_index < journal->segment_count);
    const struct segment_place *place = &journal->segments[journal->replay_index];
    struct log_reader *reader = &journal->reader;
    CHECK(place->sealed || journal->settled); /* I3: the unsealed segment is read from its synced copy only */
    enum status status = log_reader_begin(reader, place->number, failure);
    if (status != STATUS_OK) return status;
    if (reader->header.sealed != place->sealed || place->records_end > reader->segment.size ||
        (place->sealed && reader->segment.end != place->records_end))
        return segment_damaged(failure, reader->segment.path, 0, "the segment changed since the journal was opened");
    CHECK(reader->segment.at <= place->records_end);
    reader->segment.end = place->records_end;
    return STATUS_OK;
}

/* Everything sealed has been read and is right: now the disk may be changed. */
static enum status replay_settle_if_due(struct journal *journal, struct failure *failure) {
    CHECK(journal->replay_index <= journal->segment_count);
    bool at_end = journal->replay_index == journal->segment_count;
    if (journal->settled || (!at_end && journal->segments[journal->replay_index].sealed)) return STATUS_OK;
    return journal_settle(journal, failure);
}

static enum status replay_step(struct journal *journal, struct journal_record **out, struct failure *failure) {
    for (;;) {
        enum status status;
        if (journal->reader.segment.file == NULL) {
            status = replay_settle_if_due(journal, failure);
            if (status != STATUS_OK) return status;
            if (journal->replay_index == journal->segment_count) return STATUS_END;
            status = replay_begin_segment(journal, failure);
            if (status != STATUS_OK) return status;
        }
        status = log_reader_record(&journal->reader, out, failure);
        if (status != STATUS_END) return status;
        status = log_reader_end(&journal->reader, failure);
        if (status != STATUS_OK) return status;
        journal->replay_index++;
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
    CHECK(journal->state.filter_bytes == journal->end.filter_bytes);
    journal->end.filter_log = NULL;
    filter_log_destroy(journal->end_filters);
    journal->end_filters = NULL;
    journal_move(journal, JOURNAL_REPLAYED);
    return STATUS_END;
}
