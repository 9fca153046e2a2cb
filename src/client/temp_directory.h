/* temp_directory.h: a directory for the time of a run. */
#pragma once

#include "base/status.h"

enum { TEMP_PATH_BYTES = 512 };

/* Makes PARENT/tally-NAME-XXXXXX; PARENT is $TMPDIR, or `otherwise` when that is not set. */
enum status temp_directory_make(const char *name, const char *otherwise, char path[TEMP_PATH_BYTES],
                                struct failure *failure) MUST_USE;
/* With all that is in it. Refuses (CHECK) a path that temp_directory_make cannot have made. */
void temp_directory_remove(const char *path);
