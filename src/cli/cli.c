#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "config/value.h"

void cli_say(const char *format, ...) {
    /* One write for the whole line, so that lines of several threads do not mix. */
    char line[2048];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    (void)fprintf(stderr, "tally: %s\n", line);
}

int cli_fail(const struct failure *failure) {
    CHECK(failure->status != STATUS_OK);
    cli_say("%s", failure->text[0] != '\0' ? failure->text : status_text(failure->status));
    return failure->status == STATUS_BAD_CONFIG ? CLI_BAD_USAGE : CLI_FAILED;
}

/* A process may be started with 0, 1 or 2 closed; the next file opened, a journal segment maybe, would take that number and
 * get what is printed. Read-only, so that printing to a closed stdout still fails. */
static void occupy_standard_files(void) {
    int opened;
    do {
        opened = open("/dev/null", O_RDONLY);
    } while (opened >= 0 && opened <= STDERR_FILENO);
    if (opened >= 0) (void)close(opened);
}

static void print_verbs(FILE *to, const struct cli_verb *verbs) {
    (void)fprintf(to, "Usage: tally VERB [FLAGS]\n\n"
                      "Counts ad clicks: every click once, every number with its proof.\n\n");
    for (; verbs->name != NULL; verbs++) (void)fprintf(to, "  %-11s  %s\n", verbs->name, verbs->text);
    (void)fprintf(to, "\n`tally VERB --help` shows what a verb takes. Start with `tally demo`.\n");
}

static const struct cli_verb *find_verb(const struct cli_verb *verbs, const char *name) {
    while (verbs->name != NULL && strcmp(verbs->name, name) != 0) verbs++;
    return verbs;
}

static int run_verb(const struct cli_verb *verbs, int argc, char **argv) {
    CHECK(argc >= 1);
    const struct cli_verb *verb = find_verb(verbs, argv[0]);
    if (verb->name != NULL) return verb->run(argc, argv);
    struct suggestion suggestion = {.typed = bytes_of_text(argv[0])};
    for (const struct cli_verb *at = verbs; at->name != NULL; at++) suggestion_offer(&suggestion, at->name);
    struct buffer message = {0};
    value_print_quoted(bytes_of_text(argv[0]), &message);
    buffer_printf(&message, " is not a verb; ");
    if (suggestion.best != NULL) {
        buffer_printf(&message, "did you mean %s?", suggestion.best);
    } else {
        buffer_append_text(&message, "`tally --help` shows all there are");
    }
    cli_say("%.*s", (int)message.len, (const char *)message.at);
    buffer_fini(&message);
    return CLI_BAD_USAGE;
}

static int dispatch(const struct cli_verb *verbs, int argc, char **argv) {
    if (argc < 2) {
        print_verbs(stderr, verbs);
        return CLI_BAD_USAGE;
    }
    bool help = strcmp(argv[1], "help") == 0;
    if (help && argc > 2) {
        char dashes[] = "--help";
        char *arguments[] = {argv[2], dashes, NULL};
        return run_verb(verbs, 2, arguments);
    }
    if (help || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_verbs(stdout, verbs);
        return CLI_DONE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        char version[] = "version";
        char *arguments[] = {version, NULL};
        return run_verb(verbs, 1, arguments);
    }
    return run_verb(verbs, argc - 1, argv + 1);
}

int cli_main(const struct cli_verb *verbs, int argc, char **argv) {
    occupy_standard_files();
    /* A reader that went away is an error of write, not the death of a server. */
    (void)signal(SIGPIPE, SIG_IGN);
    int exit_code = dispatch(verbs, argc, argv);
    CHECK(exit_code >= CLI_DONE && exit_code <= CLI_REJECTED);
    bool failed = ferror(stdout) != 0;
    errno = 0;
    if (fflush(stdout) != 0 || failed) {
        if (errno != 0) {
            cli_say("stdout could not be written: %s", strerror(errno));
        } else {
            cli_say("stdout could not be written");
        }
        if (exit_code == CLI_DONE) exit_code = CLI_FAILED;
    }
    return exit_code;
}
