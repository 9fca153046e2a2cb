/* cli.h: the frame that verbs plug into: flags, usage, exit codes, the check of stdout at the end.
 *
 * Data goes to stdout, everything else (messages, progress) to stderr. A verb looks like this:
 *
 *     int verb_count(int argc, char **argv) {
 *         static struct config config;
 *         uint64_t window = 1;
 *         const struct cli_flag flags[] = {
 *             {.name = "window", .argument = "MINUTES", .help = "how many minutes", .to_count = &window, .min = 1, .max =
 * 1440},
 *         };
 *         const struct cli_usage usage = {.verb = "count", .summary = "Asks for the count of one ad.", .operands = "AD",
 *                                         .operands_min = 1, .operands_max = 1, .flags = flags, .flag_count = 1,
 *                                         .settings = CONFIG_FOR_CLIENT, .config = &config};
 *         int exit_code = cli_parse(&usage, &argc, argv);
 *         if (exit_code != CLI_CONTINUE) return exit_code;
 *         // argv[1] is the ad, config.client_url the server.
 *     }
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "config/config.h"

/* What a process tells its caller; part of the outer contract. */
enum cli_exit {
    CLI_CONTINUE = -1, /* not an exit code: cli_parse found nothing that ends the run */
    CLI_DONE = 0,
    CLI_FAILED = 1,
    CLI_BAD_USAGE = 2, /* usage or configuration */
    CLI_DIFFERENT = 3, /* counts differ */
    CLI_REJECTED = 4,  /* some lines were rejected */
};

/* One flag of a verb. Exactly one `to_*` is set and says how the value is read; what it points to beforehand is the default,
 * which the usage shows (if it is not 0, false, NULL or ""). */
struct cli_flag {
    const char *name;           /* without the dashes */
    const char *argument;       /* what stands for the value in the usage, "URL"; not used with to_switch */
    const char *help;           /* part of a sentence, no full stop */
    bool *to_switch;            /* takes no value */
    const char **to_text;       /* borrowed from argv */
    uint64_t *to_count;         /* decimal digits */
    uint64_t *to_bytes;         /* 2GiB, 64KiB, 1000000 */
    int64_t *to_ms;             /* 250ms, 15s, 96h1m */
    uint64_t min, max;          /* of counts, bytes and ms; max 0: no upper bound */
    const char *const *choices; /* of to_text: the values allowed, ended by NULL; NULL: any */
    bool *given;                /* set to true when the flag is there; may be NULL */
};

enum { CLI_OPERANDS_ANY = -1 };

struct cli_usage {
    const char *verb;
    const char *summary;  /* one sentence */
    const char *operands; /* as the usage shows them, "FILE..."; NULL: none */
    int operands_min, operands_max;
    const struct cli_flag *flags;
    size_t flag_count;
    const char *notes; /* printed last in the usage, with a line end after it; may be NULL */
    /* Which settings (CONFIG_FOR_*, or-ed) are flags of the verb too; with them come --config, the environment and the file.
     * 0: none, and `config` may be NULL. A name both in `flags` and among the settings is a bug, and CHECKed. */
    unsigned settings;
    struct config *config; /* filled in and checked when cli_parse says CLI_CONTINUE */
};

/* Reads `--flag value`, `--flag=value`, operands in between, `--` (only operands follow), `-` (an operand), `-h`, `--help`.
 * CLI_CONTINUE: go on; the operands are argv[1] .. argv[*argc - 1]. CLI_DONE: help was asked for and printed on stdout.
 * CLI_BAD_USAGE: said on stderr why. A flag given twice: the last one holds. */
int cli_parse(const struct cli_usage *usage, int *argc, char **argv) MUST_USE;

/* A message for people: "tally: ..." and a line end, on stderr. */
void cli_say(const char *format, ...) PRINTF_LIKE(1, 2);
/* Says why on stderr; returns CLI_BAD_USAGE for STATUS_BAD_CONFIG and CLI_FAILED for the rest. */
int cli_fail(const struct failure *failure) MUST_USE;

struct cli_verb {
    const char *name;
    const char *text; /* one line */
    int (*run)(int argc, char **argv);
};

/* Finds the verb and runs it, or prints the usage. The table ends with a row without name. The result is the exit code of
 * the process: CLI_FAILED in place of CLI_DONE if what was written to stdout could not all be written. Ignores SIGPIPE. */
int cli_main(const struct cli_verb *verbs, int argc, char **argv) MUST_USE;
