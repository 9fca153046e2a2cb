/* world.h: one simulated run: a whole node on fake clock, random, files, kv and requests, driven step by step under a seed,
 * with crashes that lose what was not synced. */
#pragma once

#include "base/random_sequence.h"
#include "fake/fake_files.h"
#include "fake/fake_kv.h"
#include "node/node.h"
#include "sim/filter_steps.h"
#include "sim/plan.h"
#include "sim/traffic.h"

/* What really happened, over a campaign, by kind: each must be above zero in the end. */
/* clang-format off */
#define COVERAGE_TABLE(GROUP, X) \
    GROUP("crash") \
    X(power_cuts) X(kills) X(clean_stops) X(power_cuts_in_a_write) X(power_cuts_in_a_keep) X(power_cuts_in_a_start) \
    X(failures_in_a_start) X(crashes_in_recalculation) X(crashes_in_filter_change) X(torn_tails) \
    GROUP("disk error, slow disk") \
    X(failed_syncs) X(failed_calls) X(full_disks) X(failed_reads) X(slow_writes) X(steps_beside_a_write) \
    X(steps_beside_a_keep) X(files_removed_beside_a_keep) \
    GROUP("silent damage") \
    X(lying_syncs) X(lost_writes) X(misdirected_writes) X(rotten_places) X(rot_in_a_start) X(rot_brought_back) \
    X(caches_dropped) X(synced_bytes_destroyed) X(starts_refused) X(starts_with_less) X(starts_beside_damage) \
    X(acknowledged_destroyed) X(sealed_destroyed) X(journals_cut) X(journals_lost) X(runs_of_no_use) X(runs_damaged) \
    GROUP("store") \
    X(checkpoints) X(lost_store_batches) X(failed_store_writes) X(false_store_failures) X(failed_store_flushes) X(full_stores) \
    X(lying_store_flushes) X(rotten_store_values) X(rotten_stores_noticed) X(stores_refused) X(stores_wiped) \
    GROUP("clock") \
    X(clocks_off) X(clocks_forward) X(clocks_back) X(clocks_wild) X(clocks_set_at_a_restart) X(idle_spells) X(ticks) \
    X(guarded_jumps) X(believed_jumps) \
    GROUP("input") \
    X(requests) X(answers_200) X(answers_400) X(answers_503) X(atomic_refused) X(bodies_cut) X(hostile_requests) \
    X(hostile_refused) X(lines_repeated) X(lines_reordered) X(lines_late) X(lines_far_ahead) X(lines_malformed) \
    X(lines_extreme) X(lines_without_id_refused) \
    GROUP("rules and starts") \
    X(rules_changed) X(bad_starts_refused) X(restarts_with_filters) X(starts_from_runs) X(starts_in_a_later_segment) \
    X(replays_in_another_order) \
    GROUP("clicks and identities") \
    X(counted) X(duplicate) X(conflict) X(too_late) X(late_amended) X(segments) X(runs_written) X(runs_merged) \
    X(identities_read_from_runs) \
    GROUP("filters and questions") \
    X(questions) X(sealed_answers) X(sealed_rankings) X(ads_summed_in_all_widths) X(filters_created) X(filters_repeated) \
    X(filters_refused) X(filters_full) X(filters_deleted) X(filter_lists) X(recalculations_wanted) \
    X(recalculations_finished) X(filtered_sealed_answers) X(filtered_counts) X(filtered_series) X(filtered_rankings) \
    X(partly_covered) X(asked_once) X(asked_once_in_vain) X(late_into_a_filtered_closed_minute) X(masked_ip_matched) \
    X(ipv6_matched) X(nested_blocks_matched) X(unknown_country_matched)
/* clang-format on */

#define NO_GROUP(heading)
struct coverage {
#define X(name) uint64_t name;
    COVERAGE_TABLE(NO_GROUP, X)
#undef X
};

enum { WORLD_REQUESTS = 4, WORLD_REQUEST_LINES_MAX = 48 };

enum world_request_state { REQUEST_FREE, REQUEST_FEEDING, REQUEST_WAITING };

struct world_request {
    enum world_request_state state;
    struct world *world;
    void *session;
    struct buffer body;
    size_t fed;
    bool blocked, atomic, answered;
    const char *source, *type;
    char query[64];
    /* What the answer must say. */
    size_t line_count, malformed_count, maybe_count; /* maybe: may be of the future */
    char *keys[WORLD_REQUEST_LINES_MAX];
    unsigned http_status;
};

struct world_verdicts {
    uint8_t *at; /* by offset; NO_VERDICT where none */
    size_t count;
};
enum { NO_VERDICT = 255 };

/* A number that a question was answered with, of minutes that were sealed: it may never change. */
enum { SEALED_ANSWERS_MAX = 128 };
struct sealed_answer {
    uint32_t filter_id; /* 0: all clicks */
    char ad[40];        /* empty: all ads */
    struct minute from, to;
    uint64_t count;
};

/* In which order the stages advance: any, or one of them until it has nothing left to do, then the next. */
enum world_order { ORDER_RANDOM, ORDER_TURNS };

struct world {
    uint64_t seed;
    const struct plan *plan;
    struct random_sequence random; /* begins anew with each step, so that a step that is left out changes no other */
    unsigned step, *progress;      /* told where it is */
    struct coverage *coverage;
    struct wall_time wall;
    struct mono_time mono;
    int64_t clock_step_ms;  /* how far the wall clock is off now */
    bool clock_was_stepped; /* then a good line may be refused as a future one for a while */
    bool served;            /* at least once, so there is a log */
    /* Whether this run meets faults that destroy synced bytes, and which: after some of them little is left to go on with.
     */
    bool treacherous;
    uint64_t treachery;      /* a bit for each event */
    bool journal_lost;       /* nothing that could be counted is left of it */
    bool rots_store;         /* that is one of them */
    bool store_rotten;       /* some value of the store is damaged */
    uint64_t store_failures; /* of the stores that are gone */
    uint64_t failures_seen;  /* that the disk and the store were made to have, as of when the node began to serve */
    uint64_t destroyed_seen;
    bool log_unreadable; /* to who reads all of it, as of what is destroyed_seen */
    unsigned rot_at;     /* this step of a start; 0: not */
    int64_t slow_ms;     /* a write takes up to this long */
    enum world_order order;
    uint32_t turn;
    int stage; /* the step under way: an enum node_stage, or -1 */
    bool beside;
    struct fake_files *files;
    struct fake_kv *kv;
    struct node_seam seam;
    struct node_options options;
    struct node *node;
    bool recalculating; /* as of its last step */
    struct traffic traffic;
    struct world_request requests[WORLD_REQUESTS];
    char **acknowledged; /* keys with their sources, one for each line that was accepted */
    size_t acknowledged_count, acknowledged_capacity;
    struct world_filters filters;
    struct world_verdicts verdicts[PARTITIONS_MAX];
    struct sealed_answer sealed[SEALED_ANSWERS_MAX];
    size_t sealed_count;
    struct hostile_request *hostile;
    uint64_t last_version;
    /* Set by the sim's own requests. */
    struct buffer answer;
    unsigned answer_status;
    char problem[1024];       /* the first thing that is wrong; empty = all is well */
    const char *problem_kind; /* its format: two failures with the same one are alike */
};

void world_init(struct world *world, uint64_t seed, const struct plan *plan, struct coverage *coverage);
void world_fini(struct world *world);
/* Runs the plan's random steps, then brings the node to a clean stop with everything counted. False when something was
 * wrong. */
bool world_run(struct world *world);
void world_problem(struct world *world, const char *format, ...) PRINTF_LIKE(2, 3);

static inline uint64_t below(struct world *world, uint64_t bound) {
    return random_sequence_below(&world->random, bound);
}
static inline bool fine(const struct world *world) {
    return world->problem[0] == '\0';
}
static inline bool may(const struct world *world, enum event event) {
    return plan_allows(world->plan, event);
}
/* Everything random from here on follows from the seed and this place in the run. */
void world_place(struct world *world, unsigned step);

/* The simulated machine's clock, with what it is off; and time that passes. */
struct wall_time world_wall(const struct world *world);
/* What those who send clicks take for now: the machine's clock, unless that is far off. */
struct wall_time world_line_now(const struct world *world);
void world_advance(struct world *world, int64_t milliseconds);
/* One step of some stage, or some partition, in the world's order. */
bool world_step_node(struct world *world, struct node *node);

/* --- life.c --- */
void world_choose_rules(struct world *world);
/* Opens a node and steps it until it serves. Otherwise there is none, and `failure` says why. */
bool world_start(struct world *world, struct node **out, struct failure *failure);
void world_stop_cleanly(struct world *world);
/* The machine dies, or the process alone: what was not synced is lost, kept or torn. The node is gone. */
void world_cut_power(struct world *world);
void world_kill(struct world *world);
/* The node starts again, whatever happens meanwhile; afterwards it serves, or the journal is lost, or there is a problem. */
void world_reopen(struct world *world);
void world_wipe_store(struct world *world);
/* Of the store that is there now and is about to go, for the table of what happened. */
void world_note_store_failures(struct world *world);
/* Calls of disk and store that were made to fail so far. */
uint64_t world_failures(const struct world *world);

/* --- refusal.c --- */
/* The failure is that a file of identities is damaged, or that the store is. */
bool world_names_a_damaged_run(const struct failure *failure);
bool world_names_the_store(const struct failure *failure);
/* The start was refused and nothing had failed: then bytes were destroyed, and the refusal says where. What the operator
 * does about it. `before`: the disk before the start, to see that it changed nothing; or NULL. */
void world_take_refusal(struct world *world, const struct failure *failure, const struct fake_files *before);
/* The node serves, and what is destroyed lies in segments that its start need not read. It is gone afterwards. */
void world_take_unread_damage(struct world *world);

/* --- stock.c --- */
/* Synced bytes were destroyed: from now on the truth is what the journal still holds. False: it is not readable. */
bool world_take_stock(struct world *world);

/* --- beside.c --- */
/* What happens while a write is in flight: the hook of the fake disk and store. */
void world_wait(void *context);

/* --- click_steps.c --- */
/* One request with clicks moves on, or begins. */
void world_step_request(struct world *world);
void world_check_reply(struct world *world, struct world_request *request, const struct buffer *body);
void world_reset_request(struct world_request *request);

/* --- hostile.c --- */
void world_step_hostile(struct world *world);
/* True when the reply was to one of them. */
bool world_take_hostile_reply(struct world *world, void *to, const struct reply *reply);
void world_drop_hostile(struct world *world);

/* --- questions.c --- */
/* Asks; the answer is in world->answer and answer_status. */
void world_ask(struct world *world, struct node *node, const char *path, const char *query);
/* The answer is that the store is damaged, and it is. */
bool world_answer_is_damage(const struct world *world);
void world_check_status(struct world *world);
void world_ask_count(struct world *world);
/* Minutes about now, for a question. */
void world_choose_range(struct world *world, struct minute *from, struct minute *to);
/* The text after "name": in the answer, as a number; UINT64_MAX when it is not there. */
uint64_t answer_number(const struct buffer *answer, const char *name);

/* --- trouble.c --- */
void world_cause_trouble(struct world *world);
/* One of the next few calls finds no room, and none after it; or has an error of the disk. */
void world_fill_disk(struct world *world);
void world_fail_a_call(struct world *world);
/* Bits of some of its values change. False: they are all as they were written. */
bool world_rot_store(struct world *world, uint64_t values);

/* After world_run: the journal counted by the oracle, the node's own numbers, and replays, all against each other. */
bool world_compare(struct world *world);
