#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ads/ads.h"
#include "base/random_sequence.h"

enum { THREADS = 4, ADS = 40 * 1000 };

/* cmocka's asserts are for one thread: workers count what is wrong, the test looks at it after they are joined. */
struct worker {
    pthread_t thread;
    struct ads *ads;
    uint64_t seed;
    uint32_t *index_of; /* by number */
    uint64_t wrong;
};

static struct bytes numbered_id(uint64_t number, char text[64]) {
    int len = snprintf(text, 64, "campaign-%llu", (unsigned long long)number);
    return (struct bytes){(const uint8_t *)text, (size_t)len};
}

/* Adds all ids in an order of its own, and looks up what it knows and what others may just be adding. */
static void *work(void *context) {
    struct worker *worker = context;
    struct random_sequence random = {worker->seed};
    uint64_t step = random_sequence_below(&random, ADS / 2) * 2 + 1; /* odd and no multiple of 5: coprime to ADS */
    while (step % 5 == 0) step += 2;
    uint64_t number = random_sequence_below(&random, ADS);
    for (uint32_t i = 0; i < ADS; ++i, number = (number + step) % ADS) {
        char text[64];
        struct bytes id = numbered_id(number, text);
        worker->index_of[number] = ads_index(worker->ads, id, ads_hash(worker->ads, id));
        if (!bytes_equal(ads_id(worker->ads, worker->index_of[number]), id)) ++worker->wrong;

        struct bytes other = numbered_id(random_sequence_below(&random, ADS), text);
        uint32_t index;
        if (ads_find(worker->ads, other, &index) && !bytes_equal(ads_id(worker->ads, index), other)) ++worker->wrong;
        uint32_t count = ads_count(worker->ads);
        struct bytes newest = ads_id(worker->ads, count - 1);
        /* It is counted an instant before others find it. */
        if (ads_find(worker->ads, newest, &index) && index != count - 1) ++worker->wrong;
        if (ads_memory_bytes(worker->ads) == 0) ++worker->wrong;
    }
    return NULL;
}

static void threads_that_add_the_same_ids_agree_on_every_index(void **state) {
    (void)state;
    struct ads *ads = ads_create(1);
    struct worker workers[THREADS];
    for (uint32_t i = 0; i < THREADS; ++i) {
        workers[i] =
            (struct worker){.ads = ads, .seed = i + 1, .index_of = memory_allocate(ADS * sizeof *workers[i].index_of)};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (uint32_t i = 0; i < THREADS; ++i) assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
    assert_int_equal(ads_count(ads), ADS);
    for (uint32_t i = 0; i < THREADS; ++i) {
        assert_int_equal(workers[i].wrong, 0);
        assert_memory_equal(workers[i].index_of, workers[0].index_of, ADS * sizeof *workers[i].index_of);
    }
    for (uint32_t number = 0; number < ADS; ++number) {
        char text[64];
        assert_true(bytes_equal(ads_id(ads, workers[0].index_of[number]), numbered_id(number, text)));
    }
    for (uint32_t i = 0; i < THREADS; ++i) free(workers[i].index_of);
    ads_destroy(ads);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_that_add_the_same_ids_agree_on_every_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
