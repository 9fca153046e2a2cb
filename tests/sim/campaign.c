#include "sim/campaign.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"

/* A run takes a second at most, also with sanitizers; these end one that hangs, on a machine however slow. */
enum { CPU_SECONDS_MAX = 120, SECONDS_MAX = 900, SAID_BYTES = 64 * 1024 };

struct run {
    pid_t child; /* 0: none */
    uint64_t seed;
    time_t began;
    bool killed;
    FILE *said; /* its stderr */
    struct outcome *outcome;
};

struct runner {
    unsigned jobs;
    struct run *runs;
};

static void on_alarm(int signal) {
    (void)signal; /* only so that wait returns */
}

struct runner *runner_create(unsigned jobs) {
    CHECK(jobs >= 1);
    struct runner *runner = memory_allocate_zeroed(1, sizeof *runner);
    runner->jobs = jobs;
    runner->runs = memory_allocate_zeroed(jobs, sizeof *runner->runs);
    for (unsigned i = 0; i < jobs; i++) {
        struct run *run = &runner->runs[i];
        run->outcome = mmap(NULL, sizeof *run->outcome, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        run->said = tmpfile();
        CHECK(run->outcome != MAP_FAILED && run->said != NULL);
    }
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval every_second = {.it_interval = {1, 0}, .it_value = {1, 0}};
    CHECK(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &every_second, NULL) == 0);
    return runner;
}

void runner_destroy(struct runner *runner) {
    for (unsigned i = 0; i < runner->jobs; i++) {
        struct run *run = &runner->runs[i];
        CHECK(run->child == 0);
        (void)munmap(run->outcome, sizeof *run->outcome);
        (void)fclose(run->said);
    }
    free(runner->runs);
    free(runner);
}

static _Noreturn void run_seed(uint64_t seed, const struct plan *plan, struct outcome *outcome, int said) {
    (void)dup2(said, STDERR_FILENO);
    (void)setrlimit(RLIMIT_CPU, &(struct rlimit){CPU_SECONDS_MAX, CPU_SECONDS_MAX});
    (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    struct world *world = memory_allocate(sizeof *world);
    world_init(world, seed, plan, &outcome->coverage);
    world->progress = &outcome->step;
    int64_t began_ns = world->mono.ns;
    bool good = world_run(world);
    outcome->simulated_ms = (world->mono.ns - began_ns) / 1000000;
    outcome->good = good && (world->journal_lost || world_compare(world));
    (void)snprintf(outcome->problem, sizeof outcome->problem, "%s", world->problem);
    (void)snprintf(outcome->kind, sizeof outcome->kind, "%s", world->problem_kind == NULL ? "" : world->problem_kind);
    world_fini(world);
    free(world);
    outcome->ended = true;
    exit(outcome->good ? 0 : 1); /* and not _exit: leaks are looked for */
}

/* What a process that did not come to its end said last: a CHECK's line, a sanitizer's summary. */
static void read_said(const struct run *run, int status) {
    struct outcome *outcome = run->outcome;
    char *text = memory_allocate(SAID_BYTES);
    rewind(run->said);
    size_t len = fread(text, 1, SAID_BYTES - 1, run->said);
    text[len] = '\0';
    (void)snprintf(outcome->problem, sizeof outcome->problem, "%.900s", text);
    const char *line = strstr(text, "SUMMARY:");
    if (line == NULL) line = strstr(text, "tally:");
    if (run->killed)
        (void)snprintf(outcome->kind, sizeof outcome->kind, "hangs");
    else if (line != NULL)
        (void)snprintf(outcome->kind, sizeof outcome->kind, "%.*s", (int)strcspn(line, "\n"), line);
    else if (WIFSIGNALED(status))
        (void)snprintf(outcome->kind, sizeof outcome->kind, "signal %d", WTERMSIG(status));
    else
        (void)snprintf(outcome->kind, sizeof outcome->kind, "exit code %d", WEXITSTATUS(status));
    if (len == 0) (void)snprintf(outcome->problem, sizeof outcome->problem, "%s", outcome->kind);
    outcome->good = false;
    free(text);
}

static void end_run(struct run *run, int status, run_done *done, void *context) {
    bool clean = run->outcome->ended && WIFEXITED(status) && WEXITSTATUS(status) == (run->outcome->good ? 0 : 1);
    if (!clean) read_said(run, status);
    run->child = 0;
    done(context, run->seed, run->outcome);
}

static void end_hanging(struct runner *runner) {
    for (unsigned i = 0; i < runner->jobs; i++) {
        struct run *run = &runner->runs[i];
        if (run->child == 0 || run->killed || time(NULL) - run->began < SECONDS_MAX) continue;
        run->killed = true;
        (void)kill(run->child, SIGKILL);
    }
}

/* False when none is running. */
static bool wait_for_one(struct runner *runner, run_done *done, void *context) {
    for (;;) {
        int status;
        pid_t child = wait(&status);
        if (child < 0 && errno == ECHILD) return false;
        if (child < 0) end_hanging(runner);
        for (unsigned i = 0; i < runner->jobs && child > 0; i++) {
            if (runner->runs[i].child != child) continue;
            end_run(&runner->runs[i], status, done, context);
            return true;
        }
    }
}

static struct run *free_run(struct runner *runner) {
    for (unsigned i = 0; i < runner->jobs; i++)
        if (runner->runs[i].child == 0) return &runner->runs[i];
    return NULL;
}

void runner_start(struct runner *runner, uint64_t seed, const struct plan *plan, run_done *done, void *context) {
    struct run *run;
    while ((run = free_run(runner)) == NULL) (void)wait_for_one(runner, done, context);
    memset(run->outcome, 0, sizeof *run->outcome);
    rewind(run->said);
    CHECK(ftruncate(fileno(run->said), 0) == 0);
    (void)fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) run_seed(seed, plan, run->outcome, fileno(run->said));
    run->child = child;
    run->seed = seed;
    run->killed = false;
    run->began = time(NULL);
}

void runner_finish(struct runner *runner, run_done *done, void *context) {
    while (wait_for_one(runner, done, context)) {
    }
}
