/* stock.c: after synced bytes were destroyed: what is left is looked at, on a copy of the disk, by the oracle alone, and
 * everything that the run remembers beyond it is forgotten. From then on the rules are as strict as before. */
#include <stdlib.h>

#include "sim/compare.h"

static void forget_acknowledged(struct world *world, const struct oracle *oracle) {
    size_t kept = 0, at = 0, text_count;
    char **texts = oracle_click_texts(oracle, &text_count);
    sort_texts(world->acknowledged, world->acknowledged_count);
    for (size_t i = 0; i < world->acknowledged_count; i++) {
        while (at < text_count && strcmp(texts[at], world->acknowledged[i]) < 0) at++;
        if (at < text_count && strcmp(texts[at], world->acknowledged[i]) == 0) {
            world->acknowledged[kept++] = world->acknowledged[i];
            at++;
            continue;
        }
        free(world->acknowledged[i]);
        world->coverage->acknowledged_destroyed++;
    }
    world->coverage->starts_with_less += kept < world->acknowledged_count;
    world->acknowledged_count = kept;
    free_texts(texts, text_count);
}

static void find_ends(const struct oracle *oracle, uint64_t ends[PARTITIONS_MAX]) {
    size_t count;
    const struct oracle_record *records = oracle_records(oracle, &count);
    memset(ends, 0, PARTITIONS_MAX * sizeof *ends);
    for (size_t i = 0; i < count; i++) ends[records[i].partition] = records[i].offset.at + 1;
}

/* Some click that was judged is no longer there. */
static bool has_shrunk(const struct world *world, const struct oracle *oracle) {
    uint64_t ends[PARTITIONS_MAX];
    find_ends(oracle, ends);
    for (size_t p = 0; p < PARTITIONS_MAX; p++)
        for (uint64_t at = ends[p]; at < world->verdicts[p].count; at++)
            if (world->verdicts[p].at[at] != NO_VERDICT) return true;
    return false;
}

/* What comes at these offsets next is other clicks. */
static void forget_verdicts(struct world *world, const struct oracle *oracle) {
    uint64_t ends[PARTITIONS_MAX];
    find_ends(oracle, ends);
    for (size_t p = 0; p < PARTITIONS_MAX; p++) {
        struct world_verdicts *verdicts = &world->verdicts[p];
        if (ends[p] < verdicts->count) memset(verdicts->at + ends[p], NO_VERDICT, verdicts->count - ends[p]);
    }
}

static void forget_filters(struct world *world) {
    for (uint32_t id = 1; id <= FILTER_IDS; id++) {
        struct known_filter *known = &world->filters.known[id];
        free(known->content);
        *known = (struct known_filter){.unsure = true};
    }
}

bool world_take_stock(struct world *world) {
    struct fake_files *kept = world->files;
    world->files = fake_files_clone(kept, 1);
    struct failure failure = {0};
    struct oracle *oracle = count_by_oracle(world, &failure);
    fake_files_destroy(world->files);
    world->files = kept;
    if (oracle == NULL) return false;
    forget_sealed(world, oracle, has_shrunk(world, oracle));
    forget_acknowledged(world, oracle);
    forget_verdicts(world, oracle);
    forget_filters(world);
    world->last_version = 0;
    oracle_destroy(oracle);
    return true;
}
