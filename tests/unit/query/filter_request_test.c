/* filter_request_test.c: filters as they are handed in, as JSON and as CSV. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "journal/journal.h"
#include "query/filter_request.h"

/* "12 !USA 10.0.0.0/8 u ranked; ..." of what is read, or its flaw as a person sees it. */
static const char *read_bytes(struct bytes body, enum filter_request_form form) {
    static char text[64 * 1024];
    struct filter_list list;
    struct filter_request_flaw flaw;
    struct buffer out = {0};
    if (filter_request_parse(body, form, &list, &flaw)) {
        assert_true(list.count > 0);
        for (size_t i = 0; i < list.count; ++i) {
            buffer_printf(&out, "%s%u ", i == 0 ? "" : "; ", list.filters[i]->id);
            filter_region_text(list.filters[i], &out);
            buffer_append_text(&out, " ");
            filter_ip_text(list.filters[i], &out);
            buffer_append_text(&out, " ");
            filter_user_text(list.filters[i], &out);
            if (list.filters[i]->ranked) buffer_append_text(&out, " ranked");
        }
    } else {
        assert_true(list.count == 0 && list.filters == NULL);
        filter_request_flaw_text(&flaw, &out);
    }
    filter_list_fini(&list);
    assert_true(out.len > 0 && out.len < sizeof text);
    memcpy(text, out.at, out.len);
    text[out.len] = '\0';
    buffer_fini(&out);
    return text;
}

static void assert_json(const char *body, const char *expected) {
    assert_string_equal(read_bytes(bytes_of_text(body), FILTER_REQUEST_JSON), expected);
}

static void assert_csv(const char *body, const char *expected) {
    assert_string_equal(read_bytes(bytes_of_text(body), FILTER_REQUEST_CSV), expected);
}

static void assert_begins(const char *text, const char *expected) {
    if (strncmp(text, expected, strlen(expected)) != 0) fail_msg("\"%s\" does not begin with \"%s\"", text, expected);
}

static void assert_json_flaw(const char *body, const char *expected) {
    assert_begins(read_bytes(bytes_of_text(body), FILTER_REQUEST_JSON), expected);
}

static void assert_csv_flaw(const char *body, const char *expected) {
    assert_begins(read_bytes(bytes_of_text(body), FILTER_REQUEST_CSV), expected);
}

static void one_object_is_one_filter_and_what_it_leaves_out_is_any(void **state) {
    (void)state;
    assert_json("{\"filter_id\":12}", "12 * * *");
    assert_json(
        "{\"filter_id\":\"0012\",\"region\":\" usa | de \",\"ip\":\"!10.0.0.0/8\",\"user_id\":\"111\",\"ranked\":true}",
        "12 DEU|USA !10.0.0.0/8 111 ranked");
    assert_json("{\"filter_id\":999999999,\"region\":\"\",\"ranked\":false}", "999999999 * * *");
}

static void an_array_of_filters_keeps_its_order(void **state) {
    (void)state;
    assert_json("[{\"filter_id\":7},{\"filter_id\":3,\"region\":\"FRA\"}]", "7 * * *; 3 FRA * *");
}

static void a_list_holds_values_as_they_stand(void **state) {
    (void)state;
    assert_json("{\"filter_id\":1,\"region\":[\"USA\",\"de\"],\"ip\":[\"10.0.0.0/8\"],\"user_id\":[\"a|b\",\"!c\",\" d\\\\ "
                "\",\"*\"]}",
                "1 DEU|USA 10.0.0.0/8 \\ d\\\\\\ |\\!c|\\*|a\\|b");
    assert_json_flaw("{\"filter_id\":1,\"region\":[\"!USA\"]}", "region: \"!USA\" is no ISO");
    assert_json_flaw("{\"filter_id\":1,\"region\":[]}", "region: the list is empty");
    assert_json_flaw("{\"filter_id\":1,\"user_id\":[\"a\",\"\"]}", "user_id: value 2 of the list is empty");
    assert_json_flaw("{\"filter_id\":1,\"user_id\":[7]}", "user_id: a list holds strings");
}

static void bad_json_is_refused_naming_row_and_field(void **state) {
    (void)state;
    assert_json_flaw("", "the body is empty");
    assert_json_flaw("{\"filter_id\":1", "this is not JSON: ");
    assert_json_flaw("{\"filter_id\":1,\"filter_id\":1}", "filter_id: the member is there twice, in line 1");
    assert_json_flaw("{\"filter_id\":1,\"user_id\":\"a\\u0000b\"}", "this is not JSON: ");
    assert_json_flaw("7", "a filter is a JSON object");
    assert_json_flaw("[]", "there is no filter in it");
    assert_json_flaw("[{\"filter_id\":1},[]]", "row 2: a filter is a JSON object");
    assert_json_flaw("{}", "filter_id is missing");
    assert_json_flaw("[{\"filter_id\":1},{\"region\":\"USA\"}]", "row 2: filter_id is missing");
    assert_json_flaw("{\"filter_id\":1,\"regoin\":\"USA\"}",
                     "there is no member \"regoin\"; a filter has filter_id, region");
    assert_json_flaw("{\"filter_id\":1,\"region\":null}", "region is a string or");
    assert_json_flaw("{\"filter_id\":1,\"ip\":7}", "ip is a string or");
    assert_json_flaw("{\"filter_id\":1,\"ranked\":\"true\"}", "ranked is true or false");
}

static void a_bad_id_is_refused_however_long_it_is(void **state) {
    (void)state;
    const char *const ids[] = {"0",
                               "-1",
                               "1.5",
                               "1000000000",
                               "99999999999999999999999999999999999",
                               "\"\"",
                               "\"0\"",
                               "\"1 \"",
                               "\"x\"",
                               "true",
                               "null",
                               "\"1000000000\"",
                               "1e300"};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; ++i) {
        char body[128];
        (void)snprintf(body, sizeof body, "[{\"filter_id\":7},{\"filter_id\":%s}]", ids[i]);
        assert_json_flaw(body, "row 2: filter_id is a ");
    }
}

static void what_the_grammar_refuses_is_refused_naming_the_field(void **state) {
    (void)state;
    assert_json_flaw("{\"filter_id\":1,\"region\":\"Atlantis\"}", "region: \"Atlantis\"");
    assert_json_flaw("{\"filter_id\":1,\"ip\":\"10.0.0.0/33\"}", "ip: ");
    assert_json_flaw("{\"filter_id\":1,\"ip\":\"10.0.0.0/8|10.1.0.0/16\"}", "ip: ");
    assert_json_flaw("{\"filter_id\":1,\"user_id\":\"a||b\"}", "user_id: ");
    assert_json_flaw("{\"filter_id\":1,\"user_id\":\"!*\"}", "user_id: ");
}

static void an_id_twice_is_refused_naming_both_rows(void **state) {
    (void)state;
    assert_json_flaw("[{\"filter_id\":5},{\"filter_id\":3},{\"filter_id\":\"05\"},{\"filter_id\":3}]",
                     "row 4: filter_id: 3 is");
    assert_csv_flaw("filter_id,region,ip,user_id\n5,,,\n\n05,,,\n",
                    "row 4: filter_id: 5 is given a second time, first in row 2");
}

static void csv_columns_come_in_any_order(void **state) {
    (void)state;
    assert_csv("filter_id,region,ip,user_id\n0012,usa,*,111\n13,*,123.1.2.3,123\n", "12 USA * 111; 13 * 123.1.2.3 123");
    assert_csv("\xEF\xBB\xBFip, ranked ,filter_id,user_id,region\r\n\r\n,true, 1 ,\"a,\"\"b\"\"\",!USA\r\n,,2,,",
               "1 !USA * a,\"b\" ranked; 2 * * *");
    assert_csv("\"filter_id\",\"region\",\"ip\",\"user_id\"\n1,\"USA|DEU\",*,\"*\"\n\n", "1 DEU|USA * *");
}

static void an_exported_table_is_read_without_its_deleted_filters(void **state) {
    (void)state;
    assert_csv("filter_id,region,ip,user_id,ranked,covers_from,number,deleted\n"
               "3,!USA,10.0.0.0/8,\"a, b|u\"\"3\",false,1970-01-01T12:01:00Z,2,false\n"
               "4,*,10.1.2.3,!111,false,,3,true\n"
               "20,DEU|USA,*,*,true,,1,false\n",
               "3 !USA 10.0.0.0/8 a, b|u\"3; 20 DEU|USA * * ranked");
    assert_csv_flaw("filter_id,region,ip,user_id,deleted\n1,,,,no\n", "row 2: deleted is true or false");
    assert_csv_flaw("filter_id,region,ip,user_id,deleted\n1,,,,true\n", "there is no filter in it");
}

static void bad_csv_is_refused_naming_the_line(void **state) {
    (void)state;
    assert_csv_flaw("", "it is empty; the first line");
    assert_csv_flaw("\n\n", "it is empty; the first line");
    assert_csv_flaw("filter_id,region,ip,user_id\n", "there is no filter in it");
    assert_csv_flaw("12,usa,*,111\n", "row 1: there is no column \"12\"");
    assert_csv_flaw("filter_id,region,ip\n1,,\n", "row 1: user_id: there is no column");
    assert_csv_flaw("filter_id,region,ip,ip\n1,,\n", "row 1: ip: there are two columns");
    assert_csv_flaw("filter_id,region,ip,user_id\n1,,,\n2,,\n", "row 3: there are 3 fields, but the first line names 4");
    assert_csv_flaw("filter_id,region,ip,user_id\n1,,,,\n", "row 2: there are 5 fields");
    assert_csv_flaw("filter_id,region,ip,user_id\n1,,,,,,,,\n", "row 2: there are more fields");
    assert_csv_flaw("filter_id,region,ip,user_id,ranked\n1,,,,yes\n", "row 2: ranked is true or false");
    assert_csv_flaw("filter_id,region,ip,user_id\n1,Atlantis,,\n", "row 2: region: \"Atlantis\"");
    assert_csv_flaw("filter_id,region,ip,user_id\n,,,\n", "row 2: filter_id is a number");
    assert_csv_flaw("filter_id,region,ip,user_id\n1,,,\"a\n", "row 2: a field begins with a quote");
    assert_csv_flaw("filter_id,region,ip,user_id\n1,,,\"a\"b\n", "row 2: after a field's last quote");
    assert_csv_flaw("filter_id,region,ip,user_id\n1,,,a\"b\n", "row 2: a field with a quote in it");
    assert_csv_flaw("filter_id,region,ip,user_id\n1,,,\xFF\n", "row 2: this is not UTF-8");
    /* A field of several lines: rows are called by the line that they begin in. */
    assert_csv_flaw("filter_id,region,ip,user_id\n1,\"USA\n\",,\n2,,,\n", "row 2: region: ");
    assert_csv_flaw("filter_id,region,ip,user_id\n1,,,\n2,,,\"a\nb\"\n", "row 3: user_id: ");
}

static void more_filters_than_one_commit_takes_are_refused(void **state) {
    (void)state;
    struct buffer body = {0};
    buffer_append_text(&body, "filter_id,region,ip,user_id\n");
    for (uint32_t id = 1; id <= FILTER_CHANGES_MAX; ++id) buffer_printf(&body, "%u,,,\n", id);
    struct filter_list list;
    struct filter_request_flaw flaw;
    assert_true(filter_request_parse(buffer_view(&body), FILTER_REQUEST_CSV, &list, &flaw));
    assert_int_equal(list.count, FILTER_CHANGES_MAX);
    filter_list_fini(&list);
    buffer_printf(&body, "%u,,,\n", FILTER_CHANGES_MAX + 1);
    assert_false(filter_request_parse(buffer_view(&body), FILTER_REQUEST_CSV, &list, &flaw));
    assert_string_equal(flaw.field, "");
    assert_int_equal(flaw.row, FILTER_CHANGES_MAX + 2);
    buffer_fini(&body);
}

static void a_flaw_is_answered_400_with_its_place(void **state) {
    (void)state;
    struct filter_list list;
    struct filter_request_flaw flaw;
    struct reply reply = {0};
    assert_false(filter_request_parse(BYTES_LITERAL("[{\"filter_id\":1},{\"filter_id\":2,\"region\":\"XX\"}]"),
                                      FILTER_REQUEST_JSON, &list, &flaw));
    assert_string_equal(flaw.field, "region");
    assert_int_equal(flaw.row, 2);
    filter_request_refuse(&flaw, &reply);
    assert_int_equal(reply.http_status, 400);
    buffer_append(&reply.body, "", 1);
    assert_string_equal(
        (const char *)reply.body.at,
        "{\"type\":\"urn:tally:problem:bad-filter\",\"title\":\"Bad filter\",\"status\":400,\"detail\":\"row 2: "
        "region: \\\"XX\\\" is no ISO 3166-1 code (ZZZ: unknown)\",\"field\":\"region\",\"row\":2}");
    buffer_fini(&reply.body);
}

static void assert_refused(const char *body, const char *members) {
    struct filter_list list;
    struct filter_request_flaw flaw;
    struct reply reply = {0};
    assert_false(filter_request_parse(bytes_of_text(body), FILTER_REQUEST_JSON, &list, &flaw));
    filter_request_refuse(&flaw, &reply);
    buffer_append(&reply.body, "", 1);
    const char *found = strstr((const char *)reply.body.at, ",\"field\":");
    assert_non_null(found);
    assert_string_equal(found, members);
    buffer_fini(&reply.body);
}

static void a_member_that_there_is_not_or_twice_is_named(void **state) {
    (void)state;
    assert_refused("[{\"filter_id\":1},{\"filter_id\":2,\"userid\":\"7\"}]", ",\"field\":\"userid\",\"row\":2}");
    assert_refused("{\"filter_id\":2,\"a\\\"b\":\"7\"}", ",\"field\":\"a\\\"b\"}");
    assert_refused("[{\"filter_id\":1},\n{\"filter_id\":2,\"ip\":\"*\",\"ip\":\"10.0.0.1\"}]", ",\"field\":\"ip\"}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_object_is_one_filter_and_what_it_leaves_out_is_any),
        cmocka_unit_test(an_array_of_filters_keeps_its_order),
        cmocka_unit_test(a_list_holds_values_as_they_stand),
        cmocka_unit_test(bad_json_is_refused_naming_row_and_field),
        cmocka_unit_test(a_bad_id_is_refused_however_long_it_is),
        cmocka_unit_test(what_the_grammar_refuses_is_refused_naming_the_field),
        cmocka_unit_test(an_id_twice_is_refused_naming_both_rows),
        cmocka_unit_test(csv_columns_come_in_any_order),
        cmocka_unit_test(an_exported_table_is_read_without_its_deleted_filters),
        cmocka_unit_test(bad_csv_is_refused_naming_the_line),
        cmocka_unit_test(more_filters_than_one_commit_takes_are_refused),
        cmocka_unit_test(a_flaw_is_answered_400_with_its_place),
        cmocka_unit_test(a_member_that_there_is_not_or_twice_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
