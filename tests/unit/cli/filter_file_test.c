#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/filter_file.h"

static char path[64];
static struct filter_list list;
static struct failure failure;

static void write_file(const char *content, size_t len) {
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(content, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static enum status read_content(const char *content) {
    write_file(content, strlen(content));
    failure = (struct failure){0};
    return filter_file_read(path, &list, &failure);
}

static int make_path(void **state) {
    (void)state;
    (void)snprintf(path, sizeof path, "/tmp/filter-file-test-XXXXXX");
    int fd = mkstemp(path);
    return fd >= 0 ? close(fd) : -1;
}

static int remove_path(void **state) {
    (void)state;
    return unlink(path);
}

static void csv_and_json_are_told_apart_by_content(void **state) {
    (void)state;
    static const char *const files[] = {
        "filter_id,region,ip,user_id\n0012,usa,*,111\n13,*,123.1.2.3,123\n",
        "\xEF\xBB\xBF"
        "filter_id,region,ip,user_id\n0012,usa,*,111\n13,*,123.1.2.3,123\n",
        "[{\"filter_id\":12,\"region\":\"USA\",\"user_id\":\"111\"},"
        "{\"filter_id\":\"0013\",\"ip\":\"123.1.2.3\",\"user_id\":\"123\"}]",
        " \r\n\t[{\"filter_id\":12,\"region\":\"USA\",\"user_id\":\"111\"},"
        "{\"filter_id\":\"0013\",\"ip\":\"123.1.2.3\",\"user_id\":\"123\"}]\n",
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        assert_int_equal(read_content(files[i]), STATUS_OK);
        assert_int_equal(list.count, 2);
        assert_int_equal(list.filters[0]->id, 12);
        assert_int_equal(list.filters[0]->region_count, 1);
        assert_int_equal(list.filters[1]->id, 13);
        assert_int_equal(list.filters[1]->ip_count, 1);
        filter_list_fini(&list);
    }
    assert_int_equal(read_content("{\"filter_id\":7}"), STATUS_OK);
    assert_int_equal(list.count, 1);
    filter_list_fini(&list);
}

static void one_bad_row_refuses_the_file_and_is_named(void **state) {
    (void)state;
    assert_int_equal(read_content("filter_id,region,ip,user_id\n1,USA,*,*\n2,Atlantis,*,*\n"), STATUS_BAD_CONFIG);
    assert_int_equal(list.count, 0);
    assert_non_null(strstr(failure.text, path));
    assert_non_null(strstr(failure.text, ": row 3: region: "));
    assert_non_null(strstr(failure.text, "nothing of the file was taken"));
    assert_int_equal(read_content("[{\"filter_id\":1},{\"filter_id\":2,\"ip\":\"10.0.0.0/33\"}]"), STATUS_BAD_CONFIG);
    assert_non_null(strstr(failure.text, ": row 2: ip: "));
    assert_int_equal(read_content("filter_id,region,ip,user_id\n1,USA,*,*\n0001,USA,*,*\n"), STATUS_BAD_CONFIG);
    assert_non_null(strstr(failure.text, ": row 3: "));
}

static void a_file_without_filters_is_refused(void **state) {
    (void)state;
    static const char *const files[] = {"", "\n\n", "[]", "filter_id,region,ip,user_id\n", "{", "hello"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        assert_int_equal(read_content(files[i]), STATUS_BAD_CONFIG);
        assert_int_equal(list.count, 0);
        assert_non_null(strstr(failure.text, path));
    }
}

static void a_file_that_is_not_there_is_named(void **state) {
    (void)state;
    failure = (struct failure){0};
    assert_int_equal(filter_file_read("/nowhere/filters.csv", &list, &failure), STATUS_BAD_CONFIG);
    assert_non_null(strstr(failure.text, "/nowhere/filters.csv"));
}

static void a_file_is_read_up_to_its_bound_and_not_beyond(void **state) {
    (void)state;
    enum { BYTES = 200000 };
    static char content[BYTES];
    struct buffer out = {0};
    memset(content, 'x', sizeof content);
    write_file(content, sizeof content);
    failure = (struct failure){0};
    buffer_append_text(&out, "before");
    assert_int_equal(file_read_whole(path, BYTES, &out, &failure), STATUS_OK);
    assert_int_equal(out.len, BYTES + strlen("before"));
    assert_memory_equal(out.at + strlen("before"), content, BYTES);
    buffer_clear(&out);
    assert_int_equal(file_read_whole(path, BYTES - 1, &out, &failure), STATUS_BAD_CONFIG);
    assert_non_null(strstr(failure.text, "is larger than 199999 bytes"));
    buffer_fini(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_and_json_are_told_apart_by_content),
        cmocka_unit_test(one_bad_row_refuses_the_file_and_is_named),
        cmocka_unit_test(a_file_without_filters_is_refused),
        cmocka_unit_test(a_file_that_is_not_there_is_named),
        cmocka_unit_test(a_file_is_read_up_to_its_bound_and_not_beyond),
    };
    return cmocka_run_group_tests(tests, make_path, remove_path);
}
