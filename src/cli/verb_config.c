/* `tally config`: what a server with these flags, this environment and this file would be told. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/verbs.h"

static int check(const struct config *config) {
    (void)printf("ok\n");
    if (config->file[0] == '\0') cli_say("no file is given (--config FILE, TALLY_CONFIG): flags and environment are good");
    return CLI_DONE;
}

static int print(void (*printer)(const struct config *config, struct buffer *out), const struct config *config) {
    struct buffer out = {0};
    printer(config, &out);
    (void)fwrite(out.at, 1, out.len, stdout);
    buffer_fini(&out);
    return CLI_DONE;
}

static void print_table(const struct config *config, struct buffer *out) {
    (void)config; /* the table is of what there is, not of what is set */
    config_print_table(out);
}

int verb_config(int argc, char **argv) {
    struct config config;
    const struct cli_usage usage = {
        .verb = "config",
        .summary = "Checks or prints the configuration. Takes the same flags, environment and file as the other verbs.",
        .operands = "check|print|table",
        .operands_min = 1,
        .operands_max = 1,
        .settings = CONFIG_FOR_ALL,
        .config = &config,
        .notes = "check  says ok, or what is wrong and where, with exit code 2\n"
                 "print  writes every value with its source, as YAML that reads back to the same\n"
                 "table  writes every setting with its default, as Markdown",
    };
    int exit_code = cli_parse(&usage, &argc, argv);
    if (exit_code != CLI_CONTINUE) return exit_code;
    if (strcmp(argv[1], "check") == 0) return check(&config);
    if (strcmp(argv[1], "print") == 0) return print(config_print, &config);
    if (strcmp(argv[1], "table") == 0) return print(print_table, &config);
    cli_say("config: \"%.60s\" is not check, print or table", argv[1]);
    return CLI_BAD_USAGE;
}
