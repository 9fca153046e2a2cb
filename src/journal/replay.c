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

/* --- from a later segment on --- */

static bool begins_behind(const struct journal *journal, size_t index, const struct journal_offset *from) {
    const uint64_t *first = journal->segments[index].first_offsets;
    for (uint32_t p = 0; p < journal->log.partition_count; p++)
        if (first[p] > from[p].at) return true;
    return false;
}

/* Takes over the filter records of the header. Whether a replay may begin with it: not in a log of version 1, whose headers
 * do not tell its highest click. */
static enum status look_at_header(struct journal *journal, size_t index, bool *good, struct failure *failure) {
    struct segment_reader reader;
    struct segment_header header;
    struct bytes state_bytes;
    enum status status = segment_reader_open(&reader, &journal->files, journal->segments[index].number, failure);
    if (status != STATUS_OK) return status;
    status = segment_reader_header(&reader, &header, &journal->next, NULL, &state_bytes, failure);
    *good = status == STATUS_OK && journal->next.highest_known;
    if (*good) status = segment_reader_header(&reader, &header, &journal->next, journal->filters, &state_bytes, failure);
    segment_reader_close(&reader);
    return status;
}

enum status journal_replay_from(struct journal *journal, const struct journal_offset *from, struct journal_offset *begins,
                                uint64_t *skipped, struct failure *failure) {
    CHECK(journal->life == JOURNAL_OPENED && journal->replay_index == 0 && journal->reader.segment.file == NULL);
    size_t index = journal->segment_count - 1;
    while (index > 0 && (journal->segments[index].first_offsets == NULL || begins_behind(journal, index, from))) index--;
    bool good = false;
    if (index > 0) {
        enum status status = look_at_header(journal, index, &good, failure);
        if (status != STATUS_OK) return journal_fail(journal, status);
    }
    if (!good) index = 0;
    journal->replay_index = index;
    if (skipped != NULL) *skipped = index;
    const uint64_t *first = journal->segments[index].first_offsets;
    for (uint32_t p = 0; begins != NULL && p < journal->log.partition_count; p++)
        begins[p].at = first == NULL ? 0 : first[p];
    return STATUS_OK;
}

void journal_visit_filters(const struct journal *journal,
                           void (*visit)(void *context, const struct filter_record *records, uint32_t count),
                           void *context) {
    const struct filter_log *log = journal->filters;
    struct filter_frame frame;
    uint32_t count = filters_number(log->filters);
    if (count == 0) return;
    CHECK(filter_frame_parse(&frame, count, buffer_view(&log->bytes)));
    visit(context, frame.records, frame.count);
    filter_frame_fini(&frame);
}
