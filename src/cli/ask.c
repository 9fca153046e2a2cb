#include "cli/ask.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "cli/cli.h"
#include "client/api.h"

enum { PATH_BYTES = 128 };

const char *const answer_formats[] = {"text", "json", "csv", "ndjson", NULL};

enum answer_format answer_format_of(const char *text) {
    size_t i = 0;
    while (strcmp(answer_formats[i], text) != 0) i++; /* cli_parse lets nothing else through */
    return (enum answer_format)i;
}

void answer_print_csv(struct bytes value) {
    bool plain = true;
    for (size_t i = 0; i < value.len; i++) plain &= strchr("\",\r\n", value.at[i]) == NULL || value.at[i] == '\0';
    if (plain) {
        fwrite(value.at, 1, value.len, stdout);
        return;
    }
    putchar('"');
    for (size_t i = 0; i < value.len; i++) {
        if (value.at[i] == '"') putchar('"');
        putchar(value.at[i]);
    }
    putchar('"');
}

/* Where a column's value stands in the answer. */
static void locate(const struct answer_shape *shape, const struct answer_column *column, size_t row, char path[PATH_BYTES]) {
    int len = *column->path == '/'  ? snprintf(path, PATH_BYTES, "%s", column->path + 1)
              : shape->rows == NULL ? snprintf(path, PATH_BYTES, "%s", column->path)
                                    : snprintf(path, PATH_BYTES, "%s/%zu/%s", shape->rows, row, column->path);
    CHECK(len > 0 && len < PATH_BYTES);
}

/* A null is an empty value in CSV. */
static void print_value(const struct json *answer, const char *path, bool as_csv) {
    const char *text = as_csv ? json_text(answer, path) : NULL;
    struct buffer value = {0};
    if (text == NULL) json_append(answer, path, &value);
    bool is_null = value.len == 4 && memcmp(value.at, "null", 4) == 0;
    if (!as_csv) {
        if (value.len == 0) buffer_append_text(&value, "null");
        fwrite(value.at, 1, value.len, stdout);
    } else if (!is_null) {
        answer_print_csv(text != NULL ? bytes_of_text(text) : buffer_view(&value));
    }
    buffer_fini(&value);
}

static void print_row(const struct json *answer, const struct answer_shape *shape, size_t row, bool as_csv) {
    if (!as_csv) putchar('{');
    for (size_t i = 0; i < shape->column_count; i++) {
        const struct answer_column *column = &shape->columns[i];
        if (i > 0) putchar(',');
        if (!as_csv) printf("\"%s\":", column->name);
        if (strcmp(column->path, "#") == 0) {
            printf("%zu", row + 1);
            continue;
        }
        char path[PATH_BYTES];
        locate(shape, column, row, path);
        print_value(answer, path, as_csv);
    }
    fputs(as_csv ? "\n" : "}\n", stdout);
}

static void print_rows(const struct json *answer, enum answer_format format, const struct answer_shape *shape,
                       bool heading) {
    bool as_csv = format == ANSWER_CSV;
    for (size_t i = 0; i < shape->column_count && as_csv && heading; i++) {
        printf("%s%s", shape->columns[i].name, i + 1 < shape->column_count ? "," : "\n");
    }
    size_t rows = shape->rows != NULL ? json_count(answer, shape->rows) : 1;
    for (size_t row = 0; row < rows; row++) print_row(answer, shape, row, as_csv);
}

void answer_print(const struct json *answer, struct bytes raw, enum answer_format format, const struct answer_shape *shape,
                  bool heading) {
    switch (format) {
    case ANSWER_TEXT:
        shape->print_text(answer);
        break;
    case ANSWER_JSON:
        fwrite(raw.at, 1, raw.len, stdout);
        if (raw.len > 0 && raw.at[raw.len - 1] != '\n') putchar('\n');
        break;
    case ANSWER_CSV:
    case ANSWER_NDJSON:
        if (shape->print_rows != NULL) {
            shape->print_rows(answer, format, heading);
        } else {
            print_rows(answer, format, shape, heading);
        }
    }
}

int answer_fail(const struct failure *failure) {
    int exit_code = cli_fail(failure);
    return failure->status == STATUS_BAD_INPUT ? CLI_BAD_USAGE : exit_code;
}

void answer_table_row(struct table *table, const char *name, const struct json *answer, const char *path) {
    struct buffer value = {0};
    json_append_plain(answer, path, &value);
    if (value.len > 0) {
        buffer_append(&value, "", 1);
        table_cell(table, name);
        table_cell(table, (const char *)value.at);
        table_end_row(table);
    }
    buffer_fini(&value);
}

int ask(const char *url, struct bytes path, enum answer_format format, const struct answer_shape *shape) {
    struct http_client *client = http_client_create(url, HTTP_CLIENT_TIMEOUT_MS);
    struct json *answer = NULL;
    struct buffer raw = {0};
    struct failure failure = {0};
    enum status status = api_get(client, path, &answer, &raw, &failure);
    if (status == STATUS_OK) answer_print(answer, buffer_view(&raw), format, shape, true);
    int exit_code = status == STATUS_OK ? CLI_DONE : answer_fail(&failure);
    json_destroy(answer);
    buffer_fini(&raw);
    http_client_destroy(client);
    return exit_code;
}
