/* `tally count AD`. */
#include <stdio.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/choice_flags.h"
#include "cli/cli.h"
#include "cli/verbs.h"
#include "client/api.h"

static void print_count(const struct json *answer) {
    struct table table = {0};
    answer_table_row(&table, "ad", answer, "ad_id");
    answer_table_row(&table, "count", answer, "count");
    answer_table_row(&table, "from", answer, "from");
    answer_table_row(&table, "to", answer, "to");
    choice_table_rows(&table, answer);
    answer_table_row(&table, "state", answer, "state");
    answer_table_row(&table, "watermark", answer, "watermark");
    table_print(&table, stdout, "", false);
    table_fini(&table);
    choice_print_left_out(answer);
}

static const struct answer_column columns[] = {{"ad_id", "ad_id"},
                                               {"from", "from"},
                                               {"to", "to"},
                                               {"count", "count"},
                                               {"state", "state"},
                                               {"filter_id", "filter_id"},
                                               {"watermark", "watermark"},
                                               {"version", "version"},
                                               {"complete", "complete"},
                                               {"covers_from", "covers_from"}};
static const struct answer_shape shape = {
    .columns = columns, .column_count = sizeof columns / sizeof columns[0], .print_text = print_count};

int verb_count(int argc, char **argv) {
    struct config config;
    const char *from = NULL, *to = NULL, *last = NULL, *format = "text";
    struct choice_flags choice = {0};
    const struct cli_flag flags[] = {
        {.name = "from", .argument = "TIME", .help = "first minute, e.g. 2026-01-31T12:00:00Z", .to_text = &from},
        {.name = "to", .argument = "TIME", .help = "the minute after the last", .to_text = &to},
        {.name = "last", .argument = "MINUTES", .help = "so many minutes up to the last closed one", .to_text = &last},
        CHOICE_FLAGS(&choice),
        ANSWER_FORMAT_FLAG(&format),
    };
    const struct cli_usage usage = {.verb = "count",
                                    .summary =
                                        "Asks a server for the count of one ad; by default in the last closed minute.",
                                    .operands = "AD",
                                    .operands_min = 1,
                                    .operands_max = 1,
                                    .flags = flags,
                                    .flag_count = sizeof flags / sizeof flags[0],
                                    .settings = CONFIG_FOR_CLIENT,
                                    .config = &config};
    int exit_code = cli_parse(&usage, &argc, argv);
    if (exit_code != CLI_CONTINUE) return exit_code;
    struct buffer path = {0};
    buffer_append_text(&path, "/v1/ads/");
    api_escape(&path, bytes_of_text(argv[1]));
    buffer_append_text(&path, "/aggregated_cnt");
    api_parameter(&path, "from", from);
    api_parameter(&path, "to", to);
    api_parameter(&path, "last", last);
    choice_append(&choice, &path);
    exit_code = ask(config.client_url, buffer_view(&path), answer_format_of(format), &shape);
    buffer_fini(&path);
    return exit_code;
}
