#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"
#include "log/log.h"

#define NOON ((struct wall_time){INT64_C(1609502400007)}) /* 2021-01-01T12:00:00.007Z */

static void assert_line(enum log_format format, const struct log_field *fields, const char *message, const char *expected) {
    struct buffer line = {0};
    log_render(format, NOON, LOG_EVENT_LISTENING, fields, message, &line);
    buffer_append(&line, "", 1);
    assert_string_equal((const char *)line.at, expected);
    buffer_fini(&line);
}

static void a_line_of_json_has_time_level_event_the_fields_and_the_message(void **state) {
    (void)state;
    assert_line(LOG_FORMAT_JSON, LOG_FIELDS(log_text("url", "http://h:1"), log_number("connections", 7)), "listening",
                "{\"time\":\"2021-01-01T12:00:00.007Z\",\"level\":\"info\",\"event\":\"listening\",\"url\":\"http://h:1\","
                "\"connections\":7,\"message\":\"listening\"}\n");
}

static void a_line_of_logfmt_quotes_only_what_would_be_misread(void **state) {
    (void)state;
    assert_line(
        LOG_FORMAT_LOGFMT,
        LOG_FIELDS(log_text("url", "http://h:1"), log_text("data", "/a b"), log_text("none", ""), log_text("is", "a=b")),
        "on http://h:1",
        "time=2021-01-01T12:00:00.007Z level=info event=listening url=http://h:1 data=\"/a b\" none=\"\" is=\"a=b\" "
        "message=\"on http://h:1\"\n");
}

static void what_a_path_holds_never_breaks_a_line(void **state) {
    (void)state;
    const char *path = "a\nb\"c\\d\x01\xFF\xC3\xA9\xED\xA0\x80";
    assert_line(LOG_FORMAT_JSON, LOG_FIELDS(log_text("data", path)), "m",
                "{\"time\":\"2021-01-01T12:00:00.007Z\",\"level\":\"info\",\"event\":\"listening\","
                "\"data\":\"a\\u000ab\\\"c\\\\d\\u0001\xEF\xBF\xBD\xC3\xA9\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\","
                "\"message\":\"m\"}\n");
    assert_line(LOG_FORMAT_LOGFMT, LOG_FIELDS(log_text("data", path)), "m",
                "time=2021-01-01T12:00:00.007Z level=info event=listening "
                "data=\"a\\u000ab\\\"c\\\\d\\u0001\xEF\xBF\xBD\xC3\xA9\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\" message=m\n");
}

static void a_character_cut_at_the_end_is_replaced_and_nothing_is_read_behind_it(void **state) {
    (void)state;
    assert_line(LOG_FORMAT_LOGFMT, LOG_NO_FIELDS, "\xE2\x82",
                "time=2021-01-01T12:00:00.007Z level=info event=listening message=\"\xEF\xBF\xBD\xEF\xBF\xBD\"\n");
}

static void a_clock_that_was_never_set_still_makes_a_time(void **state) {
    (void)state;
    struct buffer line = {0};
    log_render(LOG_FORMAT_LOGFMT, (struct wall_time){-1}, LOG_EVENT_STOPPED, LOG_NO_FIELDS, "stopped", &line);
    buffer_append(&line, "", 1);
    assert_string_equal((const char *)line.at, "time=1969-12-31T23:59:59.999Z level=info event=stopped message=stopped\n");
    buffer_fini(&line);
}

/* What `write` puts into a pipe with this least level. */
static size_t written(enum log_level least, enum log_format format, char *text, size_t size) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct log log = log_to(ends[1], format, least);
    log_write(&log, NOON, LOG_EVENT_CHECKPOINT, LOG_FIELDS(log_number("checkpoints", 1)), "written %d times", 1);
    log_write(&log, NOON, LOG_EVENT_REFUSING, LOG_FIELDS(log_text("reason", "clock")), "refusing: %s", "the clock");
    assert_int_equal(close(ends[1]), 0);
    ssize_t len = read(ends[0], text, size - 1);
    assert_true(len >= 0);
    text[len] = '\0';
    assert_int_equal(close(ends[0]), 0);
    return (size_t)len;
}

static void what_is_below_the_least_level_is_not_written(void **state) {
    (void)state;
    char text[1024];
    (void)written(LOG_DEBUG, LOG_FORMAT_LOGFMT, text, sizeof text);
    assert_non_null(strstr(text, "level=debug event=checkpoint checkpoints=1 message=\"written 1 times\"\n"));
    assert_non_null(strstr(text, "level=warn event=refusing reason=clock message=\"refusing: the clock\"\n"));
    (void)written(LOG_WARN, LOG_FORMAT_LOGFMT, text, sizeof text);
    assert_int_equal(strncmp(text, "time=2021-01-01T12:00:00.007Z level=warn", 40), 0);
    assert_int_equal(written(LOG_ERROR, LOG_FORMAT_LOGFMT, text, sizeof text), 0);
}

static void what_is_not_a_terminal_gets_json(void **state) {
    (void)state;
    char text[1024];
    (void)written(LOG_INFO, LOG_FORMAT_AUTO, text, sizeof text);
    assert_int_equal(text[0], '{');
}

static void a_reader_that_is_gone_costs_the_line_only(void **state) {
    (void)state;
    struct log log = log_to(open("/dev/null", O_RDONLY | O_CLOEXEC), LOG_FORMAT_JSON, LOG_INFO);
    log_write(&log, NOON, LOG_EVENT_STOPPED, LOG_NO_FIELDS, "stopped");
    assert_int_equal(close(log.file), 0);
}

static void names_of_events_are_snake_case_and_occur_once(void **state) {
    (void)state;
    for (unsigned i = 0; i < LOG_EVENTS; i++) {
        const char *name = log_event_name((enum log_event)i);
        assert_true(strlen(name) > 0 && strspn(name, "abcdefghijklmnopqrstuvwxyz_") == strlen(name));
        for (unsigned other = 0; other < i; other++) assert_string_not_equal(name, log_event_name((enum log_event)other));
    }
}

/* Tests run in the project's root. */
static void the_table_in_the_document_is_up_to_date(void **state) {
    (void)state;
    struct buffer table = {0};
    log_events_document(&table);
    buffer_append(&table, "", 1);
    enum { DOCUMENT_BYTES_MAX = 256 * 1024 };
    char *document = memory_allocate_zeroed(1, DOCUMENT_BYTES_MAX);
    FILE *in = fopen("docs/operations.md", "r");
    if (in == NULL) fail_msg("docs/operations.md cannot be opened; run this from the top directory");
    assert_true(fread(document, 1, DOCUMENT_BYTES_MAX - 1, in) > 0);
    assert_int_equal(fclose(in), 0);
    if (strstr(document, (const char *)table.at) == NULL)
        fail_msg("docs/operations.md is stale: its table of events should be\n%s", (const char *)table.at);
    free(document);
    buffer_fini(&table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_of_json_has_time_level_event_the_fields_and_the_message),
        cmocka_unit_test(a_line_of_logfmt_quotes_only_what_would_be_misread),
        cmocka_unit_test(what_a_path_holds_never_breaks_a_line),
        cmocka_unit_test(a_character_cut_at_the_end_is_replaced_and_nothing_is_read_behind_it),
        cmocka_unit_test(a_clock_that_was_never_set_still_makes_a_time),
        cmocka_unit_test(what_is_below_the_least_level_is_not_written),
        cmocka_unit_test(what_is_not_a_terminal_gets_json),
        cmocka_unit_test(a_reader_that_is_gone_costs_the_line_only),
        cmocka_unit_test(names_of_events_are_snake_case_and_occur_once),
        cmocka_unit_test(the_table_in_the_document_is_up_to_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
