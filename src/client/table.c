#include "client/table.h"

#include "base/check.h"

void table_fini(struct table *table) {
    buffer_fini(&table->text);
    buffer_fini(&table->starts);
}

void table_cell(struct table *table, const char *text) {
    CHECK(table->column_count < TABLE_COLUMNS_MAX);
    buffer_append(&table->starts, &table->text.len, sizeof table->text.len);
    size_t from = table->text.len;
    buffer_append(&table->text, text, strlen(text) + 1);
    for (uint8_t *at = table->text.at + from; *at != '\0'; at++) {
        if (*at < 0x20 || *at == 0x7F) *at = '?';
    }
    table->column_count++;
}

const char *table_number(uint64_t value, char text[TABLE_NUMBER_BYTES]) {
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)value);
    char *out = text;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) *out++ = ',';
        *out++ = digits[i];
    }
    *out = '\0';
    return text;
}

void table_cell_number(struct table *table, uint64_t value) {
    char text[TABLE_NUMBER_BYTES];
    table_cell(table, table_number(value, text));
}

void table_end_row(struct table *table) {
    if (table->columns == 0) table->columns = table->column_count;
    CHECK(table->column_count == table->columns);
    table->column_count = 0;
}

/* In characters, not bytes: UTF-8 continuation bytes take no room. */
static size_t width(const char *text) {
    size_t count = 0;
    for (; *text != '\0'; text++) count += (*text & 0xC0) != 0x80;
    return count;
}

static const char *cell(const struct table *table, size_t row, size_t column) {
    size_t start;
    memcpy(&start, table->starts.at + (row * table->columns + column) * sizeof start, sizeof start);
    return (const char *)table->text.at + start;
}

void table_print(const struct table *table, FILE *out, const char *indent, bool heading) {
    CHECK(table->column_count == 0);
    if (table->columns == 0) return;
    size_t rows = table->starts.len / sizeof(size_t) / table->columns;
    size_t widths[TABLE_COLUMNS_MAX] = {0};
    bool right[TABLE_COLUMNS_MAX];
    for (size_t column = 0; column < table->columns; column++) {
        right[column] = true;
        for (size_t row = 0; row < rows; row++) {
            const char *text = cell(table, row, column);
            if (width(text) > widths[column]) widths[column] = width(text);
            if (!(heading && row == 0) && (*text < '0' || *text > '9')) right[column] = false;
        }
    }
    for (size_t row = 0; row < rows; row++) {
        fputs(indent, out);
        for (size_t column = 0; column < table->columns; column++) {
            const char *text = cell(table, row, column);
            int pad = (int)(widths[column] - width(text));
            bool last = column + 1 == table->columns;
            if (right[column]) fprintf(out, "%*s", pad, "");
            fputs(text, out);
            if (!right[column] && !last) fprintf(out, "%*s", pad, "");
            if (!last) fputs("  ", out);
        }
        fputc('\n', out);
    }
}
