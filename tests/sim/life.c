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

void world_wipe_store(struct world *world) {
    CHECK(world->node == NULL);
    fake_kv_destroy(world->kv);
    world->kv = fake_kv_create();
    world->seam.kv = fake_kv_table(world->kv);
    fake_kv_on_wait(world->kv, world_wait, world);
    world->store_rotten = false;
    world->coverage->stores_wiped++;
}

void world_stop_cleanly(struct world *world) {
    world->clock_step_ms = 0;
    /* A stop is clean on a machine that works. */
    fake_files_heal(world->files);
    fake_kv_fail_write(world->kv, 0, STATUS_OK);
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
    switch (below(world, 5)) {
    case 0:
        fake_files_fail(world->files, FAKE_SYNC, 1 + below(world, 4), true, STATUS_IO_ERROR);
        return;
    case 1:
        fake_files_fail(world->files, FAKE_WRITE, 1 + below(world, 4), true, STATUS_NO_SPACE);
        return;
    case 2:
        fake_files_fail(world->files, FAKE_READ, 1 + below(world, 40), false, STATUS_IO_ERROR);
        return;
    default:
        fake_files_stop_at(world->files, 1 + below(world, 14));
        return;
    }
}

static bool names_a_place(const char *text) {
    bool place = strstr(text, "at byte") != NULL || strstr(text, "missing") != NULL || strstr(text, "empty") != NULL ||
                 strstr(text, "format version") != NULL;
    return (strstr(text, "journal/") != NULL && place) || strstr(text, "the store counted log") != NULL;
}

static bool says_the_store_is_damaged(const char *text) {
    return strstr(text, "the store is damaged") != NULL || strstr(text, "remove the store directory") != NULL;
}

bool world_names_a_damaged_run(const struct failure *failure) {
    return failure->status == STATUS_CORRUPT && strncmp(failure->text, "dedup/", strlen("dedup/")) == 0 &&
           strstr(failure->text, "at byte") != NULL;
}

/* The start was refused and nothing had failed: then bytes were destroyed, and the refusal says where. What the operator
 * does about it: what rotted comes back from a copy, a damaged store is removed, and otherwise the log is lost. */
static void take_refusal(struct world *world, const struct failure *failure, const struct fake_files *before) {
    if (says_the_store_is_damaged(failure->text) && world->store_rotten) {
        world->coverage->stores_refused++;
        world_wipe_store(world);
        return;
    }
    if (world_names_a_damaged_run(failure)) { /* the next start makes it anew */
        world->coverage->runs_damaged++;
        return;
    }
    if (fake_files_counts(world->files).destroyed == 0 || failure->status == STATUS_IO_ERROR) {
        world_problem(world, "the start: %s", failure->text);
        return;
    }
    if (!names_a_place(failure->text)) world_problem(world, "a refusal without the place: %s", failure->text);
    bool same = before == NULL || fake_files_same_in(before, world->files, "journal");
    if (!same) world_problem(world, "a refused start changed the journal");
    world->coverage->starts_refused++;
    if (fake_files_undo_rot(world->files)) {
        world->coverage->rot_brought_back++;
        world->destroyed_seen = 0; /* the truth may be larger again */
    } else {
        world->journal_lost = true;
        world->coverage->journals_lost++;
    }
}

/* What is destroyed lies in segments that this start need not read: it goes on from the identities and counts that were kept
 * before. The log cannot say any more whether they are right, so here the run is over, unless a copy is put back. */
static void take_unread_damage(struct world *world) {
    if (node_progress(world->node).segments_skipped == 0)
        world_problem(world, "the node starts on a journal that cannot be read");
    world->coverage->starts_beside_damage++;
    world_kill(world);
    if (fake_files_undo_rot(world->files)) {
        world->coverage->rot_brought_back++;
        world->destroyed_seen = 0;
    } else {
        world->journal_lost = true;
        world->coverage->journals_lost++;
    }
}

static void begin_serving(struct world *world) {
    world->served = true;
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
    uint64_t injected = fake_files_counts(world->files).injected;
    plan_trouble(world);
    bool rots = (world->treachery >> EVENT_rot & 1) == 1 && may(world, EVENT_rot);
    world->rot_at = world->treacherous && rots && below(world, 3) == 0 ? 1 + (unsigned)below(world, 300) : 0;
    bool started = world_start(world, &world->node, &failure);
    world->rot_at = 0;
    bool rotted = fake_files_counts(world->files).destroyed != destroyed;
    if (started && world->log_unreadable) {
        take_unread_damage(world);
    } else if (started) {
        begin_serving(world);
    } else if (fake_files_counts(world->files).injected > injected) {
        bool power = below(world, 2) == 0;
        world->coverage->power_cuts_in_a_start += power;
        world->coverage->failures_in_a_start += !power;
        if (power)
            world_cut_power(world);
        else
            world_kill(world);
    } else if (fine(world)) {
        take_refusal(world, &failure, rotted ? NULL : before);
        fake_files_restart(world->files);
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
    if (may(world, EVENT_wiped_store) && below(world, 16) == 0) world_wipe_store(world);
    if (may(world, EVENT_rules) && below(world, 5) == 0) {
        world_choose_rules(world);
        world->coverage->rules_changed++;
    }
    if (may(world, EVENT_bad_start) && world->served && !world->treacherous && below(world, 12) == 0) try_a_bad_start(world);
    for (unsigned i = 0; i < STARTS_MAX && fine(world) && !world->journal_lost; i++)
        if (try_to_start(world)) return;
    if (fine(world) && !world->journal_lost) world_problem(world, "it does not start in %d tries", STARTS_MAX);
}
