/* reject.h: the reasons for which a line is rejected. Codes are a stable contract: counters of them are on disk in this
 * order, so new ones are added at the end. */
#pragma once

#define REJECT_TABLE(X)                                                                                                     \
    X(BAD_JSON, "bad_json", "the line is not valid JSON")                                                                   \
    X(NOT_OBJECT, "not_object", "the JSON value is not an object")                                                          \
    X(MISSING_FIELD, "missing_field", "a required member is missing")                                                       \
    X(DUPLICATE_FIELD, "duplicate_field", "a member occurs twice")                                                          \
    X(WRONG_TYPE, "wrong_type", "a member has the wrong JSON type")                                                         \
    X(BAD_AD_ID, "bad_ad_id", "ad_id must be 1 to 128 bytes of UTF-8 without control characters")                           \
    X(BAD_USER_ID, "bad_user_id", "user_id must be 1 to 128 bytes of UTF-8 without control characters")                     \
    X(BAD_EVENT_ID, "bad_event_id", "event_id must be 1 to 128 bytes of UTF-8 without control characters")                  \
    X(BAD_TIMESTAMP, "bad_timestamp", "click_timestamp is in none of the accepted forms")                                   \
    X(FUTURE_TIMESTAMP, "future_timestamp", "click_timestamp is later than the server's clock allows")                      \
    X(BAD_IP, "bad_ip", "ip is not an IPv4, IPv6 or masked IPv4 address")                                                   \
    X(BAD_COUNTRY, "bad_country", "country is not an ISO 3166-1 code")                                                      \
    X(BAD_UTF8, "bad_utf8", "the line is not valid UTF-8")                                                                  \
    X(LINE_TOO_LONG, "line_too_long", "the line is longer than 64 KiB")                                                     \
    X(BAD_LOG_LINE, "bad_log_line", "the line is not of the form [AdClickEvent] ad, time, user, ip, country")               \
    X(REFUSED_BATCH, "refused_batch", "the line is good, but its atomic batch was refused for another one")

enum reject {
#define X(name, code, text) REJECT_##name,
    REJECT_TABLE(X)
#undef X
        REJECT_CODES,
    REJECT_NONE = REJECT_CODES, /* the line is good */
};

/* "bad_json"; static storage. */
const char *reject_code(enum reject reject);
/* One sentence without a full stop. */
const char *reject_text(enum reject reject);
