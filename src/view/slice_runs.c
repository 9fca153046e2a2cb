#include "view/slice_runs.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"

enum {
    RUN_SHARE = 4,               /* a run that is not so many times as large as the one behind it is merged with it */
    RUN_MERGED_MAX = 256 * 1024, /* unless more than so many would have to be moved, which takes 1 to 2 ms */
};

/* --- items --- */

/* I9: checked, though no machine counts that far. */
static void add_checked(uint64_t *sum, uint64_t count) {
    CHECK(!__builtin_add_overflow(*sum, count, sum));
}

uint32_t slices_add_up(struct slice *sorted, uint32_t count) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        CHECK(sorted[i].count > 0);
        if (kept > 0 && sorted[kept - 1].key == sorted[i].key) {
            add_checked(&sorted[kept - 1].count, sorted[i].count);
        } else {
            COSTLY_CHECK(kept == 0 || sorted[kept - 1].key < sorted[i].key);
            sorted[kept++] = sorted[i];
        }
    }
    return kept;
}

/* Two ascending arrays into one with room for both; returns how many there are. */
static uint32_t merge(struct slice_run a, struct slice_run b, struct slice *out) {
    uint32_t i = 0, j = 0, count = 0;
    while (i < a.count && j < b.count) {
        struct slice *next = &out[count++];
        if (a.slices[i].key < b.slices[j].key) {
            *next = a.slices[i++];
        } else if (b.slices[j].key < a.slices[i].key) {
            *next = b.slices[j++];
        } else {
            *next = a.slices[i++];
            add_checked(&next->count, b.slices[j++].count);
        }
    }
    memcpy(out + count, a.slices + i, (a.count - i) * sizeof *out);
    count += a.count - i;
    memcpy(out + count, b.slices + j, (b.count - j) * sizeof *out);
    return count + b.count - j;
}

/* --- runs --- */

void slice_runs_fini(struct slice_runs *runs) {
    for (uint32_t r = 0; r < runs->run_count; r++) free(runs->runs[r].slices);
    free(runs->runs);
    *runs = (struct slice_runs){0};
}

/* Gives back what equal keys have left free. */
static void run_trim(struct slice_run *run, size_t room) {
    if (run->count < room) run->slices = memory_resize(run->slices, run->count * sizeof *run->slices);
}

/* Two runs into one; both are let go. */
static struct slice_run merge_runs(struct slice_run a, struct slice_run b) {
    size_t room = (size_t)a.count + b.count;
    struct slice_run merged = {.slices = memory_allocate(room * sizeof *merged.slices)};
    merged.count = merge(a, b, merged.slices);
    run_trim(&merged, room);
    free(a.slices);
    free(b.slices);
    return merged;
}

static bool merge_is_due(const struct slice_runs *runs, struct slice_run added) {
    if (runs->run_count == 0) return false;
    uint32_t last = runs->runs[runs->run_count - 1].count;
    return last / RUN_SHARE <= added.count && (uint64_t)last + added.count <= RUN_MERGED_MAX;
}

static void push(struct slice_runs *runs, struct slice_run run) {
    CHECK(run.count <= UINT32_MAX - runs->count);
    if (runs->run_count == runs->run_capacity) {
        runs->run_capacity = runs->run_capacity * 2 + 4;
        runs->runs = memory_resize(runs->runs, runs->run_capacity * sizeof *runs->runs);
    }
    runs->runs[runs->run_count++] = run;
    runs->count += run.count;
}

void slice_runs_add(struct slice_runs *runs, struct slice *items, uint32_t count) {
    if (count == 0) return;
    struct slice_run run = {.slices = memory_allocate(count * sizeof *run.slices)};
    struct slice *sorted = slices_sorted(items, run.slices, count);
    run.count = slices_add_up(sorted, count);
    if (sorted != run.slices) memcpy(run.slices, sorted, run.count * sizeof *sorted);
    run_trim(&run, count);
    while (merge_is_due(runs, run)) {
        struct slice_run last = runs->runs[--runs->run_count];
        runs->count -= last.count;
        run = merge_runs(last, run);
    }
    push(runs, run);
}

/* The smallest first, so that the larger are moved but once or twice. */
uint32_t slice_runs_sorted(const struct slice_runs *runs, struct slice *out, struct slice *scratch) {
    struct slice_run merged = {.slices = out};
    for (uint32_t r = runs->run_count; r-- > 0;) {
        struct slice *into = r % 2 == 0 ? out : scratch; /* the last into `out` */
        merged = (struct slice_run){into, merge(runs->runs[r], merged, into)};
    }
    return merged.count;
}
