#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "cli/bench.h"
#include "cli/bench_filters_made.h"
#include "cli/bench_made.h"
#include "cli/bench_sink.h"
#include "client/asker.h"
#include "client/history.h"
#include "client/sender.h"

static void the_sink_counts_what_several_connections_send(void **state) {
    (void)state;
    struct workload_options making = workload_defaults();
    struct workload *workload = workload_create(&making);
    struct history history = {.workload = workload, .lines = 20123, .span_ms = HOUR_MS, .batch_lines = 777};
    struct sink *sink = sink_start();
    const struct sender_options options = {.url = sink_url(sink), .connections = 5, .give_up_ms = 60000};
    const struct sender_source source = {.self = &history, .next = history_next};
    const struct sender_observer observer = {0};
    struct sender *sender = sender_create(&options, &source, &observer);
    struct failure failure = {0};
    enum status status;
    while ((status = sender_step(sender, 1000, &failure)) == STATUS_OK) {
    }
    assert_int_equal(status, STATUS_END);
    assert_int_equal(sender_totals(sender)->accepted, 20123);
    sender_destroy(sender);
    double cpu_seconds = -1;
    assert_int_equal(sink_stop(sink, &cpu_seconds), 20123);
    assert_true(cpu_seconds >= 0);
    workload_destroy(workload);
}

struct asked {
    uint64_t next, answered, failed;
};

static unsigned ask_number(void *self, uint64_t number, struct buffer *path) {
    struct asked *asked = self;
    assert_int_equal(number, asked->next++);
    buffer_printf(path, "/question/%u", (unsigned)number);
    return (unsigned)number % 3;
}

static void note_answer(void *self, unsigned kind, int64_t took_us, const struct http_answer *answer,
                        const struct failure *why) {
    struct asked *asked = self;
    assert_in_range(kind, 0, 2);
    assert_true(took_us >= 0);
    asked->answered++;
    if (answer != NULL) {
        assert_int_equal(answer->http_status, 200);
    } else {
        assert_true(strlen(why->text) > 0);
        asked->failed++;
    }
}

static struct asker_options asking(const char *url, struct asked *asked) {
    return (struct asker_options){.url = url,
                                  .rate = 2000,
                                  .connections = 4,
                                  .timeout_ms = 30000,
                                  .self = asked,
                                  .ask = ask_number,
                                  .answered = note_answer};
}

static void every_question_is_asked_once_and_not_before_it_is_due(void **state) {
    (void)state;
    struct sink *sink = sink_start();
    struct asked asked = {0};
    const struct asker_options options = asking(sink_url(sink), &asked);
    int64_t took_ns = asker_run(&options, 500);
    assert_int_equal(asked.next, 500);
    assert_int_equal(asked.answered, 500);
    assert_int_equal(asked.failed, 0);
    assert_true(took_ns >= INT64_C(499) * 500000); /* the last is due then */
    double cpu_seconds;
    assert_int_equal(sink_stop(sink, &cpu_seconds), 0);
}

static void a_question_without_an_answer_is_told(void **state) {
    (void)state;
    struct asked asked = {0};
    const struct asker_options options = asking("http://127.0.0.1:1", &asked);
    assert_true(asker_run(&options, 20) > 0);
    assert_int_equal(asked.answered, 20);
    assert_int_equal(asked.failed, 20);
}

static void what_was_made_is_counted_without_duplicates(void **state) {
    (void)state;
    const struct wall_time now = {INT64_C(1700000000000)};
    const int64_t minute = now.ms / MINUTE_MS;
    struct made *made = made_create(now, 60);
    made_note(made, (struct workload_click){.ad = 1, .time_ms = now.ms});
    made_note(made, (struct workload_click){.ad = 1, .time_ms = now.ms, .duplicate = true});
    made_note(made, (struct workload_click){.ad = 1, .time_ms = now.ms - MINUTE_MS});
    made_note(made, (struct workload_click){.ad = MADE_ADS, .time_ms = now.ms + 59 * MINUTE_MS});
    made_note(made, (struct workload_click){.ad = MADE_ADS + 1, .time_ms = now.ms});
    assert_int_equal(made_count(made, 1, minute, minute + 1), 1);
    assert_int_equal(made_count(made, 1, minute - 1, minute + 1), 2);
    assert_int_equal(made_count(made, 1, 0, minute), 1); /* before all that is kept there is nothing */
    assert_int_equal(made_count(made, MADE_ADS, minute, minute + 1000), 1);
    made_destroy(made);
}

/* Every sampled filter's counts are those of the definition; there are filters that match all, some and none. */
static void what_a_sampled_filter_counts_is_what_it_matches(void **state) {
    (void)state;
    const struct wall_time now = {INT64_C(1700000000000)};
    const int64_t minute = now.ms / MINUTE_MS;
    struct filters_made *filters = filters_made_create(3, minute - 1, 3);
    const struct workload_pool pool = filters_made_pool(filters, 2);
    struct workload_options making = workload_defaults();
    making.ads = 1;
    making.late_per_mille = 0;
    making.pool = &pool;
    struct workload *workload = workload_create(&making);
    struct buffer line = {0};
    enum { LINES = 20000 };
    for (int i = 0; i < LINES; i++) {
        buffer_clear(&line);
        workload_next_json(workload, now, &line);
        filters_made_note(filters, workload_last(workload));
    }
    uint64_t different = LINES - workload_totals(workload).duplicates;
    unsigned all = 0, some = 0;
    for (uint32_t i = 0; i < FILTERS_MADE_SAMPLED; i++) {
        const struct filters_made_sample at = {filters, i};
        const struct answers_expected expected = filters_made_expected(&at, 1);
        uint64_t count = expected.count(expected.made, 1, minute - 1, minute + 1);
        assert_true(count <= different);
        assert_int_equal(expected.count(expected.made, 1, 0, minute - 1), 0);
        assert_int_equal(expected.count(expected.made, 2, minute - 1, minute + 1), 0);
        all += count * 10 > different * 9;
        some += count > 0 && count * 10 <= different * 9;
    }
    assert_true(all > 0 && some > 10);
    assert_true(filters_made_matched(filters) > 1.9 && filters_made_matched(filters) < 2.1);
    buffer_fini(&line);
    workload_destroy(workload);
    filters_made_destroy(filters);
}

static void percentiles_are_of_the_sorted_times(void **state) {
    (void)state;
    uint64_t times[] = {5000, 1000, 4000, 2000, 3000};
    assert_true(bench_percentile_ms(times, 5, 0.5) == 3);
    assert_true(bench_percentile_ms(times, 5, 1.0) == 5);
    assert_true(bench_percentile_ms(times, 0, 0.5) == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sink_counts_what_several_connections_send),
        cmocka_unit_test(every_question_is_asked_once_and_not_before_it_is_due),
        cmocka_unit_test(a_question_without_an_answer_is_told),
        cmocka_unit_test(what_was_made_is_counted_without_duplicates),
        cmocka_unit_test(what_a_sampled_filter_counts_is_what_it_matches),
        cmocka_unit_test(percentiles_are_of_the_sorted_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
