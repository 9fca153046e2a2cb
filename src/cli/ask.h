/* ask.h: one question of a verb to a server, answered on stdout: for people by the verb's own print, for programs in the
 * format that they asked for. */
#pragma once

#include "base/bytes.h"
#include "client/http_client.h"
#include "client/json.h"
#include "client/table.h"

enum answer_format { ANSWER_TEXT, ANSWER_JSON, ANSWER_CSV, ANSWER_NDJSON };
extern const char *const answer_formats[]; /* choices of the flag --format, ended by NULL */
enum answer_format answer_format_of(const char *text);
#define ANSWER_FORMAT_FLAG(variable)                                                                                        \
    {                                                                                                                       \
        .name = "format", .argument = "text|json|csv|ndjson",                                                               \
        .help = "how to print the answer: for people, as the server gave it, or a line a row", .to_text = (variable),       \
        .choices = answer_formats                                                                                           \
    }

/* A column of CSV and NDJSON. */
struct answer_column {
    const char *name;
    const char *path; /* in the row's own value; from the answer when it begins with '/'; "#" is the row's number from 1 */
};

struct answer_shape {
    const char *rows; /* path of an array, a row each; NULL: the answer is the only row */
    const struct answer_column *columns;
    size_t column_count;
    void (*print_text)(const struct json *answer);
    /* In place of rows and columns, for answers of another shape; NULL: none. */
    void (*print_rows)(const struct json *answer, enum answer_format format, bool heading);
};

/* GET `path`; exit code of cli.h. */
int ask(const char *url, struct bytes path, enum answer_format format, const struct answer_shape *shape);

/* Prints an answer; `raw` is as the server gave it. `heading`: the first line of CSV. */
void answer_print(const struct json *answer, struct bytes raw, enum answer_format format, const struct answer_shape *shape,
                  bool heading);
/* Exit code after a failed question, said on stderr: a wrong one is bad usage. */
int answer_fail(const struct failure *failure);
/* A row of a name and the value at `path` as people read it; none when there is no such value. */
void answer_table_row(struct table *table, const char *name, const struct json *answer, const char *path);
/* One value of CSV (RFC 4180: quoted only when it must be), without a comma. */
void answer_print_csv(struct bytes value);
