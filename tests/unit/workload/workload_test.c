#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "workload/workload.h"
#include "workload/zipf.h"

static const struct wall_time now = {1700000000123};

static void make_lines(struct workload *workload, int count, struct buffer *out) {
    for (int i = 0; i < count; i++) workload_next_json(workload, now, out);
}

static void the_first_ranks_have_their_share(void **state) {
    (void)state;
    enum { RANKS = 2000000, SAMPLES = 1000000 };
    struct zipf zipf;
    struct random_sequence sequence = {7};
    zipf_init(&zipf, RANKS);
    double harmonic = 0;
    for (int rank = RANKS; rank >= 1; rank--) harmonic += 1.0 / rank;
    unsigned hits[11] = {0}, upper_half = 0;
    for (int i = 0; i < SAMPLES; i++) {
        uint32_t rank = zipf_next(&zipf, &sequence);
        assert_in_range(rank, 1, RANKS);
        if (rank <= 10) hits[rank]++;
        upper_half += rank > RANKS / 2;
    }
    for (int rank = 1; rank <= 10; rank++) {
        double wanted = SAMPLES / (rank * harmonic);
        assert_true(fabs(hits[rank] - wanted) < 5 * sqrt(wanted)); /* five standard deviations, under a fixed seed */
    }
    double wanted = SAMPLES * log(2) / harmonic;
    assert_true(fabs(upper_half - wanted) < 5 * sqrt(wanted));
}

static void one_rank_is_always_the_first(void **state) {
    (void)state;
    struct zipf zipf;
    struct random_sequence sequence = {1};
    zipf_init(&zipf, 1);
    for (int i = 0; i < 1000; i++) assert_int_equal(zipf_next(&zipf, &sequence), 1);
}

static void the_same_seed_makes_the_same_bytes(void **state) {
    (void)state;
    struct workload_options options = workload_defaults();
    struct workload *a = workload_create(&options), *b = workload_create(&options);
    options.seed = 2;
    struct workload *other = workload_create(&options);
    struct buffer from_a = {0}, from_b = {0}, from_other = {0};
    make_lines(a, 5000, &from_a);
    make_lines(b, 5000, &from_b);
    make_lines(other, 5000, &from_other);
    assert_true(bytes_equal(buffer_view(&from_a), buffer_view(&from_b)));
    assert_false(bytes_equal(buffer_view(&from_a), buffer_view(&from_other)));
    buffer_fini(&from_a);
    buffer_fini(&from_b);
    buffer_fini(&from_other);
    workload_destroy(a);
    workload_destroy(b);
    workload_destroy(other);
}

/* A digest of it, written down, so that benches of different versions have the same clicks. Of one ad: no rounding of a C
 * library is in it. */
static void the_stream_without_a_pool_stays_what_it_was(void **state) {
    (void)state;
    struct workload_options options = workload_defaults();
    options.ads = 1;
    struct workload *workload = workload_create(&options);
    struct buffer text = {0};
    make_lines(workload, 100000, &text);
    uint64_t sum = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (size_t i = 0; i < text.len; i++) sum = (sum ^ text.at[i]) * UINT64_C(0x100000001b3);
    assert_int_equal(sum, UINT64_C(0x743978f72d1f006f));
    buffer_fini(&text);
    workload_destroy(workload);
}

static int compare_texts(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorts whole lines: an event id that comes twice comes with the same other fields, as often as was said. */
static void duplicates_are_exact_copies_and_all_counted(void **state) {
    (void)state;
    enum { LINES = 100000 };
    struct workload_options options = workload_defaults();
    struct workload *workload = workload_create(&options);
    struct buffer text = {0};
    make_lines(workload, LINES, &text);
    buffer_append(&text, "", 1);
    char **lines = malloc(LINES * sizeof *lines);
    char *rest = (char *)text.at;
    for (int i = 0; i < LINES; i++) lines[i] = strsep(&rest, "\n");
    qsort(lines, LINES, sizeof *lines, compare_texts);
    enum { EVENT_ID_END = sizeof "{\"event_id\":\"" - 1 + 32 };
    uint64_t copies = 0, same_ids = 0;
    for (int i = 1; i < LINES; i++) {
        copies += strcmp(lines[i - 1], lines[i]) == 0;
        same_ids += strncmp(lines[i - 1], lines[i], EVENT_ID_END) == 0;
    }
    struct workload_totals totals = workload_totals(workload);
    assert_int_equal(totals.lines, LINES);
    assert_int_equal(copies, totals.duplicates);
    assert_int_equal(same_ids, totals.duplicates);
    assert_in_range(totals.duplicates, LINES * 2 / 100 - 250, LINES * 2 / 100 + 250);
    assert_in_range(totals.late, LINES / 100 - 150, LINES / 100 + 150);
    free(lines);
    buffer_fini(&text);
    workload_destroy(workload);
}

static void no_click_is_later_than_now_or_earlier_than_the_latest(void **state) {
    (void)state;
    struct workload_options options = workload_defaults();
    options.late_per_mille = 500;
    struct workload *workload = workload_create(&options);
    struct buffer line = {0};
    int64_t earliest = now.ms;
    for (int i = 0; i < 20000; i++) {
        buffer_clear(&line);
        workload_next_json(workload, now, &line);
        buffer_append(&line, "", 1);
        const char *stamp = strstr((char *)line.at, "\"click_timestamp\":");
        assert_non_null(stamp);
        int64_t ms = strtoll(stamp + strlen("\"click_timestamp\":"), NULL, 10);
        assert_true(ms <= now.ms && ms >= now.ms - options.late_ms_max);
        if (ms < earliest) earliest = ms;
    }
    assert_true(earliest < now.ms - options.late_ms_max + MINUTE_MS);
    buffer_fini(&line);
    workload_destroy(workload);
}

static void without_shares_there_are_no_duplicates_and_no_late_clicks(void **state) {
    (void)state;
    struct workload_options options = workload_defaults();
    options.duplicates_per_mille = options.late_per_mille = 0;
    options.delay_ms_max = 0;
    struct workload *workload = workload_create(&options);
    struct buffer text = {0};
    make_lines(workload, 10000, &text);
    buffer_append(&text, "", 1);
    assert_int_equal(workload_totals(workload).duplicates, 0);
    assert_int_equal(workload_totals(workload).late, 0);
    unsigned stamps = 0;
    for (char *at = (char *)text.at; (at = strstr(at, "\"click_timestamp\":1700000000123,")) != NULL; at++) stamps++;
    assert_int_equal(stamps, 10000);
    buffer_fini(&text);
    workload_destroy(workload);
}

static void sixty_countries_are_used(void **state) {
    (void)state;
    struct workload_options options = workload_defaults();
    struct workload *workload = workload_create(&options);
    static bool used[26 * 26 * 26];
    unsigned count = 0;
    struct buffer line = {0};
    for (int i = 0; i < 50000; i++) {
        buffer_clear(&line);
        workload_next_json(workload, now, &line);
        const uint8_t *letters = line.at + line.len - sizeof "USA\"}";
        unsigned code = (letters[0] - 'A') * 676u + (letters[1] - 'A') * 26u + (letters[2] - 'A');
        assert_in_range(code, 0, 26 * 26 * 26 - 1);
        count += !used[code];
        used[code] = true;
    }
    assert_int_equal(count, WORKLOAD_COUNTRIES);
    buffer_fini(&line);
    workload_destroy(workload);
}

/* The calendar against the C library, over leap days and turns of the year. */
static void a_log_line_has_the_date_of_its_stamp(void **state) {
    (void)state;
    struct workload_options options = workload_defaults();
    options.duplicates_per_mille = options.late_per_mille = 0;
    options.delay_ms_max = 0;
    struct workload *workload = workload_create(&options);
    struct buffer line = {0};
    for (int64_t day = 1; day < 60000; day += 7) {
        struct wall_time at = {(day * 86400 + day * 7919 % 86400) * 1000 + 999};
        time_t seconds = at.ms / 1000;
        char wanted[64];
        struct tm tm;
        strftime(wanted, sizeof wanted, ", %Y-%m-%d %H:%M:%S, user", gmtime_r(&seconds, &tm));
        buffer_clear(&line);
        workload_next_log_line(workload, at, &line);
        buffer_append(&line, "", 1);
        assert_int_equal(strncmp((char *)line.at, "[AdClickEvent] ad", 17), 0);
        assert_non_null(strstr((char *)line.at, wanted));
    }
    buffer_fini(&line);
    workload_destroy(workload);
}

static void a_json_line_looks_as_documented(void **state) {
    (void)state;
    struct workload_options options = workload_defaults();
    options.delay_ms_max = 0;
    options.late_per_mille = 0;
    struct workload *workload = workload_create(&options);
    struct buffer line = {0};
    workload_next_json(workload, now, &line);
    buffer_append(&line, "", 1);
    char event_id[40], ad_id[40], user_id[40], country[8];
    long long stamp;
    unsigned octets[4];
    int end = 0;
    int fields =
        sscanf((char *)line.at,
               "{\"event_id\":\"%32[0-9a-f]\",\"ad_id\":\"%39[a-z0-9]\",\"click_timestamp\":%lld,\"user_id\":\"%39[a-z0-9]"
               "\",\"ip\":\"%u.%u.%u.%u\",\"country\":\"%3[A-Z]\"}\n%n",
               event_id, ad_id, &stamp, user_id, &octets[0], &octets[1], &octets[2], &octets[3], country, &end);
    assert_int_equal(fields, 9);
    assert_int_equal(end, line.len - 1);
    assert_int_equal(strlen(event_id), 32);
    assert_int_equal(strlen(ad_id), 9);
    assert_int_equal(stamp, now.ms);
    for (int i = 0; i < 4; i++) assert_in_range(octets[i], 0, 255);
    buffer_fini(&line);
    workload_destroy(workload);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_ranks_have_their_share),
        cmocka_unit_test(one_rank_is_always_the_first),
        cmocka_unit_test(the_same_seed_makes_the_same_bytes),
        cmocka_unit_test(the_stream_without_a_pool_stays_what_it_was),
        cmocka_unit_test(duplicates_are_exact_copies_and_all_counted),
        cmocka_unit_test(no_click_is_later_than_now_or_earlier_than_the_latest),
        cmocka_unit_test(without_shares_there_are_no_duplicates_and_no_late_clicks),
        cmocka_unit_test(sixty_countries_are_used),
        cmocka_unit_test(a_log_line_has_the_date_of_its_stamp),
        cmocka_unit_test(a_json_line_looks_as_documented),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
