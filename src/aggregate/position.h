/* position.h: what an aggregator needs to go on judging from an offset of its partition, beside the identities (dedup.h:
 * dedup_position). A plain value; its bytes are in docs/format/dedup.md. */
#pragma once

#include "aggregate/verdict.h"
#include "base/bytes.h"
#include "rules/watermark.h"

struct position {
    struct rules rules; /* in force before the record at the offset */
    struct watermark watermark;
    struct verdict_totals totals;
    uint32_t filters_number; /* of the last filter record below; the filters themselves are the journal's */
};

void position_encode(const struct position *position, struct buffer *out);
/* False: not what encode makes, or of another version. */
bool position_decode(struct bytes bytes, struct position *out);
