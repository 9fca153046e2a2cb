/* filter_request_json.c: filters as JSON. */
#include <jansson.h>
#include <stdio.h>

#include "base/check.h"
#include "query/filter_rows.h"

/* The texts of one row, of their own where JSON has no such text. */
struct fields {
    struct buffer filter_id, region, ip, user_id;
};

static void fields_fini(struct fields *fields) {
    buffer_fini(&fields->filter_id);
    buffer_fini(&fields->region);
    buffer_fini(&fields->ip);
    buffer_fini(&fields->user_id);
}

static void append_string(struct buffer *out, const json_t *string) {
    buffer_append(out, json_string_value(string), json_string_length(string));
}

/* Integers are read as doubles: an integer of any length is then a value that can be refused by name, and not an error of
 * the whole document. Every id is exact in a double. */
static bool read_id(struct filter_rows *rows, uint32_t row, const json_t *value, struct buffer *out) {
    if (value == NULL) return filter_rows_refuse(rows, row, "filter_id", "filter_id is missing");
    if (json_is_string(value)) {
        append_string(out, value);
        return true;
    }
    double number = json_is_real(value) ? json_real_value(value) : -1;
    if (!(number >= 0 && number <= FILTER_ID_MAX) || number != (double)(uint32_t)number)
        return filter_rows_refuse(rows, row, "filter_id",
                                  "filter_id is a whole number from 1 to %u, or a string of its digits", FILTER_ID_MAX);
    buffer_printf(out, "%u", (uint32_t)number);
    return true;
}

/* A value as it stands, so everything that the grammar gives a meaning to is escaped. */
static void append_value(struct buffer *out, const json_t *string) {
    struct bytes text = {(const uint8_t *)json_string_value(string), json_string_length(string)};
    for (size_t i = 0; i < text.len; ++i) {
        if (strchr("|*! \\", text.at[i]) != NULL) buffer_append_text(out, "\\");
        buffer_append(out, &text.at[i], 1);
    }
}

static bool read_values(struct filter_rows *rows, uint32_t row, const char *field, const json_t *array, struct buffer *out) {
    size_t count = json_array_size(array);
    if (count == 0) return filter_rows_refuse(rows, row, field, "%s: the list is empty; leave it out for any", field);
    for (size_t i = 0; i < count; ++i) {
        const json_t *value = json_array_get(array, i);
        if (!json_is_string(value))
            return filter_rows_refuse(rows, row, field, "%s: a list holds strings and nothing else", field);
        if (json_string_length(value) == 0)
            return filter_rows_refuse(rows, row, field, "%s: value %zu of the list is empty", field, i + 1);
        if (i > 0) buffer_append_text(out, "|");
        append_value(out, value);
    }
    return true;
}

static bool read_text(struct filter_rows *rows, uint32_t row, const char *field, const json_t *value, struct buffer *out) {
    if (value == NULL) return true;
    if (json_is_array(value)) return read_values(rows, row, field, value, out);
    if (!json_is_string(value)) return filter_rows_refuse(rows, row, field, "%s is a string or an array of strings", field);
    append_string(out, value);
    return true;
}

static bool read_ranked(struct filter_rows *rows, uint32_t row, const json_t *value, bool *out) {
    if (value != NULL && !json_is_boolean(value)) return filter_rows_refuse(rows, row, "ranked", "ranked is true or false");
    *out = json_is_true(value);
    return true;
}

static bool only_known_members(struct filter_rows *rows, uint32_t row, json_t *object) {
    static const char *const known[] = {"filter_id", "region", "ip", "user_id", "ranked"};
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value) {
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof *known && !found; ++i) found = strcmp(name, known[i]) == 0;
        if (found) continue;
        return filter_rows_refuse(
            rows, row, name, "there is no member \"%.64s\"; a filter has filter_id, region, ip, user_id and ranked", name);
    }
    return true;
}

static bool read_filter(struct filter_rows *rows, uint32_t number, json_t *object) {
    if (!json_is_object(object)) return filter_rows_refuse(rows, number, NULL, "a filter is a JSON object");
    struct fields fields = {.filter_id = {0}};
    struct filter_row row = {.number = number};
    bool read = only_known_members(rows, number, object) &&
                read_id(rows, number, json_object_get(object, "filter_id"), &fields.filter_id) &&
                read_text(rows, number, "region", json_object_get(object, "region"), &fields.region) &&
                read_text(rows, number, "ip", json_object_get(object, "ip"), &fields.ip) &&
                read_text(rows, number, "user_id", json_object_get(object, "user_id"), &fields.user_id) &&
                read_ranked(rows, number, json_object_get(object, "ranked"), &row.ranked);
    if (read) {
        row.filter_id = buffer_view(&fields.filter_id);
        row.region = buffer_view(&fields.region);
        row.ip = buffer_view(&fields.ip);
        row.user_id = buffer_view(&fields.user_id);
        read = filter_rows_add(rows, &row);
    }
    fields_fini(&fields);
    return read;
}

/* The library tells a duplicate key in its text only: "duplicate object key near '"ip"'". */
static bool refuse_text(struct filter_rows *rows, const json_error_t *error) {
    const char *near = strstr(error->text, "duplicate object key near '\"");
    char name[68] = "";
    if (near != NULL && sscanf(strchr(near, '"') + 1, "%64[^\"]", name) == 1)
        return filter_rows_refuse(rows, 0, name, "%s: the member is there twice, in line %d", name, error->line);
    return filter_rows_refuse(rows, 0, NULL, "this is not JSON: %.160s, in line %d", error->text, error->line);
}

bool filter_rows_read_json(struct filter_rows *rows, struct bytes body) {
    json_error_t error;
    const size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL;
    if (body.len == 0) return filter_rows_refuse(rows, 0, NULL, "the body is empty; it must be a filter as JSON");
    json_t *document = json_loadb((const char *)body.at, body.len, flags, &error);
    if (document == NULL) return refuse_text(rows, &error);
    bool read = true;
    if (json_is_array(document)) {
        for (size_t i = 0; i < json_array_size(document) && read; ++i)
            read = read_filter(rows, (uint32_t)i + 1, json_array_get(document, i));
    } else {
        read = read_filter(rows, 0, document);
    }
    json_decref(document);
    return read;
}
