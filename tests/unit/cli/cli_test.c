#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/cli.h"

/* What the last run wrote, and what the verb under test was given. */
static char said[4096], printed[8192];
static struct {
    bool ran, quiet, batch_given;
    const char *format;
    uint64_t batch, memory;
    int64_t wait_ms;
    int operand_count;
    char operands[4][16];
    struct config config;
} got;

static int verb_feed(int argc, char **argv) {
    static const char *const formats[] = {"text", "json", NULL};
    got.batch = 1000;
    got.memory = 1024;
    got.wait_ms = 0;
    got.format = "text";
    const struct cli_flag flags[] = {
        {.name = "batch",
         .argument = "N",
         .help = "lines",
         .to_count = &got.batch,
         .min = 1,
         .max = 9999,
         .given = &got.batch_given},
        {.name = "format", .argument = "text|json", .help = "how", .to_text = &got.format, .choices = formats},
        {.name = "wait", .argument = "DURATION", .help = "how long", .to_ms = &got.wait_ms, .min = 10},
        {.name = "memory", .argument = "SIZE", .help = "how much", .to_bytes = &got.memory},
        {.name = "quiet", .help = "say nothing", .to_switch = &got.quiet},
    };
    const struct cli_usage usage = {.verb = "feed",
                                    .summary = "Feeds.",
                                    .operands = "FILE...",
                                    .operands_min = 1,
                                    .operands_max = 3,
                                    .flags = flags,
                                    .flag_count = sizeof flags / sizeof flags[0],
                                    .notes = "Notes.",
                                    .settings = CONFIG_FOR_CLIENT,
                                    .config = &got.config};
    int exit_code = cli_parse(&usage, &argc, argv);
    if (exit_code != CLI_CONTINUE) return exit_code;
    got.ran = true;
    got.operand_count = argc - 1;
    for (int i = 1; i < argc; i++) (void)snprintf(got.operands[i - 1], sizeof got.operands[0], "%s", argv[i]);
    return CLI_REJECTED;
}

static int verb_plain(int argc, char **argv) {
    const struct cli_usage usage = {.verb = "plain", .summary = "Does little."};
    int exit_code = cli_parse(&usage, &argc, argv);
    if (exit_code != CLI_CONTINUE) return exit_code;
    (void)printf("data\n");
    return CLI_DONE;
}

static int verb_version(int argc, char **argv) {
    (void)argv;
    (void)printf("version with %d arguments\n", argc - 1);
    return CLI_DONE;
}

static const struct cli_verb verbs[] = {
    {"feed", "feed it", verb_feed}, {"plain", "plain it", verb_plain}, {"version", "which", verb_version}, {0}};

static void read_back(FILE *file, char *out, size_t capacity) {
    rewind(file);
    size_t len = fread(out, 1, capacity - 1, file);
    out[len] = '\0';
    (void)fclose(file);
}

/* Runs with these arguments (separated by spaces) after "tally", with stdout and stderr caught. */
static int run(const char *arguments) {
    static char copy[256], name[] = "tally"; /* to_text flags borrow from argv, and the tests look at them after the run */
    char *argv[20] = {name};
    int argc = 1;
    (void)snprintf(copy, sizeof copy, "%s", arguments);
    for (char *at = strtok(copy, " "); at != NULL; at = strtok(NULL, " ")) argv[argc++] = at;
    memset(&got, 0, sizeof got);
    FILE *out = tmpfile(), *err = tmpfile();
    assert_true(out != NULL && err != NULL);
    (void)fflush(stdout);
    int old_out = dup(STDOUT_FILENO), old_err = dup(STDERR_FILENO);
    (void)dup2(fileno(out), STDOUT_FILENO);
    (void)dup2(fileno(err), STDERR_FILENO);
    int exit_code = cli_main(verbs, argc, argv);
    (void)dup2(old_out, STDOUT_FILENO);
    (void)dup2(old_err, STDERR_FILENO);
    (void)close(old_out);
    (void)close(old_err);
    read_back(out, printed, sizeof printed);
    read_back(err, said, sizeof said);
    return exit_code;
}

static void assert_refused(const char *arguments, const char *message) {
    assert_int_equal(run(arguments), CLI_BAD_USAGE);
    assert_false(got.ran);
    assert_string_equal(printed, "");
    assert_string_equal(said, message);
}

static void without_a_verb_the_usage_goes_to_stderr(void **state) {
    (void)state;
    assert_int_equal(run(""), CLI_BAD_USAGE);
    assert_string_equal(printed, "");
    assert_non_null(strstr(said, "  feed         feed it\n"));
}

static void help_names_every_verb_on_stdout(void **state) {
    (void)state;
    static const char *const ways[] = {"--help", "-h", "help"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(run(ways[i]), CLI_DONE);
        assert_string_equal(said, "");
        assert_non_null(strstr(printed, "  feed         feed it\n"));
        assert_non_null(strstr(printed, "  plain        plain it\n"));
    }
    assert_int_equal(run("--version"), CLI_DONE);
    assert_string_equal(printed, "version with 0 arguments\n");
}

static void an_unknown_verb_is_refused_with_what_was_meant(void **state) {
    (void)state;
    assert_refused("fede", "tally: \"fede\" is not a verb; did you mean feed?\n");
    assert_refused("xyzzy --help", "tally: \"xyzzy\" is not a verb; `tally --help` shows all there are\n");
    assert_refused("help palin", "tally: \"palin\" is not a verb; did you mean plain?\n");
}

static void flags_and_operands_may_mix(void **state) {
    (void)state;
    assert_int_equal(run("feed a --batch 5 - --format=json --wait 1m30s b --memory=2MiB --quiet --url http://h:1"),
                     CLI_REJECTED);
    assert_string_equal(said, "");
    assert_true(got.ran && got.quiet && got.batch_given);
    assert_int_equal(got.batch, 5);
    assert_string_equal(got.format, "json");
    assert_int_equal(got.wait_ms, 90 * SECOND_MS);
    assert_int_equal(got.memory, 2 << 20);
    assert_string_equal(got.config.client_url, "http://h:1");
    assert_int_equal(got.operand_count, 3);
    assert_string_equal(got.operands[0], "a");
    assert_string_equal(got.operands[1], "-");
    assert_string_equal(got.operands[2], "b");
}

static void flags_not_given_keep_their_defaults(void **state) {
    (void)state;
    assert_int_equal(run("feed a"), CLI_REJECTED);
    assert_int_equal(got.batch, 1000);
    assert_false(got.batch_given || got.quiet);
    assert_string_equal(got.format, "text");
    assert_string_equal(got.config.client_url, "http://127.0.0.1:8080");
}

static void two_dashes_end_the_flags_and_the_last_of_a_flag_holds(void **state) {
    (void)state;
    assert_int_equal(run("feed --batch 1 --batch 2 -- --batch -h"), CLI_REJECTED);
    assert_int_equal(got.batch, 2);
    assert_int_equal(got.operand_count, 2);
    assert_string_equal(got.operands[0], "--batch");
    assert_string_equal(got.operands[1], "-h");
}

static void bad_flags_are_refused_with_a_reason(void **state) {
    (void)state;
    assert_refused("feed a --bacth 5", "tally: --bacth is not a flag of feed; did you mean --batch?\n");
    assert_refused("feed a --utl=x", "tally: --utl is not a flag of feed; did you mean --url?\n");
    assert_refused("feed a --lateness 1h",
                   "tally: --lateness is not a flag of feed; `tally feed --help` shows all there are\n");
    assert_refused("plain --config x", "tally: --config is not a flag of plain; `tally plain --help` shows all there are\n");
    assert_refused("feed a -b", "tally: \"-b\" is not a flag of feed; flags begin with --\n");
    assert_refused("feed a --batch", "tally: --batch needs a value\n");
    assert_refused("feed a --batch --quiet", "tally: --batch needs a value\n");
    assert_refused("feed a --quiet=yes", "tally: --quiet takes no value\n");
    assert_refused("feed a --batch x", "tally: --batch: \"x\" is not a count; write digits, e.g. 4 or 1000000\n");
    assert_refused("feed a --batch=", "tally: --batch: \"\" is not a count; write digits, e.g. 4 or 1000000\n");
    assert_refused("feed a --batch 0", "tally: --batch: \"0\" is out of range; it goes from 1 to 9999\n");
    assert_refused("feed a --batch 10000", "tally: --batch: \"10000\" is out of range; it goes from 1 to 9999\n");
    assert_refused("feed a --wait 5", "tally: --wait: \"5\" is not a duration; write e.g. 15s, 24h or 96h1m\n");
    assert_refused("feed a --wait 9ms", "tally: --wait: \"9ms\" is out of range; it goes from 10ms up\n");
    assert_refused("feed a --memory 5G", "tally: --memory: \"5G\" is not a size; write e.g. 64KiB, 512MiB or 2GiB\n");
    assert_refused("feed a --format xml", "tally: --format: \"xml\" is not one of its values; write text or json\n");
    assert_refused("feed a --url x", "tally: --url: \"x\" is not a URL; write e.g. http://127.0.0.1:8080\n");
    assert_refused("feed a --config /nonexistent",
                   "tally: /nonexistent: cannot be opened: No such file or directory (named by --config)\n");
    assert_refused("feed", "tally: feed needs FILE...; `tally feed --help` says more\n");
    assert_refused("feed a b c d", "tally: \"d\" is one argument too many for feed; `tally feed --help` says more\n");
    assert_refused("plain x", "tally: \"x\" is one argument too many for plain; `tally plain --help` says more\n");
}

static void the_help_of_a_verb_shows_all_its_flags(void **state) {
    (void)state;
    assert_int_equal(run("feed --batch 7 --help"), CLI_DONE);
    assert_false(got.ran);
    static const char *const parts[] = {"Usage: tally feed [FLAGS] FILE...\n\nFeeds.\n",
                                        "  --batch N ",
                                        "  --format text|json ",
                                        "(default text)",
                                        "  --quiet ",
                                        "  --memory SIZE ",
                                        "(default 1KiB)",
                                        "  --config FILE ",
                                        "  --url URL ",
                                        "(default http://127.0.0.1:8080)",
                                        "\nNotes.\n"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) assert_non_null(strstr(printed, parts[i]));
    assert_null(strstr(printed, "--lateness"));
    assert_int_equal(run("help plain"), CLI_DONE);
    assert_memory_equal(printed, "Usage: tally plain [FLAGS]\n", 27);
}

static void data_goes_to_stdout(void **state) {
    (void)state;
    assert_int_equal(run("plain"), CLI_DONE);
    assert_string_equal(printed, "data\n");
    assert_string_equal(said, "");
}

static void a_failure_of_configuration_is_told_apart(void **state) {
    (void)state;
    FILE *err = tmpfile();
    assert_non_null(err);
    int old_err = dup(STDERR_FILENO);
    (void)dup2(fileno(err), STDERR_FILENO);
    struct failure failure = {.status = STATUS_BAD_CONFIG, .text = "wrong"};
    int configuration = cli_fail(&failure);
    failure = (struct failure){.status = STATUS_NO_SPACE};
    int other = cli_fail(&failure);
    (void)dup2(old_err, STDERR_FILENO);
    (void)close(old_err);
    read_back(err, said, sizeof said);
    assert_int_equal(configuration, CLI_BAD_USAGE);
    assert_int_equal(other, CLI_FAILED);
    assert_string_equal(said, "tally: wrong\ntally: no space left\n");
}

/* The last test: a stream that failed keeps its mark. */
static void a_full_disk_behind_stdout_is_a_failure(void **state) {
    (void)state;
    FILE *full = fopen("/dev/full", "w");
    if (full == NULL) skip();
    char name[] = "tally", verb[] = "plain";
    char *argv[] = {name, verb, NULL};
    (void)fflush(stdout);
    int old_out = dup(STDOUT_FILENO);
    (void)dup2(fileno(full), STDOUT_FILENO);
    int exit_code = cli_main(verbs, 2, argv);
    (void)dup2(old_out, STDOUT_FILENO);
    (void)close(old_out);
    (void)fclose(full);
    clearerr(stdout);
    assert_int_equal(exit_code, CLI_FAILED);
}

int main(void) {
    (void)unsetenv("TALLY_CONFIG");
    (void)unsetenv("TALLY_CLIENT_URL");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_verb_the_usage_goes_to_stderr),
        cmocka_unit_test(help_names_every_verb_on_stdout),
        cmocka_unit_test(an_unknown_verb_is_refused_with_what_was_meant),
        cmocka_unit_test(flags_and_operands_may_mix),
        cmocka_unit_test(flags_not_given_keep_their_defaults),
        cmocka_unit_test(two_dashes_end_the_flags_and_the_last_of_a_flag_holds),
        cmocka_unit_test(bad_flags_are_refused_with_a_reason),
        cmocka_unit_test(the_help_of_a_verb_shows_all_its_flags),
        cmocka_unit_test(data_goes_to_stdout),
        cmocka_unit_test(a_failure_of_configuration_is_told_apart),
        cmocka_unit_test(a_full_disk_behind_stdout_is_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
