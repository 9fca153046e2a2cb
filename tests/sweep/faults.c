#include "sweep/faults.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

static const struct {
    const char *name;
    enum fake_call call;
} file_calls[] = {
    {"open", FAKE_OPEN},
    {"read", FAKE_READ},
    {"write", FAKE_WRITE},
    {"reserve", FAKE_ALLOCATE},
    {"truncate", FAKE_TRUNCATE},
    {"sync", FAKE_SYNC},
    {"rename", FAKE_RENAME},
    {"remove", FAKE_REMOVE},
    {"make directory", FAKE_MAKE_DIRECTORY},
    {"directory sync", FAKE_DIRECTORY_SYNC},
    {"list", FAKE_LIST},
};

/* Always the same one: up to its failure every run is the one without. */
static struct rig *rig_create(void) {
    struct rig *rig = memory_allocate(sizeof *rig);
    rig_init(rig, 1);
    return rig;
}

static void rig_destroy(struct rig *rig) {
    rig_fini(rig);
    free(rig);
}

/* Behind a script that ended at action `at`: the restart, the rest of the script with that action sent again, and one more
 * restart. On a machine that went on, or that lost what was not synced. */
static void check_left_behind(struct rig *rig, const struct script *script, size_t at, uint64_t nth, bool machine) {
    rig_drop(rig);
    rig->random.state += nth; /* what a machine loses is another part each time */
    if (machine)
        rig_heal_machine(rig);
    else
        rig_heal_process(rig);
    if (!rig_fine(rig)) return;
    rig_check_restart(rig);
    if (rig_fine(rig) && at < script_actions(script)) {
        at = script_run(script, rig, at);
        if (rig_fine(rig) && at < script_actions(script))
            rig_problem(rig, "behind the restart it failed again, in action %zu: %s", at, rig->failure.text);
    }
    rig_drop(rig);
}

/* What the failure makes of it: it stops or refuses with the failure's own status, or it went on. */
static enum outcome outcome_of(struct rig *rig, const struct script *script, size_t at, enum status expected) {
    if (at == script_actions(script)) return OUTCOME_EXACT;
    if (rig->failure.status != expected)
        rig_problem(rig, "it ended in action %zu with \"%s: %s\", not with %s", at, status_text(rig->failure.status),
                    rig->failure.text, status_text(expected));
    return script_action_starts(script, at) ? OUTCOME_REFUSED : OUTCOME_STOPPED;
}

/* With the fault still there a start may be refused or go well, nothing else; what was acknowledged is looked at behind. */
static void start_under_fault(struct rig *rig) {
    rig_drop(rig);
    if (rig_fine(rig) && rig_start(rig)) rig_drop(rig);
}

static void fail_file_call(const struct script *script, size_t kind, uint64_t nth, bool for_good, struct row *row) {
    struct rig *rig = rig_create();
    enum status status = nth % 2 == 0 ? STATUS_NO_SPACE : STATUS_IO_ERROR;
    fake_files_fail(rig->files, file_calls[kind].call, nth, for_good, status);
    size_t at = script_run(script, rig, 0);
    if (fake_files_counts(rig->files).injected == 0) rig_problem(rig, "the failure never struck");
    enum outcome outcome = outcome_of(rig, script, at, status);
    if (for_good) start_under_fault(rig);
    /* Up to its end such a run is the same for once and for good: so each place is seen with both. */
    check_left_behind(rig, script, at, nth, (nth % 2 == 0) == for_good);
    row_end(row, outcome, rig->problem);
    rig_destroy(rig);
}

static void sweep_file_call(const struct script *script, size_t kind, uint64_t calls, struct table *table) {
    for (int for_good = 0; for_good < 2; for_good++) {
        struct row *row = table_row(table, "%s fails %s", file_calls[kind].name, for_good == 1 ? "for good" : "once");
        for (uint64_t nth = 1; nth <= calls; nth++)
            if (row_begin_shared(table, row, nth)) fail_file_call(script, kind, nth, for_good == 1, row);
    }
}

enum kv_call { KV_CALL_READ, KV_CALL_WRITE, KV_CALL_FLUSH, KV_CALLS };

static void fail_kv(struct rig *rig, enum kv_call call, unsigned nth) {
    if (call == KV_CALL_READ) rig->fails_kv_read = nth;
    if (call == KV_CALL_WRITE) fake_kv_fail_write(rig->kv, nth, STATUS_IO_ERROR);
    if (call == KV_CALL_FLUSH) fake_kv_fail_flush(rig->kv, nth, STATUS_IO_ERROR);
}

/* A store that failed a write or a flush fails all after it until it is opened again, as RocksDB does; a read fails once. */
static void fail_kv_call(const struct script *script, enum kv_call call, unsigned nth, struct row *row) {
    struct rig *rig = rig_create();
    rig->reads_may_fail = call == KV_CALL_READ;
    fail_kv(rig, call, nth);
    size_t at = script_run(script, rig, 0);
    enum outcome outcome = outcome_of(rig, script, at, STATUS_IO_ERROR);
    if (at == script_actions(script) && call != KV_CALL_READ) rig_problem(rig, "the store failed, and the node went on");
    rig->reads_may_fail = false;
    rig->fails_kv_read = 0;
    check_left_behind(rig, script, at, nth, nth % 2 == 0);
    row_end(row, outcome, rig->problem);
    rig_destroy(rig);
}

static void sweep_kv_call(const struct script *script, enum kv_call call, uint64_t calls, struct table *table) {
    static const char *const names[] = {"store read", "store write", "store flush"};
    struct row *row = table_row(table, "%s fails", names[call]);
    for (unsigned nth = 1; nth <= calls; nth++)
        if (row_begin_shared(table, row, nth)) fail_kv_call(script, call, nth, row);
}

void sweep_faults(const struct script *script, struct table *table) {
    /* How many calls there are: up to its failure, every run is this one. */
    struct rig *rig = rig_create();
    size_t at = script_run(script, rig, 0);
    CHECKF(at == script_actions(script) && rig_fine(rig), "without faults: %s", rig->problem);
    CHECKF(script_met_all(script, rig), "%s: identities were not in files", script_name(script));
    struct fake_files_counts counts = fake_files_counts(rig->files);
    const uint64_t kv_calls[KV_CALLS] = {rig->kv_calls.reads, rig->kv_calls.writes, rig->kv_calls.flushes};
    rig_destroy(rig);
    for (size_t kind = 0; kind < sizeof file_calls / sizeof file_calls[0]; kind++)
        sweep_file_call(script, kind, counts.calls[file_calls[kind].call], table);
    /* Of the identities' script, nine of ten calls were reads of the store, which meet nothing that the others' do not. */
    for (int call = script_is_in_files(script) ? KV_CALL_WRITE : KV_CALL_READ; call < KV_CALLS; call++)
        sweep_kv_call(script, (enum kv_call)call, kv_calls[call], table);
}
