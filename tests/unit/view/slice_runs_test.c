#include "view/slice_runs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random_sequence.h"

/* The model: a plain array of counts, by key. */
enum { KEYS = 5000 };

struct sums {
    uint64_t of[KEYS], total;
};

static void note(void *context, uint64_t key, uint64_t count) {
    struct sums *sums = context;
    assert_true(key < KEYS && count > 0);
    sums->of[key] += count;
    sums->total += count;
}

static void add(struct slice_runs *runs, struct sums *model, struct random_sequence *random, uint32_t count) {
    struct slice *items = malloc((count + 1) * sizeof *items);
    for (uint32_t i = 0; i < count; i++) {
        items[i] = (struct slice){random_sequence_below(random, KEYS), 1 + random_sequence_below(random, 3)};
        note(model, items[i].key, items[i].count);
    }
    slice_runs_add(runs, items, count);
    free(items);
}

static void compare(const struct slice_runs *runs, const struct sums *model) {
    struct sums visited = {0}, part = {0};
    slice_runs_visit(runs, 0, UINT64_MAX, note, &visited);
    assert_memory_equal(&visited, model, sizeof visited);
    slice_runs_visit(runs, KEYS / 3, KEYS / 2, note, &part);
    for (uint64_t key = 0; key < KEYS; key++)
        assert_true(part.of[key] == (key >= KEYS / 3 && key <= KEYS / 2 ? model->of[key] : 0));
    struct slice *sorted = malloc((runs->count + 1) * sizeof *sorted),
                 *scratch = malloc((runs->count + 1) * sizeof *scratch);
    struct sums summed = {0};
    uint32_t count = slice_runs_sorted(runs, sorted, scratch);
    for (uint32_t i = 0; i < count; i++) {
        assert_true(i == 0 || sorted[i - 1].key < sorted[i].key);
        note(&summed, sorted[i].key, sorted[i].count);
    }
    assert_memory_equal(&summed, model, sizeof summed);
    free(sorted);
    free(scratch);
}

static void every_count_is_kept_however_it_comes(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct random_sequence random = {seed};
        struct slice_runs runs = {0};
        struct sums model = {0};
        compare(&runs, &model);
        for (int round = 0; round < 40; round++)
            add(&runs, &model, &random, (uint32_t)random_sequence_below(&random, round % 8 == 0 ? 20000 : 50));
        compare(&runs, &model);
        slice_runs_fini(&runs);
        assert_true(slice_runs_bytes(&runs) == 0);
    }
}

static void ones_make_few_runs(void **state) {
    (void)state;
    struct random_sequence random = {3};
    struct slice_runs runs = {0};
    struct sums model = {0};
    for (int i = 0; i < 20000; i++) {
        add(&runs, &model, &random, 1);
        assert_true(runs.run_count <= 8);
    }
    compare(&runs, &model);
    slice_runs_fini(&runs);
}

/* No call may take long: what is large already is left alone. */
static void large_runs_are_not_moved_again(void **state) {
    (void)state;
    enum { RUN = 200000, RUNS = 5 };
    struct slice_runs runs = {0};
    struct slice *items = malloc(RUN * sizeof *items), *first = NULL;
    for (uint32_t r = 0; r < RUNS; r++) {
        for (uint32_t i = 0; i < RUN; i++) items[i] = (struct slice){(uint64_t)i * RUNS + r, 1};
        slice_runs_add(&runs, items, RUN);
        if (r == 0) first = runs.runs[0].slices;
    }
    assert_int_equal(runs.run_count, RUNS);
    assert_ptr_equal(runs.runs[0].slices, first);
    struct slice *sorted = malloc((size_t)RUN * RUNS * sizeof *sorted),
                 *scratch = malloc((size_t)RUN * RUNS * sizeof *scratch);
    assert_int_equal(slice_runs_sorted(&runs, sorted, scratch), RUN * RUNS);
    for (uint64_t i = 0; i < (uint64_t)RUN * RUNS; i++) assert_true(sorted[i].key == i && sorted[i].count == 1);
    free(sorted);
    free(scratch);
    free(items);
    slice_runs_fini(&runs);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_count_is_kept_however_it_comes),
        cmocka_unit_test(ones_make_few_runs),
        cmocka_unit_test(large_runs_are_not_moved_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
