/* json.h: reading the JSON that a server answered, by path: "totals/accepted", "ads/0/ad_id". One thread at a time. */
#pragma once

#include "base/bytes.h"

struct json;

/* NULL when the bytes are not one JSON value. */
struct json *json_parse(struct bytes text);
void json_destroy(struct json *json); /* NULL is fine */

/* False when there is no such member, or it is not a whole number >= 0. */
bool json_u64(const struct json *json, const char *path, uint64_t *out);
/* NULL when there is no such member, or it is not a string. Valid until json_destroy. */
const char *json_text(const struct json *json, const char *path);
/* How many elements the array, or members the object, has; 0 for anything else. "" is the value itself. */
size_t json_count(const struct json *json, const char *path);
/* Name of the member at `index` < json_count of the object at `path`, in the server's order. NULL past the end. */
const char *json_member(const struct json *json, const char *path, size_t index);
/* The value at `path` as compact JSON text, appended; nothing when there is none. */
void json_append(const struct json *json, const char *path, struct buffer *out);

/* The same for people: a string without quotes, a number grouped by thousands, "none" for null; nothing when it is not there
 * or is an object or an array. */
void json_append_plain(const struct json *json, const char *path, struct buffer *out);
/* Appends `text` as a JSON string with its quotes; what is not UTF-8 in it becomes '?'. */
void json_quote(struct buffer *out, const char *text);
