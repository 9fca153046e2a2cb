#include "sweep/faults.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

enum { CALLS_MAX = 100000 };

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

static struct rig *rig_create(uint64_t seed) {
    struct rig *rig = memory_allocate(sizeof *rig);
    rig_init(rig, seed);
    return rig;
}

static void rig_destroy(struct rig *rig) {
    rig_fini(rig);
    free(rig);
}

/* Behind a script that ended at action `at`: the restart, the rest of the script with that action sent again, and one more
 * restart. On a machine that went on, or that lost what was not synced. */
static void check_left_behind(struct rig *rig, const struct script *script, size_t at, bool machine) {
    rig_drop(rig);
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

static void sweep_file_call(const struct script *script, size_t kind, bool for_good, struct table *table) {
    struct row *row = table_row(table, "%s fails %s", file_calls[kind].name, for_good ? "for good" : "once");
    bool struck = row != NULL;
    for (uint64_t nth = 1; struck; nth++) {
        CHECK(nth < CALLS_MAX);
        if (!row_begin(table, row, nth)) {
            struck = nth < table->nth;
            continue;
        }
        struct rig *rig = rig_create(nth);
        enum status status = nth % 2 == 0 ? STATUS_NO_SPACE : STATUS_IO_ERROR;
        fake_files_fail(rig->files, file_calls[kind].call, nth, for_good, status);
        size_t at = script_run(script, rig, 0);
        struck = fake_files_counts(rig->files).injected > 0;
        enum outcome outcome = outcome_of(rig, script, at, struck ? status : STATUS_OK);
        if (struck && for_good) start_under_fault(rig);
        /* Up to its end such a run is the same for once and for good: so each place is seen with both. */
        check_left_behind(rig, script, at, (nth % 2 == 0) == for_good);
        if (struck || !rig_fine(rig)) row_end(row, outcome, rig->problem);
        rig_destroy(rig);
    }
}

enum kv_call { KV_CALL_READ, KV_CALL_WRITE, KV_CALL_FLUSH, KV_CALLS };

static void fail_kv(struct rig *rig, enum kv_call call, unsigned nth) {
    if (call == KV_CALL_READ) rig->fails_kv_read = nth;
    if (call == KV_CALL_WRITE) fake_kv_fail_write(rig->kv, nth, STATUS_IO_ERROR);
    if (call == KV_CALL_FLUSH) fake_kv_fail_flush(rig->kv, nth, STATUS_IO_ERROR);
}

/* A store that failed a write or a flush fails all after it until it is opened again, as RocksDB does; a read fails once. */
static void sweep_kv_call(const struct script *script, enum kv_call call, struct table *table) {
    static const char *const names[] = {"store read", "store write", "store flush"};
    struct row *row = table_row(table, "%s fails", names[call]);
    bool struck = row != NULL;
    for (unsigned nth = 1; struck; nth++) {
        CHECK(nth < CALLS_MAX);
        if (!row_begin(table, row, nth)) {
            struck = nth < table->nth;
            continue;
        }
        struct rig *rig = rig_create(nth);
        rig->reads_may_fail = call == KV_CALL_READ;
        fail_kv(rig, call, nth);
        size_t at = script_run(script, rig, 0);
        const uint64_t calls[] = {rig->kv_calls.reads, rig->kv_calls.writes, rig->kv_calls.flushes};
        struck = calls[call] >= nth;
        enum outcome outcome = outcome_of(rig, script, at, STATUS_IO_ERROR);
        if (at == script_actions(script) && struck && call != KV_CALL_READ)
            rig_problem(rig, "the store failed, and the node went on");
        rig->reads_may_fail = false;
        rig->fails_kv_read = 0;
        check_left_behind(rig, script, at, nth % 2 == 0);
        if (struck || !rig_fine(rig)) row_end(row, outcome, rig->problem);
        rig_destroy(rig);
    }
}

void sweep_faults(const struct script *script, struct table *table) {
    for (size_t kind = 0; kind < sizeof file_calls / sizeof file_calls[0]; kind++) {
        sweep_file_call(script, kind, false, table);
        sweep_file_call(script, kind, true, table);
    }
    for (int call = 0; call < KV_CALLS; call++) sweep_kv_call(script, (enum kv_call)call, table);
}
