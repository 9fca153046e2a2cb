#include "asking.h"

/* --- status and metrics --- */

static void status_tells_everything_and_its_totals_add_up(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    const char *body = ask(asking, "/v1/status", "");
    assert_int_equal(asking->reply.http_status, 200);
    assert_contains(body, "{\"version_info\":{\"version\":\"" TALLY_VERSION "\",\"compiler\":\"");
    assert_contains(body, "},\"watermark\":\"2021-01-01T12:10:30.500Z\",\"version\":11,\"rules\":{\"number\":1,"
                          "\"partitions\":2,\"delay_ms\":15000,\"lateness_ms\":86400000,\"horizon_ms\":86460000,"
                          "\"max_skew_ms\":60000,\"without_event_id\":\"content\"},"
                          "\"totals\":{\"received\":16,\"accepted\":11,\"rejected\":5,"
                          "\"rejected_by\":{\"bad_json\":2,\"bad_ip\":3},\"counted\":6,\"duplicate\":1,\"conflict\":1,"
                          "\"too_late\":1,\"invalid\":0,\"pending\":2,\"duplicate_content\":1,\"late_amended\":2},");
    assert_contains(body, "\"partitions\":[{\"partition\":0,\"offset\":6,\"journal_end\":7,\"checkpoint_offset\":2,"
                          "\"watermark\":\"2021-01-01T12:10:30.500Z\",\"sealed_to\":\"2021-01-01T12:05:00Z\","
                          "\"counted\":3,\"duplicate\":1,\"conflict\":1,\"too_late\":0,\"invalid\":0,"
                          "\"duplicate_content\":1,\"late_amended\":0,\"cells_in_memory\":8},{\"partition\":1,");
    assert_contains(
        body,
        "],\"phase\":\"serving\",\"waits_for\":null,\"dedup\":{\"entries\":9,\"entries_max\":1000,"
        "\"bytes\":4000,\"bytes_max\":5000,\"runs\":2,\"file_bytes\":7000,\"reads\":3,\"runs_written\":12,\"runs_merged\":4,"
        "\"partitions_restored\":2,\"partitions_rebuilt\":1},\"ads\":3,");
    assert_contains(body, "\"conservation\":{\"intake\":true,\"partitions\":true,\"cells\":true},");
    assert_contains(body,
                    "\"memory\":{\"resident_bytes\":0,\"dedup_bytes\":4000,\"dedup_bytes_max\":5000,\"window_bytes\":100,"
                    "\"window_bytes_max\":1000,\"window_minutes\":3,\"window_from\":\"2021-01-01T00:00:00Z\","
                    "\"cells_bytes\":50,\"rankings_bytes\":60,\"ads_bytes\":0,\"recalculation_bytes\":0,\"recalculation_"
                    "bytes_max\":0},");
    assert_contains(body, ",\"filters\":{\"standing\":4,\"standing_max\":1000,\"ranked\":1,\"atoms\":6,\"atoms_max\":2000,"
                          "\"bytes\":90,\"bytes_journal\":85,\"bytes_aggregators\":80},\"slices\":{\"bytes\":70,\"bytes_"
                          "max\":700,\"minutes\":2,"
                          "\"from\":\"2021-01-01T00:01:00Z\"}}\n");
    PROBLEM("/v1/status", "verbose=1", 400, "verbose");
    asking_destroy(asking);
}

static void status_says_why_intake_waits(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    asking->status.waits_for = "the clock is behind";
    assert_contains(ask(asking, "/v1/status", ""), "\"waits_for\":\"the clock is behind\"");
    asking_destroy(asking);
}

static void a_broken_law_is_shown(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    asking->status.totals.received += 1;
    assert_contains(ask(asking, "/v1/status", ""), "\"conservation\":{\"intake\":false,\"partitions\":true,\"cells\":true}");
    assert_contains(ask(asking, "/metrics", ""), "\ntally_conservation_violated{law=\"intake\"} 1\n");
    asking->status.totals.received -= 1;
    asking->view.partitions[1].watermark.clicks += 1;
    assert_contains(ask(asking, "/v1/status", ""), "\"conservation\":{\"intake\":true,\"partitions\":false,\"cells\":true}");
    assert_contains(ask(asking, "/metrics", ""), "\ntally_conservation_violated{law=\"partitions\"} 1\n");
    asking->view.partitions[1].watermark.clicks -= 1;
    asking->view.partitions[1].checkpoint_cells += 1;
    assert_contains(ask(asking, "/v1/status", ""), "\"conservation\":{\"intake\":true,\"partitions\":true,\"cells\":false}");
    assert_contains(ask(asking, "/metrics", ""), "\ntally_conservation_violated{law=\"cells\"} 1\n");
    asking_destroy(asking);
}

static void while_replaying_the_totals_are_never_below_what_is_counted(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    asking->status.totals.accepted = 3;
    asking->status.totals.received = 8;
    asking->status.phase = "replaying";
    const char *body = ask(asking, "/v1/status", "");
    assert_contains(body, "\"received\":14,\"accepted\":9,\"rejected\":5,");
    assert_contains(body, "\"pending\":0,");
    assert_contains(body, "\"conservation\":{\"intake\":true,\"partitions\":true,\"cells\":true}");
    asking->status.phase = "serving"; /* now it would mean that acknowledged clicks are not in the journal */
    assert_contains(ask(asking, "/v1/status", ""), "\"conservation\":{\"intake\":true,\"partitions\":false,\"cells\":true}");
    asking_destroy(asking);
}

/* Every sample belongs to the HELP and TYPE just before it, no metric occurs twice, and the last line ends. */
static void metrics_are_in_the_prometheus_text_format(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    char *body = strdup(ask(asking, "/metrics", ""));
    assert_non_null(body);
    assert_string_equal(asking->reply.content_type, "text/plain; version=0.0.4; charset=utf-8");
    assert_int_equal(body[strlen(body) - 1], '\n');
    char name[128] = "", type[16] = "", header[256];
    size_t metrics = 0;
    for (char *rest = body, *line; (line = strsep(&rest, "\n")) != NULL && *line != '\0';) {
        if (strncmp(line, "# HELP ", 7) == 0) {
            assert_int_equal(sscanf(line, "# HELP %127s", name), 1);
            (void)snprintf(header, sizeof header, "\n# HELP %s ", name);
            assert_null(rest == NULL ? NULL : strstr(rest, header));
            ++metrics;
        } else if (strncmp(line, "# TYPE ", 7) == 0) {
            char typed[128];
            assert_int_equal(sscanf(line, "# TYPE %127s %15s", typed, type), 2);
            assert_string_equal(typed, name);
            size_t len = strlen(name);
            bool is_total = len > 6 && strcmp(name + len - 6, "_total") == 0;
            assert_true(strcmp(type, is_total ? "counter" : "gauge") == 0 || (!is_total && strcmp(type, "histogram") == 0));
        } else {
            assert_int_equal(strncmp(line, name, strlen(name)), 0);
            const char *sample = line + strlen(name);
            if (strcmp(type, "histogram") == 0) sample += strcspn(sample, " {"); /* _bucket, _sum, _count */
            char after = *sample;
            assert_true(after == ' ' || after == '{');
            const char *value = strrchr(line, ' ');
            char *end = NULL;
            assert_non_null(value);
            (void)strtod(value + 1, &end);
            assert_true(end > value + 1 && *end == '\0');
            assert_null(strstr(line, "ad001"));
        }
        assert_int_equal(strncmp(name, "tally_", 6), 0);
    }
    assert_true(metrics > 25);
    free(body);
    asking_destroy(asking);
}

static void metrics_say_what_status_says(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    const char *body = ask(asking, "/metrics", "");
    const char *const samples[] = {
        "tally_lines_received_total 16",
        "tally_clicks_accepted_total 11",
        "tally_lines_rejected_total{code=\"bad_json\"} 2",
        "tally_lines_rejected_total{code=\"refused_batch\"} 0",
        "tally_clicks_total{verdict=\"counted\"} 6",
        "tally_clicks_total{verdict=\"too_late\"} 1",
        "tally_clicks_pending 2",
        "tally_watermark_timestamp_seconds{partition=\"0\"} 1609503030.500",
        "tally_partition_journal_end{partition=\"1\"} 6",
        "tally_stage_cpu_seconds_total{stage=\"journal\"} 0.250000",
        "tally_conservation_violated{law=\"intake\"} 0",
        "tally_conservation_violated{law=\"cells\"} 0",
        "tally_uptime_seconds 12.500",
        "tally_dedup_entries_max 1000",
        "tally_dedup_reads_total 3",
        "tally_journal_syncs_total 6",
        "tally_view_version 11",
        "tally_rules_number 1",
        "tally_intake_refused_total{reason=\"clock\"} 2",
        "tally_connections 2",
        "tally_connections_ended_total{reason=\"idle\"} 5",
        "tally_commit_seconds_bucket{le=\"0.000500\"} 4",
        "tally_commit_seconds_bucket{le=\"2.500000\"} 5",
        "tally_commit_seconds_bucket{le=\"+Inf\"} 6",
        "tally_commit_seconds_sum 3.500000000",
        "tally_commit_seconds_count 6",
        "tally_window_bytes 100",
        "tally_window_seconds 180",
        "tally_window_from_timestamp_seconds 1609459200",
        "tally_cells_bytes 50",
        "tally_rankings_bytes 60",
        "tally_slices_bytes 70",
        "tally_slices_bytes_max 700",
        "tally_slices_seconds 120",
        "tally_slices_from_timestamp_seconds 1609459260",
        "tally_filters 4",
        "tally_filters_max 1000",
        "tally_filters_ranked 1",
        "tally_filters_bytes 90",
        "tally_filters_journal_bytes 85",
        "tally_filters_aggregators_bytes 80",
        "tally_atoms 6",
        "tally_atoms_max 2000",
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; ++i) {
        char line[256];
        (void)snprintf(line, sizeof line, "\n%s\n", samples[i]);
        assert_contains(body, line);
    }
    asking_destroy(asking);
}

/* docs/metrics.md is written by this test when TALLY_WRITE_DOCS is set. Tests run in the project's root. */
static void the_page_of_metrics_is_up_to_date(void **state) {
    (void)state;
    struct buffer expected = {0};
    metrics_document(&expected);
    if (getenv("TALLY_WRITE_DOCS") != NULL) {
        FILE *out = fopen("docs/metrics.md", "w");
        assert_non_null(out);
        assert_int_equal(fwrite(expected.at, 1, expected.len, out), expected.len);
        assert_int_equal(fclose(out), 0);
    }
    char *actual = memory_allocate_zeroed(1, expected.len + 2);
    FILE *in = fopen("docs/metrics.md", "r");
    assert_non_null(in);
    assert_int_equal(fread(actual, 1, expected.len + 1, in), expected.len);
    assert_int_equal(fclose(in), 0);
    assert_memory_equal(actual, expected.at, expected.len);
    free(actual);
    buffer_fini(&expected);
}

/* --- paths and methods --- */

static void an_unknown_path_says_where_to_look(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    const char *const paths[] = {"/v1/ads",
                                 "/v1/ads/",
                                 "/v1/ads/x",
                                 "/v1/ads/x/other",
                                 "/v1/filters/",
                                 "/v1/filters/1/x",
                                 "/v1/statuses",
                                 "/v1/status/",
                                 "/v2/status",
                                 "/metrics/x",
                                 "",
                                 "x",
                                 "/v1//status",
                                 "/a/b/c/d/e/f/g/h",
                                 "/v1/ads/x/aggregated_cnt/",
                                 "/%FF\"\\"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; ++i) {
        PROBLEM(paths[i], "", 404, "urn:tally:problem:not-found", "/v1/ads/{ad_id}/aggregated_cnt", "POST /v1/clicks");
    }
    asking_destroy(asking);
}

static void questions_take_get_and_head_only(void **state) {
    (void)state;
    struct asking *asking = asking_create();
    const char *const paths[] = {COUNT, POPULAR, "/v1/filters", "/v1/status", "/metrics"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; ++i) {
        char *as_get = strdup(ask_as(asking, "GET", paths[i], ""));
        assert_string_equal(ask_as(asking, "HEAD", paths[i], ""), as_get);
        assert_int_equal(asking->reply.http_status, 200);
        free(as_get);
        assert_contains(ask_as(asking, "PUT", paths[i], ""), "Allow: GET, HEAD");
        assert_int_equal(asking->reply.http_status, 405);
    }
    (void)ask_as(asking, "DELETE", "/v1/filters", "");
    assert_string_equal(asking->reply.headers, "Allow: GET, HEAD, POST\r\nCache-Control: no-store\r\n");
    (void)ask_as(asking, "POST", "/v1/filters/1", "");
    assert_string_equal(asking->reply.headers, "Allow: DELETE, GET, HEAD\r\nCache-Control: no-store\r\n");
    (void)ask(asking, "/v1/filters/1/recalculation", "");
    assert_int_equal(asking->reply.http_status, 405);
    assert_string_equal(asking->reply.headers, "Allow: POST\r\nCache-Control: no-store\r\n");
    (void)ask_as(asking, "POST", "/nowhere", "");
    assert_int_equal(asking->reply.http_status, 404);
    asking_destroy(asking);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_tells_everything_and_its_totals_add_up),
        cmocka_unit_test(status_says_why_intake_waits),
        cmocka_unit_test(a_broken_law_is_shown),
        cmocka_unit_test(while_replaying_the_totals_are_never_below_what_is_counted),
        cmocka_unit_test(metrics_are_in_the_prometheus_text_format),
        cmocka_unit_test(metrics_say_what_status_says),
        cmocka_unit_test(the_page_of_metrics_is_up_to_date),
        cmocka_unit_test(an_unknown_path_says_where_to_look),
        cmocka_unit_test(questions_take_get_and_head_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
