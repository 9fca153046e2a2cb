/* json_scan.h: one flat JSON object to its members, and UTF-8 validation: all that we use of simdjson, as C.
 *
 * The scanner says what it is certain of and nothing else: for a line that is damaged, nested or unusual it answers "not
 * certain", without a reason, and a slower reader decides. Thread-safe; one scanner per thread at a time. It names no type
 * of ours, so that C++ need not read our C headers. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    JSON_SCAN_MEMBERS_MAX = 14, /* an object with more is not certain */
    JSON_SCAN_PADDING_BYTES = 64,
    JSON_SCAN_NOT_CERTAIN = -1,
};

/* NUMBER: one that is no int64 but has a fraction or an exponent. An integer beyond int64 is not certain. */
enum json_scan_kind { JSON_SCAN_STRING, JSON_SCAN_INTEGER, JSON_SCAN_NUMBER, JSON_SCAN_BOOLEAN, JSON_SCAN_NULL };

struct json_scan_text {
    const uint8_t *at; /* valid UTF-8, escapes resolved; lives in the scanner until its next call */
    size_t len;
};

struct json_scan_member {
    struct json_scan_text name;
    enum json_scan_kind kind;
    struct json_scan_text string; /* STRING */
    int64_t integer;              /* INTEGER */
};

struct json_scanner;
/* Takes lines of up to `line_bytes_max` bytes; all memory is taken here, none in json_scan_object. NULL: no memory. */
struct json_scanner *json_scanner_create(size_t line_bytes_max);
void json_scanner_destroy(struct json_scanner *scanner);

/* The number of members in the order in which they stand (duplicates too), or JSON_SCAN_NOT_CERTAIN. The whole line is
 * validated, UTF-8 included. JSON_SCAN_PADDING_BYTES after the line must be readable; their content does not matter. */
int json_scan_object(struct json_scanner *scanner, const uint8_t *line, size_t len,
                     struct json_scan_member members[JSON_SCAN_MEMBERS_MAX]);

bool json_scan_utf8_valid(const uint8_t *text, size_t len);

#ifdef __cplusplus
}
#endif
