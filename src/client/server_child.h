/* server_child.h: a Tally server as a child process of the demo and the bench: this same program, run again as `serve`.
 *
 * The child is in a process group of its own, so a Ctrl-C at the terminal reaches only the parent, which stops it in order;
 * and it gets SIGTERM when the parent dies. Start it from the thread that lives longest (the parent-death signal is tied to
 * the thread). What the child writes is kept, and shown when it fails.
 */
#pragma once

#include <sys/types.h>

#include "base/status.h"
#include "base/units.h"
#include "client/interrupts.h"

enum { SERVER_CHILD_ARGUMENTS_MAX = 32 };

struct server_child {
    pid_t pid;        /* 0: none is running */
    int log_fd;       /* what it writes to stdout and stderr */
    char listen[300]; /* HOST:PORT */
    char url[320];
};

/* `listen` NULL or with port 0: a free port of 127.0.0.1. `arguments` (NULL-ended, at most SERVER_CHILD_ARGUMENTS_MAX) are
 * added to the command. Waits until /readyz answers 200. On a failure there is no child, and the reason holds its last
 * words. */
enum status server_child_start(struct server_child *child, const char *data_directory, const char *listen,
                               const char *const *arguments, int64_t ready_ms_max, struct failure *failure) MUST_USE;
/* True while it runs; false: it has ended by itself, `failure` says how. */
bool server_child_alive(struct server_child *child, struct failure *failure);
/* SIGTERM, and waits for exit 0. When `interrupts` (may be NULL) hold more than `patience` by then, it is killed instead. */
enum status server_child_stop(struct server_child *child, struct interrupts *interrupts, unsigned patience,
                              struct failure *failure) MUST_USE;
/* SIGKILL: for the restart bench and for clean-up. Fine when there is none. */
void server_child_kill(struct server_child *child);

/* User and system time of the child so far; 10 ms steps. */
double server_child_cpu_seconds(const struct server_child *child);
/* The most memory it has ever had resident; 0 when it cannot be told. */
uint64_t server_child_peak_bytes(const struct server_child *child);

/* True when a server could listen at HOST:PORT of IPv4 now (a port in use says false). */
bool server_child_can_listen(const char *listen);
