/* send_files.h: the FILE operands of `tally send` as the files that they mean. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct send_files {
    char **names;
    size_t count;
    bool all_regular;     /* so that `bytes` is all there is, and --resume can work */
    uint64_t bytes;       /* as they are on the disk */
    const char *odd_name; /* the first that is not a regular file; NULL when all are */
};

/* A name that does not exist and holds * ? or [ is a pattern, as a shell expands it. A name that is wrong fails here, before
 * anything is sent, naming it. send_files_fini after either. */
enum status send_files_find(char *const *operands, size_t count, struct send_files *out, struct failure *failure) MUST_USE;
void send_files_fini(struct send_files *files);
