#include "view/slices.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random_sequence.h"

/* The model: the count of every cell of every minute in a plain array. Atom 1 stands for an address, 2 for a user, 3 for
 * both, so signed sums are counts of clicks. */
enum { MINUTES = 3600, ATOMS = 4, COUNTRIES = 5, ADS = 12, FIRST = 100000 };
static const uint16_t codes[COUNTRIES] = {0, 77, 4000, 4001, COUNTRY_UNKNOWN};

struct model {
    uint32_t counts[MINUTES][ATOMS][COUNTRIES][ADS];
};

static struct minute minute_at(uint32_t index) {
    return (struct minute){FIRST + index};
}

static uint64_t key_of(uint32_t atom, uint32_t country, uint32_t ad) {
    struct country code = {codes[country]};
    return atom == 0 ? slice_key_country(code, ad) : slice_key_atom(atom, ad, code);
}

/* Counts one click in the model, and late in the slices when they hold its minute. */
static void add_click(struct model *model, struct slices *slices, struct random_sequence *random, uint32_t minute) {
    uint32_t country = (uint32_t)random_sequence_below(random, COUNTRIES), ad = (uint32_t)random_sequence_below(random, ADS);
    bool has_ip = random_sequence_below(random, 3) == 0, has_user = random_sequence_below(random, 3) == 0;
    bool matches[ATOMS] = {true, has_ip, has_user, has_ip && has_user};
    for (uint32_t atom = 0; atom < ATOMS; atom++) {
        if (!matches[atom]) continue;
        model->counts[minute][atom][country][ad]++;
        if (slices_hold(slices, minute_at(minute))) slices_add_late(slices, minute_at(minute), key_of(atom, country, ad), 1);
    }
}

/* A minute's items, from the last to the first, large counts in two. The caller's. */
static struct slice *items_of(const struct model *model, uint32_t minute, size_t *count) {
    struct slice *items = malloc(2 * sizeof model->counts[0] / sizeof(uint32_t) * sizeof *items);
    *count = 0;
    for (uint32_t atom = ATOMS; atom-- > 0;) {
        for (uint32_t country = COUNTRIES; country-- > 0;) {
            for (uint32_t ad = ADS; ad-- > 0;) {
                uint32_t clicks = model->counts[minute][atom][country][ad];
                if (clicks > 0) items[(*count)++] = (struct slice){key_of(atom, country, ad), (clicks + 1) / 2};
                if (clicks > 1) items[(*count)++] = (struct slice){key_of(atom, country, ad), clicks / 2};
            }
        }
    }
    return items;
}

static void close_minute(struct slices *slices, const struct model *model, uint32_t minute) {
    size_t count;
    struct slice *items = items_of(model, minute, &count);
    slices_close_prepare(slices, minute_at(minute), items, count);
    free(items);
    slices_close_commit(slices);
}

static bool fill(struct slices *slices, const struct model *model) {
    struct minute minute;
    if (!slices_fill_minute(slices, &minute) || minute.index < FIRST) return false;
    size_t count;
    struct slice *items = items_of(model, minute.index - FIRST, &count);
    slices_fill_prepare(slices, items, count);
    free(items);
    slices_fill_commit(slices);
    return true;
}

/* --- questions --- */

struct question {
    struct filter_term terms[ATOMS];
    struct selection selection;
};

static void question_init(struct question *question, struct random_sequence *random) {
    static const struct {
        size_t count;
        struct filter_term terms[ATOMS];
    } shapes[] = {
        {1, {{0, 1}}},          {1, {{1, 1}}},          {1, {{2, 1}}},
        {2, {{0, 1}, {1, -1}}}, {2, {{2, 1}, {3, -1}}}, {4, {{0, 1}, {1, -1}, {2, -1}, {3, 1}}},
    };
    size_t shape = random_sequence_below(random, sizeof shapes / sizeof *shapes);
    *question = (struct question){0};
    memcpy(question->terms, shapes[shape].terms, sizeof question->terms);
    struct selection *selection = &question->selection;
    selection->terms = question->terms;
    selection->term_count = shapes[shape].count;
    selection->all_countries = random_sequence_below(random, 4) == 0;
    bool inverted = random_sequence_below(random, 2) == 0; /* like `!`: all the countries that nobody comes from are in */
    if (inverted) memset(selection->countries, 0xFF, sizeof selection->countries);
    for (uint32_t i = 0; i < COUNTRIES; i++)
        if (random_sequence_below(random, 2) == 0) selection->countries[codes[i] / 64] ^= UINT64_C(1) << (codes[i] % 64);
}

static uint64_t model_count(const struct model *model, const struct selection *selection, uint32_t ad, uint32_t from,
                            uint32_t to) {
    int64_t sum = 0;
    for (uint32_t minute = from; minute < to; minute++)
        for (size_t i = 0; i < selection->term_count; i++)
            for (uint32_t country = 0; country < COUNTRIES; country++)
                if (selection_has_country(selection, codes[country]))
                    sum += selection->terms[i].sign * (int64_t)model->counts[minute][selection->terms[i].atom][country][ad];
    assert_true(sum >= 0);
    return (uint64_t)sum;
}

static uint64_t plain_count(const struct model *model, uint32_t ad, uint32_t from, uint32_t to) {
    struct filter_term all = {0, 1};
    struct selection selection = {.terms = &all, .term_count = 1, .all_countries = true};
    return model_count(model, &selection, ad, from, to);
}

static void compare(const struct slices *slices, const struct model *model, struct random_sequence *random) {
    uint32_t begin = slices_from(slices).index - FIRST, end = slices_closed_before(slices).index - FIRST;
    uint32_t from = begin + (uint32_t)random_sequence_below(random, end - begin + 1);
    uint32_t to = from + (uint32_t)random_sequence_below(random, end - from + 1);
    struct question question;
    question_init(&question, random);
    const struct selection *selection = &question.selection;
    struct slices_plan plan = slices_plan(slices, selection, minute_at(from), minute_at(to));
    uint32_t dense[ADS] = {0};
    for (uint32_t ad = 0; ad < ADS && plan.needs_plain; ad++) dense[ad] = (uint32_t)plain_count(model, ad, from, to);
    slices_sum(slices, selection, &plan, minute_at(from), minute_at(to), dense, ADS);
    bool needs_plain = slices_count_needs_plain(slices, selection);
    for (uint32_t ad = 0; ad < ADS; ad++) {
        uint64_t wanted = model_count(model, selection, ad, from, to);
        assert_int_equal(dense[ad], wanted);
        if (ad % 5 != 0) continue;
        uint64_t plain = needs_plain ? plain_count(model, ad, from, to) : 12345;
        assert_int_equal(slices_count(slices, selection, ad, minute_at(from), minute_at(to), plain), wanted);
    }
}

/* --- tests --- */

static void begin_again(struct slices *slices, uint32_t newest) {
    slices_reset(slices);
    assert_false(slices_active(slices));
    slices_begin(slices, minute_at(newest));
}

static void run(uint64_t seed, uint64_t memory_bytes) {
    struct model *model = calloc(1, sizeof *model);
    struct random_sequence random = {seed};
    struct slices *slices = slices_create(memory_bytes);
    uint32_t newest = 200, per_minute = 1 + (uint32_t)random_sequence_below(&random, 20);
    for (uint32_t minute = 0; minute < newest; minute++)
        for (uint32_t i = 0; i < per_minute; i++) add_click(model, slices, &random, minute);
    slices_begin(slices, minute_at(newest));
    for (; newest < MINUTES - 70; newest++) {
        for (uint32_t i = 0; i < per_minute; i++) {
            uint32_t back = random_sequence_below(&random, 4) == 0 ? (uint32_t)random_sequence_below(&random, 200) : 0;
            /* Minutes that are skipped stay without clicks. */
            bool is_skipped = minute_at(newest - back).index >= slices_closed_before(slices).index;
            add_click(model, slices, &random, is_skipped ? newest : newest - back);
        }
        slices_settle(slices);
        close_minute(slices, model, newest);
        assert_int_equal(slices_closed_before(slices).index, minute_at(newest + 1).index);
        assert_true(slices_usage(slices).bytes <= memory_bytes);
        if (random_sequence_below(&random, 3) == 0)
            for (int i = 0; i < 4 && fill(slices, model); i++) assert_true(slices_usage(slices).bytes <= memory_bytes);
        compare(slices, model, &random);
        if (random_sequence_below(&random, 40) == 0) newest += (uint32_t)random_sequence_below(&random, 60);
        if (random_sequence_below(&random, 1000) == 0) begin_again(slices, newest + 1);
    }
    slices_destroy(slices);
    free(model);
}

static void it_sums_like_a_plain_array(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) run(seed, UINT64_C(1) << 30);
}

static void within_little_memory_it_covers_less_and_stays_exact(void **state) {
    (void)state;
    for (uint64_t seed = 11; seed <= 13; seed++) run(seed, 256 << 10);
}

static void inactive_it_holds_nothing(void **state) {
    (void)state;
    struct slices *slices = slices_create(1 << 20);
    struct minute minute;
    assert_false(slices_active(slices));
    assert_false(slices_hold(slices, minute_at(0)));
    assert_false(slices_fill_minute(slices, &minute));
    assert_false(slices_fold_prepare(slices));
    assert_int_equal(slices_usage(slices).bytes, 0);
    assert_int_equal(slices_from(slices).index, UINT32_MAX);
    slices_settle(slices);
    slices_reset(slices);
    slices_destroy(slices);
}

static void a_click_into_a_minute_that_is_not_covered_is_not_held(void **state) {
    (void)state;
    struct model *model = calloc(1, sizeof *model);
    struct slices *slices = slices_create(1 << 20);
    slices_begin(slices, minute_at(100));
    close_minute(slices, model, 100);
    assert_true(fill(slices, model));
    assert_false(slices_hold(slices, minute_at(98)));
    assert_true(slices_hold(slices, minute_at(99)));
    assert_true(slices_hold(slices, minute_at(100)));
    assert_false(slices_hold(slices, minute_at(101)));
    slices_destroy(slices);
    free(model);
}

static void what_is_older_than_25_hours_goes_and_is_not_filled_in(void **state) {
    (void)state;
    struct model *model = calloc(1, sizeof *model);
    struct random_sequence random = {3};
    struct slices *slices = slices_create(1 << 24);
    for (uint32_t minute = 0; minute < 2000; minute++) add_click(model, slices, &random, minute);
    slices_begin(slices, minute_at(2000));
    while (fill(slices, model)) continue;
    assert_int_equal(slices_from(slices).index, minute_at(2000 - WINDOW_MINUTES_MAX).index);
    assert_int_equal(slices_usage(slices).minutes, WINDOW_MINUTES_MAX);
    close_minute(slices, model, 2000);
    assert_int_equal(slices_from(slices).index, minute_at(2001 - WINDOW_MINUTES_MAX).index);
    assert_int_equal(slices_usage(slices).minutes, WINDOW_MINUTES_MAX - 1); /* the newest has no clicks */
    compare(slices, model, &random);
    slices_close_prepare(slices, (struct minute){FIRST + 1000000}, NULL, 0); /* a jump over more than all that is held */
    slices_close_commit(slices);
    assert_int_equal(slices_usage(slices).minutes, 0);
    assert_int_equal(slices_from(slices).index, FIRST + 1000001 - WINDOW_MINUTES_MAX);
    slices_destroy(slices);
    free(model);
}

static void what_does_not_fit_is_not_filled_in_again(void **state) {
    (void)state;
    struct model *model = calloc(1, sizeof *model);
    struct random_sequence random = {4};
    struct slices *slices = slices_create(128 << 10);
    for (uint32_t minute = 0; minute < 1000; minute++)
        for (int i = 0; i < 50; i++) add_click(model, slices, &random, minute);
    slices_begin(slices, minute_at(1000));
    while (fill(slices, model)) continue;
    struct slices_usage usage = slices_usage(slices);
    assert_true(usage.minutes > 10 && usage.minutes < 900 && usage.bytes <= usage.bytes_max);
    assert_true(usage.bytes > usage.bytes_max - 4096);
    assert_int_equal(usage.from.index, minute_at(1000 - (uint32_t)usage.minutes).index);
    compare(slices, model, &random);
    begin_again(slices, 1000);
    assert_int_equal(slices_usage(slices).minutes, 0);
    assert_true(fill(slices, model));
    slices_destroy(slices);
    free(model);
}

/* All of it for one ad: the highest that there is, with the highest atom. */
static void many_late_clicks_of_a_minute_are_folded_in(void **state) {
    (void)state;
    enum { LATE = 60000, LAST_AD = (1 << 24) - 1 };
    struct slices *slices = slices_create(1 << 24);
    struct slice first = {slice_key_country((struct country){7}, LAST_AD), 10};
    slices_begin(slices, minute_at(0));
    slices_close_prepare(slices, minute_at(0), &first, 1);
    slices_close_commit(slices);
    for (uint32_t i = 0; i < LATE; i++) {
        slices_add_late(slices, minute_at(0), slice_key_country((struct country){8}, i), 1);
        slices_add_late(slices, minute_at(0), slice_key_atom(ATOMS_MAX, LAST_AD, (struct country){(uint16_t)(i % 9)}), 1);
        if (i % 1000 == 999) slices_settle(slices);
    }
    uint64_t before = slices_usage(slices).bytes;
    struct filter_term term = {ATOMS_MAX, 1};
    struct selection selection = {.terms = &term, .term_count = 1, .countries = {1 << 8}};
    for (int round = 0; round < 2; round++) {
        assert_int_equal(slices_count(slices, &selection, LAST_AD, minute_at(0), minute_at(1), 0), LATE / 9);
        if (round == 1) break;
        assert_true(slices_fold_prepare(slices));
        slices_fold_commit(slices);
    }
    assert_false(slices_fold_prepare(slices));
    assert_true(slices_usage(slices).bytes < before / 3);
    assert_int_equal(slices_usage(slices).entries, LATE + 10);
    term.atom = 0; /* of country 8 */
    assert_int_equal(slices_count(slices, &selection, LATE - 1, minute_at(0), minute_at(1), 1), 1);
    assert_int_equal(slices_count(slices, &selection, LAST_AD, minute_at(0), minute_at(1), 10), 0);
    slices_destroy(slices);
}

static void the_side_with_fewer_entries_is_read(void **state) {
    (void)state;
    struct slices *slices = slices_create(1 << 24);
    struct slice items[1000], rare = {slice_key_country((struct country){9}, 5), 3};
    for (uint32_t i = 0; i < 1000; i++) items[i] = (struct slice){slice_key_country((struct country){8}, i), 2};
    items[999] = rare;
    slices_begin(slices, minute_at(0));
    slices_close_prepare(slices, minute_at(0), items, 1000);
    slices_close_commit(slices);
    struct filter_term term = {0, 1};
    struct selection selection = {.terms = &term, .term_count = 1, .countries = {1 << 8}};
    struct slices_plan plan = slices_plan(slices, &selection, minute_at(0), minute_at(1));
    assert_true(plan.needs_plain && plan.subtract_rest && plan.entries <= 2 * SLICE_GROUP);
    selection.countries[0] = 1 << 9;
    plan = slices_plan(slices, &selection, minute_at(0), minute_at(1));
    assert_true(!plan.needs_plain && !plan.subtract_rest && plan.entries >= 1 && plan.entries <= 2 * SLICE_GROUP);
    selection.all_countries = true;
    plan = slices_plan(slices, &selection, minute_at(0), minute_at(1));
    assert_true(plan.needs_plain && !plan.subtract_rest && plan.entries == 0);
    slices_destroy(slices);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_sums_like_a_plain_array),
        cmocka_unit_test(within_little_memory_it_covers_less_and_stays_exact),
        cmocka_unit_test(inactive_it_holds_nothing),
        cmocka_unit_test(a_click_into_a_minute_that_is_not_covered_is_not_held),
        cmocka_unit_test(what_is_older_than_25_hours_goes_and_is_not_filled_in),
        cmocka_unit_test(what_does_not_fit_is_not_filled_in_again),
        cmocka_unit_test(many_late_clicks_of_a_minute_are_folded_in),
        cmocka_unit_test(the_side_with_fewer_entries_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
