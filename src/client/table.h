/* table.h: aligned columns for people. Columns whose cells all begin with a digit are aligned to the right. */
#pragma once

#include <stdio.h>

#include "base/bytes.h"

enum { TABLE_COLUMNS_MAX = 32, TABLE_NUMBER_BYTES = 32 };

/* {0} is an empty table. */
struct table {
    struct buffer text;   /* the cells, each with its NUL */
    struct buffer starts; /* size_t offsets of the cells in `text` */
    size_t column_count;  /* cells of the row that is being added; then of all rows */
    size_t columns;       /* 0 until the first row has ended */
    size_t width_max;     /* in characters, of a line with its indent; 0: any. What does not fit goes below, in further
                           * blocks that begin with the first column again */
};

void table_fini(struct table *table);
/* Adds a cell to the row. Control characters become '?': ad ids are anyone's bytes. */
void table_cell(struct table *table, const char *text);
/* The same, but of a longer text only as much as goes into `width` characters, the last of them "…". */
void table_cell_cut(struct table *table, const char *text, size_t width);
void table_cell_number(struct table *table, uint64_t value);
/* Ends the row; every row has as many cells as the first (CHECK). */
void table_end_row(struct table *table);
/* With two spaces between the columns, each line begun with `indent`. The first row is a heading if `heading`. */
void table_print(const struct table *table, FILE *out, const char *indent, bool heading);

/* Of the terminal that `out` is; `otherwise` when it is none. */
size_t table_terminal_width(FILE *out, size_t otherwise);

/* 1234567 as "1,234,567". Returns `text`. */
const char *table_number(uint64_t value, char text[TABLE_NUMBER_BYTES]);
