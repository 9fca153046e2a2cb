/* Connections that hold a place without using it: each waits for what the server does, and no other clock is looked at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/check.h"
#include "http/http.h"
#include "unit/http/bare_client.h"

struct shop {
    struct http_server *server;
    struct requests requests;
};

static void shop_request(void *self, const struct request_head *head, void *request, void **session, bool *body_wanted) {
    (void)self;
    (void)head;
    *session = request;
    *body_wanted = true;
}

static enum status shop_feed(void *self, void *session, struct bytes bytes) {
    (void)self, (void)session, (void)bytes;
    return STATUS_OK;
}

static void shop_end(void *self, void *session) {
    struct shop *shop = self;
    struct reply reply = {.http_status = 200, .content_type = "text/plain", .body_file = -1};
    buffer_append_text(&reply.body, "sold");
    shop->requests.reply(shop->requests.self, session, &reply);
}

static void shop_abort(void *self, void *session) {
    (void)self, (void)session;
}

static void open_shop(struct shop *shop, unsigned connections_max, unsigned idle_timeout_seconds) {
    shop->server = http_create();
    shop->requests = http_requests(shop->server);
    struct http_handler handler = {
        .self = shop, .request = shop_request, .feed = shop_feed, .end = shop_end, .abort = shop_abort};
    struct http_options options = {.listen = "127.0.0.1:0",
                                   .threads = 2,
                                   .connections_max = connections_max,
                                   .idle_timeout_seconds = idle_timeout_seconds,
                                   .head_timeout_seconds = 1};
    struct failure failure = {.status = STATUS_OK};
    assert_int_equal(http_start(shop->server, &options, &handler, &failure), STATUS_OK);
    assert_int_equal(http_connections_max(shop->server), connections_max);
}

static int shop_connect(const struct shop *shop) {
    int fd = bare_connect(http_url(shop->server));
    assert_true(fd >= 0);
    return fd;
}

static void buy(int fd) {
    client_post(fd, "/", "", "x", 1);
    expect_answer(fd, 200, "sold", 4);
}

static void expect_too_slow(int fd, const char *detail) {
    struct answer answer = client_read(fd, true);
    assert_false(answer.closed);
    assert_int_equal(answer.status, 408);
    assert_non_null(strstr((const char *)answer.body.at, detail));
    buffer_fini(&answer.body);
    char byte;
    assert_true(recv(fd, &byte, 1, 0) <= 0); /* and it is closed */
    close(fd);
}

static void a_head_that_is_not_whole_in_time_is_cut(void **state) {
    (void)state;
    struct shop shop;
    open_shop(&shop, 64, 60);
    static const char *const heads[] = {"GET / HTTP/1.1\r\nHost: x\r\nX-More: ", "GE"};
    for (size_t i = 0; i < 2; i++) {
        int fd = shop_connect(&shop);
        client_send_text(fd, heads[i]);
        expect_too_slow(fd, "head");
        fd = shop_connect(&shop);
        buy(fd); /* the second request of a connection too */
        client_send_text(fd, heads[i]);
        if (i == 0)
            expect_too_slow(fd, "head");
        else
            close(fd);
    }
    assert_int_equal(http_counters(shop.server).cut_slow_head, 3);
    http_destroy(shop.server);
}

static void a_body_that_stands_still_is_cut(void **state) {
    (void)state;
    struct shop shop;
    open_shop(&shop, 64, 1);
    int fd = shop_connect(&shop);
    client_send_text(fd, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf");
    expect_too_slow(fd, "body");
    assert_int_equal(http_counters(shop.server).cut_stalled_body, 1);
    http_destroy(shop.server);
}

static void a_connection_that_rests_is_closed_without_a_word(void **state) {
    (void)state;
    struct shop shop;
    open_shop(&shop, 64, 1);
    int used = shop_connect(&shop), unused = shop_connect(&shop);
    buy(used);
    char byte;
    assert_int_equal(recv(used, &byte, 1, 0), 0);
    assert_int_equal(recv(unused, &byte, 1, 0), 0);
    close(used);
    close(unused);
    http_destroy(shop.server);
}

static void those_that_rest_make_room_for_newcomers(void **state) {
    (void)state;
    enum { RESTING = 300, MAX = 100 };
    struct shop shop;
    open_shop(&shop, MAX, 60);
    int resting[RESTING];
    for (int i = 0; i < RESTING; i++) resting[i] = shop_connect(&shop);
    /* One that wants something is served, though three times as many rest as there is room for: it may have to wait in the
     * kernel's queue until some of them are closed. */
    for (int i = 0; i < 20; i++) {
        int fd = shop_connect(&shop);
        buy(fd);
        close(fd);
    }
    assert_true(http_counters(shop.server).closed_for_room >= RESTING - MAX - MAX / 8 - 64);
    for (int i = 0; i < RESTING; i++) close(resting[i]);
    http_destroy(shop.server);
}

static void beyond_the_limit_of_busy_connections_the_answer_is_503(void **state) {
    (void)state;
    enum { MAX = 10 };
    struct shop shop;
    open_shop(&shop, MAX, 60);
    int busy[MAX];
    for (int i = 0; i < MAX; i++) {
        busy[i] = shop_connect(&shop);
        buy(busy[i]);
        client_send_text(busy[i], "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n");
        expect_answer(busy[i], 100, "", 0); /* it is in the middle of a request now */
    }
    int fd = shop_connect(&shop);
    client_post(fd, "/", "", "x", 1);
    struct answer answer = client_read(fd, true);
    assert_int_equal(answer.status, 503);
    assert_non_null(strstr(answer.head, "Retry-After: 1\r\n"));
    assert_non_null(strstr(answer.head, "Connection: close\r\n"));
    buffer_fini(&answer.body);
    close(fd);
    assert_int_equal(http_counters(shop.server).refused_full, 1);
    for (int i = 0; i < MAX; i++) {
        client_send_text(busy[i], "x");
        expect_answer(busy[i], 200, "sold", 4);
        close(busy[i]);
    }
    http_destroy(shop.server);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_that_is_not_whole_in_time_is_cut),
        cmocka_unit_test(a_body_that_stands_still_is_cut),
        cmocka_unit_test(a_connection_that_rests_is_closed_without_a_word),
        cmocka_unit_test(those_that_rest_make_room_for_newcomers),
        cmocka_unit_test(beyond_the_limit_of_busy_connections_the_answer_is_503),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
