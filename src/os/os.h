/* os.h: the seam on a real machine: POSIX files under a data directory, the system's clocks, libsodium's random bytes. */
#pragma once

#include <stdbool.h>

#include "base/status.h"
#include "seam/clock.h"
#include "seam/files.h"
#include "seam/random.h"

struct clock os_clock(void); /* CLOCK_REALTIME, and CLOCK_BOOTTIME: a suspended machine's time goes on */
struct random os_random(void);

struct os_directory;
/* Creates the directory if it is missing (its parent must exist) and locks it (flock on DIR/LOCK): STATUS_BUSY when another
 * process has it, naming its pid; other failures name the directory and what to do. */
enum status os_directory_open(const char *path, struct os_directory **out, struct failure *failure) MUST_USE;
void os_directory_close(struct os_directory *directory);
struct files os_files(struct os_directory *directory);
/* Moves a directory in it aside under a name that is not taken yet (`store.damaged`, `store.2.damaged`, ...), which is put
 * into `aside`, and syncs. */
enum { OS_NAME_BYTES = 64 };
enum status os_directory_put_aside(struct os_directory *directory, const char *name, char aside[OS_NAME_BYTES],
                                   struct failure *failure) MUST_USE;
/* Whether there is a file or directory of that path in it. */
bool os_directory_has(const struct os_directory *directory, const char *path);
/* Absolute or as given; for messages and for what needs a real path (the store). */
const char *os_directory_path(const struct os_directory *directory);
