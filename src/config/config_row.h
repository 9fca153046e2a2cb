/* config_row.h: the table of settings as data, shared by the files of this folder; nobody else's. */
#pragma once

#include "config/config.h"

enum config_kind { CONFIG_TEXT, CONFIG_ADDRESS, CONFIG_URL, CONFIG_DURATION, CONFIG_SIZE, CONFIG_COUNT, CONFIG_CHOICE };

struct config_row {
    const char *key, *flag, *standard, *help;
    const char *choices; /* of a CHOICE, separated by '|' */
    enum config_kind kind;
    bool proposal;
    unsigned verbs;
    size_t at; /* of the member in struct config */
    uint64_t min, max;
};

extern const struct config_row config_rows[CONFIG_SETTINGS];

/* Where a value comes from, for its source and for messages about it. */
struct config_place {
    enum config_origin origin;
    const char *file; /* with its line, when from a file */
    uint32_t line;
};

/* Reads the value and, unless one of higher precedence stands, keeps it. */
enum status config_set(struct config *config, enum config_setting setting, struct config_place place, struct bytes value,
                       struct failure *failure) MUST_USE;
/* The path of the file, unless one of higher precedence stands. */
enum status config_set_file(struct config *config, enum config_origin origin, const char *path,
                            struct failure *failure) MUST_USE;
/* Reads the file that config->file names. */
enum status config_load_file(struct config *config, struct failure *failure) MUST_USE;
/* What a value of this setting looks like, for messages: "a duration; write e.g. 15s, 24h or 96h1m". */
void config_print_expected(const struct config_row *row, struct buffer *out);
/* A number of the row's kind as people write it; not for texts. */
void config_print_number(const struct config_row *row, uint64_t number, struct buffer *out);
/* "TALLY_TIME_LATENESS". */
void config_print_variable(const struct config_row *row, struct buffer *out);
