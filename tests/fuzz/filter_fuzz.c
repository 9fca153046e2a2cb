/* Any bytes as a filter record, and as the three texts of a filter. What is taken is a round trip: bytes to the same bytes,
 * texts to canonical texts that are read as the same filter; and the signed sum of its atoms is what it matches. */
#include <stdlib.h>

#include "base/check.h"
#include "filter/filters.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_sum(const struct filter *filter, const struct ip *ip, struct bytes user_id) {
    static struct filter_term terms[FILTER_TERMS_MAX];
    uint32_t matched[ATOMS_MATCH_MAX];
    struct atoms *atoms = atoms_create();
    atoms_use(atoms, filter, terms);
    const size_t count = atoms_match(atoms, ip, user_id, matched);
    int64_t sum = 0;
    for (size_t i = 0; i < filter_term_count(filter); i++) {
        int64_t is_matched = terms[i].atom == 0;
        for (size_t j = 0; j < count; j++) is_matched += matched[j] == terms[i].atom;
        sum += terms[i].sign * is_matched;
    }
    const struct country country = {COUNTRY_UNKNOWN};
    CHECK(filter_region_matches(filter, country) ? sum == filter_matches(filter, country, ip, user_id)
                                                 : !filter_matches(filter, country, ip, user_id));
    atoms_release(atoms, filter);
    CHECK(atoms_none(atoms));
    atoms_destroy(atoms);
}

/* Clicks that it names, and one whose address and user are erased. */
static void check_sums(const struct filter *filter) {
    const struct ip erased = {0};
    check_sum(filter, &erased, (struct bytes){0});
    for (size_t i = 0; i < filter->ip_count; i++)
        check_sum(filter, &filter->nets[i].ip,
                  filter->user_count > 0 ? filter->users[i % filter->user_count] : (struct bytes){0});
    for (size_t i = 0; i < filter->user_count; i++) check_sum(filter, &erased, filter->users[i]);
}

static void check_texts(const struct filter *filter) {
    struct buffer region = {0}, ip = {0}, user = {0}, words = {0};
    struct filter *again = NULL;
    struct filter_flaw flaw;
    filter_region_text(filter, &region);
    filter_ip_text(filter, &ip);
    filter_user_text(filter, &user);
    filter_describe(filter, &words);
    CHECKF(
        filter_parse(filter->id, buffer_view(&region), buffer_view(&ip), buffer_view(&user), filter->ranked, &again, &flaw),
        "%s", flaw.text);
    CHECK(filter_equal(filter, again));
    filter_destroy(again);
    buffer_fini(&region);
    buffer_fini(&ip);
    buffer_fini(&user);
    buffer_fini(&words);
}

static void read_record(struct bytes bytes) {
    struct filter_record record;
    struct filter *filter;
    if (!filter_record_decode(bytes, &record, &filter)) {
        CHECK(filter == NULL);
        return;
    }
    struct buffer back = {0};
    filter_record_encode(&record, &back);
    CHECK(bytes_equal(bytes, buffer_view(&back)));
    buffer_fini(&back);
    if (filter == NULL) return;
    check_texts(filter);
    check_sums(filter);
    filter_destroy(filter);
}

/* Up to the next line end. */
static struct bytes take_line(struct bytes *left) {
    const uint8_t *end = left->len == 0 ? NULL : memchr(left->at, '\n', left->len);
    const struct bytes line = {left->at, end == NULL ? left->len : (size_t)(end - left->at)};
    const size_t taken = line.len + (end != NULL);
    *left = (struct bytes){left->len == 0 ? left->at : left->at + taken, left->len - taken};
    return line;
}

static void read_texts(struct bytes left) {
    const struct bytes region = take_line(&left), ip = take_line(&left), user = take_line(&left);
    struct filter *filter = NULL;
    struct filter_flaw flaw = {0};
    if (!filter_parse(12, region, ip, user, true, &filter, &flaw)) {
        CHECK(flaw.field != NULL && flaw.text[0] != '\0' && filter == NULL);
        return;
    }
    const struct filter_record record = {.number = 1,
                                         .action = FILTER_CREATE,
                                         .id = 12,
                                         .filter = filter,
                                         .has_clicks = true,
                                         .covers_from = {(uint32_t)region.len}};
    struct buffer bytes = {0};
    filter_record_encode(&record, &bytes);
    read_record(buffer_view(&bytes));
    buffer_fini(&bytes);
    filter_destroy(filter);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct bytes input = {data, size};
    read_record(input);
    read_texts(input);
    struct filter_flaw flaw;
    uint32_t id;
    if (filter_id_parse(input, &id, &flaw)) CHECK(id >= 1 && id <= FILTER_ID_MAX);
    return 0;
}
