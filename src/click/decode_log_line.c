/* decode_log_line.c: `[AdClickEvent] ad001, 2021-01-01 00:00:01, user 1, 207.148.22.22, USA`. */
#include "base/check.h"
#include "click/decode_internal.h"

enum { AD_ID, TIME, USER_ID, IP, COUNTRY, FIELDS };
static const char prefix[] = "[AdClickEvent]";

/* Only the space is trimmed: a tab is a control character, and ids have none. */
static struct bytes trim(struct bytes text) {
    while (text.len > 0 && text.at[0] == ' ') text = (struct bytes){text.at + 1, text.len - 1};
    while (text.len > 0 && text.at[text.len - 1] == ' ') text.len--;
    return text;
}

/* Cuts at the first FIELDS commas. Returns how many fields there are, FIELDS + 1 for all that is more. */
static int split(struct bytes text, struct bytes fields[FIELDS]) {
    int count = 0;
    while (count < FIELDS) {
        const uint8_t *comma = text.len > 0 ? memchr(text.at, ',', text.len) : NULL;
        const size_t len = comma != NULL ? (size_t)(comma - text.at) : text.len;
        fields[count++] = trim((struct bytes){text.at, len});
        if (comma == NULL) return count;
        text = (struct bytes){comma + 1, text.len - len - 1};
    }
    return FIELDS + 1;
}

enum reject decode_log_line(struct decoder *decoder, struct bytes line, const struct decode_rules *rules,
                            struct click *click, char *detail) {
    CHECK(decoder != NULL);
    enum reject reject = decode_line_bytes(line, detail);
    if (reject != REJECT_NONE) return reject;
    const size_t prefix_len = sizeof prefix - 1;
    if (line.len < prefix_len || memcmp(line.at, prefix, prefix_len) != 0) {
        decode_detail(detail, "the line does not begin with %s", prefix);
        return REJECT_BAD_LOG_LINE;
    }
    struct bytes fields[FIELDS];
    const int count = split((struct bytes){line.at + prefix_len, line.len - prefix_len}, fields);
    if (count != FIELDS) {
        decode_detail(detail, "the line has %s%d fields; expected 5: ad_id, click_timestamp, user_id, ip, country",
                      count > FIELDS ? "more than " : "", count > FIELDS ? FIELDS : count);
        return REJECT_BAD_LOG_LINE;
    }
    reject = decode_no_event_id(rules, click, detail);
    if (reject == REJECT_NONE) reject = decode_ad_id(fields[AD_ID], click, detail);
    if (reject == REJECT_NONE) reject = decode_time(fields[TIME], rules, click, detail);
    if (reject == REJECT_NONE) reject = decode_user_id(fields[USER_ID], click, detail);
    if (reject == REJECT_NONE) reject = decode_ip(fields[IP], click, detail);
    if (reject != REJECT_NONE) return reject;
    if (fields[COUNTRY].len > 0) {
        reject = decode_country(fields[COUNTRY], click, detail);
    } else {
        decode_no_country(click);
    }
    if (reject == REJECT_NONE) decode_check_good(click);
    return reject;
}
