/* Any bytes as a query string and as a path segment, in memory of exactly their size. What comes out is valid UTF-8 without
 * a NUL, no longer than what went in; encoding it again and decoding that gives the same; and an answer that quotes the
 * input is still a JSON string. */
#include <jansson.h>

#include "base/check.h"
#include "reply/reply.h"

static void check_text(const struct buffer *text, size_t encoded_len) {
    CHECK(text->len <= encoded_len);
    for (struct bytes left = buffer_view(text); left.len > 0;) {
        size_t len = utf8_sequence(left);
        CHECK(len > 0 && left.at[0] != 0);
        left = (struct bytes){left.at + len, left.len - len};
    }
}

static void check_round_trip(const struct buffer *text) {
    struct buffer query = {0}, again = {0};
    buffer_append_text(&query, "v=");
    for (size_t i = 0; i < text->len; i++) buffer_printf(&query, "%%%02x", text->at[i]);
    CHECK(query_parameter(buffer_view(&query), "v", &again) == STATUS_OK);
    CHECK(bytes_equal(buffer_view(text), buffer_view(&again)));
    CHECK(path_decode((struct bytes){query.at + 2, query.len - 2}, &again) == STATUS_OK);
    CHECK(bytes_equal(buffer_view(text), buffer_view(&again)));
    buffer_fini(&query);
    buffer_fini(&again);
}

static void check_json(struct bytes text) {
    struct buffer out = {0};
    json_append_string(&out, text);
    json_t *json = json_loadb((const char *)out.at, out.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    CHECK(json_is_string(json));
    json_decref(json);
    buffer_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const allowed[] = {"a", "atomic", "from", "source", NULL};
    struct bytes input = {data, size};
    struct buffer value = {0};
    size_t known = 0;
    for (size_t i = 0; allowed[i] != NULL; i++) {
        enum status status = query_parameter(input, allowed[i], &value);
        CHECK(status == STATUS_OK || status == STATUS_NOT_FOUND || status == STATUS_BAD_INPUT);
        known += status != STATUS_NOT_FOUND;
        if (status != STATUS_OK) continue;
        check_text(&value, size);
        check_round_trip(&value);
    }
    if (path_decode(input, &value) == STATUS_OK) {
        check_text(&value, size);
        check_round_trip(&value);
    }
    struct failure failure = {.status = STATUS_OK};
    enum status only = query_only(input, allowed, &failure);
    CHECK(only == STATUS_OK ? failure.text[0] == '\0' : strlen(failure.text) < 128);
    CHECK(only != STATUS_OK || known > 0 || size == 0 || memchr(data, '&', size) != NULL);
    check_json(input);
    check_json(bytes_of_text(failure.text));
    buffer_fini(&value);
    return 0;
}
