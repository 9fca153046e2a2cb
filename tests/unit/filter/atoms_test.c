#include "filter/atoms.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "click/country.h"
#include "filter/selection.h"
#include "filter_fixture.h"

enum { FILTERS = 24, CLICKS = 60, ATOMS_MARKED_MAX = 8192 };

/* One filter that stands, with its terms. */
struct standing {
    struct filter *filter;
    struct filter_term *terms;
};

struct random_click {
    struct country country;
    struct ip ip;
    struct bytes user;
};

static struct random_click random_click(struct random_sequence *sequence) {
    static const char *const countries[] = {"USA", "CAN", "FRA", "ZZZ", "DEU", "JPN"};
    static const char *const users[] = {
        "a",        "b", "user 1", "*", "!x", " y", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab",
        "\xC3\xB6", "c", ""};
    struct random_click click = {.user = bytes_of_text(users[random_below(sequence, 10)])};
    uint8_t form;
    assert_true(country_parse(bytes_of_text(countries[random_below(sequence, 6)]), &click.country, &form));
    if (random_below(sequence, 16) == 0) return click; /* the address is erased */
    struct buffer text = {0};
    random_address(sequence, true, &text);
    assert_true(ip_parse(buffer_view(&text), &click.ip, &form));
    buffer_fini(&text);
    return click;
}

/* Fills `marked` with 1 at each atom that the click matches, atom 0 among them, and says how many those are. */
static size_t mark(const struct atoms *atoms, const struct random_click *click, uint8_t marked[ATOMS_MARKED_MAX]) {
    uint32_t out[ATOMS_MATCH_MAX];
    memset(marked, 0, ATOMS_MARKED_MAX);
    marked[0] = 1;
    const size_t count = atoms_match(atoms, &click->ip, click->user, out);
    assert_true(count <= ATOMS_MATCH_MAX);
    for (size_t i = 0; i < count; i++) {
        assert_in_range(out[i], 1, atoms_given(atoms));
        assert_true(out[i] < ATOMS_MARKED_MAX);
        assert_int_equal(marked[out[i]], 0);
        marked[out[i]] = 1;
    }
    return count;
}

/* Every filter's signed sum is what the definition says; an atom that no filter has is not matched. */
static void expect_the_sum(const struct atoms *atoms, const struct standing *standing, struct random_sequence *sequence) {
    static uint8_t marked[ATOMS_MARKED_MAX], used[ATOMS_MARKED_MAX];
    memset(used, 0, sizeof used);
    used[0] = 1;
    for (size_t i = 0; i < FILTERS; i++)
        for (size_t j = 0; standing[i].filter != NULL && j < filter_term_count(standing[i].filter); j++)
            used[standing[i].terms[j].atom] = 1;
    for (size_t c = 0; c < CLICKS; c++) {
        const struct random_click click = random_click(sequence);
        (void)mark(atoms, &click, marked);
        for (size_t atom = 0; atom < ATOMS_MARKED_MAX; atom++) assert_true(marked[atom] <= used[atom]);
        for (size_t i = 0; i < FILTERS; i++) {
            const struct filter *filter = standing[i].filter;
            if (filter == NULL) continue;
            const size_t count = filter_term_count(filter);
            const struct selection selection = selection_of(filter, standing[i].terms, count);
            int64_t sum = 0;
            for (size_t j = 0; j < count; j++) sum += standing[i].terms[j].sign * marked[standing[i].terms[j].atom];
            if (!selection_has_country(&selection, click.country.code)) sum = 0;
            assert_int_equal(sum, filter_matches(filter, click.country, &click.ip, click.user));
        }
    }
}

static void use_one(struct atoms *atoms, struct atoms *twin, struct standing *at, struct random_sequence *sequence) {
    at->filter = random_filter(sequence, 0);
    const size_t count = filter_term_count(at->filter);
    at->terms = calloc(count, sizeof *at->terms);
    struct filter_term *other = calloc(count, sizeof *other);
    assert_true(at->terms != NULL && other != NULL);
    const size_t missing = atoms_missing(atoms, at->filter);
    assert_int_equal(atoms_find(atoms, at->filter, other), missing == 0);
    const uint32_t given = atoms_given(atoms), live = atoms_live(atoms);
    atoms_use(atoms, at->filter, at->terms);
    assert_int_equal(atoms_given(atoms), given + missing);
    assert_int_equal(atoms_live(atoms), live + missing);
    assert_int_equal(atoms_missing(atoms, at->filter), 0);
    atoms_use(twin, at->filter, other);
    assert_memory_equal(at->terms, other, count * sizeof *other);
    assert_true(atoms_find(atoms, at->filter, other));
    assert_memory_equal(at->terms, other, count * sizeof *other);
    free(other);
}

static void release_one(struct atoms *atoms, struct atoms *twin, struct standing *at) {
    if (at->filter == NULL) return;
    atoms_release(atoms, at->filter);
    atoms_release(twin, at->filter);
    filter_destroy(at->filter);
    free(at->terms);
    *at = (struct standing){0};
}

static void signed_sums_of_matched_atoms_are_what_the_filters_match(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct random_sequence sequence = {.state = seed};
        struct atoms *atoms = atoms_create(), *twin = atoms_create();
        struct standing standing[FILTERS] = {0};
        const uint64_t empty_bytes = atoms_memory_bytes(atoms);
        for (int step = 0; step < 40; step++) {
            for (int i = 0; i < 6; i++) {
                struct standing *at = &standing[random_below(&sequence, FILTERS)];
                release_one(atoms, twin, at);
                if (random_below(&sequence, 4) != 0) use_one(atoms, twin, at, &sequence);
            }
            expect_the_sum(atoms, standing, &sequence);
        }
        assert_int_equal(atoms_given(atoms), atoms_given(twin));
        assert_true(atoms_memory_bytes(atoms) > empty_bytes);
        for (size_t i = 0; i < FILTERS; i++) release_one(atoms, twin, &standing[i]);
        assert_true(atoms_none(atoms));
        assert_int_equal(atoms_live(twin), 0);
        atoms_destroy(atoms);
        atoms_destroy(twin);
    }
}

static void terms_are_the_product_with_any_first_and_signs_multiplied(void **state) {
    (void)state;
    struct atoms *atoms = atoms_create();
    struct filter_term terms[9];
    struct filter *filter = parsed("*", "!1.2.3.4|10.0.0.0/8", "!a|b");
    assert_int_equal(filter_term_count(filter), 9);
    atoms_use(atoms, filter, terms);
    /* any x (any, a, b), 1.2.3.4 x (...), 10/8 x (...) */
    static const int32_t signs[] = {1, -1, -1, -1, 1, 1, -1, 1, 1};
    for (uint32_t i = 0; i < 9; i++) {
        assert_int_equal(terms[i].atom, i);
        assert_int_equal(terms[i].sign, signs[i]);
    }
    struct filter *region_only = parsed("!USA", "*", "*");
    atoms_use(atoms, region_only, terms);
    assert_int_equal(terms[0].atom, 0);
    assert_int_equal(terms[0].sign, 1);
    assert_int_equal(atoms_given(atoms), 8);
    atoms_release(atoms, region_only);
    filter_destroy(region_only);
    filter_destroy(filter);
    atoms_destroy(atoms);
}

static void an_atom_without_a_use_is_let_go_and_comes_back_with_a_new_number(void **state) {
    (void)state;
    struct atoms *atoms = atoms_create();
    struct filter_term terms[1];
    struct filter *filter = parsed("*", "1.2.3.4", "a"), *same_atom = parsed("USA", "1.2.3.4", "a");
    atoms_use(atoms, filter, terms);
    atoms_use(atoms, same_atom, terms);
    assert_int_equal(terms[0].atom, 1);
    atoms_release(atoms, filter);
    assert_int_equal(atoms_live(atoms), 1);
    atoms_release(atoms, same_atom);
    assert_true(atoms_none(atoms));
    assert_false(atoms_find(atoms, filter, terms));
    atoms_use(atoms, filter, terms);
    assert_int_equal(terms[0].atom, 2);
    uint32_t out[ATOMS_MATCH_MAX];
    const struct ip ip = {.kind = IP_V4, .bytes = {1, 2, 3, 4}};
    assert_int_equal(atoms_match(atoms, &ip, BYTES_LITERAL("a"), out), 1);
    assert_int_equal(out[0], 2);
    assert_int_equal(atoms_match(atoms, &ip, BYTES_LITERAL("b"), out), 0);
    filter_destroy(filter);
    filter_destroy(same_atom);
    atoms_destroy(atoms);
}

static void put_atoms_have_the_callers_numbers_and_each_use_is_counted(void **state) {
    (void)state;
    struct atoms *atoms = atoms_create();
    struct filter *filter = parsed("*", "!1.2.3.4", "a|b"); /* any x a, any x b, 1.2.3.4 x a, 1.2.3.4 x b */
    atoms_put(atoms, filter, 1, 700);
    atoms_put(atoms, filter, 2, 12);
    atoms_put(atoms, filter, 2, 12);
    uint32_t out[ATOMS_MATCH_MAX];
    const struct ip ip = {.kind = IP_V4, .bytes = {1, 2, 3, 4}};
    assert_int_equal(atoms_match(atoms, &ip, BYTES_LITERAL("a"), out), 1);
    assert_int_equal(out[0], 12);
    assert_int_equal(atoms_match(atoms, &ip, BYTES_LITERAL("b"), out), 1);
    assert_int_equal(out[0], 700);
    atoms_drop(atoms, filter, 2);
    assert_int_equal(atoms_match(atoms, &ip, BYTES_LITERAL("a"), out), 1);
    atoms_drop(atoms, filter, 2);
    assert_int_equal(atoms_match(atoms, &ip, BYTES_LITERAL("a"), out), 0);
    atoms_drop(atoms, filter, 1);
    assert_true(atoms_none(atoms));
    filter_destroy(filter);
    atoms_destroy(atoms);
}

/* The bound of the caller's array, reached: every length there is, with any user and with the click's. */
static void a_click_can_match_every_length_twice_and_its_user_once(void **state) {
    (void)state;
    struct atoms *atoms = atoms_create();
    struct filter_term terms[1];
    for (uint32_t length = 0; length <= 128; length++) {
        for (uint32_t with_user = 0; with_user < 2; with_user++) {
            char text[32];
            snprintf(text, sizeof text, "::/%u", length);
            struct filter *filter = parsed("*", text, with_user == 1 ? "a" : "*");
            atoms_use(atoms, filter, terms);
            filter_destroy(filter);
        }
    }
    struct filter *user = parsed("*", "*", "a");
    atoms_use(atoms, user, terms);
    filter_destroy(user);
    uint32_t out[ATOMS_MATCH_MAX];
    const struct ip ip = {.kind = IP_V6};
    assert_int_equal(atoms_match(atoms, &ip, BYTES_LITERAL("a"), out), 2 * 129 + 1);
    assert_int_equal(atoms_match(atoms, &ip, BYTES_LITERAL("b"), out), 129);
    const struct ip ip_v4 = {.kind = IP_V4};
    assert_int_equal(atoms_match(atoms, &ip_v4, BYTES_LITERAL("a"), out), 1);
    atoms_destroy(atoms);
}

static void use_numbered(struct atoms *atoms, char kind, uint32_t number, bool release) {
    char user[32];
    snprintf(user, sizeof user, "%c%u", kind, number);
    struct filter *filter = parsed("*", "*", user);
    struct filter_term term;
    if (release)
        atoms_release(atoms, filter);
    else
        atoms_use(atoms, filter, &term);
    filter_destroy(filter);
}

/* The tables grow, and places of released atoms are given again. */
static void many_come_and_go_and_the_rest_is_still_found(void **state) {
    (void)state;
    struct atoms *atoms = atoms_create();
    enum { MANY = 5000 };
    for (uint32_t i = 0; i < MANY; i++) use_numbered(atoms, 'u', i, false);
    const uint64_t full_bytes = atoms_memory_bytes(atoms);
    for (uint32_t i = 0; i < MANY; i += 2) use_numbered(atoms, 'u', i, true);
    for (uint32_t i = 0; i < MANY / 2; i++) use_numbered(atoms, 'v', i, false);
    assert_int_equal(atoms_live(atoms), MANY);
    assert_true(atoms_memory_bytes(atoms) <= full_bytes + MANY);
    const struct ip none = {0};
    for (uint32_t i = 0; i < MANY; i++) {
        char user[32];
        uint32_t out[ATOMS_MATCH_MAX];
        snprintf(user, sizeof user, "u%u", i);
        assert_int_equal(atoms_match(atoms, &none, bytes_of_text(user), out), i % 2);
        if (i % 2 == 1) assert_int_equal(out[0], i + 1);
    }
    atoms_destroy(atoms);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signed_sums_of_matched_atoms_are_what_the_filters_match),
        cmocka_unit_test(terms_are_the_product_with_any_first_and_signs_multiplied),
        cmocka_unit_test(an_atom_without_a_use_is_let_go_and_comes_back_with_a_new_number),
        cmocka_unit_test(put_atoms_have_the_callers_numbers_and_each_use_is_counted),
        cmocka_unit_test(a_click_can_match_every_length_twice_and_its_user_once),
        cmocka_unit_test(many_come_and_go_and_the_rest_is_still_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
