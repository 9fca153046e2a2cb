/* trouble.c: crashes, failing disks and stores, clocks that jump, idle spells. */
#include "sim/world.h"

void world_cause_trouble(struct world *world) {
    switch (below(world, 16)) {
    case 12:
    case 13:
    case 14: /* the power goes in the middle of what the journal does next */
        fake_files_stop_at(world->files, 1 + below(world, 6));
        world->coverage->crashes_inside_a_write++;
        return;
    case 0:
    case 1:
        world_crash(world);
        return;
    case 2:
        world_stop_cleanly(world);
        if (world->problem[0] == '\0') world_reopen(world);
        return;
    case 3:
        fake_files_fail(world->files, FAKE_SYNC, 1 + below(world, 3), true, STATUS_IO_ERROR);
        world->coverage->sync_failures++;
        return;
    case 4:
        fake_files_fail(world->files, FAKE_WRITE, 1 + below(world, 3), true, STATUS_NO_SPACE);
        world->coverage->full_disks++;
        return;
    case 5:
        fake_kv_fail_write(world->kv, 1 + (unsigned)below(world, 3), STATUS_IO_ERROR);
        world->coverage->store_failures++;
        return;
    case 6:
        world->coverage->clock_steps++;
        world->clock_was_stepped = true;
        /* A little off, mostly; the clock is then waited for, so a large step is a long pause. */
        world->clock_step_ms = (int64_t)below(world, 4 * SECOND_MS) - 2 * SECOND_MS;
        if (below(world, 4) == 0) world->clock_step_ms = (int64_t)below(world, 200 * SECOND_MS) - 100 * SECOND_MS;
        return;
    case 7:
    case 8:
        world->clock_step_ms = 0;
        return;
    case 9:
        world->coverage->idle_spells++;
        for (int i = 0; i < 30; i++) {
            world_advance(world, (int64_t)below(world, 2 * MINUTE_MS));
            for (int k = 0; k < 12; k++) (void)world_step_node(world, world->node);
        }
        return;
    default:
        world_advance(world, (int64_t)below(world, MINUTE_MS));
        return;
    }
}
