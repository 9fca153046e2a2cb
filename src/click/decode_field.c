/* decode_field.c: one field from its text to its place in the click, the same for JSON and log lines. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"
#include "base/codec.h"
#include "click/country.h"
#include "click/decode_internal.h"
#include "click/ip.h"
#include "click/timestamp.h"

void decode_detail(char *detail, const char *format, ...) {
    if (detail == NULL) return;
    va_list arguments;
    va_start(arguments, format);
    const int len = vsnprintf(detail, DECODE_DETAIL_BYTES, format, arguments);
    va_end(arguments);
    /* Every quotation is cut before, so nothing is lost here, in the middle of a character least of all. */
    CHECKF(len >= 0 && len < DECODE_DETAIL_BYTES, "a detail of %d bytes", len);
}

enum { QUOTED_BYTES_MAX = 48 };
struct quoted {
    char text[QUOTED_BYTES_MAX + sizeof "..."];
};

/* A field for a detail: valid UTF-8 in, valid UTF-8 out, cut between two characters, control characters as "?". */
static struct quoted quote(struct bytes text) {
    struct quoted quoted;
    size_t len = text.len;
    if (len > QUOTED_BYTES_MAX) {
        len = QUOTED_BYTES_MAX;
        while (len > 0 && (text.at[len] & 0xC0) == 0x80) len--;
    }
    size_t to = 0;
    for (size_t i = 0; i < len; i++) {
        const bool c1 = text.at[i] == 0xC2 && i + 1 < len && text.at[i + 1] < 0xA0;
        const bool control = c1 || text.at[i] < 0x20 || text.at[i] == 0x7F;
        quoted.text[to++] = control ? '?' : (char)text.at[i];
        if (c1) i++;
    }
    memcpy(quoted.text + to, len < text.len ? "..." : "", len < text.len ? 4 : 1);
    return quoted;
}

/* Control characters are C0, DEL and C1 (U+0080 to U+009F: C2 80 to C2 9F). The text is valid UTF-8. */
static bool has_control_bytewise(const uint8_t *at, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (at[i] < 0x20 || at[i] == 0x7F) return true;
        if (at[i] == 0xC2 && i + 1 < len && at[i + 1] < 0xA0) return true;
    }
    return false;
}

/* True when all 8 bytes are printable ASCII. Carries can only make it say no too often, never yes too often: a borrow into
 * the next byte starts at a byte that is itself refused. */
static bool word_is_plain(uint64_t word) {
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t high = ones * 0x80;
    const uint64_t below_space = word - ones * 0x20;
    const uint64_t not_del = (word ^ ones * 0x7F) - ones;
    return ((word | below_space | not_del) & high) == 0;
}

static bool has_control(struct bytes text) {
    if (text.len < 8) return has_control_bytewise(text.at, text.len);
    /* The last word overlaps the one before it; nothing is read past the end. */
    for (size_t i = 0; i + 8 < text.len; i += 8) {
        if (!word_is_plain(get_u64(text.at + i))) return has_control_bytewise(text.at, text.len);
    }
    return !word_is_plain(get_u64(text.at + text.len - 8)) && has_control_bytewise(text.at, text.len);
}

static enum reject read_id(struct bytes text, const char *member, enum reject code, struct bytes *id, char *detail) {
    if (text.len == 0) {
        decode_detail(detail, "%s: is empty; expected 1 to %d bytes", member, ID_BYTES_MAX);
        return code;
    }
    if (text.len > ID_BYTES_MAX) {
        decode_detail(detail, "%s: has %zu bytes; expected 1 to %d", member, text.len, ID_BYTES_MAX);
        return code;
    }
    if (has_control(text)) {
        decode_detail(detail, "%s: has a control character; expected text without any", member);
        return code;
    }
    *id = text;
    return REJECT_NONE;
}

enum reject decode_ad_id(struct bytes text, struct click *click, char *detail) {
    return read_id(text, "ad_id", REJECT_BAD_AD_ID, &click->ad_id, detail);
}

enum reject decode_user_id(struct bytes text, struct click *click, char *detail) {
    return read_id(text, "user_id", REJECT_BAD_USER_ID, &click->user_id, detail);
}

enum reject decode_event_id(struct bytes text, struct click *click, char *detail) {
    return read_id(text, "event_id", REJECT_BAD_EVENT_ID, &click->event_id, detail);
}

enum reject decode_no_event_id(const struct decode_rules *rules, struct click *click, char *detail) {
    click->event_id = (struct bytes){0};
    if (rules->mode == IDENTITY_MODE_CONTENT) return REJECT_NONE;
    CHECK(rules->mode == IDENTITY_MODE_REJECT);
    decode_detail(detail,
                  "event_id: is missing; this server takes no click without one (identity.without_event_id: reject)");
    return REJECT_MISSING_FIELD;
}

/* I8: no click from the future. */
static enum reject refuse_future(struct event_time time, const struct decode_rules *rules, char *detail) {
    CHECK(rules->max_skew_ms >= 0 && time.ms >= 0);
    if (time.ms - rules->max_skew_ms <= rules->now.ms) return REJECT_NONE;
    if (detail == NULL) return REJECT_FUTURE_TIMESTAMP;
    char text[TIMESTAMP_TEXT_BYTES];
    timestamp_text(time, text);
    decode_detail(detail, "click_timestamp: %s is more than %" PRId64 " ms later than the server's clock", text,
                  rules->max_skew_ms);
    return REJECT_FUTURE_TIMESTAMP;
}

enum reject decode_time(struct bytes text, const struct decode_rules *rules, struct click *click, char *detail) {
    if (!timestamp_parse(text, &click->time, &click->time_form)) {
        if (detail != NULL) {
            decode_detail(detail,
                          "click_timestamp: \"%s\" is not epoch milliseconds (13 digits), epoch seconds (10 digits), "
                          "RFC 3339 or YYYY-MM-DD HH:MM:SS from 1970 to 9999",
                          quote(text).text);
        }
        return REJECT_BAD_TIMESTAMP;
    }
    click->time_text = click->time_form == TIME_VERBATIM ? text : (struct bytes){0};
    return refuse_future(click->time, rules, detail);
}

enum reject decode_time_integer(int64_t number, const struct decode_rules *rules, struct click *click, char *detail) {
    const int64_t ten_digits = INT64_C(1000000000);
    const int64_t thirteen_digits = INT64_C(1000000000000);
    if (number >= thirteen_digits && number < thirteen_digits * 10) {
        click->time.ms = number;
        click->time_form = TIME_MS_NUMBER;
    } else if (number >= ten_digits && number < ten_digits * 10) {
        click->time.ms = number * SECOND_MS;
        click->time_form = TIME_SECONDS_NUMBER;
    } else {
        decode_detail(detail,
                      "click_timestamp: %" PRId64 " is neither epoch milliseconds (13 digits) nor seconds (10 digits)",
                      number);
        return REJECT_BAD_TIMESTAMP;
    }
    click->time_text = (struct bytes){0};
    return refuse_future(click->time, rules, detail);
}

enum reject decode_ip(struct bytes text, struct click *click, char *detail) {
    if (!ip_parse(text, &click->ip, &click->ip_form)) {
        decode_detail(detail, "ip: expected an IPv4 or IPv6 address, or IPv4 with masked octets such as 207.xxx.xx.22");
        return REJECT_BAD_IP;
    }
    click->ip_text = click->ip_form == IP_VERBATIM ? text : (struct bytes){0};
    return REJECT_NONE;
}

enum reject decode_country(struct bytes text, struct click *click, char *detail) {
    if (!country_parse(text, &click->country, &click->country_form)) {
        if (detail != NULL) {
            decode_detail(detail, "country: \"%s\" is not an ISO 3166-1 alpha-2 or alpha-3 code", quote(text).text);
        }
        return REJECT_BAD_COUNTRY;
    }
    click->country_text = click->country_form == COUNTRY_VERBATIM ? text : (struct bytes){0};
    return REJECT_NONE;
}

void decode_no_country(struct click *click) {
    click->country.code = COUNTRY_UNKNOWN;
    click->country_form = COUNTRY_MISSING;
    click->country_text = (struct bytes){0};
}

void decode_check_good(const struct click *click) {
    CHECK(click->ad_id.len >= 1 && click->ad_id.len <= ID_BYTES_MAX);
    CHECK(click->user_id.len >= 1 && click->user_id.len <= ID_BYTES_MAX);
    CHECK(click->event_id.len <= ID_BYTES_MAX);
    CHECK(click->time.ms >= 0 && click->country.code < COUNTRY_CODES);
    CHECK((click->ip.kind == IP_V4_MASKED) == (click->ip.mask != 0));
    CHECK((click->time_form == TIME_VERBATIM) == (click->time_text.len > 0));
    CHECK((click->country_form == COUNTRY_VERBATIM) == (click->country_text.len > 0));
    CHECK((click->ip_form == IP_VERBATIM) == (click->ip_text.len > 0));
}

/* Where the first character that is not UTF-8 begins. Looks at each character once. */
static size_t bad_utf8_at(struct bytes text) {
    size_t at = 0;
    while (at < text.len) {
        const uint8_t lead = text.at[at];
        const size_t len = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
        if (len > text.len - at || !json_scan_utf8_valid(text.at + at, len)) return at;
        at += len;
    }
    CHECK_FAIL("valid after all");
}

enum reject decode_line_bytes(struct bytes line, char *detail) {
    if (line.len > LINE_BYTES_MAX) {
        decode_detail(detail, "the line has %zu bytes; at most %d are read", line.len, LINE_BYTES_MAX);
        return REJECT_LINE_TOO_LONG;
    }
    if (json_scan_utf8_valid(line.at, line.len)) return REJECT_NONE;
    if (detail != NULL) decode_detail(detail, "the line is not valid UTF-8 at byte %zu (the first is 0)", bad_utf8_at(line));
    return REJECT_BAD_UTF8;
}
