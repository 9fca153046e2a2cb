/* `tally top`. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/verbs.h"
#include "client/api.h"
#include "client/table.h"

static const char *text_or(const struct json *answer, const char *path, const char *otherwise) {
    const char *text = json_text(answer, path);
    return text != NULL ? text : otherwise;
}

static void print_top(const struct json *answer) {
    struct table table = {0};
    table_cell(&table, "rank");
    table_cell(&table, "clicks");
    table_cell(&table, "ad");
    table_end_row(&table);
    size_t count = json_count(answer, "ads");
    for (size_t i = 0; i < count; i++) {
        char path[64];
        uint64_t clicks = 0;
        table_cell_number(&table, i + 1);
        snprintf(path, sizeof path, "ads/%zu/count", i);
        table_cell_number(&table, json_u64(answer, path, &clicks) ? clicks : 0);
        snprintf(path, sizeof path, "ads/%zu/ad_id", i);
        table_cell(&table, text_or(answer, path, "?"));
        table_end_row(&table);
    }
    uint64_t window = 0;
    if (!json_u64(answer, "window", &window)) window = 0;
    if (count > 0) table_print(&table, stdout, "", true);
    const char *last_minute = json_text(answer, "update_minute");
    if (last_minute == NULL) {
        printf("No clicks yet.\n");
    } else {
        printf("%s %" PRIu64 " minute%s up to and including %s, %s; watermark %s\n",
               count > 0 ? "\nThe" : "No clicks in the", window, window == 1 ? "" : "s", last_minute,
               text_or(answer, "state", "?"), text_or(answer, "watermark", "none"));
    }
    table_fini(&table);
}

int verb_top(int argc, char **argv) {
    static const char *const formats[] = {"text", "json", NULL};
    struct config config;
    const char *window = NULL, *count = NULL, *at = NULL, *filter = NULL, *format = "text";
    const struct cli_flag flags[] = {
        {.name = "window", .argument = "MINUTES", .help = "how many minutes, 1 to 1440", .to_text = &window},
        {.name = "count", .argument = "N", .help = "how many ads, 1 to 1000", .to_text = &count},
        {.name = "at",
         .argument = "TIME",
         .help = "the last minute of the window; without it, the last closed one",
         .to_text = &at},
        {.name = "filter", .argument = "ID", .help = "only clicks of this stored filter", .to_text = &filter},
        {.name = "format",
         .argument = "text|json",
         .help = "how to print the answer",
         .to_text = &format,
         .choices = formats},
    };
    const struct cli_usage usage = {.verb = "top",
                                    .summary = "Asks a server for the ads with the most clicks; by default the 10 first of "
                                               "the last closed minute.",
                                    .flags = flags,
                                    .flag_count = sizeof flags / sizeof flags[0],
                                    .settings = CONFIG_FOR_CLIENT,
                                    .config = &config};
    int exit_code = cli_parse(&usage, &argc, argv);
    if (exit_code != CLI_CONTINUE) return exit_code;
    struct buffer path = {0};
    buffer_append_text(&path, "/v1/ads/popular_ads");
    api_parameter(&path, "count", count != NULL ? count : "10");
    api_parameter(&path, "window", window);
    api_parameter(&path, "at", at);
    api_parameter(&path, "filter", filter);
    exit_code = ask(config.client_url, buffer_view(&path), strcmp(format, "json") == 0, print_top);
    buffer_fini(&path);
    return exit_code;
}
