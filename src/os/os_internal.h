/* os_internal.h (inside os/) */
#pragma once

#include "os/os.h"

/* The status for an errno of a file operation, with path, operation and reason. */
enum status os_failure(struct failure *failure, const char *operation, const char *path, int error);
int os_directory_fd(const struct os_directory *directory);
