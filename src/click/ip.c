#include "click/ip.h"

#include <arpa/inet.h>

#include "base/check.h"

_Static_assert(IP_TEXT_BYTES >= INET6_ADDRSTRLEN, "the longest IPv6 text and its NUL fit");

/* One octet: 0 to 255 without leading zeros, or 1 to 3 x of either case. Returns its length, 0 when it is neither. */
static size_t parse_octet(struct bytes text, unsigned octet, struct ip *ip, bool *canonical) {
    size_t len = 0;
    while (len < text.len && len < 3 && (text.at[len] | 0x20) == 'x') {
        if (text.at[len] != 'x') *canonical = false;
        len++;
    }
    if (len > 0) {
        ip->mask |= (uint8_t)(1u << octet);
        if (len != 3) *canonical = false;
        return len;
    }
    uint32_t value = 0;
    while (len < text.len && len < 3 && text.at[len] >= '0' && text.at[len] <= '9') {
        value = value * 10 + (text.at[len++] - (uint32_t)'0');
    }
    /* 010 is 8 to some readers and 10 to others: refused rather than guessed. */
    if (len == 0 || value > 255 || (len > 1 && text.at[0] == '0')) return 0;
    ip->bytes[octet] = (uint8_t)value;
    return len;
}

static bool parse_v4(struct bytes text, struct ip *ip, uint8_t *form) {
    bool canonical = true;
    *ip = (struct ip){.kind = IP_V4};
    for (unsigned octet = 0; octet < 4; octet++) {
        if (octet > 0) {
            if (text.len == 0 || text.at[0] != '.') return false;
            text = (struct bytes){text.at + 1, text.len - 1};
        }
        const size_t len = parse_octet(text, octet, ip, &canonical);
        if (len == 0) return false;
        text = (struct bytes){text.at + len, text.len - len};
    }
    if (ip->mask != 0) ip->kind = IP_V4_MASKED;
    *form = canonical ? IP_CANONICAL : IP_VERBATIM;
    return text.len == 0;
}

static bool parse_v6(struct bytes text, struct ip *ip, uint8_t *form) {
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    char terminated[INET6_ADDRSTRLEN];
    /* A NUL inside would end the text early for inet_pton. */
    if (text.len >= sizeof terminated || memchr(text.at, '\0', text.len) != NULL) return false;
    memcpy(terminated, text.at, text.len);
    terminated[text.len] = '\0';
    *ip = (struct ip){.kind = IP_V6};
    if (inet_pton(AF_INET6, terminated, ip->bytes) != 1) return false;
    if (memcmp(ip->bytes, mapped, sizeof mapped) == 0) {
        const struct ip v6 = *ip;
        *ip = (struct ip){.kind = IP_V4};
        memcpy(ip->bytes, v6.bytes + 12, 4);
        *form = IP_VERBATIM;
        return true;
    }
    char canonical[IP_TEXT_BYTES];
    const size_t len = ip_text(ip, canonical);
    *form = len == text.len && memcmp(canonical, text.at, len) == 0 ? IP_CANONICAL : IP_VERBATIM;
    return true;
}

bool ip_parse(struct bytes text, struct ip *ip, uint8_t *form) {
    if (text.len == 0) return false;
    return memchr(text.at, ':', text.len) != NULL ? parse_v6(text, ip, form) : parse_v4(text, ip, form);
}

static size_t octet_text(uint8_t octet, char *text) {
    size_t len = 0;
    if (octet >= 100) text[len++] = (char)('0' + octet / 100);
    if (octet >= 10) text[len++] = (char)('0' + octet / 10 % 10);
    text[len++] = (char)('0' + octet % 10);
    return len;
}

size_t ip_text(const struct ip *ip, char text[IP_TEXT_BYTES]) {
    if (ip->kind == IP_V6) {
        CHECK(ip->mask == 0);
        CHECK(inet_ntop(AF_INET6, ip->bytes, text, IP_TEXT_BYTES) != NULL);
        return strlen(text);
    }
    CHECKF(ip->kind == IP_V4 || ip->kind == IP_V4_MASKED, "ip kind %u", ip->kind);
    CHECK((ip->mask != 0) == (ip->kind == IP_V4_MASKED) && ip->mask < 16);
    size_t len = 0;
    for (unsigned octet = 0; octet < 4; octet++) {
        if (octet > 0) text[len++] = '.';
        if ((ip->mask >> octet & 1) != 0) {
            CHECK(ip->bytes[octet] == 0);
            memcpy(text + len, "xxx", 3);
            len += 3;
        } else {
            len += octet_text(ip->bytes[octet], text + len);
        }
    }
    text[len] = '\0';
    return len;
}
