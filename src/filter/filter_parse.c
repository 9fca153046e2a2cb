/* filter_parse.c: filter.h's grammar, from text to a filter. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "click/country.h"
#include "click/ip.h"
#include "filter/filter_internal.h"

static bool flaw_set(struct filter_flaw *flaw, const char *field, const char *format, ...) PRINTF_LIKE(3, 4);
/* Returns false, so that `return flaw_set(...)` reads well. */
static bool flaw_set(struct filter_flaw *flaw, const char *field, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    flaw->field = field;
    const int len = vsnprintf(flaw->text, sizeof flaw->text, format, arguments);
    va_end(arguments);
    CHECKF(len >= 0 && (size_t)len < sizeof flaw->text, "a flaw of %d bytes", len);
    return false;
}

bool filter_id_parse(struct bytes text, uint32_t *id, struct filter_flaw *flaw) {
    uint64_t value = 0;
    bool is_number = text.len > 0;
    for (size_t i = 0; is_number && i < text.len; i++) {
        is_number = text.at[i] >= '0' && text.at[i] <= '9';
        if (value <= FILTER_ID_MAX) value = value * 10 + (text.at[i] - (uint32_t)'0');
    }
    if (!is_number || value == 0 || value > FILTER_ID_MAX)
        return flaw_set(flaw, "filter_id", "filter_id is a number from 1 to %u", FILTER_ID_MAX);
    CHECK(value >= 1 && value <= FILTER_ID_MAX);
    *id = (uint32_t)value;
    return true;
}

/* One list while it is read. */
struct list {
    const char *field;
    struct bytes left;
    enum filter_mode mode;
    size_t number;      /* of the value in hand, from 1: what a flaw calls it */
    struct bytes value; /* without spaces around it and without backslashes; in `unescaped` */
    struct buffer unescaped;
    struct filter_flaw *flaw;
};

/* A value for a flaw: as it was written when that is short and printable, else its place in the list. */
struct quoted {
    char text[64];
};
static struct quoted quote(const struct list *list) {
    struct quoted quoted;
    bool is_plain = list->value.len + 3 <= sizeof quoted.text;
    for (size_t i = 0; is_plain && i < list->value.len; i++)
        is_plain = list->value.at[i] >= 0x20 && list->value.at[i] < 0x7F;
    if (is_plain)
        (void)snprintf(quoted.text, sizeof quoted.text, "\"%.*s\"", (int)list->value.len, (const char *)list->value.at);
    else
        (void)snprintf(quoted.text, sizeof quoted.text, "value %zu", list->number);
    return quoted;
}

static void skip(struct bytes *text, size_t len) {
    CHECK(len <= text->len);
    *text = (struct bytes){text->at + len, text->len - len};
}

static void skip_spaces(struct bytes *text) {
    while (text->len > 0 && text->at[0] == ' ') skip(text, 1);
}

/* One byte with its meaning taken away. */
static bool list_unescape(struct list *list) {
    skip(&list->left, 1);
    if (list->left.len == 0 || memchr("|*! \\", list->left.at[0], 5) == NULL)
        return flaw_set(list->flaw, list->field,
                        "%s: a backslash stands before |, *, !, a space or a backslash; value %zu has another", list->field,
                        list->number);
    buffer_append(&list->unescaped, list->left.at, 1);
    skip(&list->left, 1);
    return true;
}

static bool list_refuse_special(const struct list *list) {
    if (list->left.at[0] == '*')
        return flaw_set(list->flaw, list->field, "%s: a * stands alone and means any; write \\* for the character",
                        list->field);
    return flaw_set(list->flaw, list->field,
                    "%s: one ! stands before the whole list and means none of; write \\! for the character", list->field);
}

/* Up to the next `|` or the end, neither of which is taken. */
static bool list_read_value(struct list *list) {
    list->number++;
    buffer_clear(&list->unescaped);
    skip_spaces(&list->left);
    size_t len = 0; /* without the spaces at the end */
    while (list->left.len > 0 && list->left.at[0] != '|') {
        const uint8_t byte = list->left.at[0];
        if (byte == '\\') {
            if (!list_unescape(list)) return false;
        } else {
            if (byte == '*' || (byte == '!' && list->unescaped.len == 0)) return list_refuse_special(list);
            buffer_append(&list->unescaped, &byte, 1);
            skip(&list->left, 1);
            if (byte == ' ') continue;
        }
        len = list->unescaped.len;
    }
    CHECK(len <= list->unescaped.len);
    CHECK(list->left.len == 0 || list->left.at[0] == '|');
    list->value = (struct bytes){list->unescaped.at, len};
    if (len > 0) return true;
    return flaw_set(list->flaw, list->field, "%s: value %zu of the list is empty; write * for any", list->field,
                    list->number);
}

/* Takes the value in hand; false with a flaw. */
typedef bool take_value(struct list *list, struct values *values, struct filter *filter);

static bool list_read(struct list *list, take_value *take, struct values *values, struct filter *filter) {
    struct bytes text = list->left;
    while (text.len > 0 && text.at[text.len - 1] == ' ') text.len--; /* an escaped last space is no reason to stop early */
    skip_spaces(&text);
    if (text.len == 0 || bytes_equal(text, BYTES_LITERAL("*"))) return true;
    list->mode = FILTER_ONE_OF;
    skip_spaces(&list->left);
    if (list->left.at[0] == '!') {
        list->mode = FILTER_NONE_OF;
        skip(&list->left, 1);
        skip(&text, 1);
        skip_spaces(&text);
        if (bytes_equal(text, BYTES_LITERAL("*")))
            return flaw_set(list->flaw, list->field, "%s: !* would match no click at all", list->field);
    }
    for (;;) {
        if (!list_read_value(list) || !take(list, values, filter)) return false;
        if (list->left.len == 0) return true;
        skip(&list->left, 1); /* | */
    }
}

static bool refuse_long_list(const struct list *list) {
    return flaw_set(list->flaw, list->field, "%s: a list has at most %d values", list->field, FILTER_VALUES_MAX);
}

/* Bounded by itself: no country twice. */
static bool take_region(struct list *list, struct values *values, struct filter *filter) {
    struct country country;
    uint8_t form;
    if (!country_parse(list->value, &country, &form))
        return flaw_set(list->flaw, list->field, "region: %s is no ISO 3166-1 code (ZZZ: unknown)", quote(list).text);
    for (size_t i = 0; i < filter->region_count; i++)
        if (values->regions[i].code == country.code)
            return flaw_set(list->flaw, list->field, "region: %s is in the list twice", quote(list).text);
    CHECK(filter->region_count < COUNTRY_CODES && country.code < COUNTRY_CODES);
    values->regions[filter->region_count++] = country;
    return true;
}

/* "24": 0 to `max`, no leading zeros. */
static bool parse_prefix(struct bytes text, unsigned max, unsigned *prefix_bits) {
    if (text.len < 1 || text.len > 3 || (text.len > 1 && text.at[0] == '0')) return false;
    *prefix_bits = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9') return false;
        *prefix_bits = *prefix_bits * 10 + (text.at[i] - (unsigned)'0');
    }
    return *prefix_bits <= max;
}

static bool parse_block(struct list *list, struct bytes length, bool is_v6_text, struct filter_net *net) {
    unsigned bits;
    if (net->ip.kind == IP_V4_MASKED)
        return flaw_set(list->flaw, list->field, "ip: %s is a block of an address with masked octets", quote(list).text);
    if (!parse_prefix(length, is_v6_text ? 128 : 32, &bits))
        return flaw_set(list->flaw, list->field, "ip: %s: the length of a block is 0 to %d", quote(list).text,
                        is_v6_text ? 128 : 32);
    /* ::ffff:1.2.3.0/120 is 1.2.3.0/24. Shorter than 96, and the ffff would be behind the prefix. */
    const bool is_mapped = is_v6_text && net->ip.kind == IP_V4;
    if ((is_mapped && bits < 96) || !filter_ip_is_zero_behind(&net->ip, is_mapped ? bits - 96 : bits))
        return flaw_set(list->flaw, list->field, "ip: %s has bits set behind the first %u", quote(list).text, bits);
    net->prefix_bits = (uint8_t)(is_mapped ? bits - 96 : bits);
    CHECK(net->prefix_bits <= (net->ip.kind == IP_V6 ? 128 : 32));
    return true;
}

static bool parse_net(struct list *list, struct filter_net *net) {
    const struct bytes text = list->value;
    const uint8_t *slash = memchr(text.at, '/', text.len);
    const struct bytes address = {text.at, slash == NULL ? text.len : (size_t)(slash - text.at)};
    uint8_t form;
    if (!ip_parse(address, &net->ip, &form))
        return flaw_set(list->flaw, list->field, "ip: %s is no IPv4 or IPv6 address or block", quote(list).text);
    net->prefix_bits = net->ip.kind == IP_V6 ? 128 : 32;
    if (slash == NULL) return true;
    const struct bytes length = {slash + 1, text.len - address.len - 1};
    return parse_block(list, length, memchr(address.at, ':', address.len) != NULL, net);
}

static bool take_ip(struct list *list, struct values *values, struct filter *filter) {
    struct filter_net net;
    if (filter->ip_count == FILTER_VALUES_MAX) return refuse_long_list(list);
    if (!parse_net(list, &net)) return false;
    for (size_t i = 0; i < filter->ip_count; i++)
        if (filter_nets_overlap(&values->nets[i], &net))
            return flaw_set(list->flaw, list->field, "ip: %s overlaps value %zu of the list", quote(list).text, i + 1);
    values->nets[filter->ip_count++] = net;
    return true;
}

static bool take_user(struct list *list, struct values *values, struct filter *filter) {
    const struct bytes user = list->value;
    if (filter->user_count == FILTER_VALUES_MAX) return refuse_long_list(list);
    if (user.len > ID_BYTES_MAX)
        return flaw_set(list->flaw, list->field, "user_id: value %zu has %zu bytes; at most %d", list->number, user.len,
                        ID_BYTES_MAX);
    if (filter_user_has_control(user))
        return flaw_set(list->flaw, list->field, "user_id: value %zu has a control character; no click has", list->number);
    for (size_t i = 0; i < filter->user_count; i++)
        if (bytes_equal(values->users[i], user))
            return flaw_set(list->flaw, list->field, "user_id: value %zu is value %zu again", list->number, i + 1);
    uint8_t *kept = values->user_bytes[filter->user_count];
    memcpy(kept, user.at, user.len);
    values->users[filter->user_count++] = (struct bytes){kept, user.len};
    return true;
}

static int compare_regions(const void *a, const void *b) {
    return (int)((const struct country *)a)->code - (int)((const struct country *)b)->code;
}

static int compare_nets(const void *a, const void *b) {
    return filter_net_compare(a, b);
}

static int compare_users(const void *a, const void *b) {
    return bytes_compare(*(const struct bytes *)a, *(const struct bytes *)b);
}

static void sort_lists(struct filter *filter) {
    qsort(filter->regions, filter->region_count, sizeof *filter->regions, compare_regions);
    qsort(filter->nets, filter->ip_count, sizeof *filter->nets, compare_nets);
    qsort(filter->users, filter->user_count, sizeof *filter->users, compare_users);
}

static bool parse_list(const char *field, struct bytes text, take_value *take, struct values *values, struct filter *filter,
                       enum filter_mode *mode, struct filter_flaw *flaw) {
    struct list list = {.field = field, .left = text, .flaw = flaw};
    const bool is_good = list_read(&list, take, values, filter);
    CHECK(!is_good || list.mode == FILTER_ANY || list.number > 0);
    *mode = list.mode;
    buffer_fini(&list.unescaped);
    return is_good;
}

bool filter_parse(uint32_t id, struct bytes region, struct bytes ip, struct bytes user_id, bool ranked, struct filter **out,
                  struct filter_flaw *flaw) {
    CHECK(id <= FILTER_ID_MAX);
    struct values values;
    struct filter filter = {
        .id = id, .ranked = ranked, .regions = values.regions, .nets = values.nets, .users = values.users};
    if (!parse_list("region", region, take_region, &values, &filter, &filter.region_mode, flaw) ||
        !parse_list("ip", ip, take_ip, &values, &filter, &filter.ip_mode, flaw) ||
        !parse_list("user_id", user_id, take_user, &values, &filter, &filter.user_mode, flaw))
        return false;
    if (filter_term_count(&filter) > FILTER_TERMS_MAX)
        return flaw_set(flaw, "user_id", "the ips and users of the filter make %zu pairs; at most %d",
                        filter_term_count(&filter), FILTER_TERMS_MAX);
    sort_lists(&filter);
    CHECK(filter_is_valid(&filter));
    *out = filter_copy(&filter);
    return true;
}
