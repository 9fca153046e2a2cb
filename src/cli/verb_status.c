/* `tally status`. Prints what the server says, member by member, so that a newer server's new members show too. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/verbs.h"
#include "client/api.h"
#include "client/table.h"

enum { PATH_BYTES = 640, WIDTH = 100 /* of what is no terminal */ };

static void add_plain(struct table *table, const struct json *answer, const char *path) {
    struct buffer value = {0};
    json_append_plain(answer, path, &value);
    buffer_append(&value, "", 1);
    table_cell(table, (const char *)value.at);
    buffer_fini(&value);
}

/* False for objects and arrays. */
static bool is_plain(const struct json *answer, const char *path) {
    struct buffer value = {0};
    json_append_plain(answer, path, &value);
    bool plain = value.len > 0;
    buffer_fini(&value);
    return plain;
}

static void join(char path[PATH_BYTES], const char *object, const char *member) {
    int len = snprintf(path, PATH_BYTES, "%s%s%s", object, *object != '\0' ? "/" : "", member);
    CHECK(len > 0);
}

/* The plain members of an object as two columns. */
static void print_members(const struct json *answer, const char *object, const char *indent) {
    struct table table = {0};
    const char *name;
    for (size_t i = 0; (name = json_member(answer, object, i)) != NULL; i++) {
        char path[PATH_BYTES];
        join(path, object, name);
        if (!is_plain(answer, path)) continue;
        table_cell(&table, name);
        add_plain(&table, answer, path);
        table_end_row(&table);
    }
    table_print(&table, stdout, indent, false);
    table_fini(&table);
}

static void print_section(const struct json *answer, const char *object) {
    if (json_count(answer, object) == 0) return;
    printf("\n%s\n", object);
    print_members(answer, object, "  ");
}

/* One row a partition; the columns are the plain members of the first. */
static void print_partitions(const struct json *answer) {
    size_t count = json_count(answer, "partitions");
    if (count == 0) return;
    struct table table = {0};
    const char *names[TABLE_COLUMNS_MAX];
    size_t columns = 0;
    const char *name;
    for (size_t i = 0; (name = json_member(answer, "partitions/0", i)) != NULL && columns < TABLE_COLUMNS_MAX; i++) {
        char path[PATH_BYTES];
        join(path, "partitions/0", name);
        if (!is_plain(answer, path)) continue;
        names[columns++] = name;
        table_cell(&table, name);
    }
    if (columns > 0) table_end_row(&table);
    for (size_t row = 0; row < count && columns > 0; row++) {
        for (size_t column = 0; column < columns; column++) {
            char object[64], path[PATH_BYTES];
            snprintf(object, sizeof object, "partitions/%zu", row);
            join(path, object, names[column]);
            add_plain(&table, answer, path);
        }
        table_end_row(&table);
    }
    printf("\npartitions\n");
    table.width_max = table_terminal_width(stdout, WIDTH);
    table_print(&table, stdout, "  ", true);
    table_fini(&table);
}

static void print_status(const struct json *answer) {
    print_members(answer, "", "");
    const char *name;
    for (size_t i = 0; (name = json_member(answer, "", i)) != NULL; i++) {
        if (json_member(answer, name, 0) == NULL) continue; /* not an object */
        print_section(answer, name);
        char nested[PATH_BYTES];
        join(nested, name, "rejected_by");
        if (json_count(answer, nested) > 0) print_members(answer, nested, "    ");
    }
    print_partitions(answer);
}

/* Every value that is no object or array, with its path: `member,value`. */
static void print_leaves(const struct json *answer, const char *path, enum answer_format format) {
    struct buffer value = {0};
    json_append(answer, path, &value);
    bool nested = value.len > 0 && (value.at[0] == '{' || value.at[0] == '[');
    const char *text = json_text(answer, path), *name;
    if (!nested && format == ANSWER_CSV) {
        printf("%s,", path);
        bool is_null = value.len == 4 && memcmp(value.at, "null", 4) == 0;
        if (!is_null) answer_print_csv(text != NULL ? bytes_of_text(text) : buffer_view(&value));
        putchar('\n');
    } else if (!nested) {
        printf("{\"member\":\"%s\",\"value\":%.*s}\n", path, (int)value.len, (const char *)value.at);
    }
    bool is_array = nested && value.at[0] == '[';
    size_t count = nested ? json_count(answer, path) : 0;
    buffer_fini(&value);
    for (size_t i = 0; i < count; i++) {
        char index[24], below[PATH_BYTES];
        snprintf(index, sizeof index, "%zu", i);
        name = is_array ? index : json_member(answer, path, i);
        join(below, path, name);
        print_leaves(answer, below, format);
    }
}

static void print_status_rows(const struct json *answer, enum answer_format format, bool heading) {
    if (format == ANSWER_CSV && heading) printf("member,value\n");
    print_leaves(answer, "", format);
}

static const struct answer_shape shape = {.print_text = print_status, .print_rows = print_status_rows};

int verb_status(int argc, char **argv) {
    struct config config;
    const char *format = "text";
    const struct cli_flag flags[] = {
        ANSWER_FORMAT_FLAG(&format),
    };
    const struct cli_usage usage = {.verb = "status",
                                    .summary = "Asks a server how it is and what it has counted.",
                                    .flags = flags,
                                    .flag_count = sizeof flags / sizeof flags[0],
                                    .settings = CONFIG_FOR_CLIENT,
                                    .config = &config};
    int exit_code = cli_parse(&usage, &argc, argv);
    if (exit_code != CLI_CONTINUE) return exit_code;
    return ask(config.client_url, bytes_of_text("/v1/status"), answer_format_of(format), &shape);
}
