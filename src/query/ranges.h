/* ranges.h: what the questions about ads share: the range of minutes that is asked for, and the members that every answer
 * ends with. Internal to query/. */
#pragma once

#include "query/answers.h"
#include "query/choice.h"

/* Minutes [from, to); `any` is false when there is no click yet that a default could follow. */
struct range {
    struct minute from, to;
    bool any;
    struct minute counted_from; /* from <= counted_from <= to, after range_cover: what lies before is not answered */
    bool complete;              /* nothing of what was asked for was left out */
};

/* The `minutes` minutes up to and including `last`; cut at 1970. */
struct range range_up_to(struct minute last, uint32_t minutes);
/* `from` and `to`, or `last`, or none of them: the `standard` minutes up to the last closed one. False after a problem. */
bool read_range(struct parameters *parameters, const struct view *view, uint32_t standard, struct range *range);
/* Moves `from` up to where the choice begins to cover, down to a whole step; the last thing that is done to a range. */
void range_cover(struct range *range, const struct choice *choice, uint32_t step_minutes);
/* There is something to count. */
static inline bool range_counts(const struct range *range) {
    return range->any && range->counted_from.index < range->to.index;
}
/* The ad id of a path segment. False after a problem. */
bool read_ad_id(struct bytes segment, struct buffer *ad_id, struct reply *reply);
/* The minute's start, or null when the range is of nothing. */
void append_minute(struct buffer *out, const struct range *range, struct minute minute);
/* State, version, watermark and filter (I7), what is left out, and the end of the object. */
void append_end(struct buffer *out, const struct view *view, const struct range *range, const struct choice *choice);
void answer_store_failed(struct reply *reply, const struct failure *failure);
