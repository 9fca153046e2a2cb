#include "client/temp_directory.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

enum { OPEN_DIRECTORIES_MAX = 16 };

enum status temp_directory_make(const char *name, const char *otherwise, char path[TEMP_PATH_BYTES],
                                struct failure *failure) {
    const char *parent = getenv("TMPDIR");
    if (parent == NULL || *parent == '\0') parent = otherwise;
    int len = snprintf(path, TEMP_PATH_BYTES, "%s/tally-%s-XXXXXX", parent, name);
    if (len < 0 || len >= TEMP_PATH_BYTES) return failure_set(failure, STATUS_BAD_CONFIG, "TMPDIR is too long");
    if (mkdtemp(path) == NULL) {
        return failure_set(failure, STATUS_IO_ERROR, "cannot make a directory in %s: %s", parent, strerror(errno));
    }
    return STATUS_OK;
}

static int remove_one(const char *path, const struct stat *stat, int kind, struct FTW *where) {
    (void)stat, (void)kind, (void)where;
    remove(path);
    return 0;
}

void temp_directory_remove(const char *path) {
    CHECK(strstr(path, "/tally-") != NULL);
    nftw(path, remove_one, OPEN_DIRECTORIES_MAX, FTW_DEPTH | FTW_PHYS);
}
