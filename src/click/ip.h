/* ip.h: IPv4, IPv6 (RFC 4291 text, canonical as RFC 5952) and IPv4 with masked octets (207.xxx.xx.22). An IPv4-mapped IPv6
 * address is the IPv4 address. */
#pragma once

#include "click/click.h"

enum { IP_TEXT_BYTES = 48 };
/* Sets `*form`: IP_CANONICAL when ip_text gives back the same bytes, else IP_VERBATIM. */
bool ip_parse(struct bytes text, struct ip *ip, uint8_t *form);
/* Canonical text and a NUL; a masked octet is "xxx". Returns its length. */
size_t ip_text(const struct ip *ip, char text[IP_TEXT_BYTES]);
