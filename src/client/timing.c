#include "client/timing.h"

#include <time.h>

int64_t timing_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t timing_now_ms(void) {
    return timing_now_ns() / 1000000;
}

struct wall_time timing_wall(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (struct wall_time){(int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000};
}

void timing_sleep_ms(int64_t ms) {
    struct timespec span = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&span, NULL); /* a signal may cut it short: every caller looks at the clock again */
}
