/* beside.c: while a write or a sync is in flight, time passes and the other threads go on: here, the other steps. */
#include "sim/world.h"

enum { STEPS_BESIDE_MAX = 8, STEPS_BESIDE_A_KEEP_MAX = 40 };

static bool goes_on(const struct world *world) {
    return fine(world) && node_phase(world->node) != NODE_FAILED;
}

/* Steps of the stages that are not the one that waits, and whatever comes from outside. */
static void step_beside(struct world *world) {
    uint64_t choice = below(world, 11);
    if (choice == 0)
        world_check_status(world);
    else if (choice == 1)
        world_ask_count(world);
    else if (choice < 4)
        world_step_request(world);
    else if (choice == 4)
        world_step_hostile(world);
    else if (choice == 5 && world->stage != NODE_STAGE_JOURNAL)
        (void)node_step_journal(world->node);
    else if (choice == 6 && world->stage != NODE_STAGE_REDUCE)
        (void)node_step_reduce(world->node);
    else if (choice == 7 && world->stage != NODE_STAGE_REDUCE) /* which may hold the lock of recalculation */
        (void)node_step_recalculate(world->node);
    else if (choice == 8 && world->stage != NODE_STAGE_KEEP)
        (void)node_step_keep(world->node);
    else
        (void)node_step_aggregate(world->node, (uint32_t)below(world, node_partition_count(world->node)));
    world->coverage->steps_beside_a_write++;
}

/* The keeper's files are synced for long, while the partition makes, merges and removes others; and the power may go. */
static void go_on_beside_a_keep(struct world *world) {
    uint64_t steps = below(world, STEPS_BESIDE_A_KEEP_MAX), removed = fake_files_counts(world->files).calls[FAKE_REMOVE];
    for (uint64_t i = 0; i < steps && goes_on(world); i++) {
        step_beside(world);
        world->coverage->steps_beside_a_keep++;
    }
    world->coverage->files_removed_beside_a_keep += fake_files_counts(world->files).calls[FAKE_REMOVE] - removed;
    bool serves = node_phase(world->node) == NODE_SERVING; /* a stop is clean on a machine that works */
    if (serves && may(world, EVENT_cut_in_write) && below(world, 60) == 0)
        fake_files_stop_at(world->files, 1 + below(world, 3));
}

static void pass_time(struct world *world) {
    if (world->slow_ms == 0 || below(world, 3) > 0) return;
    world_advance(world, (int64_t)below(world, (uint64_t)world->slow_ms));
    world->coverage->slow_writes++;
}

/* Nothing but time goes on within recalculation, whose lock is held over a write, and within an aggregator's step, whose
 * partition is locked. */
void world_wait(void *context) {
    struct world *world = context;
    if (world->beside || world->stage < 0 || world->node == NULL) return;
    pass_time(world);
    bool keeps = world->stage == NODE_STAGE_KEEP;
    if (world->stage != NODE_STAGE_JOURNAL && world->stage != NODE_STAGE_REDUCE && !keeps) return;
    if (!may(world, EVENT_beside) || below(world, keeps ? 3 : world->slow_ms > 0 ? 2 : 8) > 0) return;
    world->beside = true;
    if (keeps) {
        go_on_beside_a_keep(world);
    } else {
        uint64_t steps = 1 + below(world, STEPS_BESIDE_MAX);
        for (uint64_t i = 0; i < steps && goes_on(world); i++) step_beside(world);
    }
    world->beside = false;
}
