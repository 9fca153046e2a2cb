/* filter_show.c: `tally filter list` and `show`: what filters there are. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/filter_print.h"
#include "cli/filter_verbs.h"
#include "client/api.h"

enum { LIST_WIDTH = 40 /* of one part of a filter, on a terminal */ };

int filter_show(int argc, char **argv) {
    static struct config config;
    const char *format = "text";
    const struct cli_flag flags[] = {ANSWER_FORMAT_FLAG(&format)};
    const struct cli_usage usage = {.verb = "filter show",
                                    .summary = "Says what a filter matches and from when it covers.",
                                    .operands = "ID",
                                    .operands_min = 1,
                                    .operands_max = 1,
                                    .flags = flags,
                                    .flag_count = sizeof flags / sizeof flags[0],
                                    .settings = CONFIG_FOR_CLIENT,
                                    .config = &config};
    int exit_code = cli_parse(&usage, &argc, argv);
    if (exit_code != CLI_CONTINUE) return exit_code;
    struct buffer path = {0};
    filter_path(&path, argv[1]);
    exit_code = ask(config.client_url, buffer_view(&path), answer_format_of(format), &filter_shape);
    buffer_fini(&path);
    return exit_code;
}

/* --- list --- */

/* The server answers by pages. */
struct listing {
    enum answer_format format;
    struct table table;
    size_t count; /* filters so far */
};

static const char *const list_columns[] = {"filter_id", "region", "ip", "user_id", "ranked"};
enum { LIST_COLUMNS = sizeof list_columns / sizeof list_columns[0] };

static void add_cell(struct listing *listing, const struct json *page, const char *path) {
    struct buffer value = {0};
    size_t width_max = table_terminal_width(stdout, 0) > 0 ? LIST_WIDTH : SIZE_MAX;
    const char *text = json_text(page, path);
    if (text == NULL) {
        json_append(page, path, &value);
        buffer_append(&value, "", 1);
        text = (const char *)value.at;
    }
    table_cell_cut(&listing->table, text, width_max);
    buffer_fini(&value);
}

static void add_table_row(struct listing *listing, const struct json *page, size_t row) {
    char path[64];
    for (size_t i = 0; i < LIST_COLUMNS; i++) {
        (void)snprintf(path, sizeof path, "filters/%zu/%s", row, list_columns[i]);
        add_cell(listing, page, path);
    }
    (void)snprintf(path, sizeof path, "filters/%zu/covers_from", row);
    const char *from = json_text(page, path);
    table_cell(&listing->table, from != NULL ? from : "everything");
    table_end_row(&listing->table);
}

/* The columns that `tally filter add --file` reads. */
static void print_csv_row(const struct json *page, size_t row) {
    for (size_t i = 0; i < LIST_COLUMNS; i++) {
        char path[64];
        struct buffer value = {0};
        (void)snprintf(path, sizeof path, "filters/%zu/%s", row, list_columns[i]);
        const char *text = json_text(page, path);
        if (text == NULL) json_append(page, path, &value);
        if (i > 0) putchar(',');
        answer_print_csv(text != NULL ? bytes_of_text(text) : buffer_view(&value));
        buffer_fini(&value);
    }
    putchar('\n');
}

static void print_json_row(const struct listing *listing, const struct json *page, size_t row) {
    char path[64];
    struct buffer value = {0};
    (void)snprintf(path, sizeof path, "filters/%zu", row);
    json_append(page, path, &value);
    if (listing->format == ANSWER_JSON && listing->count > 0) putchar(',');
    fwrite(value.at, 1, value.len, stdout);
    if (listing->format == ANSWER_NDJSON) putchar('\n');
    buffer_fini(&value);
}

static void begin_list(struct listing *listing) {
    for (size_t i = 0; i < LIST_COLUMNS; i++) {
        if (listing->format == ANSWER_CSV) printf("%s%s", i > 0 ? "," : "", list_columns[i]);
        if (listing->format == ANSWER_TEXT) table_cell(&listing->table, list_columns[i]);
    }
    if (listing->format == ANSWER_CSV) putchar('\n');
    if (listing->format == ANSWER_JSON) printf("{\"filters\":[");
    if (listing->format != ANSWER_TEXT) return;
    table_cell(&listing->table, "covers from");
    table_end_row(&listing->table);
}

static void list_page(struct listing *listing, const struct json *page) {
    size_t rows = json_count(page, "filters");
    for (size_t row = 0; row < rows; row++) {
        if (listing->format == ANSWER_TEXT)
            add_table_row(listing, page, row);
        else if (listing->format == ANSWER_CSV)
            print_csv_row(page, row);
        else
            print_json_row(listing, page, row);
        listing->count++;
    }
}

static void end_list(struct listing *listing) {
    if (listing->format == ANSWER_JSON) printf("]}\n");
    if (listing->format == ANSWER_TEXT && listing->count > 0) table_print(&listing->table, stdout, "", true);
    if (listing->format == ANSWER_TEXT && listing->count == 0)
        printf("There are no filters. `tally filter add` makes one.\n");
}

/* Begins to print with the first page, so that a server that is not there prints nothing. */
static enum status list_pages(struct http_client *client, struct listing *listing, struct failure *failure) {
    uint64_t cursor = 0;
    enum status status = STATUS_OK;
    for (bool first = true, more = true; more && status == STATUS_OK; first = false) {
        struct json *page = NULL;
        struct buffer path = {0};
        buffer_printf(&path, "/v1/filters?limit=10000&cursor=%llu", (unsigned long long)cursor);
        status = api_get(client, buffer_view(&path), &page, NULL, failure);
        if (status == STATUS_OK && first) begin_list(listing);
        if (status == STATUS_OK) list_page(listing, page);
        more = status == STATUS_OK && json_u64(page, "next_cursor", &cursor);
        json_destroy(page);
        buffer_fini(&path);
    }
    if (status == STATUS_OK) end_list(listing);
    return status;
}

int filter_list(int argc, char **argv) {
    static struct config config;
    const char *format = "text";
    const struct cli_flag flags[] = {ANSWER_FORMAT_FLAG(&format)};
    const struct cli_usage usage = {.verb = "filter list",
                                    .summary = "Lists the filters that stand, by id.",
                                    .flags = flags,
                                    .flag_count = sizeof flags / sizeof flags[0],
                                    .settings = CONFIG_FOR_CLIENT,
                                    .config = &config,
                                    .notes = "What --format csv writes, `tally filter add --file` reads."};
    int exit_code = cli_parse(&usage, &argc, argv);
    if (exit_code != CLI_CONTINUE) return exit_code;
    struct http_client *client = http_client_create(config.client_url, HTTP_CLIENT_TIMEOUT_MS);
    struct listing listing = {.format = answer_format_of(format)};
    struct failure failure = {0};
    exit_code = list_pages(client, &listing, &failure) == STATUS_OK ? CLI_DONE : answer_fail(&failure);
    table_fini(&listing.table);
    http_client_destroy(client);
    return exit_code;
}
