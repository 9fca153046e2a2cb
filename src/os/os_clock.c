#include <time.h>

#include "base/check.h"
#include "os/os.h"

static struct wall_time read_wall(void *self) {
    (void)self;
    struct timespec now;
    CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
    return (struct wall_time){(int64_t)now.tv_sec * SECOND_MS + now.tv_nsec / 1000000};
}

/* Not CLOCK_MONOTONIC, which stands still while the machine is suspended: the first reading after it would look like a step
 * of the wall clock (I8). */
static struct mono_time read_mono(void *self) {
    (void)self;
    struct timespec now;
    CHECK(clock_gettime(CLOCK_BOOTTIME, &now) == 0);
    return (struct mono_time){(int64_t)now.tv_sec * 1000000000 + now.tv_nsec};
}

struct clock os_clock(void) {
    return (struct clock){.self = NULL, .wall = read_wall, .mono = read_mono};
}
