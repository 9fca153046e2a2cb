#include "click/country.h"

#include "base/check.h"
#include "click/country_table.h"

#define CODE2(a, b) (((a) - 'A') * 26 + ((b) - 'A'))
#define CODE3(a, b, c) (CODE2(a, b) * 26 + ((c) - 'A'))

enum { ALPHA2_CODES = 26 * 26 };
_Static_assert(CODE3('Z', 'Z', 'Z') == COUNTRY_UNKNOWN, "unknown is ZZZ");

/* Both tables hold a code + 1, so that 0 says "no such country". Read-only and indexed directly: a look-up is one load. */
static const uint16_t alpha2_of_alpha3[COUNTRY_CODES] = {
#define X(a, b, c, d, e) [CODE3(a, b, c)] = CODE2(d, e) + 1,
    COUNTRY_TABLE(X)
#undef X
};
static const uint16_t alpha3_of_alpha2[ALPHA2_CODES] = {
#define X(a, b, c, d, e) [CODE2(d, e)] = CODE3(a, b, c) + 1,
    COUNTRY_TABLE(X)
#undef X
};

bool country_parse(struct bytes text, struct country *country, uint8_t *form) {
    if (text.len != 2 && text.len != 3) return false;
    uint32_t code = 0;
    uint32_t lower_case = 0;
    for (size_t i = 0; i < text.len; i++) {
        const uint32_t letter = (text.at[i] & ~0x20u) - 'A';
        if (letter > 25) return false;
        lower_case |= text.at[i] & 0x20u;
        code = code * 26 + letter;
    }
    if (text.len == 2) {
        if (alpha3_of_alpha2[code] == 0) return false;
        code = alpha3_of_alpha2[code] - 1u;
    } else if (alpha2_of_alpha3[code] == 0) {
        return false;
    }
    country->code = (uint16_t)code;
    *form = lower_case != 0 ? COUNTRY_VERBATIM : text.len == 2 ? COUNTRY_ALPHA2 : COUNTRY_ALPHA3;
    return true;
}

void country_text(struct country country, char text[4]) {
    CHECK(country.code < COUNTRY_CODES);
    text[0] = (char)('A' + country.code / (26 * 26));
    text[1] = (char)('A' + country.code / 26 % 26);
    text[2] = (char)('A' + country.code % 26);
    text[3] = '\0';
}

void country_text_alpha2(struct country country, char text[3]) {
    CHECK(country.code < COUNTRY_CODES);
    CHECKF(alpha2_of_alpha3[country.code] != 0, "no country has the code %u", country.code);
    const uint16_t code = alpha2_of_alpha3[country.code] - 1;
    text[0] = (char)('A' + code / 26);
    text[1] = (char)('A' + code % 26);
    text[2] = '\0';
}
