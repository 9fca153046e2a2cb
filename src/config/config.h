/* config.h: what the program is told, from flags, the environment, a YAML file and defaults, each value with its source.
 *
 * A flag beats the environment, that beats the file, that beats the default; every value given is checked, used or not.
 * Nothing here reaches a number: the counting rules are proposals to the journal (I2), so "not given" is kept apart from a
 * default with the same value. The settings: config_table.h. For users: docs/configuration.md.
 *
 * A plain value without heap; one thread. All failures are STATUS_BAD_CONFIG with the place (file and line, variable or
 * flag), the key, the value and what was expected; after one the values are not to be used.
 */
#pragma once

#include "base/bytes.h"
#include "base/status.h"
#include "base/units.h"
#include "config/config_table.h"
#include "journal/journal.h"

enum {
    CONFIG_TEXT_BYTES_MAX = 1023,
    CONFIG_FILE_BYTES_MAX = 64 * 1024, /* all settings need 2 KiB; a larger file is not a configuration */
};

#define CONFIG_SPAN_MAX_MS (INT64_C(400) * 24 * HOUR_MS)
#define CONFIG_HORIZON_SLACK_MS MINUTE_MS /* I6: horizon >= lateness + 60 s */

/* Groups of verbs by the flags that they have. */
enum {
    CONFIG_FOR_SERVE = 1,
    CONFIG_FOR_DEMO = 2,
    CONFIG_FOR_BENCH = 4,
    CONFIG_FOR_EXPORT = 8,
    CONFIG_FOR_CLIENT = 16, /* send, count, top, status, and export from a server */
    CONFIG_FOR_NODE = CONFIG_FOR_SERVE | CONFIG_FOR_DEMO | CONFIG_FOR_BENCH,
    CONFIG_FOR_ALL = 31,
};

enum config_setting {
#define X(member, ...) CONFIG_##member,
    CONFIG_TABLE(X, X)
#undef X
        CONFIG_SETTINGS /* how many */
};

/* In the order of their precedence. */
enum config_origin { CONFIG_NOT_GIVEN, CONFIG_FROM_FILE, CONFIG_FROM_ENVIRONMENT, CONFIG_FROM_FLAG };

struct config_source {
    enum config_origin origin;
    uint32_t line; /* of the file */
};

#define CONFIG_MEMBER_TEXT(member) char member[CONFIG_TEXT_BYTES_MAX + 1]
#define CONFIG_MEMBER_ADDRESS(member) CONFIG_MEMBER_TEXT(member)
#define CONFIG_MEMBER_URL(member) CONFIG_MEMBER_TEXT(member)
#define CONFIG_MEMBER_DURATION(member) int64_t member
#define CONFIG_MEMBER_SIZE(member) uint64_t member
#define CONFIG_MEMBER_COUNT(member) uint64_t member
#define CONFIG_MEMBER_CHOICE(member) uint8_t member

struct config {
#define X(member, kind, ...) CONFIG_MEMBER_##kind(member);
    CONFIG_TABLE(X, X)
#undef X
    struct config_source sources[CONFIG_SETTINGS];
    char file[CONFIG_TEXT_BYTES_MAX + 1]; /* "": none */
    struct config_source file_source;     /* a flag or the environment */
};

/* Defaults everywhere, nothing given. */
void config_init(struct config *config);

/* A setting as a flag. All static text. */
struct config_flag {
    const char *name;     /* without dashes */
    const char *argument; /* "DURATION", "content|reject" */
    const char *help;
    const char *standard; /* the default, or NULL */
};
/* False when none of these verbs has the setting as a flag. */
bool config_flag(enum config_setting setting, unsigned verbs, struct config_flag *out);
/* The setting with this flag (without dashes) for one of these verbs, or CONFIG_SETTINGS. */
enum config_setting config_find_flag(struct bytes name, unsigned verbs);
enum status config_set_flag(struct config *config, enum config_setting setting, const char *value,
                            struct failure *failure) MUST_USE;
/* --config: wins over TALLY_CONFIG. */
enum status config_set_file_flag(struct config *config, const char *path, struct failure *failure) MUST_USE;

/* The variables TALLY_*: those that are settings, and TALLY_CONFIG. `environment` is as environ, ended by NULL. An empty
 * variable is not given. One that is almost the name of a setting is refused; others are none of our business (Kubernetes
 * sets TALLY_PORT for a service named tally). */
enum status config_load_environment(struct config *config, const char *const *environment, struct failure *failure) MUST_USE;

/* One YAML document: a map of sections, each a map of settings, e.g. `time: {lateness: 24h}`. `file` is for messages. Empty
 * is fine. Refused: unknown and duplicate keys, anything but plain maps and scalars, a second document. */
enum status config_load_yaml(struct config *config, struct bytes yaml, const char *file, struct failure *failure) MUST_USE;

/* After the flags: reads environment and file, derives what depends on other settings, and checks what two settings say
 * together. */
enum status config_finish(struct config *config, const char *const *environment, struct failure *failure) MUST_USE;

/* For the verbs that need data.directory: says what to do when it is not given. */
enum status config_require_data(const struct config *config, struct failure *failure) MUST_USE;

struct rules_proposal config_rules_proposal(const struct config *config);

static inline bool config_given(const struct config *config, enum config_setting setting) {
    return config->sources[setting].origin != CONFIG_NOT_GIVEN;
}

/* "flag --lateness", "environment TALLY_TIME_LATENESS", "tally.yaml:7", "default" or "not given". */
void config_print_source(const struct config *config, enum config_setting setting, struct buffer *out);
/* As YAML that reads back to the same configuration, each value with its source as a comment. */
void config_print(const struct config *config, struct buffer *out);
/* The table in docs/configuration.md, in Markdown. */
void config_print_table(struct buffer *out);
