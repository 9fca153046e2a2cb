#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "filter/atoms.h"
#include "workload/filters_workload.h"

static const struct wall_time now = {1700000000123};

static struct filters_workload *make(uint64_t seed, uint32_t filters, uint32_t ranked) {
    struct filters_workload_options options = filters_workload_defaults();
    options.seed = seed;
    options.filters = filters;
    options.ranked = ranked;
    return filters_workload_create(&options);
}

static struct filter *parse(const struct filters_workload *made, uint32_t index) {
    struct filter_texts texts = filters_workload_at(made, index);
    struct filter *filter = NULL;
    struct filter_flaw flaw;
    assert_true(filter_parse(texts.id, bytes_of_text(texts.region), bytes_of_text(texts.ip), bytes_of_text(texts.user_id),
                             texts.ranked, &filter, &flaw));
    return filter;
}

static void every_filter_is_a_valid_one_and_the_kinds_have_their_shares(void **state) {
    (void)state;
    struct filters_workload *made = make(1, 10000, 32);
    unsigned regions = 0, users = 0, addresses = 0, blocks = 0, mixed = 0, ranked = 0;
    for (uint32_t i = 0; i < 10000; i++) {
        struct filter *filter = parse(made, i);
        assert_int_equal(filter->id, i + 1);
        ranked += filter->ranked;
        bool negated = filter->ip_mode == FILTER_NONE_OF || filter->user_mode == FILTER_NONE_OF;
        if (filter_is_region_only(filter))
            regions++;
        else if (negated || (filter->ip_mode != FILTER_ANY && filter->user_mode != FILTER_ANY))
            mixed++;
        else if (filter->ip_mode == FILTER_ANY)
            users++;
        else if (filter->nets[0].prefix_bits == 32)
            addresses++;
        else
            blocks++;
        filter_destroy(filter);
    }
    assert_int_equal(regions, 6000);
    assert_int_equal(users, 2000);
    assert_int_equal(addresses, 1000);
    assert_int_equal(blocks, 500);
    assert_int_equal(mixed, 500);
    assert_int_equal(ranked, 32);
    filters_workload_destroy(made);
}

static void the_same_seed_makes_the_same_filters(void **state) {
    (void)state;
    struct filters_workload *a = make(7, 1000, 0), *b = make(7, 1000, 0), *other = make(8, 1000, 0);
    struct buffer from_a = {0}, from_b = {0}, from_other = {0};
    filters_workload_json(a, &from_a);
    filters_workload_json(b, &from_b);
    filters_workload_json(other, &from_other);
    assert_int_equal(from_a.len, from_b.len);
    assert_memory_equal(from_a.at, from_b.at, from_a.len);
    assert_true(from_a.len != from_other.len || memcmp(from_a.at, from_other.at, from_a.len) != 0);
    buffer_fini(&from_a);
    buffer_fini(&from_b);
    buffer_fini(&from_other);
    filters_workload_destroy(a);
    filters_workload_destroy(b);
    filters_workload_destroy(other);
}

/* Makes `count` clicks and returns how many atoms other than 0 they match on average. */
static double matched(const struct atoms *atoms, struct workload *workload, int count) {
    struct buffer line = {0};
    uint64_t matches = 0;
    for (int i = 0; i < count; i++) {
        buffer_clear(&line);
        workload_next_json(workload, now, &line);
        struct workload_click click = workload_last(workload);
        struct ip ip = {.kind = IP_V4};
        memcpy(ip.bytes, click.octets, sizeof click.octets);
        char user[32];
        snprintf(user, sizeof user, "user%07u", click.user);
        uint32_t out[ATOMS_MATCH_MAX];
        matches += atoms_match(atoms, &ip, bytes_of_text(user), out);
    }
    buffer_fini(&line);
    return (double)matches / count;
}

static void clicks_from_a_pool_match_so_many_atoms_as_are_wanted(void **state) {
    (void)state;
    struct filters_workload *made = make(1, 10000, 0);
    struct atoms *atoms = atoms_create();
    static struct filter_term terms[FILTER_TERMS_MAX];
    for (uint32_t i = 0; i < 10000; i++) {
        struct filter *filter = parse(made, i);
        atoms_use(atoms, filter, terms);
        filter_destroy(filter);
    }
    static const double wanted[] = {0, 0.5, 1, 2};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        struct workload_pool pool = filters_workload_pool(made, wanted[i]);
        struct workload_options options = workload_defaults();
        options.pool = &pool;
        struct workload *workload = workload_create(&options);
        double average = matched(atoms, workload, 50000);
        workload_destroy(workload);
        assert_true(fabs(average - wanted[i]) < 0.03);
    }
    atoms_destroy(atoms);
    filters_workload_destroy(made);
}

static void what_a_line_says_is_what_the_last_click_says(void **state) {
    (void)state;
    struct filters_workload *made = make(1, 1000, 0);
    struct workload_pool pool = filters_workload_pool(made, 1.5);
    struct workload_options options = workload_defaults();
    options.pool = &pool;
    struct workload *workload = workload_create(&options);
    struct buffer line = {0};
    for (int i = 0; i < 5000; i++) {
        buffer_clear(&line);
        workload_next_json(workload, now, &line);
        buffer_append(&line, "", 1);
        struct workload_click click = workload_last(workload);
        char wanted[128];
        snprintf(wanted, sizeof wanted, ",\"user_id\":\"user%07u\",\"ip\":\"%u.%u.%u.%u\",\"country\":\"%s\"}", click.user,
                 click.octets[0], click.octets[1], click.octets[2], click.octets[3], workload_country_code(click.country));
        assert_non_null(strstr((char *)line.at, wanted));
    }
    buffer_fini(&line);
    workload_destroy(workload);
    filters_workload_destroy(made);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_filter_is_a_valid_one_and_the_kinds_have_their_shares),
        cmocka_unit_test(the_same_seed_makes_the_same_filters),
        cmocka_unit_test(clicks_from_a_pool_match_so_many_atoms_as_are_wanted),
        cmocka_unit_test(what_a_line_says_is_what_the_last_click_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
