/* decode_json.c: any JSON line, exactly. The hot path is tried first; what it does not take, jansson reads, and only
 * jansson's reading gives codes and details. This is the only file that knows jansson. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "click/decode_internal.h"

/* Where jansson finds no memory, it may take a good line for bad JSON, or for one that lacks a member, and the click would
 * be refused for good. So it asks where everybody asks, and the process ends. Before main: it is one setting for all
 * threads. */
__attribute__((constructor)) static void end_without_memory(void) {
    json_set_alloc_funcs(memory_allocate, free);
}

struct decoder *decoder_create(void) {
    struct decoder *decoder = memory_allocate_zeroed(1, sizeof *decoder);
    decoder->scanner = json_scanner_create(LINE_BYTES_MAX);
    CHECKF(decoder->scanner != NULL, "no memory for a decoder of lines of %d bytes", LINE_BYTES_MAX);
    return decoder;
}

static void release_document(struct decoder *decoder) {
    json_decref(decoder->document);
    decoder->document = NULL;
}

void decoder_destroy(struct decoder *decoder) {
    if (decoder == NULL) return;
    release_document(decoder);
    json_scanner_destroy(decoder->scanner);
    free(decoder);
}

enum reject decode_json(struct decoder *decoder, struct bytes line, const struct decode_rules *rules, struct click *click,
                        char *detail) {
    const bool certain = decode_json_hot(decoder, line, rules, click);
    const enum reject reject = certain ? REJECT_NONE : decode_json_slow(decoder, line, rules, click, detail);
    if (reject == REJECT_NONE) decode_check_good(click);
    return reject;
}

/* The members that we know, in the order in which they are looked at. */
static const struct known {
    const char *name;
    bool optional;
} known_members[] = {{"ad_id", false}, {"click_timestamp", false}, {"user_id", false},
                     {"ip", false},    {"country", true},          {"event_id", true}};
enum { AD_ID, CLICK_TIMESTAMP, USER_ID, IP, COUNTRY, EVENT_ID, KNOWN_MEMBERS };
_Static_assert(sizeof known_members / sizeof known_members[0] == KNOWN_MEMBERS, "a name each");

/* jansson's words without the piece of the line that it puts behind them, which can be a user_id or an ip. */
static int words_without_quotation(const json_error_t *error) {
    const char *end = strstr(error->text, " near ");
    const char *code_points = strstr(error->text, " '\\u");
    if (end == NULL || (code_points != NULL && code_points < end)) end = code_points;
    return end != NULL ? (int)(end - error->text) : (int)strlen(error->text);
}

/* jansson ends its words with the name, in quotation marks, when it is short: as ours are. */
static enum reject explain_duplicate(const json_error_t *error, char *detail) {
    for (size_t i = 0; i < KNOWN_MEMBERS; i++) {
        char ending[64];
        const int len = snprintf(ending, sizeof ending, "near '\"%s\"'", known_members[i].name);
        const size_t text_len = strlen(error->text);
        CHECK(len > 0 && len < (int)sizeof ending);
        if (text_len >= (size_t)len && strcmp(error->text + text_len - (size_t)len, ending) == 0) {
            decode_detail(detail, "%s: the member occurs twice, the second time before byte %d", known_members[i].name,
                          error->position);
            return REJECT_DUPLICATE_FIELD;
        }
    }
    decode_detail(detail, "a member occurs twice, the second time before byte %d", error->position);
    return REJECT_DUPLICATE_FIELD;
}

/* An integer beyond 64 bits is valid JSON, and in a member that is ignored it is nobody's business. jansson reads it as a
 * real number only when it reads all integers so; click_timestamp is then taken if it is a whole number (below). */
static enum reject load_document(struct decoder *decoder, struct bytes line, bool *integers_are_real, char *detail) {
    const size_t flags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY;
    json_error_t error;
    release_document(decoder);
    decoder->document = json_loadb((const char *)line.at, line.len, flags, &error);
    *integers_are_real = false;
    if (decoder->document == NULL && json_error_code(&error) == json_error_numeric_overflow) {
        decoder->document = json_loadb((const char *)line.at, line.len, flags | JSON_DECODE_INT_AS_REAL, &error);
        *integers_are_real = true;
    }
    if (decoder->document != NULL) return REJECT_NONE;
    CHECK(error.position >= 0 && error.position <= LINE_BYTES_MAX);
    if (json_error_code(&error) == json_error_duplicate_key) return explain_duplicate(&error, detail);
    decode_detail(detail, "invalid JSON before byte %d: %.*s", error.position, words_without_quotation(&error), error.text);
    return REJECT_BAD_JSON;
}

static const char *type_name(const json_t *value) {
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "an integer";
    case JSON_REAL:
        return "a number with a fraction or an exponent";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    case JSON_NULL:
        return "null";
    }
    CHECK_FAIL("JSON type %d", (int)json_typeof(value));
}

static bool is_whole(const json_t *value) {
    return json_is_real(value) && floor(json_real_value(value)) == json_real_value(value);
}

static enum reject check_type(size_t member, const json_t *value, bool integers_are_real, char *detail) {
    if (json_is_string(value)) return REJECT_NONE;
    if (member == CLICK_TIMESTAMP && (json_is_integer(value) || (integers_are_real && is_whole(value)))) return REJECT_NONE;
    decode_detail(detail, "%s: expected a string%s, got %s", known_members[member].name,
                  member == CLICK_TIMESTAMP ? " or an integer" : "", type_name(value));
    return REJECT_WRONG_TYPE;
}

static struct bytes string_of(const json_t *value) {
    return (struct bytes){(const uint8_t *)json_string_value(value), json_string_length(value)};
}

static enum reject read_time(const json_t *value, const struct decode_rules *rules, struct click *click, char *detail) {
    if (json_is_string(value)) return decode_time(string_of(value), rules, click, detail);
    if (json_is_integer(value)) return decode_time_integer(json_integer_value(value), rules, click, detail);
    /* All 13-digit integers are exact as reals; what is not is far out of range. */
    CHECK(is_whole(value));
    const double real = json_real_value(value);
    const int64_t far_out_of_range = INT64_C(1) << 53;
    const bool exact = fabs(real) < (double)far_out_of_range;
    return decode_time_integer(exact ? (int64_t)real : far_out_of_range, rules, click, detail);
}

static enum reject read_values(json_t *const values[KNOWN_MEMBERS], const struct decode_rules *rules, struct click *click,
                               char *detail) {
    enum reject reject = decode_ad_id(string_of(values[AD_ID]), click, detail);
    if (reject == REJECT_NONE) reject = read_time(values[CLICK_TIMESTAMP], rules, click, detail);
    if (reject == REJECT_NONE) reject = decode_user_id(string_of(values[USER_ID]), click, detail);
    if (reject == REJECT_NONE) reject = decode_ip(string_of(values[IP]), click, detail);
    if (reject == REJECT_NONE && values[COUNTRY] != NULL) {
        reject = decode_country(string_of(values[COUNTRY]), click, detail);
    } else if (reject == REJECT_NONE) {
        decode_no_country(click);
    }
    if (reject == REJECT_NONE && values[EVENT_ID] != NULL) {
        reject = decode_event_id(string_of(values[EVENT_ID]), click, detail);
    }
    return reject;
}

enum reject decode_json_slow(struct decoder *decoder, struct bytes line, const struct decode_rules *rules,
                             struct click *click, char *detail) {
    bool integers_are_real;
    enum reject reject = decode_line_bytes(line, detail);
    if (reject == REJECT_NONE) reject = load_document(decoder, line, &integers_are_real, detail);
    if (reject != REJECT_NONE) return reject;
    if (!json_is_object(decoder->document)) {
        decode_detail(detail, "the line is %s; expected an object", type_name(decoder->document));
        return REJECT_NOT_OBJECT;
    }
    json_t *values[KNOWN_MEMBERS];
    for (size_t i = 0; i < KNOWN_MEMBERS; i++) {
        values[i] = json_object_get(decoder->document, known_members[i].name);
        if (values[i] == NULL && !known_members[i].optional) {
            decode_detail(detail, "%s: the member is missing", known_members[i].name);
            return REJECT_MISSING_FIELD;
        }
        if (values[i] != NULL) reject = check_type(i, values[i], integers_are_real, detail);
        if (reject != REJECT_NONE) return reject;
    }
    if (values[EVENT_ID] == NULL) reject = decode_no_event_id(rules, click, detail);
    return reject != REJECT_NONE ? reject : read_values(values, rules, click, detail);
}
