#include <stdio.h>

#include "cli/cli.h"
#include "cli/verbs.h"

int verb_version(int argc, char **argv) {
    const struct cli_usage usage = {.verb = "version", .summary = "Prints the version of tally."};
    int exit_code = cli_parse(&usage, &argc, argv);
    if (exit_code != CLI_CONTINUE) return exit_code;
    (void)printf("tally %s\n", TALLY_VERSION);
    return CLI_DONE;
}
