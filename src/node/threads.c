#include "node/threads.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"

enum {
    WORKERS_FIXED = 4, /* journal, reducer, recalculation, keeper */
    WORKERS_MAX = WORKERS_FIXED + PARTITIONS_MAX,
    JOURNAL_IDLE_MS = 20, /* ticks are due to the second; 20 ms more do not matter */
    REDUCE_IDLE_MS = 5,   /* the publication's pace is the node's business; this only bounds its delay */
    AGGREGATE_IDLE_MS = 100,
    RECALCULATE_IDLE_MS = 200, /* so long after it is wanted it begins */
    THREAD_NAME_BYTES = 16,    /* the kernel's limit, with the 0 at the end */
    KEEP_IDLE_MS = 1000,       /* it is woken when there is something */
};

/* A thread that steps one stage until told to end, and sleeps while there is nothing to do. */
struct worker {
    struct node_threads *threads;
    enum node_stage stage;
    uint32_t partition;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t awake;
    bool work; /* guarded by lock: set by wake, cleared before a step */
    bool started;
};

struct node_threads {
    struct node *node;
    struct worker workers[WORKERS_MAX];
    uint32_t worker_count;
    atomic_bool ending;
    double (*intake_cpu)(void *self);
    void *intake_cpu_self;
};

static struct worker *worker_of(struct node_threads *threads, enum node_stage stage, uint32_t partition) {
    switch (stage) {
    case NODE_STAGE_JOURNAL:
        return &threads->workers[0];
    case NODE_STAGE_REDUCE:
        return &threads->workers[1];
    case NODE_STAGE_AGGREGATE:
        CHECK(partition < PARTITIONS_MAX);
        return &threads->workers[WORKERS_FIXED + partition];
    case NODE_STAGE_RECALCULATE:
        return &threads->workers[2];
    case NODE_STAGE_KEEP:
        return &threads->workers[3];
    }
    CHECK_FAIL("stage %d", (int)stage);
}

static void wake_worker(struct worker *worker) {
    pthread_mutex_lock(&worker->lock);
    bool was_awake = worker->work;
    worker->work = true;
    if (!was_awake) pthread_cond_signal(&worker->awake);
    pthread_mutex_unlock(&worker->lock);
}

static void wake(void *self, enum node_stage stage, uint32_t partition) {
    wake_worker(worker_of(self, stage, partition));
}

static void sleep_until_work(struct worker *worker, int milliseconds) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)milliseconds * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&worker->lock);
    int waited = 0;
    while (!worker->work && waited == 0) waited = pthread_cond_timedwait(&worker->awake, &worker->lock, &until);
    worker->work = false;
    pthread_mutex_unlock(&worker->lock);
}

static bool step(struct worker *worker) {
    switch (worker->stage) {
    case NODE_STAGE_JOURNAL:
        return node_step_journal(worker->threads->node);
    case NODE_STAGE_REDUCE:
        return node_step_reduce(worker->threads->node);
    case NODE_STAGE_AGGREGATE:
        return node_step_aggregate(worker->threads->node, worker->partition);
    case NODE_STAGE_RECALCULATE:
        return node_step_recalculate(worker->threads->node);
    case NODE_STAGE_KEEP:
        return node_step_keep(worker->threads->node);
    }
    return false;
}

/* What `top -H` and a debugger show. */
static void name_thread(const struct worker *worker) {
    static const char *const names[] = {[NODE_STAGE_JOURNAL] = "journal",
                                        [NODE_STAGE_AGGREGATE] = "aggregate",
                                        [NODE_STAGE_REDUCE] = "reduce",
                                        [NODE_STAGE_RECALCULATE] = "recalculate",
                                        [NODE_STAGE_KEEP] = "keep"};
    char name[THREAD_NAME_BYTES];
    CHECK((size_t)worker->stage < sizeof names / sizeof *names && worker->partition < PARTITIONS_MAX);
    if (worker->stage == NODE_STAGE_AGGREGATE)
        (void)snprintf(name, sizeof name, "%s-%u", names[worker->stage], (unsigned)worker->partition);
    else
        (void)snprintf(name, sizeof name, "%s", names[worker->stage]);
    (void)pthread_setname_np(pthread_self(), name); /* nothing depends on it */
}

static void *run(void *self) {
    struct worker *worker = self;
    name_thread(worker);
    static const int idle_ms[] = {[NODE_STAGE_JOURNAL] = JOURNAL_IDLE_MS,
                                  [NODE_STAGE_AGGREGATE] = AGGREGATE_IDLE_MS,
                                  [NODE_STAGE_REDUCE] = REDUCE_IDLE_MS,
                                  [NODE_STAGE_RECALCULATE] = RECALCULATE_IDLE_MS,
                                  [NODE_STAGE_KEEP] = KEEP_IDLE_MS};
    while (!atomic_load(&worker->threads->ending))
        if (!step(worker)) sleep_until_work(worker, idle_ms[worker->stage]);
    return NULL;
}

static double stage_cpu(void *self, enum node_stage stage) {
    struct node_threads *threads = self;
    double seconds = 0;
    for (uint32_t i = 0; i < threads->worker_count; i++) {
        clockid_t clock;
        struct timespec used;
        if (threads->workers[i].stage != stage || !threads->workers[i].started) continue;
        if (pthread_getcpuclockid(threads->workers[i].thread, &clock) != 0 || clock_gettime(clock, &used) != 0) continue;
        seconds += (double)used.tv_sec + (double)used.tv_nsec / 1e9;
    }
    return seconds;
}

static double intake_cpu(void *self) {
    struct node_threads *threads = self;
    return threads->intake_cpu == NULL ? 0 : threads->intake_cpu(threads->intake_cpu_self);
}

static uint64_t resident_bytes(void) {
    unsigned long long size_pages = 0, resident_pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL) return 0;
    if (fscanf(file, "%llu %llu", &size_pages, &resident_pages) != 2) resident_pages = 0;
    (void)fclose(file);
    return (uint64_t)resident_pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

struct node_threads *node_threads_create(struct node_options *options) {
    struct node_threads *threads = memory_allocate_zeroed(1, sizeof *threads);
    pthread_condattr_t attributes;
    CHECK(pthread_condattr_init(&attributes) == 0);
    CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    for (uint32_t i = 0; i < WORKERS_MAX; i++) {
        struct worker *worker = &threads->workers[i];
        worker->threads = threads;
        static const enum node_stage fixed[WORKERS_FIXED] = {NODE_STAGE_JOURNAL, NODE_STAGE_REDUCE, NODE_STAGE_RECALCULATE,
                                                             NODE_STAGE_KEEP};
        worker->stage = i < WORKERS_FIXED ? fixed[i] : NODE_STAGE_AGGREGATE;
        worker->partition = i < WORKERS_FIXED ? 0 : i - WORKERS_FIXED;
        CHECK(pthread_mutex_init(&worker->lock, NULL) == 0);
        CHECK(pthread_cond_init(&worker->awake, &attributes) == 0);
    }
    pthread_condattr_destroy(&attributes);
    options->wake = wake;
    options->wake_self = threads;
    options->stage_cpu = stage_cpu;
    options->intake_cpu = intake_cpu;
    options->resident_bytes = resident_bytes;
    return threads;
}

void node_threads_set_intake_cpu(struct node_threads *threads, double (*cpu)(void *self), void *self) {
    threads->intake_cpu = cpu;
    threads->intake_cpu_self = self;
}

void node_threads_start(struct node_threads *threads, struct node *node) {
    threads->node = node;
    CHECK(threads->worker_count == 0 && node_partition_count(node) <= PARTITIONS_MAX);
    threads->worker_count = WORKERS_FIXED + node_partition_count(node);
    for (uint32_t i = 0; i < threads->worker_count; i++) {
        CHECK(pthread_create(&threads->workers[i].thread, NULL, run, &threads->workers[i]) == 0);
        threads->workers[i].started = true;
    }
}

void node_threads_wait(struct node_threads *threads, int milliseconds) {
    for (int waited_ms = 0; waited_ms < milliseconds; waited_ms += 5) {
        enum node_phase phase = node_phase(threads->node);
        if (phase == NODE_STOPPED || phase == NODE_FAILED) return;
        (void)usleep(5000);
    }
}

void node_threads_join(struct node_threads *threads) {
    atomic_store(&threads->ending, true);
    for (uint32_t i = 0; i < threads->worker_count; i++) wake_worker(&threads->workers[i]);
    for (uint32_t i = 0; i < threads->worker_count; i++) CHECK(pthread_join(threads->workers[i].thread, NULL) == 0);
    threads->worker_count = 0;
}

void node_threads_destroy(struct node_threads *threads) {
    CHECK(threads->worker_count == 0);
    for (uint32_t i = 0; i < WORKERS_MAX; i++) {
        pthread_mutex_destroy(&threads->workers[i].lock);
        pthread_cond_destroy(&threads->workers[i].awake);
    }
    free(threads);
}
