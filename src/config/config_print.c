#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "base/check.h"
#include "config/config_row.h"
#include "config/value.h"

void config_print_variable(const struct config_row *row, struct buffer *out) {
    buffer_append_text(out, "TALLY_");
    for (const char *at = row->key; *at != '\0'; at++) {
        char letter = *at == '.' ? '_' : (char)toupper((unsigned char)*at);
        buffer_append(out, &letter, 1);
    }
}

static void print_choices(const char *choices, struct buffer *out) {
    for (const char *at = choices; *at != '\0'; at++) {
        buffer_append(out, *at == '|' ? " or " : at, *at == '|' ? 4 : 1);
    }
}

void config_print_expected(const struct config_row *row, struct buffer *out) {
    switch (row->kind) {
    case CONFIG_TEXT:
        buffer_printf(out, "a path of 1 to %d bytes without control characters", CONFIG_TEXT_BYTES_MAX);
        return;
    case CONFIG_ADDRESS:
        buffer_append_text(out, "an address; write HOST:PORT, e.g. 127.0.0.1:8080 or [::1]:8080");
        return;
    case CONFIG_URL:
        buffer_append_text(out, "a URL; write e.g. http://127.0.0.1:8080");
        return;
    case CONFIG_DURATION:
        buffer_append_text(out, "a duration; write e.g. 15s, 24h or 96h1m");
        return;
    case CONFIG_SIZE:
        buffer_append_text(out, "a size; write e.g. 64KiB, 512MiB or 2GiB");
        return;
    case CONFIG_COUNT:
        buffer_append_text(out, "a count; write digits, e.g. 4 or 1000000");
        return;
    case CONFIG_CHOICE:
        buffer_append_text(out, "one of its values; write ");
        print_choices(row->choices, out);
        return;
    }
    CHECK_FAIL("kind %d of %s", (int)row->kind, row->key);
}

void config_print_number(const struct config_row *row, uint64_t number, struct buffer *out) {
    if (row->kind == CONFIG_DURATION) {
        value_print_duration((int64_t)number, out);
    } else if (row->kind == CONFIG_SIZE) {
        value_print_size(number, out);
    } else {
        CHECK(row->kind == CONFIG_COUNT);
        buffer_printf(out, "%" PRIu64, number);
    }
}

void config_print_source(const struct config *config, enum config_setting setting, struct buffer *out) {
    CHECK(setting < CONFIG_SETTINGS);
    const struct config_row *row = &config_rows[setting];
    switch (config->sources[setting].origin) {
    case CONFIG_NOT_GIVEN:
        buffer_append_text(out, row->proposal || row->standard == NULL ? "not given" : "default");
        return;
    case CONFIG_FROM_FILE:
        buffer_printf(out, "%s:%" PRIu32, config->file, config->sources[setting].line);
        return;
    case CONFIG_FROM_ENVIRONMENT:
        buffer_append_text(out, "environment ");
        config_print_variable(row, out);
        return;
    case CONFIG_FROM_FLAG:
        buffer_printf(out, "flag --%s", row->flag);
        return;
    }
    CHECK_FAIL("origin %d of %s", (int)config->sources[setting].origin, row->key);
}

/* Texts in single quotes, where YAML knows one escape only: a quote is doubled. */
static void print_quoted_yaml(const char *text, struct buffer *out) {
    buffer_append_text(out, "'");
    for (; *text != '\0'; text++) {
        if (*text == '\'') buffer_append_text(out, "'");
        buffer_append(out, text, 1);
    }
    buffer_append_text(out, "'");
}

static void print_value(const struct config *config, const struct config_row *row, struct buffer *out) {
    const uint8_t *at = (const uint8_t *)config + row->at;
    uint64_t number = 0;
    switch (row->kind) {
    case CONFIG_TEXT:
    case CONFIG_ADDRESS:
    case CONFIG_URL:
        if (*at != '\0') print_quoted_yaml((const char *)at, out);
        return;
    case CONFIG_CHOICE: {
        const char *choice = row->choices;
        for (unsigned skip = *at; skip > 0; skip--) choice += strcspn(choice, "|") + 1;
        buffer_append(out, choice, strcspn(choice, "|"));
        return;
    }
    case CONFIG_DURATION:
    case CONFIG_SIZE:
    case CONFIG_COUNT:
        memcpy(&number, at, sizeof number);
        config_print_number(row, number, out);
        return;
    }
    CHECK_FAIL("kind %d of %s", (int)row->kind, row->key);
}

static int section_len(const char *key) {
    const char *dot = strchr(key, '.');
    CHECK(dot != NULL);
    return (int)(dot - key);
}

void config_print(const struct config *config, struct buffer *out) {
    enum { SOURCE_COLUMN = 40 };
    const char *section = "";
    for (unsigned setting = 0; setting < CONFIG_SETTINGS; setting++) {
        const struct config_row *row = &config_rows[setting];
        int len = section_len(row->key);
        if (strncmp(section, row->key, (size_t)len + 1) != 0) buffer_printf(out, "%.*s:\n", len, row->key);
        section = row->key;
        /* What is not given stays out of what reads this: it must not become a proposal by being printed. */
        bool out_of_yaml = !config_given(config, (enum config_setting)setting) && (row->proposal || row->standard == NULL);
        size_t line_at = out->len;
        buffer_printf(out, out_of_yaml ? "  # %s: " : "  %s: ", row->key + len + 1);
        print_value(config, row, out);
        while (out->len - line_at < SOURCE_COLUMN) buffer_append_text(out, " ");
        buffer_append_text(out, " # ");
        config_print_source(config, (enum config_setting)setting, out);
        buffer_append_text(out, "\n");
    }
}

void config_print_table(struct buffer *out) {
    buffer_append_text(out, "| key | flag | environment variable | default | from, to | what it is |\n"
                            "|---|---|---|---|---|---|\n");
    for (unsigned setting = 0; setting < CONFIG_SETTINGS; setting++) {
        const struct config_row *row = &config_rows[setting];
        buffer_printf(out, "| `%s` | `--%s` | `", row->key, row->flag);
        config_print_variable(row, out);
        buffer_printf(out, "` | %s | ", row->standard != NULL ? row->standard : "");
        if (row->max > 0) {
            config_print_number(row, row->min, out);
            buffer_append_text(out, ", ");
            config_print_number(row, row->max, out);
        } else if (row->kind == CONFIG_CHOICE) {
            print_choices(row->choices, out);
        }
        buffer_printf(out, " | %s |\n", row->help);
    }
}
