#include "view/window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random_sequence.h"

/* The model: every click of every minute in a plain array. */
enum { ADS = 400, MINUTES = 4000, FIRST = 100000 };

struct model {
    uint32_t counts[MINUTES][ADS];
    uint32_t newest, closed_before; /* minutes from FIRST */
};

static void close_all(struct window *window, uint32_t closed_before, uint32_t ad_count) {
    while (window_close_prepare(window, (struct minute){FIRST + closed_before}, ad_count)) window_close_commit(window);
}

static void compare(const struct window *window, const struct model *model, struct random_sequence *random) {
    static uint32_t dense[ADS + 7];
    uint32_t covered = window_usage(window).from.index;
    uint32_t begin = covered > FIRST ? covered - FIRST : 0;
    uint32_t from = begin + (uint32_t)random_sequence_below(random, model->newest + 2 - begin);
    uint32_t to = from + 1 + (uint32_t)random_sequence_below(random, 1500);
    assert_true(window_covers(window, (struct minute){FIRST + from}));
    window_sum(window, (struct minute){FIRST + from}, (struct minute){FIRST + to}, dense, ADS + 7);
    for (uint32_t ad = 0; ad < ADS; ad++) {
        uint32_t sum = 0;
        for (uint32_t minute = from; minute < to && minute < MINUTES; minute++) sum += model->counts[minute][ad];
        assert_int_equal(dense[ad], sum);
        if (ad % 37 != 0) continue;
        assert_int_equal(window_count(window, ad, (struct minute){FIRST + from}, (struct minute){FIRST + to}), sum);
        assert_int_equal(window_minute_count(window, ad, (struct minute){FIRST + from}),
                         from < MINUTES ? model->counts[from][ad] : 0);
    }
    for (uint32_t ad = ADS; ad < ADS + 7; ad++) assert_int_equal(dense[ad], 0);
}

static void run(uint64_t seed, uint64_t memory_bytes) {
    struct model *model = calloc(1, sizeof *model);
    struct random_sequence random = {seed};
    struct window *window = window_create(memory_bytes);
    uint32_t per_minute = 1 + (uint32_t)random_sequence_below(&random, 300), known_ads = 20;
    window_begin(window, (struct minute){FIRST});
    while (model->newest < MINUTES - 10) {
        for (uint32_t i = 0; i < per_minute; i++) {
            bool late = random_sequence_below(&random, 10) == 0;
            uint32_t back = (uint32_t)random_sequence_below(&random, late ? 200 : 2);
            uint32_t minute = model->newest - (back > model->newest ? 0 : back);
            if (known_ads < ADS && random_sequence_below(&random, 20) == 0) known_ads++;
            uint32_t ad = (uint32_t)random_sequence_below(&random, known_ads);
            uint32_t count = 1 + (uint32_t)random_sequence_below(&random, 3);
            window_prefetch(window, (struct minute){FIRST + minute}, ad);
            window_add(window, (struct minute){FIRST + minute}, ad, count);
            model->counts[minute][ad] += count;
        }
        window_settle(window);
        if (random_sequence_below(&random, 3) == 0) {
            uint32_t closed = model->newest - (uint32_t)random_sequence_below(&random, 3);
            if (closed <= model->newest && closed > model->closed_before) model->closed_before = closed;
            close_all(window, model->closed_before, known_ads);
        }
        if (random_sequence_below(&random, 8) == 0) compare(window, model, &random);
        uint64_t skip = random_sequence_below(&random, 40);
        model->newest += skip == 0 ? (uint32_t)random_sequence_below(&random, 60) : 1;
    }
    window_destroy(window);
    free(model);
}

static void it_sums_like_a_plain_array(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) run(seed, UINT64_C(1) << 30);
}

static void within_little_memory_it_covers_less_and_stays_exact(void **state) {
    (void)state;
    for (uint64_t seed = 11; seed <= 14; seed++) run(seed, 1 << 20);
}

static void what_is_older_than_a_day_is_not_covered(void **state) {
    (void)state;
    struct window *window = window_create(1 << 24);
    window_begin(window, (struct minute){0});
    window_add(window, (struct minute){FIRST}, 1, 1);
    window_settle(window);
    assert_true(window_covers(window, (struct minute){FIRST}));
    window_add(window, (struct minute){FIRST + 3000}, 1, 1);
    window_settle(window);
    assert_false(window_covers(window, (struct minute){FIRST}));
    assert_true(window_covers(window, (struct minute){FIRST + 3000 - 1440}));
    window_add(window, (struct minute){FIRST}, 1, 1); /* the store's business */
    window_settle(window);
    assert_int_equal(window_count(window, 1, (struct minute){FIRST + 2000}, (struct minute){FIRST + 4000}), 1);
    window_destroy(window);
}

static void changes_of_a_range_are_noticed_and_others_are_not(void **state) {
    (void)state;
    struct window *window = window_create(1 << 24);
    window_begin(window, (struct minute){0});
    for (uint32_t minute = 0; minute < 10; minute++) window_add(window, (struct minute){FIRST + minute}, 1, 1);
    window_settle(window);
    close_all(window, 8, 2);
    struct minute from = {FIRST}, middle = {FIRST + 5}, to = {FIRST + 10};
    uint64_t before = window_changes(window, from, middle), after = window_changes(window, middle, to);
    window_add(window, (struct minute){FIRST + 2}, 1, 1); /* late */
    window_settle(window);
    assert_true(window_changes(window, from, middle) > before);
    assert_int_equal(window_changes(window, middle, to), after);
    window_destroy(window);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_sums_like_a_plain_array),
        cmocka_unit_test(within_little_memory_it_covers_less_and_stays_exact),
        cmocka_unit_test(what_is_older_than_a_day_is_not_covered),
        cmocka_unit_test(changes_of_a_range_are_noticed_and_others_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
