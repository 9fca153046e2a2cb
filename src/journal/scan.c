/* The log once more, beside the writer: from the files alone, so that the two threads share nothing. */
#include <stdlib.h>

#include "base/check.h"
#include "journal/journal_internal.h"

enum { SCAN_MAGIC = 0x5CA77E12 };

struct journal_scan {
    uint32_t magic;
    struct files files;
    struct log_identity log;
    uint64_t number; /* of the segment that is read, or is the next to be */
    uint64_t end_record;
    struct filter_log *filters;
    struct log_state state, told;
    struct log_reader reader;
};

struct journal_scan *journal_scan_create(const struct journal *journal, uint64_t end_record) {
    /* Nothing here that the writer changes: it may be in the middle of a commit. */
    CHECK(journal->segment_count > 0);
    struct journal_scan *scan = memory_allocate_zeroed(1, sizeof *scan);
    scan->magic = SCAN_MAGIC;
    scan->files = journal->files;
    scan->log = journal->log;
    scan->number = journal->segments[0].number;
    scan->end_record = end_record;
    scan->filters = filter_log_create();
    log_state_init(&scan->state, scan->log.partition_count, scan->filters);
    scan->reader = (struct log_reader){
        .files = &scan->files,
        .log = &scan->log,
        .filter_log = scan->filters,
        .state = &scan->state,
        .told = &scan->told,
    };
    return scan;
}

/* The records below end_record were durable before the scan began, so they are in segments that were there then, and a
 * segment that is still open when its turn comes holds the last of them: whatever the writer does to it meanwhile comes
 * behind. */
static enum status scan_end_segment(struct journal_scan *scan, struct failure *failure) {
    struct log_reader *reader = &scan->reader;
    if (!reader->header.sealed)
        return segment_damaged(failure, reader->segment.path, reader->segment.at, record_flaw_text(RECORD_ABSENT));
    scan->number++;
    return log_reader_end(reader, failure);
}

enum status journal_scan_next(struct journal_scan *scan, struct journal_record **out, struct failure *failure) {
    CHECK(scan->magic == SCAN_MAGIC);
    struct log_reader *reader = &scan->reader;
    *out = NULL;
    while (scan->state.next_record < scan->end_record) {
        enum status status;
        if (reader->segment.file == NULL) {
            status = log_reader_begin(reader, scan->number, failure);
            if (status != STATUS_OK) return status;
            continue; /* a log whose beginning is gone may begin behind end_record */
        }
        status = log_reader_record(reader, out, failure);
        if (status != STATUS_END) return status;
        status = scan_end_segment(scan, failure);
        if (status != STATUS_OK) return status;
    }
    return STATUS_END;
}

void journal_scan_destroy(struct journal_scan *scan) {
    if (scan == NULL) return;
    CHECK(scan->magic == SCAN_MAGIC);
    log_reader_close(&scan->reader);
    filter_log_destroy(scan->filters);
    scan->magic = 0;
    free(scan);
}
