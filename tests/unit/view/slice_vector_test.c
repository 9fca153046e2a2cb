#include "view/slice_vector.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random_sequence.h"

/* The model: every item ever added, in a plain array. */
enum { ITEMS_MAX = 40000 };

struct model {
    struct slice items[ITEMS_MAX];
    uint32_t count;
};

static uint64_t model_sum(const struct model *model, uint64_t first, uint64_t last) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < model->count; i++)
        if (model->items[i].key >= first && model->items[i].key <= last) sum += model->items[i].count;
    return sum;
}

/* Gaps of every length, and counts on both sides of every length. */
static struct slice random_item(struct random_sequence *random, unsigned key_bits) {
    static const uint64_t counts[] = {1, 1, 1, 1, 2, 3, 254, 255, 256, 257, 258, UINT32_MAX, UINT64_C(1) << 40};
    unsigned bits = 1 + (unsigned)random_sequence_below(random, key_bits);
    uint64_t key = random_sequence_next(random) >> (64 - bits);
    return (struct slice){key, counts[random_sequence_below(random, sizeof counts / sizeof *counts)]};
}

/* `count` new items, in the model too. The caller's. */
static struct slice *add_items(struct model *model, struct random_sequence *random, uint32_t count, unsigned key_bits) {
    assert_true(model->count + count <= ITEMS_MAX);
    struct slice *items = malloc((count + 1) * sizeof *items);
    for (uint32_t i = 0; i < count; i++) items[i] = model->items[model->count++] = random_item(random, key_bits);
    return items;
}

struct visited {
    uint64_t first, last, sum, entries;
};

static void note_visited(void *context, uint64_t key, uint64_t count) {
    struct visited *visited = context;
    assert_true(key >= visited->first && key <= visited->last && count > 0);
    visited->sum += count;
    visited->entries++;
}

static void visit_located(struct slice_probe probe, struct visited *visited) {
    slice_probes_locate(&probe, 1);
    slice_probe_visit(&probe, note_visited, visited);
}

static void compare_range(const struct slice_vector *vector, const struct model *model, uint64_t first, uint64_t last) {
    uint64_t wanted = model_sum(model, first, last);
    struct visited visited = {.first = first, .last = last}, located = visited;
    slice_vector_visit(vector, first, last, note_visited, &visited);
    assert_true(visited.sum == wanted);
    visit_located(slice_probe_base(vector, first, last), &located);
    for (uint32_t r = 0; r < vector->late.run_count; r++)
        visit_located(slice_probe_run(&vector->late.runs[r], first, last), &located);
    assert_true(located.sum == wanted && located.entries == visited.entries);
    uint64_t entries = slice_vector_entries(vector, first, last);
    assert_true(entries >= visited.entries && entries <= visited.entries + 2 * SLICE_GROUP);
}

static void compare(const struct slice_vector *vector, const struct model *model, struct random_sequence *random) {
    compare_range(vector, model, 0, UINT64_MAX);
    for (int i = 0; i < 40 && model->count > 0; i++) {
        uint64_t a = model->items[random_sequence_below(random, model->count)].key;
        uint64_t b = model->items[random_sequence_below(random, model->count)].key;
        a += random_sequence_below(random, 3) - 1;
        b += random_sequence_below(random, 3) - 1;
        compare_range(vector, model, a, a);
        compare_range(vector, model, a < b ? a : b, a < b ? b : a);
        compare_range(vector, model, 0, a);
        compare_range(vector, model, b, UINT64_MAX);
    }
}

static void init(struct slice_vector *vector, struct model *model, struct random_sequence *random, uint32_t count,
                 unsigned key_bits) {
    model->count = 0;
    struct slice *items = add_items(model, random, count, key_bits), *scratch = malloc((count + 1) * sizeof *scratch);
    slice_vector_init(vector, items, scratch, count);
    free(items);
    free(scratch);
}

static void it_sums_like_a_plain_array(void **state) {
    (void)state;
    static const uint32_t counts[] = {0, 1, 2, 47, 48, 49, 63, 64, 65, 127, 128, 129, 3000};
    static const unsigned key_bits[] = {6, 12, 39, 64};
    struct model *model = malloc(sizeof *model);
    struct random_sequence random = {1};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        for (size_t b = 0; b < sizeof key_bits / sizeof *key_bits; b++) {
            struct slice_vector vector;
            init(&vector, model, &random, counts[i], key_bits[b]);
            assert_true(vector.entry_count <= counts[i]);
            compare(&vector, model, &random);
            slice_vector_fini(&vector);
        }
    }
    free(model);
}

static void add_late(struct slice_vector *vector, struct model *model, struct random_sequence *random, uint32_t count,
                     unsigned key_bits) {
    struct slice *items = add_items(model, random, count, key_bits);
    slice_vector_add_late(vector, items, count);
    free(items);
}

static void late_clicks_are_added_wherever_they_fall(void **state) {
    (void)state;
    struct model *model = malloc(sizeof *model);
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct random_sequence random = {seed};
        unsigned key_bits = 6 + (unsigned)random_sequence_below(&random, 58);
        struct slice_vector vector;
        init(&vector, model, &random, (uint32_t)random_sequence_below(&random, 300), key_bits);
        for (int round = 0; round < 60; round++) {
            add_late(&vector, model, &random, (uint32_t)random_sequence_below(&random, round % 10 == 0 ? 300 : 20),
                     key_bits);
            if (round % 20 == 19) compare(&vector, model, &random);
        }
        struct slice_vector folded;
        slice_vector_fold(&vector, &folded);
        assert_int_equal(folded.late.run_count, 0);
        compare(&folded, model, &random);
        slice_vector_fini(&folded);
        slice_vector_fini(&vector);
    }
    free(model);
}

static void late_clicks_by_ones_make_few_runs(void **state) {
    (void)state;
    struct model *model = malloc(sizeof *model);
    struct random_sequence random = {5};
    struct slice_vector vector = {0};
    model->count = 0;
    for (int i = 0; i < 10000; i++) {
        add_late(&vector, model, &random, 1, 64);
        assert_true(vector.late.run_count <= 8);
    }
    compare(&vector, model, &random);
    slice_vector_fini(&vector);
    free(model);
}

static void memory_is_accounted_for(void **state) {
    (void)state;
    struct slice_vector vector = {0};
    assert_true(slice_vector_bytes(&vector) == 0);
    struct slice items[1000], scratch[1000];
    for (uint32_t i = 0; i < 1000; i++) items[i] = (struct slice){i * UINT64_C(1000), 1};
    slice_vector_init(&vector, items, scratch, 1000);
    uint64_t groups = (1000 + SLICE_GROUP - 1) / SLICE_GROUP;
    /* A gap of 1000 and a count of 1 take two bytes; the first of a group, without a gap, takes one. */
    assert_int_equal(slice_vector_bytes(&vector), groups * 12 + 2 * 1000 - groups + SLICE_READ_AHEAD);
    uint64_t before = slice_vector_bytes(&vector);
    for (uint32_t i = 0; i < 100; i++) items[i] = (struct slice){i % 10, 1};
    slice_vector_add_late(&vector, items, 100);
    assert_int_equal(slice_vector_bytes(&vector), before + slice_runs_bytes(&vector.late));
    assert_int_equal(vector.late.count, 10);
    slice_vector_fini(&vector);
    assert_int_equal(slice_vector_bytes(&vector), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_sums_like_a_plain_array),
        cmocka_unit_test(late_clicks_are_added_wherever_they_fall),
        cmocka_unit_test(late_clicks_by_ones_make_few_runs),
        cmocka_unit_test(memory_is_accounted_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
