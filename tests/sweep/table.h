/* table.h: what a sweep found, a row for each kind of fault. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum outcome {
    OUTCOME_EXACT,   /* went on or started, with every number right */
    OUTCOME_TORN,    /* started: exact over the whole records, and the rest is kept and reported */
    OUTCOME_REBUILT, /* started: exact, with what was of no use made anew */
    OUTCOME_STOPPED, /* failed while it ran, with its reason */
    OUTCOME_REFUSED, /* did not start, and said why */
    OUTCOMES,
};

enum { TABLE_ROWS_MAX = 64, ROW_NAME_BYTES = 48 };
struct row {
    char name[ROW_NAME_BYTES];
    uint64_t positions, by[OUTCOMES], wrong;
};
struct table {
    struct row rows[TABLE_ROWS_MAX];
    size_t count;
    const char *only;       /* of rows, the beginning of their names; NULL: all */
    uint64_t nth;           /* only this position; 0: all */
    uint64_t share, shares; /* of faults, only the positions of this remainder; shares 0: all */
    const char *script;     /* under way: what repeats it */
};

/* NULL when it is not to be run. The row of that name, made when it is not there. */
struct row *table_row(struct table *table, const char *format, ...) PRINTF_LIKE(2, 3);
/* Whether the position is to be run; from here on a crash names it. */
bool row_begin(const struct table *table, struct row *row, uint64_t position);
bool row_begin_shared(const struct table *table, struct row *row, uint64_t position);
/* `problem` empty: it was as it has to be. Otherwise it is printed with the position. */
void row_end(struct row *row, enum outcome outcome, const char *problem);
void table_print(const struct table *table);
/* What is under way, for the message of a process that dies. */
const char *table_place(void);
