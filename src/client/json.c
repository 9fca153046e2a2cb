#include "client/json.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/check.h"
#include "client/table.h"

enum { KEY_BYTES_MAX = 256 };

struct json *json_parse(struct bytes text) {
    return (struct json *)json_loadb((const char *)text.at, text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
}

void json_destroy(struct json *json) {
    json_decref((json_t *)json);
}

static json_t *find(const struct json *json, const char *path) {
    json_t *value = (json_t *)(uintptr_t)json;
    while (value != NULL && *path != '\0') {
        size_t len = strcspn(path, "/");
        char key[KEY_BYTES_MAX];
        if (len >= sizeof key) return NULL;
        memcpy(key, path, len);
        key[len] = '\0';
        value = json_is_array(value) ? json_array_get(value, strtoul(key, NULL, 10)) : json_object_get(value, key);
        path += len + (path[len] == '/');
    }
    return value;
}

bool json_u64(const struct json *json, const char *path, uint64_t *out) {
    json_t *value = find(json, path);
    if (!json_is_integer(value) || json_integer_value(value) < 0) return false;
    *out = (uint64_t)json_integer_value(value);
    return true;
}

const char *json_text(const struct json *json, const char *path) {
    return json_string_value(find(json, path));
}

size_t json_count(const struct json *json, const char *path) {
    json_t *value = find(json, path);
    return json_is_array(value) ? json_array_size(value) : json_object_size(value);
}

const char *json_member(const struct json *json, const char *path, size_t index) {
    json_t *object = find(json, path);
    void *at = json_object_iter(object);
    while (at != NULL && index-- > 0) at = json_object_iter_next(object, at);
    return at == NULL ? NULL : json_object_iter_key(at);
}

static int append_part(const char *part, size_t len, void *out) {
    buffer_append(out, part, len);
    return 0;
}

void json_append(const struct json *json, const char *path, struct buffer *out) {
    json_t *value = find(json, path);
    if (value != NULL) json_dump_callback(value, append_part, out, JSON_COMPACT | JSON_ENCODE_ANY);
}

void json_append_plain(const struct json *json, const char *path, struct buffer *out) {
    json_t *value = find(json, path);
    if (json_is_string(value)) {
        buffer_append_text(out, json_string_value(value));
    } else if (json_is_integer(value) && json_integer_value(value) >= 0) {
        char text[TABLE_NUMBER_BYTES];
        buffer_append_text(out, table_number((uint64_t)json_integer_value(value), text));
    } else if (json_is_null(value)) {
        buffer_append_text(out, "none");
    } else if (json_is_number(value) || json_is_boolean(value)) {
        json_append(json, path, out);
    }
}

void json_quote(struct buffer *out, const char *text) {
    json_t *string = json_string(text);
    if (string == NULL) { /* not UTF-8 */
        char *clean = strdup(text);
        CHECK(clean != NULL);
        for (char *at = clean; *at != '\0'; at++) {
            if ((*at & 0x80) != 0) *at = '?';
        }
        string = json_string(clean);
        free(clean);
    }
    CHECK(string != NULL);
    json_dump_callback(string, append_part, out, JSON_ENCODE_ANY | JSON_COMPACT);
    json_decref(string);
}
