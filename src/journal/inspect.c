/* What is on disk, before anything is changed: so that a refusal leaves everything as it was found. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/codec.h"
#include "journal/journal_internal.h"

static void visit_name(void *context, const char *name) {
    struct buffer *numbers = context;
    char expected[SEGMENT_PATH_BYTES];
    uint64_t number = strtoull(name, NULL, 10); /* wrong for other names, which the comparison below drops */
    segment_path(expected, number, "");
    if (number >= 1 && strcmp(expected + strlen("journal/"), name) == 0) buffer_put_u64(numbers, number);
}

static enum status inspect_names(struct journal *journal, struct failure *failure) {
    const struct files *files = &journal->files;
    struct buffer numbers = {0};
    enum status status = files->list(files->self, "journal", visit_name, &numbers, failure);
    if (status == STATUS_OK) {
        journal->segment_count = numbers.len / 8;
        journal->segments = memory_allocate_zeroed(journal->segment_count, sizeof journal->segments[0]);
    }
    for (size_t i = 0; status == STATUS_OK && i < journal->segment_count; i++) {
        uint64_t number = get_u64(numbers.at + 8 * i);
        journal->segments[i].number = number;
        if (i == 0) continue;
        uint64_t before = journal->segments[i - 1].number;
        CHECK(number > before); /* names come ascending, and these are of one length */
        if (number != before + 1) {
            char missing[SEGMENT_PATH_BYTES];
            segment_path(missing, before + 1, "");
            status =
                failure_set(failure, STATUS_CORRUPT, "%s is missing, and segments before and after it are there", missing);
        }
    }
    buffer_fini(&numbers);
    return status;
}

/* Sets the end of the records to where the footer begins, and journal->end to the footer's state. */
static enum status inspect_footer(struct journal *journal, struct segment_reader *reader,
                                  const struct segment_header *header, struct segment_place *place,
                                  struct failure *failure) {
    struct bytes view, state_bytes;
    uint32_t length;
    enum status status = segment_reader_footer_at(reader, header, &place->records_end, failure);
    if (status == STATUS_OK) status = segment_reader_footer_view(reader, place->records_end, &view, failure);
    if (status != STATUS_OK) return status;
    if (!segment_footer_decode(view, header, &length, &journal->end, journal->end_filters, &state_bytes) ||
        length != reader->size - place->records_end)
        return segment_damaged(failure, reader->path, place->records_end, "the footer's CRC-32C does not match");
    return STATUS_OK;
}

static enum status inspect_tail(struct journal *journal, struct segment_reader *reader, const struct segment_header *header,
                                const char *why, struct failure *failure) {
    struct segment_tail tail;
    enum status status = segment_tail_find(reader, header, journal->end.next_record, &tail, failure);
    if (status != STATUS_OK) return status;
    if (tail.valid_behind != 0) return segment_damaged(failure, reader->path, tail.from, why);
    journal->torn_from = tail.from;
    journal->torn_to = tail.to;
    return STATUS_OK;
}

static enum status inspect_unsealed(struct journal *journal, struct segment_reader *reader,
                                    const struct segment_header *header, struct segment_place *place,
                                    struct failure *failure) {
    for (;;) {
        uint64_t at = reader->at;
        struct journal_record *record;
        int flaw = RECORD_ABSENT;
        enum status status = segment_reader_record(reader, &record, &flaw, failure);
        if (status != STATUS_OK && status != STATUS_END && status != STATUS_CORRUPT) return status;
        if (status == STATUS_OK) {
            const char *place_flaw = log_state_apply(&journal->end, header->version, record);
            journal_record_release(record);
            if (place_flaw == NULL) continue;
            /* Its checksums are right: no torn write makes such a record. */
            return segment_damaged(failure, reader->path, at, place_flaw);
        }
        const char *why = record_flaw_text((enum record_flaw)flaw);
        if (status == STATUS_CORRUPT && flaw == RECORD_MALFORMED) return segment_damaged(failure, reader->path, at, why);
        CHECK(at == reader->at); /* a record that is not good does not move the reader */
        place->records_end = at;
        return inspect_tail(journal, reader, header, why, failure);
    }
}

static void note_first_offsets(struct segment_place *place, const struct log_state *state) {
    CHECK(place->first_offsets == NULL);
    place->first_offsets = memory_allocate(state->partition_count * sizeof *place->first_offsets);
    for (uint32_t p = 0; p < state->partition_count; p++) place->first_offsets[p] = state->partitions[p].next.at;
}

/* Reads the header. journal->end is then the state before the segment's first record: the first header tells it, every
 * other one must agree with the footer before it. */
static enum status inspect_header(struct journal *journal, size_t index, struct segment_reader *reader,
                                  struct segment_header *header, struct failure *failure) {
    const struct segment_place *place = &journal->segments[index];
    bool first = index == 0, last = index + 1 == journal->segment_count;
    struct bytes state_bytes;
    enum status status = segment_reader_header(reader, header, first ? &journal->end : &journal->next,
                                               first ? journal->end_filters : NULL, &state_bytes, failure);
    if (status != STATUS_OK) return status;
    if (first) journal->log = header->log;
    if (header->number != place->number)
        return segment_damaged(failure, reader->path, 56, "the header names another segment");
    if (!log_identity_equal(&header->log, &journal->log))
        return segment_damaged(failure, reader->path, 24, "the segment is of another log than those before it");
    if (!first && !log_state_is(&journal->end, header->version, &journal->next, state_bytes))
        return segment_damaged(failure, reader->path, SEGMENT_FIXED_BYTES,
                               "the segment does not begin where the one before it ends");
    if (!last && !header->sealed) status = segment_reader_ends_sealed(reader, header, &header->sealed, failure);
    if (status != STATUS_OK) return status;
    if (!last && !header->sealed)
        return segment_damaged(failure, reader->path, SEGMENT_MARK_AT,
                               "the segment is not sealed, but another one follows it");
    note_first_offsets(&journal->segments[index], first ? &journal->end : &journal->next);
    return STATUS_OK;
}

static enum status inspect_segment(struct journal *journal, size_t index, struct failure *failure) {
    CHECK(index < journal->segment_count);
    struct segment_place *place = &journal->segments[index];
    struct segment_reader reader;
    struct segment_header header;
    enum status status = segment_reader_open(&reader, &journal->files, place->number, failure);
    if (status != STATUS_OK) return status;
    status = inspect_header(journal, index, &reader, &header, failure);
    if (status == STATUS_OK) {
        place->sealed = header.sealed;
        status = header.sealed ? inspect_footer(journal, &reader, &header, place, failure)
                               : inspect_unsealed(journal, &reader, &header, place, failure);
    }
    segment_reader_close(&reader);
    return status;
}

enum status journal_inspect(struct journal *journal, struct failure *failure) {
    CHECK(journal->life == JOURNAL_OPENED && journal->segments == NULL);
    enum status status = inspect_names(journal, failure);
    for (size_t i = 0; status == STATUS_OK && i < journal->segment_count; i++) status = inspect_segment(journal, i, failure);
    if (status != STATUS_OK || journal->segment_count == 0) return status;
    CHECK(journal->end.partition_count == journal->log.partition_count);
    CHECK(journal->torn_to >= journal->torn_from);
    journal->seed = log_seed(&journal->log);
    journal->last_number = journal->segments[journal->segment_count - 1].number;
    return STATUS_OK;
}
