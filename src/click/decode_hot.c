/* decode_hot.c: the JSON line that nearly all lines are: flat, small, good. It refuses to decide anything else. */
#include "base/check.h"
#include "click/decode_internal.h"

_Static_assert((int)JSON_SCAN_PADDING_BYTES <= (int)DECODE_PADDING_BYTES,
               "the scanner reads no further than decode.h promises");

/* A bit each, to see what has come. */
enum member { AD_ID = 1, CLICK_TIMESTAMP = 2, USER_ID = 4, IP = 8, COUNTRY = 16, EVENT_ID = 32, UNKNOWN = 0 };
enum { REQUIRED = AD_ID | CLICK_TIMESTAMP | USER_ID | IP };

static bool name_is(struct json_scan_text name, const char *literal) {
    return memcmp(name.at, literal, name.len) == 0;
}

static enum member member_of(struct json_scan_text name) {
    switch (name.len) {
    case sizeof "ip" - 1:
        return name_is(name, "ip") ? IP : UNKNOWN;
    case sizeof "ad_id" - 1:
        return name_is(name, "ad_id") ? AD_ID : UNKNOWN;
    case sizeof "user_id" - 1: /* and "country" */
        return name_is(name, "user_id") ? USER_ID : name_is(name, "country") ? COUNTRY : UNKNOWN;
    case sizeof "event_id" - 1:
        return name_is(name, "event_id") ? EVENT_ID : UNKNOWN;
    case sizeof "click_timestamp" - 1:
        return name_is(name, "click_timestamp") ? CLICK_TIMESTAMP : UNKNOWN;
    default:
        return UNKNOWN;
    }
}
_Static_assert(sizeof "user_id" == sizeof "country", "they share a case");

static struct bytes string_of(const struct json_scan_member *member) {
    return (struct bytes){member->string.at, member->string.len};
}

static enum reject read_member(const struct json_scan_member *member, enum member which, const struct decode_rules *rules,
                               struct click *click) {
    if (member->kind == JSON_SCAN_INTEGER && which == CLICK_TIMESTAMP) {
        return decode_time_integer(member->integer, rules, click, NULL);
    }
    if (member->kind != JSON_SCAN_STRING) return REJECT_WRONG_TYPE;
    switch (which) {
    case AD_ID:
        return decode_ad_id(string_of(member), click, NULL);
    case CLICK_TIMESTAMP:
        return decode_time(string_of(member), rules, click, NULL);
    case USER_ID:
        return decode_user_id(string_of(member), click, NULL);
    case IP:
        return decode_ip(string_of(member), click, NULL);
    case COUNTRY:
        return decode_country(string_of(member), click, NULL);
    case EVENT_ID:
        return decode_event_id(string_of(member), click, NULL);
    case UNKNOWN:
        break;
    }
    CHECK_FAIL("member %d", (int)which);
}

/* Whether this unknown member can be ignored here: it stands once, and its name is one that the slow path reads too (that
 * refuses a NUL). Compares with every member before it: at most JSON_SCAN_MEMBERS_MAX of them. */
static bool can_be_ignored(const struct json_scan_member *members, int at) {
    const struct json_scan_text name = members[at].name;
    if (memchr(name.at, '\0', name.len) != NULL) return false;
    for (int i = 0; i < at; i++) {
        if (members[i].name.len == name.len && memcmp(members[i].name.at, name.at, name.len) == 0) return false;
    }
    return true;
}

bool decode_json_hot(struct decoder *decoder, struct bytes line, const struct decode_rules *rules, struct click *click) {
    struct json_scan_member members[JSON_SCAN_MEMBERS_MAX];
    if (line.len > LINE_BYTES_MAX) return false;
    const int count = json_scan_object(decoder->scanner, line.at, line.len, members);
    if (count == JSON_SCAN_NOT_CERTAIN) return false;
    CHECK(count >= 0 && count <= JSON_SCAN_MEMBERS_MAX);
    unsigned come = 0;
    for (int i = 0; i < count; i++) {
        const enum member which = member_of(members[i].name);
        if (which == UNKNOWN) {
            if (!can_be_ignored(members, i)) return false;
            continue;
        }
        if ((come & which) != 0) return false;
        come |= which;
        if (read_member(&members[i], which, rules, click) != REJECT_NONE) return false;
    }
    if ((come & REQUIRED) != REQUIRED) return false;
    if ((come & COUNTRY) == 0) decode_no_country(click);
    return (come & EVENT_ID) != 0 || decode_no_event_id(rules, click, NULL) == REJECT_NONE;
}
