/* choice_flags.h: which clicks a question is about, as flags: those of a stored filter, or of one that is asked once. And
 * what an answer says about that. */
#pragma once

#include "cli/ask.h"

struct choice_flags {
    const char *filter, *region, *ip, *user_id; /* NULL: not given */
};
#define FILTER_PART_FLAGS(flags)                                                                                            \
    {.name = "region",                                                                                                      \
     .argument = "LIST",                                                                                                    \
     .help = "only clicks of these countries, e.g. USA, 'DEU|FRA' or '!USA'",                                               \
     .to_text = &(flags)->region},                                                                                          \
        {.name = "ip",                                                                                                      \
         .argument = "LIST",                                                                                                \
         .help = "only clicks from these addresses or blocks, e.g. '10.0.0.0/8|2001:db8::1'",                               \
         .to_text = &(flags)->ip},                                                                                          \
    {                                                                                                                       \
        .name = "user-id", .argument = "LIST", .help = "only clicks of these users, e.g. 111 or '111|123'",                 \
        .to_text = &(flags)->user_id                                                                                        \
    }
#define CHOICE_FLAGS(flags)                                                                                                 \
    {.name = "filter", .argument = "ID", .help = "only clicks of this stored filter", .to_text = &(flags)->filter},         \
        FILTER_PART_FLAGS(flags)

/* As parameters of a question. */
void choice_append(const struct choice_flags *flags, struct buffer *path);

/* Rows about the filter of an answer. */
void choice_table_rows(struct table *table, const struct json *answer);
/* The same as a line; nothing for all clicks. */
void choice_print(const struct json *answer);
/* Says so when the filter does not cover all of the time that was asked for. */
void choice_print_left_out(const struct json *answer);
