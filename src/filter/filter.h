/* filter.h: a stored predicate over region, ip and user_id: what it is, as text, as bytes in the journal, and in words.
 *
 * Each of the three is `*` (any), a value, `a|b|c` (one of), or `!` before them (none of). A region is an ISO 3166-1 code
 * (ZZZ: unknown), an ip is an address (IPv4, IPv6, or IPv4 with masked octets) or a CIDR block, a user_id is any id. A
 * backslash takes the meaning from `|`, `*`, `!`, a space or itself; spaces around values do not count. A `*` inside a value
 * is refused rather than taken for a letter, since it may be meant as a pattern; so is a `!` before a later value.
 *
 * A masked address is in a block only if all addresses that it may stand for are. `!USA` includes the unknown country.
 * Values of one list exclude each other (no value twice, no block within another), so a list is a sum and `!` a subtraction:
 * a filter is an exact signed sum of atoms (filter/atoms.h). docs/adr/0014. */
#pragma once

#include "base/status.h"
#include "click/click.h"

enum {
    FILTER_VALUES_MAX = 64,   /* of one list of ips or users; of regions all there are */
    FILTER_TERMS_MAX = 1024,  /* atoms of one filter: (ips + 1 if negated) x (users + 1 if negated), 1 for `*` */
    FILTER_BYTES_MAX = 65535, /* encoded */
};
#define FILTER_ID_MAX UINT32_C(999999999)

enum filter_mode { FILTER_ANY = 0, FILTER_ONE_OF = 1, FILTER_NONE_OF = 2 }; /* on disk: never renumber */

/* An address (prefix_bits 32 or 128) or a block; bits behind the prefix are 0. Masked addresses have prefix_bits 32. */
struct filter_net {
    struct ip ip;
    uint8_t prefix_bits;
};

/* Immutable. Lists are ascending, so equal filters have equal bytes. */
struct filter {
    uint32_t id; /* 1..FILTER_ID_MAX; 0: asked once, not stored */
    bool ranked; /* its rankings are published every minute */
    enum filter_mode region_mode, ip_mode, user_mode;
    uint16_t region_count, ip_count, user_count; /* 0 with FILTER_ANY, else >= 1 */
    struct country *regions;
    struct filter_net *nets;
    struct bytes *users; /* 1..ID_BYTES_MAX bytes each, of the filter's own */
};
void filter_destroy(struct filter *filter);
/* In memory of its own; `filter` and its lists may lie anywhere. */
struct filter *filter_copy(const struct filter *filter);
uint64_t filter_memory_bytes(const struct filter *filter);

/* What is wrong with a text, in a sentence that a person can act on. */
struct filter_flaw {
    const char *field; /* "filter_id", "region", "ip" or "user_id" */
    char text[256];
};

/* "12", "0012": 1..FILTER_ID_MAX. */
bool filter_id_parse(struct bytes text, uint32_t *id, struct filter_flaw *flaw);
/* Texts are UTF-8: the edge has seen to it (others are taken, but match no click). An empty or blank one is `*`. Refuses:
 * unknown country, bad ip or block (also bits set behind the prefix), a block or value that overlaps another in its list, an
 * empty value or list, `!*`, `*` in a list, too long a list or a value, too many terms. */
bool filter_parse(uint32_t id, struct bytes region, struct bytes ip, struct bytes user_id, bool ranked, struct filter **out,
                  struct filter_flaw *flaw);
/* Canonical: what parse gives back as an equal filter. Appended. */
void filter_region_text(const struct filter *filter, struct buffer *out);
void filter_ip_text(const struct filter *filter, struct buffer *out);
void filter_user_text(const struct filter *filter, struct buffer *out);
/* For a person: "clicks from any country but USA (and from an unknown one), from any address, of user 111". Appended. */
void filter_describe(const struct filter *filter, struct buffer *out);

/* At most FILTER_BYTES_MAX. docs/format/journal.md. */
void filter_encode(const struct filter *filter, struct buffer *out);
/* NULL unless the bytes are what encode makes of some filter. */
struct filter *filter_decode(struct bytes bytes);
/* Same id and same content. */
bool filter_equal(const struct filter *a, const struct filter *b);

/* The definition, plainly: what everything faster must equal. An erased click (ip kind 0, empty user) has no address and no
 * user: it is in no list, and so it matches every `!`. */
bool filter_matches(const struct filter *filter, struct country country, const struct ip *ip, struct bytes user_id);
bool filter_region_matches(const struct filter *filter, struct country country);
/* Whether the address is in the block, by the rule for masked ones. */
bool filter_net_holds(const struct filter_net *net, const struct ip *ip);

/* Atoms that the filter is a sum of; 1 when only its region is not `*` (then it is atom 0, all clicks). */
size_t filter_term_count(const struct filter *filter);
static inline bool filter_is_region_only(const struct filter *filter) {
    return filter->ip_mode == FILTER_ANY && filter->user_mode == FILTER_ANY;
}
