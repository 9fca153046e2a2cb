#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "page/page.h"

static struct reply answered(const char *method, const char *path, const char *if_none_match) {
    struct request_head head = {
        .method = bytes_of_text(method), .path = bytes_of_text(path), .if_none_match = bytes_of_text(if_none_match)};
    struct reply reply;
    assert_true(page_answer(&head, &reply));
    assert_int_equal(reply.body_file, -1);
    return reply;
}

/* The ETag's value with its quotes, into `out`. */
static void read_etag(const struct reply *reply, char *out, size_t size) {
    static const char name[] = "ETag: ";
    const char *at = strstr(reply->headers, name);
    assert_non_null(at);
    at += sizeof name - 1;
    size_t len = strcspn(at, "\r");
    assert_true(len > 2 && len < size && at[0] == '"' && at[len - 1] == '"');
    memcpy(out, at, len);
    out[len] = '\0';
}

static void every_kind_of_file_has_its_type_and_the_policy(void **state) {
    (void)state;
    static const char *const files[][2] = {
        {"/", "text/html; charset=utf-8"},
        {"/assets/style.css", "text/css; charset=utf-8"},
        {"/assets/main.js", "text/javascript; charset=utf-8"},
        {"/assets/icon.svg", "image/svg+xml"},
        {"/assets/dygraph.min.js", "text/javascript; charset=utf-8"},
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; ++i) {
        struct reply reply = answered("GET", files[i][0], "");
        assert_int_equal(reply.http_status, 200);
        assert_string_equal(reply.content_type, files[i][1]);
        assert_true(reply.body.len > 0);
        assert_non_null(strstr(reply.headers, "Content-Security-Policy: default-src 'self';"));
        assert_null(strstr(reply.headers, "unsafe"));
        buffer_fini(&reply.body);
    }
}

static void what_is_not_the_pages_is_left_to_others(void **state) {
    (void)state;
    static const char *const paths[] = {"", "/v1/status", "/assets", "/index.html", "//", "/assetsx/main.js"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; ++i) {
        struct request_head head = {.method = BYTES_LITERAL("GET"), .path = bytes_of_text(paths[i])};
        struct reply reply;
        assert_false(page_answer(&head, &reply));
    }
}

static void only_a_whole_name_is_a_file(void **state) {
    (void)state;
    static const char *const paths[] = {"/assets/", "/assets/main", "/assets/main.js/", "/assets/../main.js",
                                        "/assets/%6dain.js"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; ++i) {
        struct reply reply = answered("GET", paths[i], "");
        assert_int_equal(reply.http_status, 404);
        buffer_fini(&reply.body);
    }
}

static void a_current_copy_is_not_sent_again(void **state) {
    (void)state;
    char etag[64], list[256];
    struct reply first = answered("GET", "/assets/main.js", "");
    read_etag(&first, etag, sizeof etag);
    buffer_fini(&first.body);
    (void)snprintf(list, sizeof list, "\"another\", W/%s", etag);
    const char *const current[] = {etag, list, "*"};
    for (size_t i = 0; i < sizeof current / sizeof current[0]; ++i) {
        struct reply reply = answered("GET", "/assets/main.js", current[i]);
        assert_int_equal(reply.http_status, 304);
        assert_int_equal(reply.body.len, 0);
        assert_non_null(strstr(reply.headers, etag)); /* RFC 9110, 15.4.5 */
    }
    struct reply other = answered("GET", "/assets/style.css", etag);
    assert_int_equal(other.http_status, 200);
    buffer_fini(&other.body);
}

static void another_method_is_told_which_are_allowed(void **state) {
    (void)state;
    static const char *const methods[] = {"POST", "PUT", "DELETE", "OPTIONS", "get"};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; ++i) {
        struct reply reply = answered(methods[i], "/", "");
        assert_int_equal(reply.http_status, 405);
        assert_non_null(strstr(reply.headers, "Allow: GET, HEAD\r\n"));
        buffer_fini(&reply.body);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_file_has_its_type_and_the_policy),
        cmocka_unit_test(what_is_not_the_pages_is_left_to_others),
        cmocka_unit_test(only_a_whole_name_is_a_file),
        cmocka_unit_test(a_current_copy_is_not_sent_again),
        cmocka_unit_test(another_method_is_told_which_are_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
