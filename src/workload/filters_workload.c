#include "workload/filters_workload.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/random_sequence.h"

enum {
    FIELD_BYTES = 64,
    OFFICE = 20, /* negations and pairs name the first so many users and addresses, so that pairs do occur */
};

/* Copied as a value: no pointers in it. */
struct made_filter {
    char region[FIELD_BYTES], ip[FIELD_BYTES], user_id[FIELD_BYTES];
};

struct filters_workload {
    struct filters_workload_options options;
    struct random_sequence sequence;
    struct made_filter *filters;
    /* What they name: one entry for each user, address and block. */
    uint32_t *users;
    uint8_t (*addresses)[4];
    size_t user_count, address_count;
};

struct filters_workload_options filters_workload_defaults(void) {
    return (struct filters_workload_options){.seed = 1, .filters = 10000, .users = workload_defaults().users};
}

/* --- users and addresses --- */

static uint32_t below(struct filters_workload *made, uint32_t bound) {
    return (uint32_t)random_sequence_below(&made->sequence, bound);
}

static void user_text(char text[FIELD_BYTES], const char *before, uint32_t user) {
    snprintf(text, FIELD_BYTES, "%suser%07" PRIu32, before, user);
}

static uint32_t new_user(struct filters_workload *made) {
    uint32_t user = below(made, made->options.users);
    made->users[made->user_count++] = user;
    return user;
}

/* In the range of the workload's own; the same may come twice, rarely. */
static const uint8_t *new_address(struct filters_workload *made) {
    uint8_t *octets = made->addresses[made->address_count++];
    octets[0] = (uint8_t)(11 + below(made, 112));
    for (int i = 1; i < 4; i++) octets[i] = (uint8_t)below(made, 256);
    return octets;
}

static void address_text(char text[FIELD_BYTES], const char *before, const uint8_t octets[4]) {
    snprintf(text, FIELD_BYTES, "%s%u.%u.%u.%u", before, octets[0], octets[1], octets[2], octets[3]);
}

static void block_text(char text[FIELD_BYTES], const uint8_t octets[4], unsigned prefix_bits) {
    uint32_t address =
        (uint32_t)octets[0] << 24 | (uint32_t)octets[1] << 16 | (uint32_t)octets[2] << 8 | (uint32_t)octets[3];
    address &= UINT32_MAX << (32 - prefix_bits);
    snprintf(text, FIELD_BYTES, "%u.%u.%u.%u/%u", address >> 24, address >> 16 & 255, address >> 8 & 255, address & 255,
             prefix_bits);
}

/* --- the kinds --- */

/* `count` different countries, from a random one on. */
static void region_text(struct filters_workload *made, char text[FIELD_BYTES], const char *before, uint32_t count) {
    uint32_t first = below(made, WORKLOAD_COUNTRIES), at = (uint32_t)snprintf(text, FIELD_BYTES, "%s", before);
    for (uint32_t i = 0; i < count; i++) {
        CHECK(at < FIELD_BYTES);
        const char *code = workload_country_code((uint8_t)((first + 7 * i) % WORKLOAD_COUNTRIES));
        at += (uint32_t)snprintf(text + at, FIELD_BYTES - at, "%s%s", i > 0 ? "|" : "", code);
    }
}

static void make_region(struct filters_workload *made, struct made_filter *filter, uint32_t variant) {
    switch (variant % 4) {
    case 0:
        region_text(made, filter->region, "", 2 + below(made, 4));
        return;
    case 1:
        region_text(made, filter->region, "!", 1 + below(made, 3));
        return;
    default:
        region_text(made, filter->region, "", 1);
        return;
    }
}

static void make_block(struct filters_workload *made, struct made_filter *filter, uint32_t variant) {
    block_text(filter->ip, new_address(made), 16 + 4 * (variant % 4));
}

static void make_mixed(struct filters_workload *made, struct made_filter *filter, uint32_t variant) {
    CHECK(made->user_count > 0 && made->address_count > 0);
    uint32_t user = made->users[below(made, made->user_count < OFFICE ? (uint32_t)made->user_count : OFFICE)];
    const uint8_t *address =
        made->addresses[below(made, made->address_count < OFFICE ? (uint32_t)made->address_count : OFFICE)];
    bool with_address = variant % 4 != 1, with_user = variant % 4 != 0, pair = variant % 4 == 3;
    if (with_address) address_text(filter->ip, pair ? "" : "!", address);
    if (with_user) user_text(filter->user_id, pair ? "" : "!", user);
}

static void make_filter(struct filters_workload *made, uint32_t index) {
    struct made_filter *filter = &made->filters[index];
    *filter = (struct made_filter){.region = "*", .ip = "*", .user_id = "*"};
    uint32_t kind = index % FILTERS_WORKLOAD_KINDS, variant = index / FILTERS_WORKLOAD_KINDS;
    if (kind < 12) {
        make_region(made, filter, kind);
    } else if (kind < 16) {
        user_text(filter->user_id, "", new_user(made));
    } else if (kind < 18) {
        address_text(filter->ip, "", new_address(made));
    } else if (kind == 18) {
        make_block(made, filter, variant);
    } else {
        make_mixed(made, filter, variant);
    }
}

struct filters_workload *filters_workload_create(const struct filters_workload_options *options) {
    CHECK(options->users >= 1 && options->ranked <= options->filters);
    struct filters_workload *made = memory_allocate_zeroed(1, sizeof *made);
    made->options = *options;
    made->sequence.state = options->seed;
    made->filters = memory_allocate_zeroed(options->filters, sizeof *made->filters);
    made->users = memory_allocate_zeroed(options->filters, sizeof *made->users);
    made->addresses = memory_allocate_zeroed(options->filters, sizeof *made->addresses);
    for (uint32_t i = 0; i < options->filters; i++) make_filter(made, i);
    return made;
}

void filters_workload_destroy(struct filters_workload *filters) {
    if (filters == NULL) return;
    free(filters->filters);
    free(filters->users);
    free(filters->addresses);
    free(filters);
}

struct filter_texts filters_workload_at(const struct filters_workload *filters, uint32_t index) {
    CHECK(index < filters->options.filters);
    const struct made_filter *filter = &filters->filters[index];
    bool ranked =
        index % FILTERS_WORKLOAD_RANKED_STRIDE == 0 && index / FILTERS_WORKLOAD_RANKED_STRIDE < filters->options.ranked;
    return (struct filter_texts){
        .id = index + 1, .region = filter->region, .ip = filter->ip, .user_id = filter->user_id, .ranked = ranked};
}

void filters_workload_json(const struct filters_workload *filters, struct buffer *out) {
    for (uint32_t i = 0; i < filters->options.filters; i++) {
        struct filter_texts texts = filters_workload_at(filters, i);
        buffer_printf(out, "%s{\"filter_id\":%" PRIu32 ",\"region\":\"%s\",\"ip\":\"%s\",\"user_id\":\"%s\",\"ranked\":%s}",
                      i == 0 ? "[" : ",\n", texts.id, texts.region, texts.ip, texts.user_id,
                      texts.ranked ? "true" : "false");
    }
    buffer_append_text(out, "]");
}

struct workload_pool filters_workload_pool(const struct filters_workload *filters, double matches_per_click) {
    CHECK(matches_per_click >= 0 && matches_per_click <= 2);
    uint32_t per_mille = (uint32_t)(matches_per_click * 500 + 0.5);
    return (struct workload_pool){.users = filters->users,
                                  .user_count = filters->user_count,
                                  .addresses = (const uint8_t(*)[4])filters->addresses,
                                  .address_count = filters->address_count,
                                  .user_per_mille = per_mille,
                                  .address_per_mille = per_mille};
}
