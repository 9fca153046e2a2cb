/* lines.h: a body that comes in any cut, taken apart into lines.
 *
 * A line ends with \n; one \r before it is dropped; a last line may have no end. Lines that lie whole in the bytes fed are
 * handed out in place; the others, and those too near to the end of the bytes, are put together in a buffer of at most
 * LINE_BYTES_MAX + 1 bytes, padded for decode_json. What is longer is skipped without being kept. The cut makes no
 * difference to the lines that come out.
 */
#pragma once

#include "base/bytes.h"
#include "base/units.h"

struct lines {
    bool whole_body;     /* the whole body is one line, whatever it holds (one JSON object over many lines) */
    bool skipping;       /* the line being put together is too long: its bytes are dropped */
    uint64_t number;     /* of the line handed out last, from 1; empty ones count too */
    struct buffer carry; /* the part of a line that the bytes so far ended in */
    bool carry_done;     /* `carry` was handed out: it is empty as soon as the next line is asked for */
};

enum line_event { LINE_NONE, LINE_WHOLE, LINE_TOO_LONG };

/* Takes bytes off the front of `input` up to the next line end. LINE_WHOLE: `*line` is valid until the next call, as long as
 * the bytes fed are, and DECODE_PADDING_BYTES after it are readable. LINE_NONE: `input` is used up. */
enum line_event lines_next(struct lines *lines, struct bytes *input, struct bytes *line);
/* After the last byte: the line without a line end, if there is one. */
enum line_event lines_last(struct lines *lines, struct bytes *line);
/* Ready for the next body; keeps the memory. */
void lines_reset(struct lines *lines, bool whole_body);
void lines_fini(struct lines *lines);
