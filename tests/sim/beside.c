/* beside.c: while a write or a sync is in flight, time passes and the other threads go on: here, the other steps. */
#include "sim/world.h"

enum { STEPS_BESIDE_MAX = 8 };

/* Steps of the stages that are not the one that waits, and whatever comes from outside. */
static void step_beside(struct world *world) {
    uint64_t choice = below(world, 10);
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
    else if (choice == 7 && world->stage == NODE_STAGE_JOURNAL)
        (void)node_step_recalculate(world->node);
    else
        (void)node_step_aggregate(world->node, (uint32_t)below(world, node_partition_count(world->node)));
    world->coverage->steps_beside_a_write++;
}

/* Not within recalculation, whose lock is held over a write, nor within an aggregator's step, whose partition is locked. */
void world_wait(void *context) {
    struct world *world = context;
    bool own = world->stage == NODE_STAGE_JOURNAL || world->stage == NODE_STAGE_REDUCE;
    if (world->beside || !own || world->node == NULL) return;
    if (world->slow_ms > 0 && below(world, 3) == 0) {
        world_advance(world, (int64_t)below(world, (uint64_t)world->slow_ms));
        world->coverage->slow_writes++;
    }
    if (!may(world, EVENT_beside) || below(world, world->slow_ms > 0 ? 2 : 8) > 0) return;
    world->beside = true;
    uint64_t steps = 1 + below(world, STEPS_BESIDE_MAX);
    for (uint64_t i = 0; i < steps && fine(world); i++) step_beside(world);
    world->beside = false;
}
