/* interrupts.h: SIGINT and SIGTERM as a number that is asked for, so that a verb can stop in order. Blocks both signals for
 * the process from open to close; threads started in between inherit that. */
#pragma once

#include <signal.h>
#include <stdbool.h>

struct interrupts {
    int fd;
    unsigned count;
    sigset_t before;
};

void interrupts_open(struct interrupts *interrupts);
/* How many have come so far. */
unsigned interrupts_count(struct interrupts *interrupts);
/* From here on they end the process again. */
void interrupts_close(struct interrupts *interrupts);
