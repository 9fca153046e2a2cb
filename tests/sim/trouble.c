/* trouble.c: crashes, failing and treacherous disks and stores, clocks that jump, idle spells. */
#include "base/check.h"
#include "sim/world.h"

static void cut_power(struct world *world) {
    world_cut_power(world);
    world_reopen(world);
}

static void kill_process(struct world *world) {
    world_kill(world);
    world_reopen(world);
}

/* The power goes in the middle of what the journal, or another file, does next. */
static void cut_in_write(struct world *world) {
    fake_files_stop_at(world->files, 1 + below(world, below(world, 4) == 0 ? 30 : 6));
}

static void stop_and_start(struct world *world) {
    world_stop_cleanly(world);
    if (fine(world) && !world->journal_lost) world_reopen(world);
}

static void fail_sync(struct world *world) {
    fake_files_fail(world->files, FAKE_SYNC, 1 + below(world, 3), true, STATUS_IO_ERROR);
}

void world_fail_a_call(struct world *world) {
    static const enum fake_call calls[] = {FAKE_OPEN,   FAKE_WRITE,          FAKE_ALLOCATE, FAKE_TRUNCATE,
                                           FAKE_RENAME, FAKE_DIRECTORY_SYNC, FAKE_REMOVE,   FAKE_LIST};
    enum fake_call call = calls[below(world, sizeof calls / sizeof *calls)];
    fake_files_fail(world->files, call, 1 + below(world, 3), below(world, 2) == 0, STATUS_IO_ERROR);
}

/* Where it is noticed first: by the journal or another file, or by the store, which lies on the same disk. */
void world_fill_disk(struct world *world) {
    static const enum fake_call calls[] = {FAKE_WRITE, FAKE_WRITE,  FAKE_WRITE,         FAKE_ALLOCATE,
                                           FAKE_OPEN,  FAKE_RENAME, FAKE_DIRECTORY_SYNC};
    uint64_t choice = below(world, sizeof calls / sizeof *calls + 2);
    unsigned nth = 1 + (unsigned)below(world, 3);
    if (choice < sizeof calls / sizeof *calls)
        fake_files_fill(world->files, calls[choice], nth);
    else if (below(world, 2) == 0)
        fake_kv_fail_write(world->kv, nth, STATUS_NO_SPACE);
    else
        fake_kv_fail_flush(world->kv, nth, STATUS_NO_SPACE);
}

static void fail_read(struct world *world) {
    fake_files_fail(world->files, FAKE_READ, 1 + below(world, 5), false, STATUS_IO_ERROR);
}

static void fail_store(struct world *world) {
    unsigned nth = 1 + (unsigned)below(world, 3);
    uint64_t choice = below(world, 6);
    if (choice < 2)
        fake_kv_fail_write_falsely(world->kv, nth, STATUS_IO_ERROR);
    else if (choice < 5)
        fake_kv_fail_write(world->kv, nth, STATUS_IO_ERROR);
    else
        fake_kv_fail_flush(world->kv, nth, STATUS_IO_ERROR);
}

/* The journal has it all, so a store that forgets what it promised to keep costs a replay and nothing else. */
static void lie_in_store(struct world *world) {
    fake_kv_lie(world->kv);
}

/* --- what destroys synced bytes --- */

static void go_on(struct world *world, uint64_t steps, uint64_t pace_ms) {
    for (; steps > 0 && fine(world) && node_phase(world->node) == NODE_SERVING; steps--) {
        if (below(world, 2) == 0) world_step_request(world);
        (void)world_step_node(world, world->node);
        world_advance(world, (int64_t)below(world, pace_ms));
    }
}

/* Mostly the power goes soon: before the store has counted what will be missing, or just after. */
static void lie(struct world *world, enum fake_lie lie, bool for_good) {
    fake_files_lie(world->files, lie, 1 + below(world, 4), for_good);
    if (below(world, 4) == 0) return;
    uint64_t pace_ms = below(world, 2) == 0 ? 20 : 3000;
    go_on(world, below(world, 150), pace_ms);
    cut_power(world);
}

static void lie_about_sync(struct world *world) {
    lie(world, FAKE_LIE_SYNC, below(world, 2) == 0);
}

static void lose_write(struct world *world) {
    lie(world, FAKE_LIE_LOST, false);
}

static void misdirect_write(struct world *world) {
    lie(world, FAKE_LIE_MISDIRECTED, false);
}

static void rot(struct world *world) {
    if (below(world, 3) == 0) {
        fake_files_drop_cache(world->files);
        world->coverage->caches_dropped++;
        return;
    }
    /* While it runs, or while it is down. */
    bool down = below(world, 2) == 0;
    if (down) world_cut_power(world);
    (void)fake_files_rot(world->files, NULL, &world->random);
    if (down) world_reopen(world);
}

/* Many blocks of identities, since few of them are ever asked for, and then clicks that ask for some. */
static void rot_runs(struct world *world) {
    bool down = below(world, 3) == 0;
    if (down) world_cut_power(world);
    for (int i = 0; i < 24; i++) (void)fake_files_rot(world->files, "dedup/", &world->random);
    if (down) world_reopen(world);
    if (world->node != NULL) go_on(world, 150, 100);
}

bool world_rot_store(struct world *world, uint64_t values) {
    for (; values > 0; values--) {
        if (!fake_kv_rot(world->kv, &world->random)) continue;
        world->store_rotten = true;
        world->coverage->rotten_store_values++;
    }
    return world->store_rotten;
}

static void rot_store(struct world *world) {
    if (!world_rot_store(world, 1 + below(world, 6))) return;
    if (below(world, 3) == 0) kill_process(world);
}

/* --- time --- */

static void slow_down(struct world *world) {
    world->slow_ms = below(world, 3) == 0 ? 0 : 1 + (int64_t)below(world, below(world, 4) == 0 ? 70000 : 3000);
}

static void put_clock_off(struct world *world, int64_t by_ms) {
    world->clock_step_ms = by_ms;
    world->clock_was_stepped = true;
}

static void shift_clock(struct world *world) {
    put_clock_off(world, (int64_t)below(world, 4 * SECOND_MS) - 2 * SECOND_MS);
    world->coverage->clocks_off++;
}

/* It is waited for, so a large step is a long pause: mostly it is back soon. */
static int64_t jump(struct world *world) {
    return (int64_t)below(world, below(world, 4) == 0 ? 50 * HOUR_MS : 200 * SECOND_MS);
}

static void jump_forward(struct world *world) {
    put_clock_off(world, jump(world));
    world->coverage->clocks_forward++;
}

static void jump_back(struct world *world) {
    put_clock_off(world, -jump(world));
    world->coverage->clocks_back++;
}

/* What a broken clock says: before 1970, its beginning, far away, beyond every date. */
static void break_clock(struct world *world) {
    static const int64_t readings[] = {
        INT64_C(-5000), 0, 1, INT64_C(4102444800000), INT64_C(253402300799999), INT64_C(253402300800000), INT64_C(1) << 60};
    put_clock_off(world, readings[below(world, sizeof readings / sizeof *readings)] - world->wall.ms);
    world->coverage->clocks_wild++;
}

static void idle(struct world *world) {
    world->coverage->idle_spells++;
    for (int i = 0; i < 30; i++) {
        world_advance(world, (int64_t)below(world, 2 * MINUTE_MS));
        for (int k = 0; k < 12; k++) (void)world_step_node(world, world->node);
    }
}

static void pause(struct world *world) {
    world_advance(world, (int64_t)below(world, MINUTE_MS));
}

static const struct trouble {
    enum event event;
    unsigned weight;
    bool treacherous;
    void (*cause)(struct world *world);
} troubles[] = {
    {EVENT_power_cut, 10, false, cut_power},
    {EVENT_kill, 4, false, kill_process},
    {EVENT_cut_in_write, 20, false, cut_in_write},
    {EVENT_clean_stop, 8, false, stop_and_start},
    {EVENT_failed_sync, 7, false, fail_sync},
    {EVENT_failed_call, 6, false, world_fail_a_call},
    {EVENT_full_disk, 9, false, world_fill_disk},
    {EVENT_failed_read, 3, false, fail_read},
    {EVENT_failed_store, 8, false, fail_store},
    {EVENT_lying_store, 3, false, lie_in_store},
    {EVENT_lying_sync, 10, true, lie_about_sync},
    {EVENT_lost_write, 10, true, lose_write},
    {EVENT_misdirected_write, 10, true, misdirect_write},
    {EVENT_rot, 14, true, rot},
    {EVENT_run_rot, 12, true, rot_runs},
    {EVENT_store_rot, 10, true, rot_store},
    {EVENT_slow_disk, 6, false, slow_down},
    {EVENT_clock_off, 4, false, shift_clock},
    {EVENT_clock_forward, 3, false, jump_forward},
    {EVENT_clock_back, 3, false, jump_back},
    {EVENT_clock_wild, 1, false, break_clock},
    {EVENT_idle, 7, false, idle},
    {EVENT_pause, 36, false, pause},
};

void world_cause_trouble(struct world *world) {
    unsigned total = 0, at = 0;
    for (size_t i = 0; i < sizeof troubles / sizeof *troubles; i++) total += troubles[i].weight;
    uint64_t chosen = below(world, total);
    while (chosen >= troubles[at].weight) chosen -= troubles[at++].weight;
    const struct trouble *trouble = &troubles[at];
    if (!may(world, trouble->event)) return;
    if (trouble->treacherous && !(world->treacherous && (world->treachery >> trouble->event & 1) == 1)) return;
    trouble->cause(world);
}
