/* filter_print.h: a stored filter, as the server describes it, on stdout. */
#pragma once

#include "cli/ask.h"

extern const struct answer_shape filter_shape; /* of GET /v1/filters/ID */
extern const char *const filter_formats[];     /* text and json, ended by NULL */

/* "/v1/filters/ID", appended. */
void filter_path(struct buffer *out, const char *id);
/* For people: what it matches, in words, and from when it covers. */
void filter_print(const struct json *filter);

/* How far a recalculation is, of a filter as the server describes it. */
struct filter_recalculation {
    bool wanted;        /* and not done */
    bool waiting;       /* to begin */
    uint64_t waits_for; /* the filter whose recalculation comes first; 0: none, it begins any moment */
    unsigned permille;  /* of the journal's part that is to be read */
};
struct filter_recalculation filter_recalculation_of(const struct json *filter);
/* "25.0% is counted", appended. */
void filter_recalculation_text(const struct filter_recalculation *recalculation, struct buffer *out);
