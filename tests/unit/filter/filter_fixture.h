/* filter_fixture.h: filters from texts, and random filters and clicks from a small world, so that they meet often: few
 * users, addresses and blocks that nest, masked addresses, IPv6, the unknown country. */
#pragma once

#include "base/check.h"
#include "base/random_sequence.h"
#include "click/ip.h"
#include "filter/filter.h"

static inline struct filter *parsed_as(uint32_t id, const char *region, const char *ip, const char *user_id, bool ranked) {
    struct filter *filter = NULL;
    struct filter_flaw flaw = {0};
    CHECKF(filter_parse(id, bytes_of_text(region), bytes_of_text(ip), bytes_of_text(user_id), ranked, &filter, &flaw), "%s",
           flaw.text);
    return filter;
}

static inline struct filter *parsed(const char *region, const char *ip, const char *user_id) {
    return parsed_as(7, region, ip, user_id, false);
}

static inline uint32_t random_below(struct random_sequence *sequence, uint32_t bound) {
    return (uint32_t)random_sequence_below(sequence, bound);
}

/* One bit of each octet or group is left to chance: 0, 1, 128 and 129 make blocks of length 1, 8, 9, 16, ... differ. */
static inline unsigned random_octet(struct random_sequence *sequence) {
    return (random_below(sequence, 2) << 7) | random_below(sequence, 2);
}

static inline void random_address(struct random_sequence *sequence, bool with_masks, struct buffer *out) {
    if (random_below(sequence, 4) == 0) {
        buffer_printf(out, "%x:%x::%x", 0x2000 + random_octet(sequence), random_octet(sequence), random_octet(sequence));
        return;
    }
    const uint32_t mask = with_masks && random_below(sequence, 4) == 0 ? random_below(sequence, 16) : 0;
    for (uint32_t octet = 0; octet < 4; octet++) {
        const unsigned value = random_octet(sequence);
        if (octet > 0) buffer_append_text(out, ".");
        if ((mask >> octet & 1) != 0)
            buffer_append_text(out, "xxx");
        else
            buffer_printf(out, "%u", value);
    }
}

/* An address cut to a random length. */
static inline void random_block(struct random_sequence *sequence, struct buffer *out) {
    struct buffer text = {0};
    struct ip ip;
    uint8_t form;
    random_address(sequence, false, &text);
    CHECK(ip_parse(buffer_view(&text), &ip, &form));
    const uint32_t length = random_below(sequence, ip.kind == IP_V6 ? 129 : 33);
    for (uint32_t bit = length; bit < 128; bit++) ip.bytes[bit / 8] &= (uint8_t) ~(0x80u >> (bit % 8));
    char cut[IP_TEXT_BYTES];
    (void)ip_text(&ip, cut);
    buffer_printf(out, "%s/%u", cut, length);
    buffer_fini(&text);
}

static inline void random_ip_value(struct random_sequence *sequence, struct buffer *out) {
    if (random_below(sequence, 2) == 0)
        random_block(sequence, out);
    else
        random_address(sequence, true, out);
}

static inline void random_region_value(struct random_sequence *sequence, struct buffer *out) {
    static const char *const regions[] = {"USA", "can", "FR", "ZZZ", "de"};
    buffer_append_text(out, regions[random_below(sequence, 5)]);
}

static inline void random_user_value(struct random_sequence *sequence, struct buffer *out) {
    static const char *const users[] = {
        "a",       "b", "user 1", "\\*", "\\!x", "\\ y", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab",
        "\xC3\xB6"};
    buffer_append_text(out, users[random_below(sequence, 8)]);
}

static inline void random_list(struct random_sequence *sequence, void (*value)(struct random_sequence *, struct buffer *),
                               struct buffer *out) {
    buffer_clear(out);
    if (random_below(sequence, 3) == 0) {
        buffer_append_text(out, "*");
        return;
    }
    if (random_below(sequence, 3) == 0) buffer_append_text(out, "!");
    const uint32_t count = random_below(sequence, 3) == 0 ? 1 + random_below(sequence, 5) : 1;
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0) buffer_append_text(out, "|");
        value(sequence, out);
    }
}

/* Lists whose values overlap are refused and drawn again. */
static inline struct filter *random_filter(struct random_sequence *sequence, uint32_t id) {
    struct buffer region = {0}, ip = {0}, user = {0};
    struct filter *filter = NULL;
    struct filter_flaw flaw;
    do {
        random_list(sequence, random_region_value, &region);
        random_list(sequence, random_ip_value, &ip);
        random_list(sequence, random_user_value, &user);
    } while (!filter_parse(id, buffer_view(&region), buffer_view(&ip), buffer_view(&user), random_below(sequence, 4) == 0,
                           &filter, &flaw));
    buffer_fini(&region);
    buffer_fini(&ip);
    buffer_fini(&user);
    return filter;
}
