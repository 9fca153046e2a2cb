#include "sweep/table.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"

static char place[160] = "nothing";

const char *table_place(void) {
    return place;
}

struct row *table_row(struct table *table, const char *format, ...) {
    char name[ROW_NAME_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    if (table->only != NULL && strncmp(name, table->only, strlen(table->only)) != 0) return NULL;
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(table->rows[i].name, name) == 0) return &table->rows[i];
    CHECK(table->count < TABLE_ROWS_MAX);
    struct row *row = &table->rows[table->count++];
    *row = (struct row){0};
    (void)snprintf(row->name, sizeof row->name, "%s", name);
    return row;
}

bool row_begin(const struct table *table, struct row *row, uint64_t position) {
    if (row == NULL || (table->nth != 0 && table->nth != position)) return false;
    (void)snprintf(place, sizeof place, "--script %s --only '%s' --nth %" PRIu64, table->script, row->name, position);
    return true;
}

bool row_begin_shared(const struct table *table, struct row *row, uint64_t position) {
    return (table->shares == 0 || position % table->shares == table->share) && row_begin(table, row, position);
}

void row_end(struct row *row, enum outcome outcome, const char *problem) {
    row->positions++;
    if (problem[0] == '\0') {
        row->by[outcome]++;
        return;
    }
    if (row->wrong++ < 10) printf("WRONG: sweep %s\n    %s\n", place, problem);
}

void table_print(const struct table *table) {
    printf("%-44s %9s %9s %9s %9s %9s %9s %6s\n", "kind", "positions", "exact", "torn", "rebuilt", "stopped", "refused",
           "wrong");
    for (size_t i = 0; i < table->count; i++) {
        const struct row *row = &table->rows[i];
        printf("%-44s %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %6" PRIu64 "\n",
               row->name, row->positions, row->by[OUTCOME_EXACT], row->by[OUTCOME_TORN], row->by[OUTCOME_REBUILT],
               row->by[OUTCOME_STOPPED], row->by[OUTCOME_REFUSED], row->wrong);
    }
}
