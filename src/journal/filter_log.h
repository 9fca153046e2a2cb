/* filter_log.h (inside journal/): the filter records of a log: their bytes, one after another, and what they add up to.
 *
 * It only grows, so the states of a log can share one: each notes how many of its records and bytes are in its past. */
#pragma once

#include "filter/filters.h"

/* Of all records together: a segment's header and footer each hold them. */
enum { FILTER_LOG_BYTES_MAX = 256 * 1024 * 1024 - 64 * 1024 };

/* Records one after another as bytes: of each its length (u32), then what filter_record_encode makes. */
void filter_frame_append(struct buffer *frame, const struct filter_record *record);

/* The records of a frame, decoded. */
struct filter_frame {
    struct filter_record *records; /* NULL: none yet */
    struct filter **filters;       /* what the records view; NULL where an action has no filter */
    uint32_t count;
};
/* False unless the bytes are exactly `count` records; then there is nothing to free. */
bool filter_frame_parse(struct filter_frame *frame, uint32_t count, struct bytes bytes);
void filter_frame_fini(struct filter_frame *frame);

struct filter_log {
    struct buffer bytes;
    struct filters *filters;
};
struct filter_log *filter_log_create(void);
void filter_log_destroy(struct filter_log *log);
/* `bytes` are those of the `count` records. NULL; or why they cannot come next: then the log is of no use any more. */
const char *filter_log_append(struct filter_log *log, const struct filter_record *records, uint32_t count,
                              struct bytes bytes);
/* Makes the log hold exactly these records, of which it may hold the first already: those are compared and not decoded
 * again, since every header and footer repeats all records so far, and a log may have thousands of segments. False: they do
 * not go on from what it holds, or are not possible; then the log is of no use any more. */
bool filter_log_extend(struct filter_log *log, uint32_t count, struct bytes bytes);
