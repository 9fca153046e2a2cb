/* `tally errors [CODE]`: what a code means, an input that gets it, and what to do. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/error_table.h"
#include "cli/verbs.h"
#include "client/table.h"
#include "config/value.h"

enum { WIDTH = 90, INDENT = 12 };

/* "  name:    text", broken at spaces. */
static void print_part(const char *name, const char *text) {
    int column = printf("  %s:", name);
    column += printf("%*s", INDENT - column, "");
    for (const char *word = text; *word != '\0';) {
        size_t len = strcspn(word, " ");
        if (column > INDENT && column + 1 + (int)len > WIDTH) {
            printf("\n%*s", INDENT, "");
            column = INDENT;
        }
        column += printf("%s%.*s", column > INDENT ? " " : "", (int)len, word);
        word += len + (word[len] == ' ');
    }
    printf("\n");
}

static void print_reject(enum reject reject) {
    struct reject_explanation explanation = reject_explain(reject);
    printf("%s: a line was rejected: %s.\n\n", reject_code(reject), reject_text(reject));
    printf("  example:  %s\n", explanation.example);
    printf("  good:     %s\n", reject == REJECT_BAD_LOG_LINE ? good_log_line : good_json_line);
    print_part("do", explanation.advice);
}

static void print_problem(const struct problem_explanation *problem) {
    printf("%s (HTTP %u): %s.\n\n", problem->type, problem->http_status, problem->text);
    printf("  example:  %s\n", problem->example);
    print_part("do", problem->advice);
}

static void print_all(void) {
    struct table lines = {0}, requests = {0};
    printf("Codes of rejected lines (`errors` of an answer, tally send --rejects):\n");
    for (unsigned i = 0; i < REJECT_CODES; i++) {
        table_cell(&lines, reject_code((enum reject)i));
        table_cell(&lines, reject_text((enum reject)i));
        table_end_row(&lines);
    }
    table_print(&lines, stdout, "  ", false);
    printf("\nTypes of problems (the end of `type` in an answer):\n");
    for (size_t i = 0; i < problem_explanation_count; i++) {
        table_cell(&requests, problem_explanations[i].type);
        table_cell_number(&requests, problem_explanations[i].http_status);
        table_cell(&requests, problem_explanations[i].text);
        table_end_row(&requests);
    }
    table_print(&requests, stdout, "  ", false);
    printf("\n`tally errors CODE` shows an example and what to do.\n");
    table_fini(&lines);
    table_fini(&requests);
}

static int refuse(const char *code) {
    struct suggestion suggestion = {.typed = bytes_of_text(code)};
    for (unsigned i = 0; i < REJECT_CODES; i++) suggestion_offer(&suggestion, reject_code((enum reject)i));
    for (size_t i = 0; i < problem_explanation_count; i++) suggestion_offer(&suggestion, problem_explanations[i].type);
    if (suggestion.best != NULL) {
        cli_say("there is no code %.60s; did you mean %s?", code, suggestion.best);
    } else {
        cli_say("there is no code %.60s; `tally errors` lists all there are", code);
    }
    return CLI_BAD_USAGE;
}

int verb_errors(int argc, char **argv) {
    const struct cli_usage usage = {.verb = "errors",
                                    .summary = "Explains a code of an answer, with an example and what to do; without one, "
                                               "lists all.",
                                    .operands = "[CODE]",
                                    .operands_max = 1};
    int exit_code = cli_parse(&usage, &argc, argv);
    if (exit_code != CLI_CONTINUE) return exit_code;
    if (argc == 1) {
        print_all();
        return CLI_DONE;
    }
    enum reject reject = reject_find(argv[1]);
    const struct problem_explanation *problem = problem_find(argv[1]);
    if (reject != REJECT_NONE) {
        print_reject(reject);
    } else if (problem != NULL) {
        print_problem(problem);
    } else {
        return refuse(argv[1]);
    }
    return CLI_DONE;
}
