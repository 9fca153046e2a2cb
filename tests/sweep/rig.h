/* rig.h: a whole node on the fakes, stepped by hand. It looks at every answer, keeps what was acknowledged, and compares
 * the node with the oracle over what the journal holds. */
#pragma once

#include "fake/fake_clock.h"
#include "fake/fake_files.h"
#include "fake/fake_kv.h"
#include "fake/fake_random.h"
#include "node/node.h"

enum { RIG_KEYS_MAX = 512, RIG_KEY_BYTES = 96 };
#define RIG_BEGIN_MS INT64_C(1800000000000)

/* One kind of line: the same identity with the same content. */
struct rig_key {
    char text[RIG_KEY_BYTES];
    unsigned sent, acknowledged;
};

/* How often the store was called, by what may fail of it. */
struct rig_kv_calls {
    uint64_t reads, writes, flushes;
};

/* What was met of the files of identities, over all lives of the node that ended otherwise than by want of memory. */
struct rig_identities {
    uint64_t written, merged; /* runs */
    uint64_t restored;        /* partitions that went on from them, once for each start */
};

struct rig {
    struct fake_files *files;
    struct fake_kv *kv;
    struct fake_clock clock;
    struct random_sequence random;
    struct node_seam seam;
    struct node_options options;
    struct node *node; /* NULL: not running */
    struct rig_key keys[RIG_KEYS_MAX];
    size_t key_count;
    struct rig_kv_calls kv_calls;
    struct rig_identities identities;
    uint64_t fails_kv_read; /* the number of the read of the store that fails, of the node's own; 0: none */
    bool auditing;
    bool reads_may_fail; /* of the store: then a question may be answered with an error */
    unsigned asleep;     /* inside a fake, where no allocation may fail */
    /* Of the last request. */
    unsigned http_status;
    struct buffer answer;
    struct failure failure; /* why the node is not running */
    char problem[768];      /* the first thing that is wrong; empty: all is well */
};

void rig_init(struct rig *rig, uint64_t seed);
/* On copies of the other's files and, `with_store`, of its store, with its options, at the time of its clock. It proposes no
 * rules. */
void rig_init_copy(struct rig *rig, const struct rig *from, bool with_store);
void rig_fini(struct rig *rig);
void rig_problem(struct rig *rig, const char *format, ...) PRINTF_LIKE(2, 3);
static inline bool rig_fine(const struct rig *rig) {
    return rig->problem[0] == '\0';
}

/* Opens the node and steps it until it serves. False: refused or failed, rig->failure says why, and it is not running. */
bool rig_start(struct rig *rig);
/* In order: false when it failed instead. */
bool rig_stop(struct rig *rig);
/* The process dies; what it wrote stays as it is. Faults that were asked for go on striking. */
void rig_drop(struct rig *rig);
/* Behind rig_drop. The machine goes on, or it dies too and loses what was not synced; the faults are over. */
void rig_heal_process(struct rig *rig);
void rig_heal_machine(struct rig *rig);

/* Time passes and all stages run. False when the node is not running any more: it failed, as rig->failure says. */
bool rig_pass(struct rig *rig, int64_t ms);
/* Sends a request and waits for its answer; false as above. */
bool rig_request(struct rig *rig, const char *method, const char *path, const char *query, const char *type,
                 struct bytes body);
/* The line of click n, always the same, and its key; `conflict`: the same event with other content. */
void rig_click_line(unsigned n, bool conflict, struct buffer *out, char key[RIG_KEY_BYTES]);
/* Sends the clicks first .. first + count - 1 and `malformed` bad lines, checks the answer, notes what was acknowledged. */
struct rig_post {
    unsigned first, count, malformed;
    bool conflict, atomic;
};
bool rig_post(struct rig *rig, const struct rig_post *post);

/* At rest, everything that the node says must be what the oracle makes of its journal; all that was acknowledged is there,
 * nothing that was not sent, and no click is counted twice. */
void rig_compare(struct rig *rig);
/* The same; not `all_acknowledged`: where something was taken from the journal by force, it may be less. */
void rig_compare_counts(struct rig *rig, bool all_acknowledged);
/* Starts it without faults and compares; counts on with a few clicks, stops it in order, starts it again, compares. */
void rig_check_restart(struct rig *rig);
