/* `tally filter`. */
#include <string.h>

#include "base/check.h"
#include "cli/cli.h"
#include "cli/filter_verbs.h"
#include "cli/verbs.h"
#include "config/value.h"

static const struct cli_verb parts[] = {
    {"add", "", filter_add},       {"list", "", filter_list},       {"show", "", filter_show},
    {"delete", "", filter_delete}, {"explain", "", filter_explain}, {0},
};

static int refuse(const char *name) {
    struct suggestion suggestion = {.typed = bytes_of_text(name)};
    for (const struct cli_verb *part = parts; part->name != NULL; part++) suggestion_offer(&suggestion, part->name);
    if (suggestion.best != NULL)
        cli_say("filter: \"%.60s\" is not one of its parts; did you mean %s?", name, suggestion.best);
    else
        cli_say("filter: \"%.60s\" is not add, list, show, delete or explain", name);
    return CLI_BAD_USAGE;
}

int verb_filter(int argc, char **argv) {
    static struct config config;
    const struct cli_usage usage = {
        .verb = "filter",
        .summary = "Stored filters: each picks clicks by region, ip and user_id, and questions can name it.",
        .operands = "add|list|show|delete|explain ...",
        .operands_min = 1,
        .operands_max = CLI_OPERANDS_ANY,
        .settings = CONFIG_FOR_CLIENT,
        .config = &config,
        .notes = "add ID [--region LIST] [--ip LIST] [--user-id LIST] [--ranked]   make one\n"
                 "add --file FILE      make all of a CSV or JSON file, or none\n"
                 "list                 all that stand\n"
                 "show ID              what it matches, and from when it covers\n"
                 "delete ID            no count of all clicks or another filter changes; the id stays taken\n"
                 "explain ID CLICK|-   why a click (a log line or JSON) matches, or why not\n"
                 "`tally filter add --help` and so on say more."};
    for (const struct cli_verb *part = parts; argc > 1 && part->name != NULL; part++)
        if (strcmp(argv[1], part->name) == 0) return part->run(argc - 1, argv + 1);
    if (argc > 1 && argv[1][0] != '-') return refuse(argv[1]);
    int exit_code = cli_parse(&usage, &argc, argv);
    if (exit_code != CLI_CONTINUE) return exit_code;
    cli_say("filter: write add, list, show, delete or explain first, flags behind it");
    return CLI_BAD_USAGE;
}
