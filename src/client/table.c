#include "client/table.h"

#include <sys/ioctl.h>
#include <unistd.h>

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

void table_cell_cut(struct table *table, const char *text, size_t max) {
    CHECK(max > 0);
    if (width(text) <= max) {
        table_cell(table, text);
        return;
    }
    struct buffer cut = {0};
    for (size_t count = 0; count < max || (*text & 0xC0) == 0x80; text++) {
        count += (*text & 0xC0) != 0x80;
        if (count == max) break;
        buffer_append(&cut, text, 1);
    }
    buffer_append_text(&cut, "\u2026");
    buffer_append(&cut, "", 1);
    table_cell(table, (const char *)cut.at);
    buffer_fini(&cut);
}

size_t table_terminal_width(FILE *out, size_t otherwise) {
    struct winsize size;
    int fd = fileno(out);
    if (isatty(fd) != 1 || ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return otherwise;
    return size.ws_col;
}

struct layout {
    size_t widths[TABLE_COLUMNS_MAX];
    bool right[TABLE_COLUMNS_MAX];
};

static struct layout lay_out(const struct table *table, size_t rows, bool heading) {
    struct layout layout = {0};
    for (size_t column = 0; column < table->columns; column++) {
        layout.right[column] = true;
        for (size_t row = 0; row < rows; row++) {
            const char *text = cell(table, row, column);
            if (width(text) > layout.widths[column]) layout.widths[column] = width(text);
            if (!(heading && row == 0) && (*text < '0' || *text > '9')) layout.right[column] = false;
        }
    }
    return layout;
}

static void print_cell(FILE *out, const char *text, size_t wanted, bool right, bool last) {
    int pad = (int)(wanted - width(text));
    if (right) fprintf(out, "%*s", pad, "");
    fputs(text, out);
    if (!right && !last) fprintf(out, "%*s", pad, "");
    if (!last) fputs("  ", out);
}

/* The first column, and those of [from, to). */
static void print_block(const struct table *table, FILE *out, const char *indent, const struct layout *layout, size_t rows,
                        size_t from, size_t to) {
    CHECK(from >= 1 && to <= table->columns);
    for (size_t row = 0; row < rows; row++) {
        fputs(indent, out);
        print_cell(out, cell(table, row, 0), layout->widths[0], layout->right[0], from >= to);
        for (size_t column = from; column < to; column++) {
            print_cell(out, cell(table, row, column), layout->widths[column], layout->right[column], column + 1 == to);
        }
        fputc('\n', out);
    }
}

void table_print(const struct table *table, FILE *out, const char *indent, bool heading) {
    CHECK(table->column_count == 0);
    if (table->columns == 0) return;
    size_t rows = table->starts.len / sizeof(size_t) / table->columns, from = 1;
    struct layout layout = lay_out(table, rows, heading);
    do {
        size_t to = from, used = width(indent) + layout.widths[0];
        while (to < table->columns) {
            size_t more = 2 + layout.widths[to];
            if (table->width_max > 0 && to > from && used + more > table->width_max) break; /* one always goes on */
            used += more;
            to++;
        }
        if (from > 1) fputc('\n', out);
        print_block(table, out, indent, &layout, rows, from, to);
        from = to;
    } while (from < table->columns);
}
