/* child_flags.h: the settings that a verb was given on its command line, to hand them on to the server that it starts.
 * (Environment and configuration file reach the child by themselves.) */
#pragma once

#include "client/server_child.h"

/* NULL-ended, as server_child_start wants it; views into argv. */
struct child_flags {
    const char *at[SERVER_CHILD_ARGUMENTS_MAX + 1];
    unsigned count;
};

/* Looks through argv as it was before cli_parse. Takes the settings of these verbs and --config, but not --data, --listen.
 */
void child_flags_collect(struct child_flags *flags, unsigned verbs, int argc, char *const *argv);
void child_flags_add(struct child_flags *flags, const char *flag);
