/* From where values come that are not flags: the environment and the file. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "config/config_row.h"
#include "config/value.h"

static enum status load_variable(struct config *config, struct bytes name, const char *value, struct failure *failure) {
    enum { PREFIX_BYTES = sizeof "TALLY_" - 1 };
    if (bytes_equal(name, BYTES_LITERAL("TALLY_CONFIG")))
        return config_set_file(config, CONFIG_FROM_ENVIRONMENT, value, failure);
    struct buffer variables[CONFIG_SETTINGS] = {0};
    struct suggestion suggestion = {.typed = {name.at + PREFIX_BYTES, name.len - PREFIX_BYTES}};
    unsigned found = 0;
    for (; found < CONFIG_SETTINGS; found++) {
        config_print_variable(&config_rows[found], &variables[found]);
        if (bytes_equal(name, buffer_view(&variables[found]))) break;
        buffer_append(&variables[found], "", 1);
        suggestion_offer(&suggestion, (const char *)variables[found].at + PREFIX_BYTES);
    }
    enum status status = STATUS_OK;
    if (found < CONFIG_SETTINGS) {
        struct config_place place = {.origin = CONFIG_FROM_ENVIRONMENT};
        status = config_set(config, (enum config_setting)found, place, bytes_of_text(value), failure);
    } else if (suggestion.best != NULL) {
        status =
            failure_set(failure, STATUS_BAD_CONFIG, "the environment variable %.*s is not a setting; did you mean TALLY_%s?",
                        (int)name.len, (const char *)name.at, suggestion.best);
    }
    for (unsigned i = 0; i < CONFIG_SETTINGS; i++) buffer_fini(&variables[i]);
    return status;
}

enum status config_load_environment(struct config *config, const char *const *environment, struct failure *failure) {
    for (; *environment != NULL; environment++) {
        const char *equals = strchr(*environment, '=');
        if (strncmp(*environment, "TALLY_", sizeof "TALLY_" - 1) != 0 || equals == NULL || equals[1] == '\0') continue;
        struct bytes name = {(const uint8_t *)*environment, (size_t)(equals - *environment)};
        enum status status = load_variable(config, name, equals + 1, failure);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

enum status config_load_file(struct config *config, struct failure *failure) {
    const char *told_by = config->file_source.origin == CONFIG_FROM_FLAG ? "--config" : "TALLY_CONFIG";
    FILE *file = fopen(config->file, "re");
    if (file == NULL) {
        return failure_set(failure, STATUS_BAD_CONFIG, "%s: cannot be opened: %s (named by %s)", config->file,
                           strerror(errno), told_by);
    }
    struct buffer yaml = {0};
    yaml.len = fread(buffer_reserve(&yaml, CONFIG_FILE_BYTES_MAX + 1), 1, CONFIG_FILE_BYTES_MAX + 1, file);
    int read_errno = ferror(file) ? errno : 0;
    (void)fclose(file); /* only read */
    enum status status;
    if (read_errno != 0) {
        status = failure_set(failure, STATUS_BAD_CONFIG, "%s: cannot be read: %s (named by %s)", config->file,
                             strerror(read_errno), told_by);
    } else {
        status = config_load_yaml(config, buffer_view(&yaml), config->file, failure);
    }
    buffer_fini(&yaml);
    return status;
}
