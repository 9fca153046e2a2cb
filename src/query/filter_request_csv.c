/* filter_request_csv.c: filters as CSV (RFC 4180; lines may end with LF alone, a byte order mark is passed over). */
#include "base/check.h"
#include "query/filter_rows.h"

/* The last three are what an export adds (view/export_filters.c): they say what became of a filter where it stood. */
enum column {
    COLUMN_FILTER_ID,
    COLUMN_REGION,
    COLUMN_IP,
    COLUMN_USER_ID,
    COLUMN_RANKED,
    COLUMN_COVERS_FROM,
    COLUMN_NUMBER,
    COLUMN_DELETED,
    COLUMNS
};
static const char *const column_names[COLUMNS] = {"filter_id", "region",      "ip",     "user_id",
                                                  "ranked",    "covers_from", "number", "deleted"};

struct csv {
    struct bytes left;
    uint32_t line; /* of the byte at the front of `left`, from 1 */
    struct filter_rows *rows;

    uint32_t record_line; /* where the record begins */
    size_t field_count;
    struct buffer fields[COLUMNS]; /* text of the record's fields, unquoted */
};

static bool refuse(struct csv *csv, const char *text) {
    return filter_rows_refuse(csv->rows, csv->record_line, NULL, "%s", text);
}

static bool refuse_column(struct csv *csv, size_t column, const char *text) {
    return filter_rows_refuse(csv->rows, csv->record_line, column_names[column], "%s: %s", column_names[column], text);
}

static bool at_end_of_field(const struct csv *csv) {
    return csv->left.len == 0 || csv->left.at[0] == ',' || csv->left.at[0] == '\n' ||
           (csv->left.at[0] == '\r' && (csv->left.len == 1 || csv->left.at[1] == '\n'));
}

static uint8_t take(struct csv *csv) {
    CHECK(csv->left.len > 0);
    uint8_t byte = csv->left.at[0];
    csv->left.at++;
    csv->left.len--;
    csv->line += byte == '\n';
    return byte;
}

static bool read_quoted(struct csv *csv, struct buffer *out) {
    (void)take(csv);
    for (;;) {
        if (csv->left.len == 0) return refuse(csv, "a field begins with a quote and does not end with one");
        uint8_t byte = take(csv);
        if (byte == '"') {
            if (csv->left.len == 0 || csv->left.at[0] != '"') break;
            (void)take(csv);
        }
        buffer_append(out, &byte, 1);
    }
    return at_end_of_field(csv) || refuse(csv, "after a field's last quote only a comma or the end of the line may follow");
}

static bool read_plain(struct csv *csv, struct buffer *out) {
    while (!at_end_of_field(csv)) {
        uint8_t byte = take(csv);
        if (byte == '"') return refuse(csv, "a field with a quote in it must be in quotes, and the quote written twice");
        buffer_append(out, &byte, 1);
    }
    return true;
}

static bool read_field(struct csv *csv) {
    if (csv->field_count == COLUMNS) return refuse(csv, "there are more fields than a filter has columns");
    struct buffer *out = &csv->fields[csv->field_count++];
    buffer_clear(out);
    return csv->left.len > 0 && csv->left.at[0] == '"' ? read_quoted(csv, out) : read_plain(csv, out);
}

static void skip_empty_lines(struct csv *csv) {
    while (csv->left.len > 0 && (csv->left.at[0] == '\n' || (csv->left.at[0] == '\r' && at_end_of_field(csv))))
        (void)take(csv);
}

/* The next record that is not an empty line. `*end` when there is none; false after a flaw. */
static bool read_record(struct csv *csv, bool *end) {
    skip_empty_lines(csv);
    *end = csv->left.len == 0;
    if (*end) return true;
    csv->record_line = csv->line;
    csv->field_count = 0;
    for (;;) {
        if (!read_field(csv)) return false;
        if (csv->left.len == 0 || csv->left.at[0] != ',') return true;
        (void)take(csv);
    }
}

static struct bytes trimmed(const struct buffer *buffer) {
    struct bytes text = buffer_view(buffer);
    while (text.len > 0 && text.at[0] == ' ') {
        text.at++;
        text.len--;
    }
    while (text.len > 0 && text.at[text.len - 1] == ' ') text.len--;
    return text;
}

/* `place[column]` = its field, or COLUMNS. */
static bool place_column(struct csv *csv, size_t field, size_t place[COLUMNS]) {
    struct bytes name = trimmed(&csv->fields[field]);
    for (size_t column = 0; column < COLUMNS; ++column) {
        if (!bytes_equal(name, bytes_of_text(column_names[column]))) continue;
        if (place[column] != COLUMNS) return refuse_column(csv, column, "there are two columns of this name");
        place[column] = field;
        return true;
    }
    return filter_rows_refuse(csv->rows, csv->record_line, NULL,
                              "there is no column \"%.*s\"; the first line names them: filter_id,region,ip,user_id,ranked",
                              name.len < 64 ? (int)name.len : 64, name.len == 0 ? "" : (const char *)name.at);
}

static bool read_header(struct csv *csv, size_t place[COLUMNS]) {
    bool end;
    for (size_t column = 0; column < COLUMNS; ++column) place[column] = COLUMNS;
    if (!read_record(csv, &end)) return false;
    if (end) return refuse(csv, "it is empty; the first line must name the columns: filter_id,region,ip,user_id,ranked");
    for (size_t field = 0; field < csv->field_count; ++field)
        if (!place_column(csv, field, place)) return false;
    for (size_t column = 0; column < COLUMN_RANKED; ++column) {
        if (place[column] == COLUMNS) return refuse_column(csv, column, "there is no column of this name");
    }
    return true;
}

static bool read_yes_or_no(struct csv *csv, const size_t place[COLUMNS], enum column column, bool *yes) {
    *yes = false;
    if (place[column] == COLUMNS) return true;
    struct bytes text = trimmed(&csv->fields[place[column]]);
    *yes = bytes_equal(text, BYTES_LITERAL("true"));
    if (*yes || text.len == 0 || bytes_equal(text, BYTES_LITERAL("false"))) return true;
    return filter_rows_refuse(csv->rows, csv->record_line, column_names[column], "%s is true or false; empty is false",
                              column_names[column]);
}

/* JSON is checked by its library. */
static bool fields_are_utf8(struct csv *csv) {
    for (size_t i = 0; i < csv->field_count; ++i) {
        for (struct bytes left = buffer_view(&csv->fields[i]); left.len > 0;) {
            size_t len = utf8_sequence(left);
            if (len == 0) return refuse(csv, "this is not UTF-8");
            left = (struct bytes){left.at + len, left.len - len};
        }
    }
    return true;
}

static bool add_record(struct csv *csv, const size_t place[COLUMNS], size_t column_count) {
    struct filter_row row = {.number = csv->record_line};
    if (csv->field_count != column_count)
        return filter_rows_refuse(csv->rows, csv->record_line, NULL, "there are %zu fields, but the first line names %zu",
                                  csv->field_count, column_count);
    row.filter_id = trimmed(&csv->fields[place[COLUMN_FILTER_ID]]);
    row.region = buffer_view(&csv->fields[place[COLUMN_REGION]]);
    row.ip = buffer_view(&csv->fields[place[COLUMN_IP]]);
    row.user_id = buffer_view(&csv->fields[place[COLUMN_USER_ID]]);
    bool deleted;
    if (!fields_are_utf8(csv) || !read_yes_or_no(csv, place, COLUMN_RANKED, &row.ranked) ||
        !read_yes_or_no(csv, place, COLUMN_DELETED, &deleted))
        return false;
    return deleted || filter_rows_add(csv->rows, &row);
}

static bool read_records(struct csv *csv) {
    size_t place[COLUMNS];
    if (!read_header(csv, place)) return false;
    const size_t column_count = csv->field_count;
    for (bool end = false;;) {
        if (!read_record(csv, &end)) return false;
        if (end) return true;
        if (!add_record(csv, place, column_count)) return false;
    }
}

bool filter_rows_read_csv(struct filter_rows *rows, struct bytes body) {
    struct csv csv = {.left = body, .line = 1, .rows = rows};
    if (body.len >= 3 && memcmp(body.at, "\xEF\xBB\xBF", 3) == 0) {
        csv.left.at += 3;
        csv.left.len -= 3;
    }
    bool read = read_records(&csv);
    for (size_t i = 0; i < COLUMNS; ++i) buffer_fini(&csv.fields[i]);
    return read;
}
