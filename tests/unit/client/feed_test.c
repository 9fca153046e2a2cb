#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/feed.h"
#include "client/history.h"
#include "client/interrupts.h"
#include "client/temp_directory.h"
#include "client/timing.h"

#define SECOND_NS INT64_C(1000000000)

static struct workload *make_workload(void) {
    struct workload_options options = workload_defaults();
    return workload_create(&options);
}

/* Lines that the feed gives before it wants to pause. */
static uint64_t take_all(struct feed *feed, struct sender_pause *pause) {
    struct sender_batch batch = {0};
    struct failure failure = {0};
    uint64_t lines = 0;
    while (feed_next(feed, &batch, pause, &failure) == STATUS_OK) {
        uint32_t ends = 0;
        for (size_t i = 0; i < batch.body.len; i++) ends += batch.body.at[i] == '\n';
        assert_int_equal(ends, batch.line_count);
        lines += batch.line_count;
    }
    buffer_fini(&batch.body);
    return lines;
}

static void a_feed_gives_what_is_due_and_then_pauses(void **state) {
    (void)state;
    struct workload *workload = make_workload();
    struct feed feed;
    struct sender_pause pause = {0};
    feed_init(&feed, workload, 1000);
    feed.since_ns -= SECOND_NS / 2; /* half a second ago */
    uint64_t lines = take_all(&feed, &pause);
    assert_true(lines >= 480 && lines <= 1500); /* a slow machine may take a while for it */
    assert_int_equal(lines % 20, 0);
    assert_int_equal(pause.readable_fd, -1);
    assert_true(pause.until_ms > 0);
    workload_destroy(workload);
}

static void a_server_that_cannot_follow_is_not_flooded_later(void **state) {
    (void)state;
    struct workload *workload = make_workload();
    struct feed feed;
    struct sender_pause pause = {0};
    feed_init(&feed, workload, 1000);
    feed.since_ns -= 3600 * SECOND_NS;
    assert_true(take_all(&feed, &pause) < 1000);
    workload_destroy(workload);
}

static void a_stopped_feed_ends(void **state) {
    (void)state;
    struct workload *workload = make_workload();
    struct feed feed;
    struct sender_batch batch = {0};
    struct sender_pause pause = {0};
    struct failure failure = {0};
    feed_init(&feed, workload, 1000);
    feed.since_ns -= SECOND_NS;
    feed.stopped = true;
    assert_int_equal(feed_next(&feed, &batch, &pause, &failure), STATUS_END);
    workload_destroy(workload);
}

struct noted {
    uint64_t lines, duplicates;
    int64_t first_ms, last_ms;
};

static void note_line(void *self, struct workload_click click) {
    struct noted *noted = self;
    noted->lines++;
    noted->duplicates += click.duplicate;
    if (noted->first_ms == 0) noted->first_ms = click.time_ms;
    noted->last_ms = click.time_ms;
}

static void a_history_spans_its_time_and_ends_now(void **state) {
    (void)state;
    struct workload_options options = workload_defaults();
    options.late_per_mille = 0;
    options.delay_ms_max = 0;
    struct workload *workload = workload_create(&options);
    struct noted noted = {0};
    struct history history = {.workload = workload,
                              .lines = 10001,
                              .span_ms = 24 * HOUR_MS,
                              .batch_lines = 1000,
                              .self = &noted,
                              .made_line = note_line};
    struct sender_batch batch = {0};
    struct sender_pause pause;
    struct failure failure = {0};
    unsigned batches = 0;
    uint64_t next_line = 1;
    int64_t before_ms = timing_wall().ms;
    while (history_next(&history, &batch, &pause, &failure) == STATUS_OK) {
        assert_int_equal(batch.first_line, next_line);
        next_line += batch.line_count;
        batches++;
    }
    int64_t after_ms = timing_wall().ms;
    assert_int_equal(batches, 11);
    assert_int_equal(noted.lines, 10001);
    assert_int_equal(noted.duplicates, workload_totals(workload).duplicates);
    assert_in_range(noted.first_ms, before_ms - 24 * HOUR_MS - 1, after_ms - 24 * HOUR_MS + 1);
    assert_in_range(noted.last_ms, before_ms - MINUTE_MS * 11, after_ms);
    buffer_fini(&batch.body);
    workload_destroy(workload);
}

static void interrupts_are_counted_and_do_not_end_the_process(void **state) {
    (void)state;
    struct interrupts interrupts;
    interrupts_open(&interrupts);
    assert_int_equal(interrupts_count(&interrupts), 0);
    raise(SIGINT);
    assert_int_equal(interrupts_count(&interrupts), 1);
    raise(SIGTERM);
    raise(SIGINT);
    assert_int_equal(interrupts_count(&interrupts), 3);
    assert_int_equal(interrupts_count(&interrupts), 3);
    interrupts_close(&interrupts);
}

static void a_temporary_directory_goes_with_all_that_is_in_it(void **state) {
    (void)state;
    char path[TEMP_PATH_BYTES], inner[TEMP_PATH_BYTES + 16], outside[] = "/tmp/feed-test-XXXXXX";
    struct failure failure = {0};
    int fd = mkstemp(outside);
    assert_true(fd >= 0);
    assert_int_equal(temp_directory_make("test", "/tmp", path, &failure), STATUS_OK);
    snprintf(inner, sizeof inner, "%s/a", path);
    assert_int_equal(mkdir(inner, 0700), 0);
    snprintf(inner, sizeof inner, "%s/a/b", path);
    close(open(inner, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    snprintf(inner, sizeof inner, "%s/a/link", path);
    assert_int_equal(symlink(outside, inner), 0);
    temp_directory_remove(path);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(access(outside, F_OK), 0); /* links are not followed */
    close(fd);
    unlink(outside);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_feed_gives_what_is_due_and_then_pauses),
        cmocka_unit_test(a_server_that_cannot_follow_is_not_flooded_later),
        cmocka_unit_test(a_stopped_feed_ends),
        cmocka_unit_test(a_history_spans_its_time_and_ends_now),
        cmocka_unit_test(interrupts_are_counted_and_do_not_end_the_process),
        cmocka_unit_test(a_temporary_directory_goes_with_all_that_is_in_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
