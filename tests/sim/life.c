/* life.c: how the simulated process dies, stops and comes back. */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "click/decode.h"
#include "sim/world.h"

enum { STARTS_MAX = 24, START_STEPS_MAX = 3000000 };

void world_choose_rules(struct world *world) {
    struct rules_proposal *proposal = &world->options.proposal;
    uint32_t partitions = proposal->partition_count;
    *proposal = (struct rules_proposal){.has_partitions = true, .partition_count = partitions};
    proposal->has_lateness = proposal->has_horizon = proposal->has_delay = proposal->has_max_skew = true;
    proposal->has_identity_mode = true;
    proposal->lateness_ms = (int64_t)below(world, 40) * MINUTE_MS;
    proposal->horizon_ms = proposal->lateness_ms + MINUTE_MS + (int64_t)below(world, 3) * 5 * MINUTE_MS;
    proposal->delay_ms = (int64_t)below(world, 30) * SECOND_MS;
    proposal->max_skew_ms = (below(world, 4) == 0 ? 2 : 1) * MINUTE_MS; /* traffic.c keeps within the shorter one */
    proposal->identity_mode = below(world, 8) == 0 ? IDENTITY_MODE_REJECT : IDENTITY_MODE_CONTENT;
    world->traffic.lateness_ms = proposal->lateness_ms;
}

/* --- what failed --- */

static uint64_t store_failures(const struct fake_kv_counts *counts) {
    return counts->writes_failed + counts->writes_failed_falsely + counts->flushes_failed;
}

uint64_t world_failures(const struct world *world) {
    struct fake_kv_counts counts = fake_kv_counts(world->kv);
    return fake_files_counts(world->files).injected + world->store_failures + store_failures(&counts);
}

/* --- death --- */

/* Nobody hears an answer any more. */
static void drop_node(struct world *world) {
    if (world->node == NULL) return;
    world->coverage->crashes_in_recalculation += world->recalculating;
    world->recalculating = false;
    if (node_phase(world->node) != NODE_FAILED) node_abandon(world->node, "the simulated process died");
    for (size_t i = 0; i < WORLD_REQUESTS; i++) {
        struct world_request *request = &world->requests[i];
        if (request->state == REQUEST_FEEDING && request->session != NULL) node_request_abort(world->node, request->session);
        world_reset_request(request);
    }
    world_drop_filter_changes(world, false);
    world_drop_hostile(world);
    node_close(world->node);
    world->node = NULL;
}

void world_kill(struct world *world) {
    drop_node(world);
    world->coverage->kills++;
    fake_files_restart(world->files);
    fake_kv_crash(world->kv, SIZE_MAX);
}

void world_cut_power(struct world *world) {
    drop_node(world);
    world->coverage->power_cuts++;
    size_t unflushed = fake_kv_unflushed(world->kv), keep = below(world, unflushed + 1);
    world->coverage->lost_store_batches += keep < unflushed;
    fake_kv_crash(world->kv, keep);
    fake_files_crash(world->files, &world->random);
    world_advance(world, (int64_t)below(world, 10 * SECOND_MS));
}

void world_note_store_failures(struct world *world) {
    struct fake_kv_counts counts = fake_kv_counts(world->kv);
    world->coverage->failed_store_writes += counts.writes_failed;
    world->coverage->false_store_failures += counts.writes_failed_falsely;
    world->coverage->failed_store_flushes += counts.flushes_failed;
    world->coverage->full_stores += counts.full;
    world->coverage->lying_store_flushes += counts.flushes_lied;
    world->store_failures += store_failures(&counts);
}

void world_wipe_store(struct world *world) {
    CHECK(world->node == NULL);
    world_note_store_failures(world);
    fake_kv_destroy(world->kv);
    world->kv = fake_kv_create();
    world->seam.kv = fake_kv_table(world->kv);
    fake_kv_on_wait(world->kv, world_wait, world);
    world->store_rotten = false;
}

void world_stop_cleanly(struct world *world) {
    world->clock_step_ms = 0;
    /* A stop is clean on a machine that works. */
    fake_files_heal(world->files);
    fake_kv_heal(world->kv);
    node_stop(world->node, 0);
    for (unsigned steps = 0; node_phase(world->node) == NODE_STOPPING && steps < START_STEPS_MAX; steps++) {
        (void)world_step_node(world, world->node);
        world_advance(world, 1);
    }
    bool stopped = node_phase(world->node) == NODE_STOPPED;
    if (!stopped && !world->store_rotten && !world->treacherous)
        world_problem(world, "the node does not stop: %s %s", node_phase_text(node_phase(world->node)),
                      node_failure(world->node)->text);
    for (size_t i = 0; i < WORLD_REQUESTS; i++) {
        struct world_request *request = &world->requests[i];
        if (request->state == REQUEST_FEEDING && request->session != NULL)
            node_request_abort(world->node, request->session);
        else if (request->state == REQUEST_WAITING && !request->answered)
            world_problem(world, "a request was left without an answer");
        world_reset_request(request);
    }
    world_drop_filter_changes(world, true);
    world_drop_hostile(world);
    if (node_phase(world->node) == NODE_STOPPING) node_abandon(world->node, "it did not stop");
    node_close(world->node);
    world->node = NULL;
    world->coverage->clean_stops += stopped;
}

/* --- start --- */

bool world_start(struct world *world, struct node **out, struct failure *failure) {
    struct node *node = NULL;
    *out = NULL;
    *failure = (struct failure){0};
    if (node_open(&world->seam, &world->options, &node, failure) != STATUS_OK) return false;
    for (unsigned steps = 0; node_phase(node) == NODE_REPLAYING && steps < START_STEPS_MAX; steps++) {
        if (steps + 1 == world->rot_at)
            world->coverage->rot_in_a_start += fake_files_rot(world->files, NULL, &world->random);
        (void)world_step_node(world, node);
        world_advance(world, 1);
    }
    if (node_phase(node) == NODE_SERVING) {
        *out = node;
        return true;
    }
    if (node_phase(node) == NODE_REPLAYING) {
        world_problem(world, "the node does not become ready");
        node_abandon(node, "it did not become ready");
    }
    *failure = *node_failure(node);
    node_close(node);
    return false;
}

/* A start with rules that cannot be is refused and changes nothing. */
static void try_a_bad_start(struct world *world) {
    struct rules_proposal kept = world->options.proposal, *proposal = &world->options.proposal;
    struct fake_files *before = fake_files_clone(world->files, 1);
    struct failure failure;
    struct node *node;
    if (below(world, 2) == 0)
        proposal->partition_count++;
    else
        proposal->horizon_ms = proposal->lateness_ms + MINUTE_MS - 1;
    if (world_start(world, &node, &failure)) {
        world_problem(world, "a start with impossible rules was not refused");
        node_abandon(node, "it should not run");
        node_close(node);
    } else if (failure.status != STATUS_BAD_CONFIG) {
        world_problem(world, "impossible rules: %s", failure.text);
    }
    if (!fake_files_same(before, world->files)) world_problem(world, "a refused start changed the disk");
    world->coverage->bad_starts_refused++;
    fake_files_destroy(before);
    *proposal = kept;
}

/* Something that goes wrong while it starts. */
static void plan_trouble(struct world *world) {
    if (!may(world, EVENT_trouble_in_start) || below(world, 6) > 0) return;
    switch (below(world, 6)) {
    case 0:
        fake_files_fail(world->files, FAKE_SYNC, 1 + below(world, 4), true, STATUS_IO_ERROR);
        return;
    case 1:
        world_fill_disk(world);
        return;
    case 2:
        fake_files_fail(world->files, FAKE_READ, 1 + below(world, 40), false, STATUS_IO_ERROR);
        return;
    case 3:
        world_fail_a_call(world);
        return;
    default:
        fake_files_stop_at(world->files, 1 + below(world, 14));
        return;
    }
}

static void begin_serving(struct world *world) {
    world->served = true;
    world->failures_seen = world_failures(world);
    world->coverage->torn_tails += node_progress(world->node).torn_path[0] != '\0';
    world->coverage->starts_from_runs += node_progress(world->node).partitions_restored > 0;
    world->coverage->starts_in_a_later_segment += node_progress(world->node).segments_skipped > 0;
    world->coverage->runs_of_no_use += node_progress(world->node).partitions_rebuilt > 0;
    world->coverage->restarts_with_filters += world_any_filter_stands(world);
    world_relearn_filters(world);
}

/* Once more. True when it serves. */
static bool try_to_start(struct world *world) {
    struct failure failure;
    uint64_t destroyed = fake_files_counts(world->files).destroyed;
    if (destroyed != world->destroyed_seen) {
        world->log_unreadable = !world_take_stock(world);
        world->destroyed_seen = destroyed;
    }
    if (!fine(world)) return false;
    struct fake_files *before = destroyed > 0 ? fake_files_clone(world->files, 1) : NULL;
    uint64_t failures = world_failures(world);
    plan_trouble(world);
    bool rots = (world->treachery >> EVENT_rot & 1) == 1 && may(world, EVENT_rot);
    world->rot_at = world->treacherous && rots && below(world, 3) == 0 ? 1 + (unsigned)below(world, 300) : 0;
    bool started = world_start(world, &world->node, &failure);
    world->rot_at = 0;
    bool rotted = fake_files_counts(world->files).destroyed != destroyed;
    if (started && world->log_unreadable) {
        world_take_unread_damage(world);
    } else if (started) {
        begin_serving(world);
    } else if (world_failures(world) > failures) {
        bool power = below(world, 2) == 0;
        world->coverage->power_cuts_in_a_start += power;
        world->coverage->failures_in_a_start += !power;
        if (power)
            world_cut_power(world);
        else
            world_kill(world);
    } else if (fine(world)) {
        world_take_refusal(world, &failure, rotted ? NULL : before);
    }
    fake_files_destroy(before);
    return world->node != NULL;
}

/* Somebody set the clock while it was down. */
static void set_clock(struct world *world) {
    world->clock_step_ms = 0;
    if (!may(world, EVENT_clock_set) || below(world, 12) > 0) return;
    world->clock_was_stepped = true;
    world->wall.ms += below(world, 2) == 0 ? (int64_t)below(world, 20 * MINUTE_MS) : -(int64_t)below(world, 20 * SECOND_MS);
    world->coverage->clocks_set_at_a_restart++;
}

void world_reopen(struct world *world) {
    set_clock(world);
    if (may(world, EVENT_wiped_store) && below(world, 16) == 0) {
        world_wipe_store(world);
        world->coverage->stores_wiped++;
    }
    if (may(world, EVENT_rules) && below(world, 5) == 0) world_choose_rules(world);
    if (may(world, EVENT_bad_start) && world->served && !world->treacherous && below(world, 12) == 0) try_a_bad_start(world);
    for (unsigned i = 0; i < STARTS_MAX && fine(world) && !world->journal_lost; i++)
        if (try_to_start(world)) return;
    if (fine(world) && !world->journal_lost) world_problem(world, "it does not start in %d tries", STARTS_MAX);
}
