/* The product asks for memory in many places, and an allocation that fails ends the process (base/bytes.h). So at each one a
 * child is forked in which it fails, while the parent goes on: the child sees itself die with a message about memory, or go
 * on as it should, and then starts the node again on what it left behind.
 *
 * A process that dies leaves what is on the disk. Where nothing was written and nothing acknowledged since the allocation
 * before, that is the same state: the restart is then not tried once more. */
#include "sweep/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"

enum { CHILD_SECONDS_MAX = 60 };
enum child { CHILD_DIED = 0, CHILD_WRONG = 1, CHILD_WENT_ON = 2, CHILD_STOPPED = 3 };

static struct {
    struct rig *rig; /* NULL: nothing fails */
    struct table *table;
    struct row *row;
    uint64_t allocations;
    uint64_t looked_at; /* the state in which the last restart was tried */
    bool is_child, for_good;
} sweep;

/* What a restart depends on. */
static uint64_t state_left_behind(const struct rig *rig) {
    uint64_t acknowledged = 0;
    for (size_t i = 0; i < rig->key_count; i++) acknowledged += rig->keys[i].acknowledged;
    return fake_files_changes(rig->files) + rig->kv_calls.writes + rig->kv_calls.flushes + acknowledged;
}

static _Noreturn void child_end(enum child how) {
    if (!rig_fine(sweep.rig)) printf("%s\n", sweep.rig->problem);
    (void)fflush(stdout);
    _exit(rig_fine(sweep.rig) ? (int)how : (int)CHILD_WRONG);
}

static void restart(struct rig *rig) {
    if (sweep.allocations % 2 == 0)
        rig_heal_machine(rig);
    else
        rig_heal_process(rig);
    rig_check_restart(rig);
}

/* The process is at its end, in the middle of whatever it did: its node stays as it is. */
static _Noreturn void child_died(const char *message) {
    struct rig *rig = sweep.rig;
    sweep.is_child = false;
    rig->asleep = 1;
    rig->node = NULL;
    if (strstr(message, "memory") == NULL) rig_problem(rig, "it died of something else than memory: %s", message);
    if (rig_fine(rig) && state_left_behind(rig) != sweep.looked_at) restart(rig);
    child_end(CHILD_DIED);
}

static enum child run_child(bool for_good) {
    (void)fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        sweep.is_child = true;
        sweep.for_good = for_good;
        (void)alarm(CHILD_SECONDS_MAX);
        return CHILD_DIED; /* told apart by is_child */
    }
    int how = 0;
    CHECK(waitpid(child, &how, 0) == child);
    if (WIFEXITED(how)) return (enum child)WEXITSTATUS(how);
    printf("the process ended by signal %d\n", WTERMSIG(how));
    return CHILD_WRONG;
}

static void note(enum child how) {
    static const enum outcome outcomes[] = {
        [CHILD_DIED] = OUTCOME_STOPPED, [CHILD_WENT_ON] = OUTCOME_EXACT, [CHILD_STOPPED] = OUTCOME_STOPPED};
    bool wrong = how == CHILD_WRONG || how > CHILD_STOPPED;
    row_end(sweep.row, wrong ? OUTCOME_STOPPED : outcomes[how], wrong ? "see above" : "");
}

/* Whether this allocation is to fail: in the child that is forked here. */
static bool fails_now(void) {
    struct rig *rig = sweep.rig;
    if (rig == NULL || rig->asleep > 0) return false;
    if (sweep.is_child) return sweep.for_good;
    if (!row_begin_shared(sweep.table, sweep.row, ++sweep.allocations)) return false;
    enum child how = run_child(false);
    if (sweep.is_child) return true;
    note(how);
    sweep.looked_at = state_left_behind(rig);
    if (how == CHILD_DIED) return false;
    /* It can be survived, so for good is something else than once. */
    how = run_child(true);
    if (sweep.is_child) return true;
    note(how);
    return false;
}

/* --- what the linker puts in the place of the real ones (meson.build) --- */

/* NOLINTBEGIN(bugprone-reserved-identifier) */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *at, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__real__ZnwmRKSt9nothrow_t(size_t size, const void *nothrow);
void *__real__ZnamRKSt9nothrow_t(size_t size, const void *nothrow);
_Noreturn void __real_check_failed(const char *file, int line, const char *condition, const char *format, ...);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *at, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void *__wrap__ZnwmRKSt9nothrow_t(size_t size, const void *nothrow);
void *__wrap__ZnamRKSt9nothrow_t(size_t size, const void *nothrow);
_Noreturn void __wrap_check_failed(const char *file, int line, const char *condition, const char *format, ...)
    PRINTF_LIKE(4, 5);

void *__wrap_malloc(size_t size) {
    return fails_now() ? NULL : __real_malloc(size);
}
void *__wrap_calloc(size_t count, size_t size) {
    return fails_now() ? NULL : __real_calloc(count, size);
}
void *__wrap_realloc(void *at, size_t size) {
    return fails_now() ? NULL : __real_realloc(at, size);
}
void *__wrap_aligned_alloc(size_t alignment, size_t size) {
    return fails_now() ? NULL : __real_aligned_alloc(alignment, size);
}
void *__wrap__ZnwmRKSt9nothrow_t(size_t size, const void *nothrow) {
    return fails_now() ? NULL : __real__ZnwmRKSt9nothrow_t(size, nothrow);
}
void *__wrap__ZnamRKSt9nothrow_t(size_t size, const void *nothrow) {
    return fails_now() ? NULL : __real__ZnamRKSt9nothrow_t(size, nothrow);
}

_Noreturn void __wrap_check_failed(const char *file, int line, const char *condition, const char *format, ...) {
    char message[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (sweep.is_child) child_died(message);
    (void)fprintf(stderr, "CRASH: sweep %s\n", table_place());
    __real_check_failed(file, line, condition, "%s", message);
}
/* NOLINTEND(bugprone-reserved-identifier) */

/* --- the sweep --- */

void sweep_memory(const struct script *script, struct table *table) {
    struct row *row = table_row(table, "allocation fails");
    if (row == NULL) return;
    struct rig *rig = memory_allocate(sizeof *rig);
    rig_init(rig, 1);
    sweep.rig = rig;
    sweep.table = table;
    sweep.row = row;
    sweep.allocations = 0;
    sweep.looked_at = UINT64_MAX;
    size_t at = script_run(script, rig, 0);
    sweep.for_good = false;
    if (sweep.is_child) {
        rig->asleep = 1;
        rig_drop(rig);
        if (rig_fine(rig)) restart(rig);
        child_end(at == script_actions(script) ? CHILD_WENT_ON : CHILD_STOPPED);
    }
    sweep.rig = NULL;
    if (!rig_fine(rig)) row_end(row, OUTCOME_EXACT, rig->problem);
    rig_fini(rig);
    free(rig);
}
