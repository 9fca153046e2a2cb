#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/api.h"
#include "client/json.h"
#include "client/table.h"
#include "client/totals.h"

static struct json *parse(const char *text) {
    return json_parse(bytes_of_text(text));
}

static void members_are_found_by_their_path(void **state) {
    (void)state;
    struct json *json =
        parse("{\"totals\":{\"accepted\":18446744073709,\"by\":{\"bad_json\":2,\"bad_ip\":1}},\"ads\":[{\"ad_id\":"
              "\"x\"},{\"ad_id\":\"y\",\"count\":-1}],\"watermark\":null}");
    uint64_t value = 0;
    assert_non_null(json);
    assert_true(json_u64(json, "totals/accepted", &value));
    assert_int_equal(value, 18446744073709);
    assert_string_equal(json_text(json, "ads/1/ad_id"), "y");
    assert_int_equal(json_count(json, "ads"), 2);
    assert_int_equal(json_count(json, ""), 3);
    assert_string_equal(json_member(json, "totals/by", 1), "bad_ip");
    assert_null(json_member(json, "totals/by", 2));
    assert_false(json_u64(json, "ads/1/count", &value)); /* negative */
    assert_false(json_u64(json, "ads/1/ad_id", &value)); /* not a number */
    assert_false(json_u64(json, "ads/2/count", &value)); /* not there */
    assert_null(json_text(json, "watermark"));
    json_destroy(json);
}

static void what_is_not_json_is_refused(void **state) {
    (void)state;
    assert_null(parse(""));
    assert_null(parse("<html>"));
    assert_null(parse("{\"a\":1"));
    assert_null(parse("{\"a\":1,\"a\":2}"));
    assert_null(parse("{} {}"));
}

static void values_are_written_for_people(void **state) {
    (void)state;
    struct json *json = parse("{\"text\":\"a b\",\"number\":1234567,\"nothing\":null,\"yes\":true,\"object\":{\"x\":1}}");
    struct buffer out = {0};
    const char *const paths[] = {"text", "number", "nothing", "yes", "object", "missing"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        json_append_plain(json, paths[i], &out);
        buffer_append_text(&out, ";");
    }
    assert_true(bytes_equal(buffer_view(&out), BYTES_LITERAL("a b;1,234,567;none;true;;;")));
    buffer_clear(&out);
    json_append(json, "object", &out);
    json_quote(&out, "say \"hi\"\n\xff");
    assert_true(bytes_equal(buffer_view(&out), BYTES_LITERAL("{\"x\":1}\"say \\\"hi\\\"\\n?\"")));
    buffer_fini(&out);
    json_destroy(json);
}

static void numbers_are_grouped_by_thousands(void **state) {
    (void)state;
    char text[TABLE_NUMBER_BYTES];
    assert_string_equal(table_number(0, text), "0");
    assert_string_equal(table_number(999, text), "999");
    assert_string_equal(table_number(1000, text), "1,000");
    assert_string_equal(table_number(UINT64_MAX, text), "18,446,744,073,709,551,615");
}

static void assert_prints(const struct table *table, const char *wanted) {
    char got[512] = "";
    FILE *out = tmpfile();
    assert_non_null(out);
    table_print(table, out, "  ", true);
    rewind(out);
    got[fread(got, 1, sizeof got - 1, out)] = '\0';
    fclose(out);
    assert_string_equal(got, wanted);
}

static void a_wide_table_goes_on_below_with_its_first_column(void **state) {
    (void)state;
    const char *const cells[] = {"n", "one", "two", "three", "0", "1", "a longer cell", "3"};
    struct table table = {0};
    for (size_t i = 0; i < 8; i++) {
        table_cell(&table, cells[i]);
        if (i % 4 == 3) table_end_row(&table);
    }
    assert_prints(&table, "  n  one  two            three\n  0    1  a longer cell      3\n");
    table.width_max = 24;
    assert_prints(&table, "  n  one  two\n  0    1  a longer cell\n\n  n  three\n  0      3\n");
    table.width_max = 3; /* too narrow for anything: a column each */
    assert_prints(&table, "  n  one\n  0    1\n\n  n  two\n  0  a longer cell\n\n  n  three\n  0      3\n");
    table_fini(&table);
}

static void a_long_cell_is_cut_at_a_whole_character(void **state) {
    (void)state;
    struct table table = {0};
    table_cell_cut(&table, "ad", 5);
    table_end_row(&table);
    table_cell_cut(&table, "\u00e4\u00e4\u00e4\u00e4\u00e4", 5);
    table_end_row(&table);
    table_cell_cut(&table, "\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4", 5);
    table_end_row(&table);
    assert_prints(&table, "  ad\n  \u00e4\u00e4\u00e4\u00e4\u00e4\n  \u00e4\u00e4\u00e4\u00e4\u2026\n");
    table_fini(&table);
}

static void a_table_is_aligned_and_hides_control_characters(void **state) {
    (void)state;
    struct table table = {0};
    const char *const cells[] = {"ad", "clicks", "\xc3\xa4\x1b[2J", "7", "longer name", "1,234"};
    for (size_t i = 0; i < 6; i++) {
        table_cell(&table, cells[i]);
        if (i % 2 == 1) table_end_row(&table);
    }
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    table_print(&table, out, "> ", true);
    fclose(out);
    assert_string_equal(text, "> ad           clicks\n"
                              "> \xc3\xa4?[2J             7\n"
                              "> longer name   1,234\n");
    free(text);
    table_fini(&table);
}

static void a_path_is_percent_encoded(void **state) {
    (void)state;
    struct buffer path = {0};
    buffer_append_text(&path, "/v1/ads/");
    api_escape(&path, bytes_of_text("a/b c%\xc3\xa4~"));
    api_parameter(&path, "from", NULL);
    api_parameter(&path, "to", "2026-01-31T12:00:00+01:00");
    api_parameter(&path, "filter", "1&x=2");
    assert_true(
        bytes_equal(buffer_view(&path),
                    BYTES_LITERAL("/v1/ads/a%2Fb%20c%25%C3%A4~?to=2026-01-31T12%3A00%3A00%2B01%3A00&filter=1%26x%3D2")));
    buffer_fini(&path);
}

static void a_problem_is_one_clear_line(void **state) {
    (void)state;
    struct http_answer answer = {.http_status = 400};
    struct failure failure = {0};
    buffer_append_text(&answer.body, "{\"title\":\"Bad parameter\",\"detail\":\"window: 0 is below 1\"}");
    assert_int_equal(api_problem("http://h", &answer, &failure), STATUS_BAD_INPUT);
    assert_string_equal(failure.text, "http://h answered 400: Bad parameter: window: 0 is below 1");
    buffer_clear(&answer.body);
    buffer_append_text(&answer.body, "<html>");
    answer.http_status = 404;
    failure = (struct failure){0};
    assert_int_equal(api_problem("http://h", &answer, &failure), STATUS_NOT_FOUND);
    assert_non_null(strstr(failure.text, "Is the URL right?"));
    http_answer_fini(&answer);
}

static void the_cost_of_stages_is_read_from_metrics(void **state) {
    (void)state;
    struct stage_costs costs;
    stage_costs_parse(BYTES_LITERAL("# HELP x\ntally_stage_cpu_seconds_total{stage=\"intake\"} 1.5\nother 3\n"
                                    "tally_stage_cpu_seconds_total{stage=\"journal\"} 0.25\n"
                                    "tally_stage_cpu_seconds_total{stage=\"cut"),
                      &costs);
    assert_int_equal(costs.count, 2);
    assert_string_equal(costs.stages[0].name, "intake");
    assert_true(costs.stages[0].cpu_seconds == 1.5);
    assert_string_equal(costs.stages[1].name, "journal");
    assert_true(costs.stages[1].cpu_seconds == 0.25);
    stage_costs_parse((struct bytes){0}, &costs);
    assert_int_equal(costs.count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_found_by_their_path),
        cmocka_unit_test(what_is_not_json_is_refused),
        cmocka_unit_test(values_are_written_for_people),
        cmocka_unit_test(numbers_are_grouped_by_thousands),
        cmocka_unit_test(a_wide_table_goes_on_below_with_its_first_column),
        cmocka_unit_test(a_long_cell_is_cut_at_a_whole_character),
        cmocka_unit_test(a_table_is_aligned_and_hides_control_characters),
        cmocka_unit_test(a_path_is_percent_encoded),
        cmocka_unit_test(a_problem_is_one_clear_line),
        cmocka_unit_test(the_cost_of_stages_is_read_from_metrics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
