/* log_reader.h (inside journal/): reads the segments of a log one after another and verifies them: every record, and at the
 * ends of each segment that it begins and ends with what the records before add up to (I2 put to the test). */
#pragma once

#include "journal/segment.h"

struct log_reader {
    /* Set by the owner, which keeps them. `state` begins as the first segment's header says. */
    const struct files *files;
    const struct log_identity *log;
    struct filter_log *filter_log;
    struct log_state *state; /* after the last record handed out */
    struct log_state *told;  /* scratch: what a header or footer says */
    bool begun;              /* a first segment was begun */
    struct segment_header header;
    struct segment_reader segment; /* `file` NULL: between segments */
};

/* Opens the segment and checks its header. A sealed one is read up to its footer, another one up to the end of the file. */
enum status log_reader_begin(struct log_reader *reader, uint64_t number, struct failure *failure) MUST_USE;
/* STATUS_END at the end of the segment's records; STATUS_CORRUPT: `failure` names the place, the reader is of no use. */
enum status log_reader_record(struct log_reader *reader, struct journal_record **out, struct failure *failure) MUST_USE;
/* Where the records end: checks the footer of a sealed segment, and closes the file. */
enum status log_reader_end(struct log_reader *reader, struct failure *failure) MUST_USE;
void log_reader_close(struct log_reader *reader);
