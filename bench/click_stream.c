/* click_stream SECONDS [RATE]: the workload of docs/benchmarks.md on standard output, as fast as it is read, or RATE lines a
 * second; what it made, on standard error. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/check.h"
#include "workload/workload.h"

int main(int count, char **arguments) {
    enum { LINES = 1000 };
    CHECKF(count >= 2, "usage: click_stream SECONDS [RATE]");
    uint64_t rate = count > 2 ? strtoull(arguments[2], NULL, 10) : 0, made = 0;
    struct workload_options options = workload_defaults();
    struct workload *workload = workload_create(&options);
    struct buffer lines = {0};
    struct timespec now;
    CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
    const struct timespec begin = now;
    time_t end = now.tv_sec + strtol(arguments[1], NULL, 10);
    while (now.tv_sec < end) {
        buffer_clear(&lines);
        struct wall_time at = {(int64_t)now.tv_sec * 1000};
        for (int i = 0; i < LINES; i++) workload_next_json(workload, at, &lines);
        if (fwrite(lines.at, 1, lines.len, stdout) != lines.len) return 1;
        made += LINES;
        CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
        while (rate > 0 && made > (uint64_t)(now.tv_sec - begin.tv_sec + 1) * rate) {
            (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
            CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
        }
    }
    CHECK(fflush(stdout) == 0);
    struct workload_totals totals = workload_totals(workload);
    (void)fprintf(stderr, "%" PRIu64 " %" PRIu64 "\n", totals.lines, totals.duplicates);
    workload_destroy(workload);
    buffer_fini(&lines);
    return 0;
}
