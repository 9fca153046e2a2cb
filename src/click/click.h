/* click.h: the click, the one struct that every stage knows, and what makes two clicks the same.
 *
 * Source: docs/adr for identity, canonical forms and first occurrence. */
#pragma once

#include "base/bytes.h"
#include "base/units.h"

/* 128 bits, SipHash-2-4-128 under the journal's key. Equal identity = the same click, as far as counting goes. */
struct identity {
    uint64_t low;
    uint64_t high;
};

static inline bool identity_equal(struct identity a, struct identity b) {
    return a.low == b.low && a.high == b.high;
}

/* The partition of an identity (I1: copies of a click meet because they are routed by it). */
static inline uint32_t identity_partition(struct identity identity, uint32_t partition_count) {
    return (uint32_t)(identity.low % partition_count);
}

enum { IDENTITY_KEY_BYTES = 16 };
struct identity_key {
    uint8_t at[IDENTITY_KEY_BYTES];
};

/* What an identity was made of. */
enum identity_kind { IDENTITY_BY_EVENT_ID = 1, IDENTITY_BY_CONTENT = 2 };

/* ISO 3166-1 alpha-3 packed as ((c0 * 26 + c1) * 26 + c2), 'A' = 0; always < 17,576. Unknown = ZZZ. */
struct country {
    uint16_t code;
};
enum { COUNTRY_CODES = 26 * 26 * 26, COUNTRY_UNKNOWN = COUNTRY_CODES - 1 };

enum ip_kind { IP_V4 = 4, IP_V6 = 6, IP_V4_MASKED = 14 };
struct ip {
    uint8_t kind;      /* enum ip_kind */
    uint8_t mask;      /* IP_V4_MASKED: bit i set = octet i (0 = first) is masked, and its byte is 0; else 0 */
    uint8_t bytes[16]; /* network order; an IPv4 address uses the first 4, the rest is 0 */
};

/* How a field was written, so that the journal can give back the text as supplied. FORM_VERBATIM: the text itself is kept;
 * otherwise it follows from the canonical value. Stored on disk: never renumber. */
enum time_form {
    TIME_VERBATIM = 0,
    TIME_MS_NUMBER = 1,      /* 1699999999123 */
    TIME_SECONDS_NUMBER = 2, /* 1699999999 */
    TIME_SPACE = 3,          /* 2021-01-01 00:00:01 */
    TIME_RFC3339_Z = 4,      /* 2021-01-01T00:00:01Z */
    TIME_RFC3339_MS_Z = 5,   /* 2021-01-01T00:00:01.000Z */
};
enum country_form { COUNTRY_VERBATIM = 0, COUNTRY_ALPHA3 = 1, COUNTRY_ALPHA2 = 2, COUNTRY_MISSING = 3 };
enum ip_form { IP_VERBATIM = 0, IP_CANONICAL = 1 };

/* A plain value. The bytes are borrowed from the line or the journal record that it was decoded from. */
struct click {
    struct bytes source;   /* 1..128 bytes */
    struct bytes event_id; /* empty = none was given */
    struct bytes ad_id;
    struct bytes user_id;
    struct event_time time;
    struct ip ip;
    struct country country;
    uint8_t time_form;                             /* enum time_form */
    uint8_t country_form;                          /* enum country_form */
    uint8_t ip_form;                               /* enum ip_form */
    struct bytes time_text, country_text, ip_text; /* as supplied; only filled in where the form is VERBATIM */
    struct identity identity;
    uint32_t content_tag; /* of the five fields, canonical: tells a conflict from a duplicate */
};

/* Fills in identity and content_tag from the other fields. Canonical form version 1 (docs/format/identity.md):
 * identity = SipHash-2-4-128(key, kind, source, event_id or the five fields); tag = the same over the five fields, 32 bits.
 */
void click_identify(struct click *click, const struct identity_key *key);
static inline enum identity_kind click_identity_kind(const struct click *click) {
    return click->event_id.len > 0 ? IDENTITY_BY_EVENT_ID : IDENTITY_BY_CONTENT;
}
