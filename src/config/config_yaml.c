/* The YAML file, read event by event: at most two maps deep, so no recursion and no tree; the first thing that does not
 * belong ends it. libyaml is named here only. */
#include <string.h>
#include <yaml.h>

#include "base/check.h"
#include "config/config_row.h"
#include "config/value.h"

struct loader {
    struct config *config;
    const char *file;
    struct failure *failure;
    yaml_parser_t parser;
    yaml_event_t event; /* the current one; a zeroed one needs no deletion */
    /* Line where a setting, or a section (by its first setting), was first seen; 0: not yet. */
    uint32_t setting_lines[CONFIG_SETTINGS], section_lines[CONFIG_SETTINGS];
};

static uint32_t line_of(yaml_mark_t mark) {
    CHECK(mark.line <= CONFIG_FILE_BYTES_MAX);
    return (uint32_t)mark.line + 1;
}

#define REFUSE(loader, line, format, ...)                                                                                   \
    failure_set((loader)->failure, STATUS_BAD_CONFIG, "%s:%u: " format, (loader)->file, (line), __VA_ARGS__)

static enum status check_plain(struct loader *loader) {
    const yaml_event_t *event = &loader->event;
    uint32_t line = line_of(event->start_mark);
    if (event->type == YAML_ALIAS_EVENT) return REFUSE(loader, line, "%s", "aliases (*name) are not read; write the value");
    const yaml_char_t *anchor = NULL, *tag = NULL;
    if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
    }
    if (anchor != NULL) return REFUSE(loader, line, "%s", "anchors (&name) are not read; leave them out");
    if (tag != NULL) return REFUSE(loader, line, "%s", "tags (!name) are not read; leave them out");
    return STATUS_OK;
}

static enum status next_event(struct loader *loader) {
    yaml_event_delete(&loader->event);
    if (yaml_parser_parse(&loader->parser, &loader->event) != 1) {
        memset(&loader->event, 0, sizeof loader->event);
        const char *problem = loader->parser.problem != NULL ? loader->parser.problem : "it cannot be read";
        return REFUSE(loader, line_of(loader->parser.problem_mark), "not valid YAML: %s", problem);
    }
    return check_plain(loader);
}

static struct bytes scalar(const struct loader *loader) {
    CHECK(loader->event.type == YAML_SCALAR_EVENT);
    return (struct bytes){loader->event.data.scalar.value, loader->event.data.scalar.length};
}

/* Nothing after the colon, or a word for it. */
static bool is_null(const struct loader *loader) {
    if (loader->event.type != YAML_SCALAR_EVENT || loader->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE) return false;
    struct bytes text = scalar(loader);
    return text.len == 0 || bytes_equal(text, BYTES_LITERAL("~")) || bytes_equal(text, BYTES_LITERAL("null"));
}

static struct bytes section_of(unsigned setting) {
    const char *key = config_rows[setting].key;
    return (struct bytes){(const uint8_t *)key, strcspn(key, ".")};
}

static const char *name_of(unsigned setting) {
    return config_rows[setting].key + section_of(setting).len + 1;
}

/* Says that `key`, as it stands in the file, is not a `kind`, and what it may have been meant to be. */
static enum status refuse_key(struct loader *loader, const char *kind, struct bytes key, const char *meant) {
    struct buffer message = {0};
    value_print_quoted(key, &message);
    buffer_printf(&message, " is not a %s; ", kind);
    if (meant != NULL) {
        buffer_printf(&message, "did you mean %s?", meant);
    } else {
        buffer_append_text(&message, "`tally config print` shows all there are");
    }
    enum status status =
        REFUSE(loader, line_of(loader->event.start_mark), "%.*s", (int)message.len, (const char *)message.at);
    buffer_fini(&message);
    return status;
}

static enum status refuse_section(struct loader *loader, struct bytes name) {
    struct suggestion suggestion = {.typed = name};
    struct buffer sections[CONFIG_SETTINGS] = {0};
    const char *dotted = NULL;
    for (unsigned i = 0; i < CONFIG_SETTINGS; i++) {
        struct bytes section = section_of(i);
        buffer_append_bytes(&sections[i], section);
        buffer_append(&sections[i], "", 1);
        suggestion_offer(&suggestion, (const char *)sections[i].at);
        if (bytes_equal(name, bytes_of_text(config_rows[i].key))) dotted = config_rows[i].key;
    }
    enum status status;
    if (dotted != NULL) {
        int len = (int)strcspn(dotted, ".");
        status = REFUSE(loader, line_of(loader->event.start_mark), "%s: a key with a dot is not read; write %.*s: {%s: ...}",
                        dotted, len, dotted, dotted + len + 1);
    } else {
        status = refuse_key(loader, "section", name, suggestion.best);
    }
    for (unsigned i = 0; i < CONFIG_SETTINGS; i++) buffer_fini(&sections[i]);
    return status;
}

/* A slip within the section, or the right name in the wrong section. */
static enum status refuse_setting(struct loader *loader, unsigned section, struct bytes name) {
    struct suggestion suggestion = {.typed = name};
    const char *meant = NULL;
    for (unsigned i = 0; i < CONFIG_SETTINGS; i++) {
        if (meant == NULL && bytes_equal(name, bytes_of_text(name_of(i)))) meant = config_rows[i].key;
        if (bytes_equal(section_of(i), section_of(section))) suggestion_offer(&suggestion, name_of(i));
    }
    struct buffer key = {0}, near = {0};
    buffer_append_bytes(&key, section_of(section));
    buffer_append_text(&key, ".");
    buffer_append_bytes(&key, name);
    if (suggestion.best != NULL) {
        buffer_append_bytes(&near, section_of(section));
        buffer_printf(&near, ".%s", suggestion.best);
        buffer_append(&near, "", 1);
        meant = (const char *)near.at;
    }
    enum status status = refuse_key(loader, "setting", buffer_view(&key), meant);
    buffer_fini(&near);
    buffer_fini(&key);
    return status;
}

/* Steps over a key: `*end` at the end of the map, else the key is the current scalar. */
static enum status next_key(struct loader *loader, bool *end) {
    enum status status = next_event(loader);
    if (status != STATUS_OK) return status;
    *end = loader->event.type == YAML_MAPPING_END_EVENT;
    if (*end || loader->event.type == YAML_SCALAR_EVENT) return STATUS_OK;
    return REFUSE(loader, line_of(loader->event.start_mark), "%s", "a key must be a name, not a map or a list");
}

static enum status check_first(struct loader *loader, uint32_t *first_line, struct bytes key) {
    uint32_t line = line_of(loader->event.start_mark);
    if (*first_line != 0) {
        return REFUSE(loader, line, "%.*s: given twice, first in line %u", (int)key.len, (const char *)key.at, *first_line);
    }
    *first_line = line;
    return STATUS_OK;
}

static enum status load_setting(struct loader *loader, unsigned setting) {
    const struct config_row *row = &config_rows[setting];
    enum status status = check_first(loader, &loader->setting_lines[setting], bytes_of_text(row->key));
    if (status == STATUS_OK) status = next_event(loader);
    if (status != STATUS_OK) return status;
    uint32_t line = line_of(loader->event.start_mark);
    if (loader->event.type == YAML_SCALAR_EVENT && !is_null(loader)) {
        /* The key's line is the source: a value may stand in the next one. */
        struct config_place place = {CONFIG_FROM_FILE, loader->file, loader->setting_lines[setting]};
        return config_set(loader->config, (enum config_setting)setting, place, scalar(loader), loader->failure);
    }
    const char *what = loader->event.type == YAML_MAPPING_START_EVENT    ? "a map"
                       : loader->event.type == YAML_SEQUENCE_START_EVENT ? "a list"
                                                                         : "nothing";
    struct buffer expected = {0};
    config_print_expected(row, &expected);
    status = REFUSE(loader, line, "%s: %s is not %.*s", row->key, what, (int)expected.len, (const char *)expected.at);
    buffer_fini(&expected);
    return status;
}

static enum status load_section(struct loader *loader, unsigned section) {
    enum status status = check_first(loader, &loader->section_lines[section], section_of(section));
    if (status == STATUS_OK) status = next_event(loader);
    if (status != STATUS_OK || is_null(loader)) return status;
    if (loader->event.type != YAML_MAPPING_START_EVENT) {
        struct bytes name = section_of(section);
        return REFUSE(loader, line_of(loader->event.start_mark), "%.*s: must be a map of settings, e.g. %.*s: {%s: ...}",
                      (int)name.len, (const char *)name.at, (int)name.len, (const char *)name.at, name_of(section));
    }
    bool end = false;
    while ((status = next_key(loader, &end)) == STATUS_OK && !end) {
        unsigned setting = section;
        while (setting < CONFIG_SETTINGS && (!bytes_equal(section_of(setting), section_of(section)) ||
                                             !bytes_equal(scalar(loader), bytes_of_text(name_of(setting))))) {
            setting++;
        }
        status = setting < CONFIG_SETTINGS ? load_setting(loader, setting) : refuse_setting(loader, section, scalar(loader));
        if (status != STATUS_OK) return status;
    }
    return status;
}

static enum status load_root(struct loader *loader) {
    if (is_null(loader)) return STATUS_OK;
    if (loader->event.type != YAML_MAPPING_START_EVENT) {
        return REFUSE(loader, line_of(loader->event.start_mark), "%s",
                      "the file must be a map of sections, e.g. time: {lateness: 24h}");
    }
    enum status status;
    bool end = false;
    while ((status = next_key(loader, &end)) == STATUS_OK && !end) {
        unsigned section = 0;
        while (section < CONFIG_SETTINGS && !bytes_equal(scalar(loader), section_of(section))) section++;
        status = section < CONFIG_SETTINGS ? load_section(loader, section) : refuse_section(loader, scalar(loader));
        if (status != STATUS_OK) return status;
    }
    return status;
}

static enum status load_stream(struct loader *loader) {
    enum status status = next_event(loader);
    if (status != STATUS_OK) return status;
    CHECK(loader->event.type == YAML_STREAM_START_EVENT);
    if ((status = next_event(loader)) != STATUS_OK || loader->event.type == YAML_STREAM_END_EVENT) return status;
    CHECK(loader->event.type == YAML_DOCUMENT_START_EVENT);
    if ((status = next_event(loader)) != STATUS_OK) return status;
    if ((status = load_root(loader)) != STATUS_OK) return status;
    if ((status = next_event(loader)) != STATUS_OK) return status;
    CHECK(loader->event.type == YAML_DOCUMENT_END_EVENT);
    if ((status = next_event(loader)) != STATUS_OK || loader->event.type == YAML_STREAM_END_EVENT) return status;
    return REFUSE(loader, line_of(loader->event.start_mark), "%s", "a second document (---) begins; only one is read");
}

enum status config_load_yaml(struct config *config, struct bytes yaml, const char *file, struct failure *failure) {
    if (yaml.len > CONFIG_FILE_BYTES_MAX) {
        return failure_set(failure, STATUS_BAD_CONFIG, "%s: larger than %d bytes: is it a configuration?", file,
                           CONFIG_FILE_BYTES_MAX);
    }
    CHECK(strlen(file) <= CONFIG_TEXT_BYTES_MAX);
    if (file != config->file) memcpy(config->file, file, strlen(file) + 1);
    struct loader loader = {.config = config, .file = file, .failure = failure};
    int initialized = yaml_parser_initialize(&loader.parser);
    CHECKF(initialized == 1, "%s", "memory is out");
    yaml_parser_set_input_string(&loader.parser, yaml.at != NULL ? yaml.at : (const unsigned char *)"", yaml.len);
    enum status status = load_stream(&loader);
    yaml_event_delete(&loader.event);
    yaml_parser_delete(&loader.parser);
    return status;
}
