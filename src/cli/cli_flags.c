#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "cli/cli.h"
#include "cli/cli_usage.h"
#include "config/value.h"

/* What a name on the command line turned out to be: exactly one of these, or nothing. */
struct found {
    const struct cli_flag *flag;
    enum config_setting setting; /* CONFIG_SETTINGS: none */
    bool is_config_file;
};

static struct found find(const struct cli_usage *usage, struct bytes name) {
    struct found found = {.setting = config_find_flag(name, usage->settings)};
    for (size_t i = 0; i < usage->flag_count; i++) {
        if (bytes_equal(name, bytes_of_text(usage->flags[i].name))) found.flag = &usage->flags[i];
    }
    CHECKF(found.flag == NULL || found.setting == CONFIG_SETTINGS, "--%s of %s is a setting too", found.flag->name,
           usage->verb);
    found.is_config_file = usage->settings != 0 && bytes_equal(name, BYTES_LITERAL("config"));
    return found;
}

static int refuse_unknown(const struct cli_usage *usage, struct bytes name) {
    struct suggestion suggestion = {.typed = name};
    for (size_t i = 0; i < usage->flag_count; i++) suggestion_offer(&suggestion, usage->flags[i].name);
    for (unsigned i = 0; i < CONFIG_SETTINGS; i++) {
        struct config_flag setting;
        if (config_flag((enum config_setting)i, usage->settings, &setting)) suggestion_offer(&suggestion, setting.name);
    }
    if (usage->settings != 0) suggestion_offer(&suggestion, "config");
    suggestion_offer(&suggestion, "help");
    if (suggestion.best != NULL) {
        cli_say("--%.*s is not a flag of %s; did you mean --%s?", (int)name.len, (const char *)name.at, usage->verb,
                suggestion.best);
    } else {
        cli_say("--%.*s is not a flag of %s; `tally %s --help` shows all there are", (int)name.len, (const char *)name.at,
                usage->verb, usage->verb);
    }
    return CLI_BAD_USAGE;
}

static bool is_choice(const struct cli_flag *flag, const char *value) {
    if (flag->choices == NULL) return true;
    for (const char *const *choice = flag->choices; *choice != NULL; choice++) {
        if (strcmp(*choice, value) == 0) return true;
    }
    return false;
}

static void print_number(const struct cli_flag *flag, uint64_t number, struct buffer *out) {
    if (flag->to_ms != NULL) {
        value_print_duration((int64_t)number, out);
    } else if (flag->to_bytes != NULL) {
        value_print_size(number, out);
    } else {
        buffer_printf(out, "%" PRIu64, number);
    }
}

static int refuse_value(const struct cli_flag *flag, const char *value, bool readable) {
    struct buffer message = {0};
    value_print_quoted(bytes_of_text(value), &message);
    if (readable && flag->to_text == NULL) {
        buffer_append_text(&message, " is out of range; it goes from ");
        print_number(flag, flag->min, &message);
        buffer_append_text(&message, flag->max > 0 ? " to " : " up");
        if (flag->max > 0) print_number(flag, flag->max, &message);
    } else if (flag->to_text != NULL) {
        buffer_append_text(&message, " is not one of its values; write ");
        for (const char *const *choice = flag->choices; *choice != NULL; choice++) {
            buffer_printf(&message, "%s%s", choice == flag->choices ? "" : " or ", *choice);
        }
    } else if (flag->to_ms != NULL) {
        buffer_append_text(&message, " is not a duration; write e.g. 15s, 24h or 96h1m");
    } else if (flag->to_bytes != NULL) {
        buffer_append_text(&message, " is not a size; write e.g. 64KiB, 512MiB or 2GiB");
    } else {
        buffer_append_text(&message, " is not a count; write digits, e.g. 4 or 1000000");
    }
    cli_say("--%s: %.*s", flag->name, (int)message.len, (const char *)message.at);
    buffer_fini(&message);
    return CLI_BAD_USAGE;
}

static int set_flag(const struct cli_flag *flag, const char *value) {
    struct bytes text = bytes_of_text(value);
    uint64_t number = 0;
    int64_t ms = 0;
    bool readable = flag->to_text != NULL    ? is_choice(flag, value)
                    : flag->to_count != NULL ? value_read_count(text, &number)
                    : flag->to_bytes != NULL ? value_read_size(text, &number)
                                             : value_read_duration(text, &ms);
    if (flag->to_ms != NULL) number = (uint64_t)ms;
    bool in_range = flag->to_text != NULL || (number >= flag->min && (flag->max == 0 || number <= flag->max));
    if (!readable || !in_range) return refuse_value(flag, value, readable);
    if (flag->to_text != NULL) *flag->to_text = value;
    if (flag->to_count != NULL) *flag->to_count = number;
    if (flag->to_bytes != NULL) *flag->to_bytes = number;
    if (flag->to_ms != NULL) *flag->to_ms = ms;
    if (flag->given != NULL) *flag->given = true;
    return CLI_CONTINUE;
}

/* `*at` is the argument that begins with --; moves on to the value when that is an argument of its own. */
static int read_flag(const struct cli_usage *usage, int argc, char **argv, int *at) {
    const char *name_at = argv[*at] + 2;
    struct bytes name = {(const uint8_t *)name_at, strcspn(name_at, "=")};
    const char *value = name_at[name.len] == '=' ? name_at + name.len + 1 : NULL;
    struct found found = find(usage, name);
    if (found.flag == NULL && found.setting == CONFIG_SETTINGS && !found.is_config_file) return refuse_unknown(usage, name);
    if (found.flag != NULL && found.flag->to_switch != NULL) {
        if (value != NULL) {
            cli_say("--%s takes no value", found.flag->name);
            return CLI_BAD_USAGE;
        }
        *found.flag->to_switch = true;
        if (found.flag->given != NULL) *found.flag->given = true;
        return CLI_CONTINUE;
    }
    if (value == NULL) {
        /* A forgotten value must not swallow the next flag; one that really begins with -- is written after a =. */
        if (*at + 1 >= argc || strncmp(argv[*at + 1], "--", 2) == 0) {
            cli_say("--%.*s needs a value", (int)name.len, name_at);
            return CLI_BAD_USAGE;
        }
        value = argv[++*at];
    }
    if (found.flag != NULL) return set_flag(found.flag, value);
    struct failure failure = {0};
    enum status status = found.is_config_file ? config_set_file_flag(usage->config, value, &failure)
                                              : config_set_flag(usage->config, found.setting, value, &failure);
    return status == STATUS_OK ? CLI_CONTINUE : cli_fail(&failure);
}

static void check_usage(const struct cli_usage *usage) {
    CHECK((usage->settings == 0) == (usage->config == NULL));
    for (size_t i = 0; i < usage->flag_count; i++) {
        const struct cli_flag *flag = &usage->flags[i];
        int kinds = (flag->to_switch != NULL) + (flag->to_text != NULL) + (flag->to_count != NULL) +
                    (flag->to_bytes != NULL) + (flag->to_ms != NULL);
        CHECKF(kinds == 1, "--%s of %s", flag->name, usage->verb);
        CHECKF((flag->to_switch != NULL) == (flag->argument == NULL), "--%s of %s", flag->name, usage->verb);
        CHECKF(flag->choices == NULL || flag->to_text != NULL, "--%s of %s", flag->name, usage->verb);
        struct found found = find(usage, bytes_of_text(flag->name));
        CHECKF(found.flag == flag && !found.is_config_file, "--%s of %s is there twice", flag->name, usage->verb);
    }
}

static int check_operands(const struct cli_usage *usage, int count, char **argv) {
    if (count < usage->operands_min) {
        cli_say("%s needs %s; `tally %s --help` says more", usage->verb, usage->operands, usage->verb);
        return CLI_BAD_USAGE;
    }
    if (usage->operands_max != CLI_OPERANDS_ANY && count > usage->operands_max) {
        cli_say("\"%.60s\" is one argument too many for %s; `tally %s --help` says more", argv[usage->operands_max + 1],
                usage->verb, usage->verb);
        return CLI_BAD_USAGE;
    }
    return CLI_CONTINUE;
}

static int read_arguments(const struct cli_usage *usage, int *argc, char **argv) {
    int operands = 0;
    bool flags_ended = false;
    for (int i = 1; i < *argc; i++) {
        int exit_code = CLI_CONTINUE;
        if (flags_ended || argv[i][0] != '-' || argv[i][1] == '\0') {
            CHECK(operands < i);
            argv[++operands] = argv[i];
        } else if (strcmp(argv[i], "--") == 0) {
            flags_ended = true;
        } else if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) {
            cli_print_usage(usage);
            return CLI_DONE;
        } else if (argv[i][1] == '-') {
            exit_code = read_flag(usage, *argc, argv, &i);
        } else {
            cli_say("\"%.60s\" is not a flag of %s; flags begin with --", argv[i], usage->verb);
            exit_code = CLI_BAD_USAGE;
        }
        if (exit_code != CLI_CONTINUE) return exit_code;
    }
    *argc = operands + 1;
    argv[*argc] = NULL;
    return check_operands(usage, operands, argv);
}

int cli_parse(const struct cli_usage *usage, int *argc, char **argv) {
    check_usage(usage);
    if (usage->config != NULL) config_init(usage->config);
    int exit_code = read_arguments(usage, argc, argv);
    if (exit_code != CLI_CONTINUE || usage->config == NULL) return exit_code;
    struct failure failure = {0};
    return config_finish(usage->config, (const char *const *)environ, &failure) == STATUS_OK ? CLI_CONTINUE
                                                                                             : cli_fail(&failure);
}
