#include "base/check.h"
#include "journal/journal_internal.h"

uint64_t segment_allocation(const struct journal *journal, uint64_t needed) {
    uint64_t size = journal->segment_bytes > needed ? journal->segment_bytes : needed;
    CHECK(size <= UINT64_MAX / 2);
    return (size + SEGMENT_PAGE_BYTES - 1) / SEGMENT_PAGE_BYTES * SEGMENT_PAGE_BYTES;
}

/* What segment_bytes bounds is what the records take: the filters in header and footer come on top, or in a log with many of
 * them every record would get a segment of its own. */
static uint64_t segment_full(const struct journal *journal, uint64_t filter_bytes) {
    CHECK(filter_bytes <= 2 * (uint64_t)FILTER_LOG_BYTES_MAX);
    return segment_allocation(journal, journal->segment_bytes + filter_bytes);
}

/* Written under another name first, so that a segment under its own name always has its header whole and durable. */
enum status segment_writer_begin(struct journal *journal, uint64_t number, const struct log_state *state, uint64_t needed,
                                 struct failure *failure) {
    struct segment_writer *writer = &journal->writer;
    const struct files *files = &journal->files;
    CHECK(writer->file == NULL && number == journal->last_number + 1);
    char temporary[SEGMENT_PATH_BYTES], path[SEGMENT_PATH_BYTES];
    segment_path(temporary, number, ".new");
    segment_path(path, number, "");
    struct buffer header = {0};
    segment_header_encode(&journal->log, number, state, &header);
    *writer = (struct segment_writer){
        .number = number,
        .at = header.len,
        .empty = true,
        .version = SEGMENT_VERSION,
        .header_filter_bytes = state->filter_bytes,
    };
    writer->allocated = segment_allocation(journal, header.len + needed);

    enum status status = files->open(files->self, temporary, FILE_CREATE, &writer->file, failure);
    if (status == STATUS_OK) status = files->allocate(writer->file, writer->allocated, failure);
    if (status == STATUS_OK) status = files->write(writer->file, 0, buffer_view(&header), failure);
    if (status == STATUS_OK) status = files->sync(writer->file, failure);
    if (status == STATUS_OK) status = files->rename(files->self, temporary, path, failure);
    if (status == STATUS_OK) status = files->directory_sync(files->self, "journal", failure);
    buffer_fini(&header);
    if (status != STATUS_OK) return status;
    journal->syncs++;
    journal->last_number = number;
    return STATUS_OK;
}

/* Footer and final size first, both durable before the mark says so: a marked segment is whole, an unmarked one is recovered
 * from its records, however far the sealing came. */
enum status segment_writer_seal(struct journal *journal, struct failure *failure) {
    struct segment_writer *writer = &journal->writer;
    const struct files *files = &journal->files;
    CHECK(writer->file != NULL && writer->at % RECORD_ALIGNMENT == 0);
    struct buffer footer = {0};
    segment_footer_encode(&journal->log, writer->number, writer->version, &journal->state, &footer);
    enum status status = files->write(writer->file, writer->at, buffer_view(&footer), failure);
    if (status == STATUS_OK) status = files->truncate(writer->file, writer->at + footer.len, failure);
    if (status == STATUS_OK) status = files->sync(writer->file, failure);
    uint8_t mark = SEGMENT_MARK_SEALED;
    if (status == STATUS_OK) status = files->write(writer->file, SEGMENT_MARK_AT, (struct bytes){&mark, 1}, failure);
    if (status == STATUS_OK) status = files->sync(writer->file, failure);
    buffer_fini(&footer);
    if (status != STATUS_OK) return status;
    journal->syncs += 2;
    segment_writer_drop(journal);
    return STATUS_OK;
}

void segment_writer_drop(struct journal *journal) {
    if (journal->writer.file != NULL) journal->files.close(journal->writer.file);
    journal->writer = (struct segment_writer){0};
}

enum status segment_writer_append(struct journal *journal, const struct journal_record *record, struct failure *failure) {
    struct segment_writer *writer = &journal->writer;
    const struct files *files = &journal->files;
    CHECK(record->number == journal->state.next_record && record->bytes.len % RECORD_ALIGNMENT == 0);
    /* `next` has the record's filters already. */
    uint64_t footer = segment_footer_bytes_max(&journal->next);
    uint64_t full = segment_full(journal, writer->header_filter_bytes + journal->next.filter_bytes);
    enum status status = STATUS_OK;
    uint64_t needed = writer->at + record->bytes.len + footer;
    /* What an older program began is sealed as it was begun: version 1 could not tell of this record's filters. */
    bool older = writer->version != SEGMENT_VERSION;
    if (writer->file != NULL && (older || (!writer->empty && needed > full))) {
        status = segment_writer_seal(journal, failure);
    } else if (writer->file != NULL && needed > writer->allocated) {
        /* Empty, so there is nothing to seal; or it was copied when segments were shorter; or there are more filters. */
        writer->allocated = needed > full ? segment_allocation(journal, needed) : full;
        status = files->allocate(writer->file, writer->allocated, failure);
    }
    if (status == STATUS_OK && writer->file == NULL)
        status =
            segment_writer_begin(journal, journal->last_number + 1, &journal->state, record->bytes.len + footer, failure);
    if (status == STATUS_OK) status = files->write(writer->file, writer->at, record->bytes, failure);
    if (status == STATUS_OK) status = files->sync(writer->file, failure);
    if (status != STATUS_OK) return status;
    journal->syncs++;
    writer->at += record->bytes.len;
    writer->empty = false;
    CHECK(writer->at + footer <= writer->allocated);
    return STATUS_OK;
}
