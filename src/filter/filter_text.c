/* filter_text.c: a filter as canonical text, and in words. */
#include "base/check.h"
#include "click/country.h"
#include "click/ip.h"
#include "filter/filter_internal.h"

static void region_append(const struct filter *filter, size_t i, struct buffer *out) {
    char text[4];
    country_text(filter->regions[i], text);
    buffer_append_text(out, text);
}

static void net_append(const struct filter *filter, size_t i, struct buffer *out) {
    const struct filter_net *net = &filter->nets[i];
    char text[IP_TEXT_BYTES];
    CHECK(net->prefix_bits <= (net->ip.kind == IP_V6 ? 128 : 32));
    (void)ip_text(&net->ip, text);
    buffer_append_text(out, text);
    if (net->prefix_bits != (net->ip.kind == IP_V6 ? 128 : 32)) buffer_printf(out, "/%u", net->prefix_bits);
}

/* Escapes more than it must (a ! inside a value needs no backslash): one rule for every place. */
static void user_append(const struct filter *filter, size_t i, struct buffer *out) {
    const struct bytes user = filter->users[i];
    for (size_t at = 0; at < user.len; at++) {
        const uint8_t byte = user.at[at];
        const bool at_edge = at == 0 || at + 1 == user.len;
        if (byte == '|' || byte == '*' || byte == '!' || byte == '\\' || (byte == ' ' && at_edge))
            buffer_append_text(out, "\\");
        buffer_append(out, &byte, 1);
    }
}

typedef void append_value(const struct filter *filter, size_t i, struct buffer *out);

static void append_list(const struct filter *filter, enum filter_mode mode, size_t count, append_value *append,
                        struct buffer *out) {
    CHECK((mode == FILTER_ANY) == (count == 0));
    if (mode == FILTER_ANY) buffer_append_text(out, "*");
    if (mode == FILTER_NONE_OF) buffer_append_text(out, "!");
    for (size_t i = 0; i < count; i++) {
        if (i > 0) buffer_append_text(out, "|");
        append(filter, i, out);
    }
}

void filter_region_text(const struct filter *filter, struct buffer *out) {
    append_list(filter, filter->region_mode, filter->region_count, region_append, out);
}

void filter_ip_text(const struct filter *filter, struct buffer *out) {
    append_list(filter, filter->ip_mode, filter->ip_count, net_append, out);
}

void filter_user_text(const struct filter *filter, struct buffer *out) {
    append_list(filter, filter->user_mode, filter->user_count, user_append, out);
}

/* --- in words --- */

static void describe_region(const struct filter *filter, size_t i, struct buffer *out) {
    if (filter->regions[i].code == COUNTRY_UNKNOWN) {
        buffer_append_text(out, filter->region_mode == FILTER_NONE_OF ? "an unknown one" : "an unknown country");
    } else {
        region_append(filter, i, out);
    }
}

static void describe_user(const struct filter *filter, size_t i, struct buffer *out) {
    buffer_append_bytes(out, filter->users[i]);
}

/* "a", "a or b", "a, b or c". */
static void describe_values(const struct filter *filter, size_t count, append_value *append, struct buffer *out) {
    for (size_t i = 0; i < count; i++) {
        if (i > 0) buffer_append_text(out, i + 1 < count ? ", " : " or ");
        append(filter, i, out);
    }
}

void filter_describe(const struct filter *filter, struct buffer *out) {
    static const char *const region_words[] = {"clicks from any country", "clicks from ", "clicks from any country but "};
    static const char *const ip_words[] = {", from any address", ", from ", ", from any address but "};
    static const char *const user_words[] = {", of any user", ", of user ", ", of any user but "};
    CHECK(filter->region_mode <= FILTER_NONE_OF && filter->ip_mode <= FILTER_NONE_OF && filter->user_mode <= FILTER_NONE_OF);
    buffer_append_text(out, region_words[filter->region_mode]);
    describe_values(filter, filter->region_count, describe_region, out);
    /* The unknown country is the last one there is, and so the last of a list. */
    const bool names_unknown = filter->region_count > 0 && filter->regions[filter->region_count - 1].code == COUNTRY_UNKNOWN;
    if (filter->region_mode == FILTER_NONE_OF && !names_unknown) buffer_append_text(out, " (and from an unknown one)");
    buffer_append_text(out, ip_words[filter->ip_mode]);
    describe_values(filter, filter->ip_count, net_append, out);
    buffer_append_text(out, user_words[filter->user_mode]);
    describe_values(filter, filter->user_count, describe_user, out);
}
