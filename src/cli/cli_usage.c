#include "cli/cli_usage.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config/value.h"

enum { HELP_COLUMN = 34, WIDTH = 110 };

/* "  --name ARGUMENT", then the help from HELP_COLUMN on, broken at spaces before WIDTH. */
static void print_flag(const char *name, const char *argument, const char *help, const char *standard) {
    struct buffer text = {0};
    buffer_append_text(&text, help);
    if (standard != NULL && standard[0] != '\0') buffer_printf(&text, " (default %s)", standard);
    int column = printf("  --%s%s%s", name, argument != NULL ? " " : "", argument != NULL ? argument : "");
    if (column >= HELP_COLUMN - 1) {
        (void)printf("\n");
        column = 0;
    }
    (void)printf("%*s", HELP_COLUMN - column, "");
    column = HELP_COLUMN;
    for (size_t at = 0; at < text.len;) {
        const char *word = (const char *)text.at + at;
        const char *space = memchr(word, ' ', text.len - at);
        size_t len = space != NULL ? (size_t)(space - word) : text.len - at;
        bool first = column == HELP_COLUMN;
        if (!first && column + 1 + (int)len > WIDTH) {
            (void)printf("\n%*s", HELP_COLUMN, "");
            column = HELP_COLUMN;
            first = true;
        }
        column += printf("%s%.*s", first ? "" : " ", (int)len, word);
        at += len + 1;
    }
    (void)printf("\n");
    buffer_fini(&text);
}

static void print_own_flag(const struct cli_flag *flag) {
    struct buffer standard = {0};
    if (flag->to_text != NULL && *flag->to_text != NULL) buffer_append_text(&standard, *flag->to_text);
    if (flag->to_count != NULL && *flag->to_count > 0) buffer_printf(&standard, "%" PRIu64, *flag->to_count);
    if (flag->to_bytes != NULL && *flag->to_bytes > 0) value_print_size(*flag->to_bytes, &standard);
    if (flag->to_ms != NULL && *flag->to_ms > 0) value_print_duration(*flag->to_ms, &standard);
    buffer_append(&standard, "", 1);
    print_flag(flag->name, flag->argument, flag->help, (const char *)standard.at);
    buffer_fini(&standard);
}

void cli_print_usage(const struct cli_usage *usage) {
    (void)printf("Usage: tally %s [FLAGS]%s%s\n\n%s\n\n", usage->verb, usage->operands != NULL ? " " : "",
                 usage->operands != NULL ? usage->operands : "", usage->summary);
    for (size_t i = 0; i < usage->flag_count; i++) print_own_flag(&usage->flags[i]);
    if (usage->settings != 0) print_flag("config", "FILE", "a YAML file of settings; also TALLY_CONFIG", NULL);
    print_flag("help", NULL, "this text", NULL);
    if (usage->settings != 0) {
        (void)printf("\nSettings, each also an environment variable and a key of the file (`tally config table`):\n");
    }
    for (unsigned i = 0; i < CONFIG_SETTINGS; i++) {
        struct config_flag setting;
        if (!config_flag((enum config_setting)i, usage->settings, &setting)) continue;
        print_flag(setting.name, setting.argument, setting.help, setting.standard);
    }
    if (usage->notes != NULL) (void)printf("\n%s\n", usage->notes);
}
