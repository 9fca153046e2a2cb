#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random_sequence.h"
#include "dedup/table.h"

/* The model: every entry ever inserted, newest last, looked through from the end. */
struct model {
    struct dedup_entry *entries;
    size_t count, capacity;
};

static void model_add(struct model *model, const struct dedup_entry *entry) {
    if (model->count == model->capacity) {
        model->capacity = model->capacity == 0 ? 1024 : model->capacity * 2;
        model->entries = memory_resize(model->entries, model->capacity * sizeof *model->entries);
    }
    model->entries[model->count++] = *entry;
}

static const struct dedup_entry *model_find(const struct model *model, struct identity identity, struct event_time d) {
    for (size_t i = model->count; i > 0; --i) {
        const struct dedup_entry *entry = &model->entries[i - 1];
        if (identity_equal(entry->identity, identity) && entry->bound.ms > d.ms) return entry;
    }
    return NULL;
}

/* What is forgotten leaves the model now and then, so that looking through it stays short. */
static void model_trim(struct model *model, struct event_time d) {
    size_t kept = 0;
    for (size_t i = 0; i < model->count; ++i) {
        if (model->entries[i].bound.ms > d.ms) model->entries[kept++] = model->entries[i];
    }
    model->count = kept;
}

static struct identity random_identity(struct random_sequence *random) {
    uint64_t low = random_sequence_next(random);
    return (struct identity){.low = low, .high = random_sequence_next(random)};
}

static void assert_same(const struct dedup_entry *expected, bool found, const struct dedup_entry *entry) {
    assert_int_equal(found, expected != NULL);
    if (expected == NULL) return;
    assert_true(identity_equal(entry->identity, expected->identity));
    assert_int_equal(entry->content_tag, expected->content_tag);
    assert_int_equal(entry->offset.at, expected->offset.at);
    assert_int_equal(entry->bound.ms, expected->bound.ms);
}

enum { POOL = 4096, HORIZON_MS = 200 * 1000, OPERATIONS = 100 * 1000 };

/* Identities come from a pool, so that they come again, remembered or forgotten; D follows a clock that moves unevenly. */
static void random_run(uint64_t memory_bytes, uint64_t seed) {
    struct random_sequence random = {seed};
    struct identity *pool = memory_allocate(POOL * sizeof *pool);
    for (size_t i = 0; i < POOL; ++i) pool[i] = random_identity(&random);
    struct table *table = table_create(memory_bytes);
    struct model model = {0};
    int64_t now_ms = 1;
    struct event_time d = EVENT_TIME_NONE;
    uint64_t found_count = 0, refused = 0;

    for (uint64_t offset = 0; offset < OPERATIONS; ++offset) {
        now_ms += (int64_t)random_sequence_below(&random, random_sequence_below(&random, 500) == 0 ? 100 * 1000 : 300);
        if (now_ms > HORIZON_MS) d = event_time_max(d, (struct event_time){now_ms - HORIZON_MS});
        struct identity identity = pool[random_sequence_below(&random, POOL)];
        if (random_sequence_below(&random, 8) == 0) identity = random_identity(&random);
        table_prefetch(table, identity);
        struct dedup_entry entry;
        bool found = table_find(table, identity, d, &entry);
        assert_same(model_find(&model, identity, d), found, &entry);
        found_count += found;
        if (!found) {
            if (table_room(table) == 0) {
                while (!table_purge_some(table, d)) {
                }
            }
            if (table_room(table) == 0) {
                ++refused; /* as intake would: nothing is taken until time has passed */
                now_ms += HORIZON_MS / 4;
                continue;
            }
            entry = (struct dedup_entry){
                .identity = identity,
                .content_tag = (uint32_t)random_sequence_next(&random),
                .offset = {offset},
                .bound = {now_ms - (int64_t)random_sequence_below(&random, (uint64_t)(now_ms < 5000 ? now_ms : 5000))},
            };
            if (entry.bound.ms <= d.ms) entry.bound.ms = d.ms + 1;
            table_insert(table, &entry, d);
            model_add(&model, &entry);
        }
        if (offset % 512 == 0) {
            model_trim(&model, d);
            struct dedup_usage usage = table_usage(table);
            assert_true(usage.bytes <= memory_bytes && usage.bytes_max == memory_bytes);
            assert_true(usage.entries >= model.count);
        }
        if (random_sequence_below(&random, 1000) == 0) (void)table_purge_some(table, d);
    }
    assert_true(found_count > 1000);
    assert_true(memory_bytes > 8192 || refused > 0); /* the small ones were full at times */
    free(model.entries);
    free(pool);
    table_destroy(table);
}

static void any_sequence_of_operations_equals_a_plain_list(void **state) {
    (void)state;
    uint64_t seed = 1;
    for (uint64_t memory_bytes = 4096; memory_bytes <= 65536; memory_bytes = memory_bytes * 3 / 2) {
        random_run(memory_bytes, seed++);
    }
}

static void an_entry_is_forgotten_exactly_when_its_bound_is_not_above_d(void **state) {
    (void)state;
    struct table *table = table_create(4096);
    struct dedup_entry entry = {.identity = {7, 9}, .content_tag = 0xDEADBEEF, .offset = {0}, .bound = {1000}}, found;
    table_insert(table, &entry, EVENT_TIME_NONE);
    assert_true(table_find(table, entry.identity, EVENT_TIME_NONE, &found));
    assert_true(table_find(table, entry.identity, (struct event_time){999}, &found));
    assert_same(&entry, true, &found);
    assert_false(table_find(table, entry.identity, (struct event_time){1000}, &found));
    assert_false(table_find(table, (struct identity){9, 7}, EVENT_TIME_NONE, &found));
    table_destroy(table);
}

static void an_identity_can_come_again_after_it_was_forgotten(void **state) {
    (void)state;
    struct table *table = table_create(4096);
    struct dedup_entry first = {.identity = {1, 2}, .offset = {5}, .bound = {1000}}, found;
    table_insert(table, &first, EVENT_TIME_NONE);
    struct dedup_entry second = {.identity = {1, 2}, .offset = {6}, .bound = {3000}};
    table_insert(table, &second, (struct event_time){2000});
    assert_true(table_find(table, first.identity, (struct event_time){2000}, &found));
    assert_same(&second, true, &found);
    table_destroy(table);
}

static void the_largest_values_survive(void **state) {
    (void)state;
    struct table *table = table_create(4096);
    const int64_t largest = (INT64_C(1) << 47) - 1;
    struct dedup_entry entry = {
        .identity = {UINT64_MAX, UINT64_MAX}, .content_tag = UINT32_MAX, .offset = {(uint64_t)largest}, .bound = {largest}};
    struct dedup_entry zero = {.identity = {0, 0}, .content_tag = 0, .offset = {0}, .bound = {0}}, found;
    table_insert(table, &entry, EVENT_TIME_NONE);
    table_insert(table, &zero, EVENT_TIME_NONE);
    assert_true(table_find(table, entry.identity, EVENT_TIME_NONE, &found));
    assert_same(&entry, true, &found);
    assert_true(table_find(table, zero.identity, EVENT_TIME_NONE, &found));
    assert_same(&zero, true, &found);
    table_destroy(table);
}

/* Nothing can be purged here, so every insert that room promised must find a slot; the CHECKs in the table would stop us. */
static void as_many_inserts_as_room_promises_fit(void **state) {
    (void)state;
    const uint64_t mebibyte = UINT64_C(1) << 20;
    const uint64_t sizes[] = {4096, 10000, 65536, 300000, 1 * mebibyte, 3 * mebibyte, 17 * mebibyte + 123};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i) {
        struct random_sequence random = {i};
        struct table *table = table_create(sizes[i]);
        uint64_t inserted = 0, rounds = 0;
        for (uint64_t room; (room = table_room(table)) > 0; ++rounds) {
            for (; room > 0; --room, ++inserted) {
                struct dedup_entry entry = {.identity = random_identity(&random), .offset = {inserted}, .bound = {60000}};
                table_insert(table, &entry, EVENT_TIME_NONE);
            }
        }
        struct dedup_usage usage = table_usage(table);
        assert_int_equal(usage.entries, inserted);
        assert_true(inserted >= usage.entries_max);
        assert_true(usage.bytes <= sizes[i]);
        if (sizes[i] > mebibyte) assert_true(inserted * 32 > sizes[i] * 3 / 4); /* the bound buys what it should */

        while (!table_purge_some(table, (struct event_time){60000})) {
        }
        assert_int_equal(table_usage(table).entries, 0);
        assert_true(table_room(table) >= usage.entries_max);
        assert_true(table_purge_some(table, (struct event_time){60001})); /* once around in this minute */
        table_destroy(table);
    }
}

static void memory_follows_use(void **state) {
    (void)state;
    struct table *table = table_create(UINT64_C(64) * 1024 * 1024);
    assert_true(table_usage(table).bytes < UINT64_C(3) << 20);
    struct random_sequence random = {3};
    for (uint64_t i = 0; i < 200000; ++i) {
        struct dedup_entry entry = {.identity = random_identity(&random), .offset = {i}, .bound = {1}};
        table_insert(table, &entry, EVENT_TIME_NONE);
    }
    struct dedup_usage usage = table_usage(table);
    assert_int_equal(usage.entries, 200000);
    assert_true(usage.bytes < UINT64_C(17) << 20);
    table_destroy(table);
}

static void a_full_table_of_old_entries_takes_new_ones_without_growing(void **state) {
    (void)state;
    struct random_sequence random = {11};
    struct table *table = table_create(32768);
    /* Each entry lives for 300 offsets, and the table holds more than that: it never needs an explicit purge. */
    for (uint64_t i = 1; i < 50000; ++i) {
        struct event_time d = i > 300 ? (struct event_time){(int64_t)(i - 300)} : EVENT_TIME_NONE;
        assert_true(table_room(table) > 0);
        struct dedup_entry entry = {.identity = random_identity(&random), .offset = {i}, .bound = {(int64_t)i}};
        table_insert(table, &entry, d);
    }
    table_destroy(table);
}

static void a_rebuilt_leaf_finds_what_it_keeps_also_around_its_end(void **state) {
    (void)state;
    enum { SLOTS = 16 };
    for (uint64_t seed = 0; seed < 2000; ++seed) {
        struct random_sequence random = {seed};
        struct leaf_slot slots[SLOTS] = {{0}}, upper_slots[SLOTS] = {{0}};
        struct dedup_entry entries[SLOTS - 1], found;
        struct leaf leaf, upper;
        leaf_init(&leaf, slots, 0, SLOTS);
        leaf_init(&upper, upper_slots, 0, SLOTS);
        uint64_t count = random_sequence_below(&random, SLOTS);
        for (uint64_t i = 0; i < count; ++i) {
            struct identity identity = random_identity(&random);
            identity.high |= (random_sequence_below(&random, 2) == 0 ? UINT64_C(0xE0000000) : 0); /* crowd the end */
            entries[i] = (struct dedup_entry){
                .identity = identity, .offset = {i}, .bound = {(int64_t)random_sequence_below(&random, 100)}};
            (void)leaf_insert(&leaf, SLOTS, &entries[i], EVENT_TIME_NONE);
        }
        struct event_time d = {(int64_t)random_sequence_below(&random, 100)};
        bool splits = random_sequence_below(&random, 2) == 0;
        (void)leaf_rebuild(&leaf, SLOTS, d, splits ? &upper : NULL);
        for (uint64_t i = 0; i < count; ++i) {
            bool goes_up = splits && entries[i].identity.high >> 63 != 0;
            bool kept = leaf_find(goes_up ? &upper : &leaf, SLOTS, entries[i].identity, EVENT_TIME_NONE, &found);
            assert_int_equal(kept, entries[i].bound.ms > d.ms);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_is_forgotten_exactly_when_its_bound_is_not_above_d),
        cmocka_unit_test(an_identity_can_come_again_after_it_was_forgotten),
        cmocka_unit_test(the_largest_values_survive),
        cmocka_unit_test(any_sequence_of_operations_equals_a_plain_list),
        cmocka_unit_test(as_many_inserts_as_room_promises_fit),
        cmocka_unit_test(memory_follows_use),
        cmocka_unit_test(a_full_table_of_old_entries_takes_new_ones_without_growing),
        cmocka_unit_test(a_rebuilt_leaf_finds_what_it_keeps_also_around_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
