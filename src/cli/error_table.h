/* error_table.h: every code and problem type that a server answers, explained for people. */
#pragma once

#include <stddef.h>

#include "click/reject.h"

/* Of a rejected line. Static storage; every member is there for every code of click/reject.h (CHECK). */
struct reject_explanation {
    const char *example; /* a line that gets it */
    const char *advice;
};
struct reject_explanation reject_explain(enum reject reject);
/* By its code; '-' and '_' are the same. REJECT_NONE when there is no such code. */
enum reject reject_find(const char *code);

/* Of a request that was refused: the end of an RFC 9457 type, after "urn:tally:problem:". */
struct problem_explanation {
    const char *type;
    unsigned http_status;
    const char *text;
    const char *example; /* a request that gets it */
    const char *advice;
};
extern const struct problem_explanation problem_explanations[];
extern const size_t problem_explanation_count;
/* NULL when there is no such type; '-' and '_' are the same, and "urn:tally:problem:" may stand before it. */
const struct problem_explanation *problem_find(const char *type);

/* Lines that are taken, one of each kind. */
extern const char *const good_json_line;
extern const char *const good_log_line;
