#include "aggregate/position.h"

#include "base/codec.h"

enum { POSITION_VERSION = 1, COUNTS = 7 };
_Static_assert(sizeof(struct verdict_totals) == COUNTS * sizeof(uint64_t), "all of them");

void position_encode(const struct position *position, struct buffer *out) {
    const struct verdict_totals *totals = &position->totals;
    const uint64_t counts[COUNTS] = {totals->counted, totals->duplicate,         totals->conflict,    totals->too_late,
                                     totals->invalid, totals->duplicate_content, totals->late_amended};
    buffer_put_u8(out, POSITION_VERSION);
    rules_encode(&position->rules, out);
    watermark_encode(&position->watermark, out);
    for (unsigned i = 0; i < COUNTS; i++) buffer_put_u64(out, counts[i]);
    buffer_put_u32(out, position->filters_number);
}

bool position_decode(struct bytes bytes, struct position *out) {
    struct reader reader = reader_of(bytes);
    struct verdict_totals *totals = &out->totals;
    uint64_t *const counts[COUNTS] = {&totals->counted, &totals->duplicate,         &totals->conflict,    &totals->too_late,
                                      &totals->invalid, &totals->duplicate_content, &totals->late_amended};
    if (reader_u8(&reader) != POSITION_VERSION) return false;
    out->rules = rules_decode(&reader);
    out->watermark = watermark_decode(&reader);
    for (unsigned i = 0; i < COUNTS; i++) *counts[i] = reader_u64(&reader);
    out->filters_number = reader_u32(&reader);
    return !reader.bad && reader_left(&reader) == 0 && verdict_totals_clicks(totals) == out->watermark.clicks;
}
