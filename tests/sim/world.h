/* world.h: one simulated run: a whole node on fake clock, random, files, kv and requests, driven step by step under a seed,
 * with crashes that lose what was not synced. */
#pragma once

#include "base/random_sequence.h"
#include "fake/fake_files.h"
#include "fake/fake_kv.h"
#include "node/node.h"
#include "sim/filter_steps.h"
#include "sim/traffic.h"

/* What really happened, over a campaign: each must be above zero in the end. */
/* clang-format off */
#define COVERAGE_TABLE(X) \
    X(counted) X(duplicate) X(conflict) X(too_late) X(late_amended) X(requests) X(answers_200) X(answers_400) \
    X(answers_503) X(atomic_refused) X(bodies_cut) X(crashes) X(torn_tails) X(lost_store_batches) \
    X(clean_stops) X(rules_changed) X(sync_failures) X(full_disks) X(store_failures) X(clock_steps) \
    X(idle_spells) X(ticks) X(segments) X(checkpoints) X(crashes_inside_a_write) X(guarded_jumps) \
    X(believed_jumps) X(questions) X(sealed_answers) \
    X(filters_created) X(filters_repeated) X(filters_refused) X(filters_full) X(filters_deleted) X(filter_lists) \
    X(recalculations_wanted) X(recalculations_finished) X(crashes_in_recalculation) X(crashes_in_filter_change) \
    X(restarts_with_filters) X(stores_wiped) X(sealed_rankings) X(filtered_sealed_answers) X(filtered_counts) X(filtered_series) X(filtered_rankings) \
    X(partly_covered) X(asked_once) X(asked_once_in_vain) X(late_into_a_filtered_closed_minute) X(masked_ip_matched) \
    X(ipv6_matched) X(nested_blocks_matched) X(unknown_country_matched) X(runs_written) X(runs_merged) X(identities_read_from_runs) \
    X(starts_from_runs) X(starts_in_a_later_segment) X(runs_of_no_use)
/* clang-format on */

struct coverage {
#define X(name) uint64_t name;
    COVERAGE_TABLE(X)
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

struct world {
    uint64_t seed;
    struct random_sequence random;
    struct coverage *coverage;
    struct wall_time wall;
    struct mono_time mono;
    int64_t clock_step_ms;  /* how far the wall clock is off now */
    bool clock_was_stepped; /* then a good line may be refused as a future one for a while */
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
    uint64_t last_version;
    /* Set by the sim's own requests. */
    struct buffer answer;
    unsigned answer_status;
    char problem[1024]; /* the first thing that is wrong; empty = all is well */
};

void world_init(struct world *world, uint64_t seed, struct coverage *coverage);
void world_fini(struct world *world);
/* Runs `steps` random steps, then brings the node to a clean stop with everything counted. False when something was wrong.
 */
bool world_run(struct world *world, unsigned steps);
void world_problem(struct world *world, const char *format, ...) PRINTF_LIKE(2, 3);

/* Opens the node and steps it until it serves (or world->problem). `order`: in which the partitions advance. */
bool world_open(struct world *world, struct node **out);
void world_step_until_serving(struct world *world, struct node *node);
void world_stop_cleanly(struct world *world);
/* Asks; the answer is in world->answer and answer_status. */
void world_ask(struct world *world, struct node *node, const char *path, const char *query);

/* Minutes about now, for a question. */
void world_choose_range(struct world *world, struct minute *from, struct minute *to);
/* One step of some stage, or some partition. */
bool world_step_node(struct world *world, struct node *node);

/* After world_run: the journal counted by the oracle, the node's own numbers, and replays, all against each other. */
bool world_compare(struct world *world);
/* The text after "name": in the answer, as a number; UINT64_MAX when it is not there. */
uint64_t answer_number(const struct buffer *answer, const char *name);
