#include "cli/child_flags.h"

#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "config/config.h"

void child_flags_add(struct child_flags *flags, const char *flag) {
    CHECKF(flags->count < SERVER_CHILD_ARGUMENTS_MAX, "more than %d flags for the server", SERVER_CHILD_ARGUMENTS_MAX);
    flags->at[flags->count++] = flag;
    flags->at[flags->count] = NULL;
}

static bool is_for_child(struct bytes name, unsigned verbs) {
    if (bytes_equal(name, BYTES_LITERAL("config"))) return true;
    for (unsigned i = 0; i < CONFIG_SETTINGS; i++) {
        struct config_flag flag;
        if (i == CONFIG_data_directory || i == CONFIG_http_listen) continue;
        if (config_flag((enum config_setting)i, verbs, &flag) && bytes_equal(name, bytes_of_text(flag.name))) return true;
    }
    return false;
}

void child_flags_collect(struct child_flags *flags, unsigned verbs, int argc, char *const *argv) {
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strncmp(argv[i], "--", 2) != 0) continue;
        const char *name = argv[i] + 2, *equals = strchr(name, '=');
        size_t len = equals != NULL ? (size_t)(equals - name) : strlen(name);
        if (!is_for_child((struct bytes){(const uint8_t *)name, len}, verbs)) continue;
        if (flags->count + 2 > SERVER_CHILD_ARGUMENTS_MAX) return; /* repeated flags: the first that many hold */
        child_flags_add(flags, argv[i]);
        if (equals == NULL && i + 1 < argc) child_flags_add(flags, argv[++i]);
    }
}
