#include "sim/filter_traffic.h"

#include <stdio.h>

#include "reply/reply.h"

static uint64_t below(struct random_sequence *random, uint64_t bound) {
    return random_sequence_below(random, bound);
}

static const char *const regions[] = {"USA", "DE", "chn", "FRA", "ZZZ", "JPN"};
static const char *const ips[] = {
    "10.0.0.1",      "10.0.0.0",        "10.0.0.2",       "10.0.0.0/31",   "10.0.0.0/30",   "10.0.0.0/24",
    "10.0.0.0/16",   "10.0.0.0/8",      "0.0.0.0/0",      "207.148.22.22", "207.0.0.22",    "207.0.0.0/8",
    "207.128.0.0/9", "207.148.22.0/23", "207.xxx.xxx.22", "10.0.0.xxx",    "10.0.xxx.1",    "2001:db8::1",
    "2001:db8::2",   "2001:db8::/127",  "2001:db8::/64",  "2001:db8::/33", "2001:db8::/32", "2001:db8:8000::/33",
    "::/0",          "192.168.0.0/16",
};
static const char *const bad_values[] = {"", "*", "!", "10.0.0.1/8", "10.0.0.0/33", "XXX", "Atlantis", "1.2.3", "\\"};

static const char *choose_value(struct random_sequence *random, char field, char user[24]) {
    if (below(random, 60) == 0) return bad_values[below(random, sizeof bad_values / sizeof *bad_values)];
    if (field == 'r') return regions[below(random, sizeof regions / sizeof *regions)];
    if (field == 'i') return ips[below(random, sizeof ips / sizeof *ips)];
    (void)snprintf(user, 24, "user %u", (unsigned)below(random, 8));
    return user;
}

/* A list may hold a value twice, or a block in a block: then it is a bad one. */
static void make_field(struct random_sequence *random, char field, char *text, size_t size) {
    uint64_t mode = below(random, 7), count = 1 + below(random, 4);
    if (below(random, 2) == 0) count = 1;
    size_t len = 0;
    char user[24];
    if (mode < 3) {
        (void)snprintf(text, size, "%s", mode == 0 ? "" : "*");
        return;
    }
    for (uint64_t i = 0; i < count && len < size; i++) {
        const char *value = choose_value(random, field, user); /* not among the arguments: their order is the compiler's */
        const char *between = below(random, 2) == 0 ? "|" : " | ";
        len += (size_t)snprintf(text + len, size - len, "%s%s", i > 0 ? between : mode > 4 ? "!" : "", value);
    }
}

void filter_wish_make(struct random_sequence *random, uint32_t id, struct filter_wish *wish) {
    *wish = (struct filter_wish){.id = id, .ranked = below(random, 8) == 0};
    make_field(random, 'r', wish->region, sizeof wish->region);
    make_field(random, 'i', wish->ip, sizeof wish->ip);
    make_field(random, 'u', wish->user, sizeof wish->user);
}

struct filter *filter_wish_parse(const struct filter_wish *wish) {
    struct filter *filter = NULL;
    struct filter_flaw flaw;
    return filter_parse(wish->id, bytes_of_text(wish->region), bytes_of_text(wish->ip), bytes_of_text(wish->user),
                        wish->ranked, &filter, &flaw)
               ? filter
               : NULL;
}

static void append_member(struct buffer *out, const char *name, const char *text) {
    buffer_printf(out, ",\"%s\":", name);
    json_append_string(out, bytes_of_text(text));
}

void filter_wish_json(struct random_sequence *random, const struct filter_wish *wish, struct buffer *out) {
    buffer_printf(out, below(random, 4) == 0 ? "{\"filter_id\":\"00%u\"" : "{\"filter_id\":%u", wish->id);
    append_member(out, "region", wish->region);
    if (wish->ip[0] != '\0' || below(random, 2) == 0) append_member(out, "ip", wish->ip);
    append_member(out, "user_id", wish->user);
    if (wish->ranked || below(random, 2) == 0) buffer_printf(out, ",\"ranked\":%s", wish->ranked ? "true" : "false");
    buffer_append_text(out, "}");
}

void filter_wish_csv(const struct filter_wish *wish, struct buffer *out) {
    buffer_printf(out, "%u,%s,%s,\"%s\",%s\r\n", wish->id, wish->region, wish->ip, wish->user,
                  wish->ranked ? "true" : "false");
}

static void append_parameter(struct buffer *out, const char *name, const char *text) {
    buffer_printf(out, "&%s=", name);
    for (; *text != '\0'; text++) buffer_printf(out, "%%%02X", (unsigned char)*text);
}

/* An empty parameter is refused. */
static const char *or_any(const char *text) {
    return text[0] == '\0' ? "*" : text;
}

void filter_wish_query(const struct filter_wish *wish, struct buffer *out) {
    append_parameter(out, "region", or_any(wish->region));
    append_parameter(out, "ip", or_any(wish->ip));
    append_parameter(out, "user_id", or_any(wish->user));
}

const char *filter_wish_bad_body(struct random_sequence *random) {
    static const char *const bodies[] = {
        "",
        "{}",
        "[]",
        "not json",
        "{\"filter_id\":0,\"region\":\"USA\"}",
        "{\"filter_id\":7,\"region\":[]}",
        "{\"filter_id\":7,\"country\":\"USA\"}",
        "[{\"filter_id\":7,\"region\":\"USA\"},{\"filter_id\":7,\"region\":\"USA\"}]",
        "{\"filter_id\":1e10,\"region\":\"USA\"}",
    };
    return bodies[below(random, sizeof bodies / sizeof *bodies)];
}
