/* country.h: ISO 3166-1 codes. */
#pragma once

#include "click/click.h"

/* Alpha-3 or alpha-2, any case, and ZZZ / ZZ for unknown, XKX / XK for Kosovo. False when it is neither. Sets `*form`
 * (COUNTRY_VERBATIM when the text is not upper case). */
bool country_parse(struct bytes text, struct country *country, uint8_t *form);
/* Writes 3 upper-case letters and a NUL. */
void country_text(struct country country, char text[4]);
/* Writes 2 upper-case letters and a NUL ("ZZ" for unknown). */
void country_text_alpha2(struct country country, char text[3]);
