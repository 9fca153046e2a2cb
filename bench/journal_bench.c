/* journal_bench.c: what the journal costs: CPU per click in commits of 1,000 clicks (in a file system in memory without
 * faults, so that the disk is not measured), and a commit of one click on real files with its sync.
 *
 * Usage: journal_bench [DIRECTORY for the real files, default .] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/random_sequence.h"
#include "journal/journal.h"
#include "os/os.h"

enum { PARTITIONS = 4, BATCH_CLICKS = 1000, BATCHES = 64, COMMITS = 3000, SINGLE_COMMITS = 500 };

/* Takes everything, keeps the one open segment's bytes. */
static uint8_t segment[80 * 1024 * 1024];

static enum status null_open(void *self, const char *path, enum file_mode mode, struct file **out, struct failure *failure) {
    (void)self, (void)path, (void)mode, (void)failure;
    *out = (struct file *)(void *)segment;
    return STATUS_OK;
}
static void null_close(struct file *file) {
    (void)file;
}
static enum status null_size(struct file *file, uint64_t *out, struct failure *failure) {
    (void)file, (void)failure;
    *out = sizeof segment;
    return STATUS_OK;
}
static enum status null_read(struct file *file, uint64_t offset, void *at, size_t len, size_t *got,
                             struct failure *failure) {
    (void)file, (void)failure;
    *got = len < sizeof segment - offset ? len : sizeof segment - offset;
    memcpy(at, segment + offset, *got);
    return STATUS_OK;
}
static enum status null_write(struct file *file, uint64_t offset, struct bytes bytes, struct failure *failure) {
    (void)file, (void)failure;
    if (offset < 65536) memcpy(segment + offset, bytes.at, bytes.len < 65536 ? bytes.len : 65536);
    return STATUS_OK;
}
static enum status null_sized(struct file *file, uint64_t size, struct failure *failure) {
    (void)file, (void)size, (void)failure;
    return STATUS_OK;
}
static enum status null_sync(struct file *file, struct failure *failure) {
    (void)file, (void)failure;
    return STATUS_OK;
}
static enum status null_rename(void *self, const char *from, const char *to, struct failure *failure) {
    (void)self, (void)from, (void)to, (void)failure;
    return STATUS_OK;
}
static enum status null_path(void *self, const char *path, struct failure *failure) {
    (void)self, (void)path, (void)failure;
    return STATUS_OK;
}
static enum status null_list(void *self, const char *path, void (*visit)(void *context, const char *name), void *context,
                             struct failure *failure) {
    (void)self, (void)path, (void)visit, (void)context, (void)failure;
    return STATUS_OK;
}

static const struct files null_files = {NULL,       null_open, null_close,  null_size, null_read, null_write, null_sized,
                                        null_sized, null_sync, null_rename, null_path, null_path, null_path,  null_list};

static double now_ns(clockid_t id) {
    struct timespec now;
    CHECK(clock_gettime(id, &now) == 0);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static struct click make_click(struct random_sequence *sequence, int64_t time_ms, char text[4][64]) {
    uint64_t n = random_sequence_next(sequence);
    struct click click = {.source = BYTES_LITERAL("default"), .time = {time_ms}, .country = {(uint16_t)(n % 60)}};
    (void)snprintf(text[0], 64, "%016llx%016llx", (unsigned long long)n, (unsigned long long)~n);
    (void)snprintf(text[1], 64, "ad%07u", (unsigned)(n % 2000000));
    (void)snprintf(text[2], 64, "user%u", (unsigned)(n % 1000003));
    click.event_id = bytes_of_text(text[0]);
    click.ad_id = bytes_of_text(text[1]);
    click.user_id = bytes_of_text(text[2]);
    click.ip = (struct ip){.kind = IP_V4, .bytes = {10, (uint8_t)n, (uint8_t)(n >> 8), (uint8_t)(n >> 16)}};
    click.time_form = TIME_MS_NUMBER;
    click.country_form = COUNTRY_ALPHA3;
    click.ip_form = IP_CANONICAL;
    click.identity.low = random_sequence_next(sequence);
    click.identity.high = random_sequence_next(sequence);
    click.content_tag = (uint32_t)n;
    return click;
}

static struct journal *start(const struct files *files, const struct random *random, const struct clock *clock) {
    struct journal_options options = {.files = files, .random = random, .segment_bytes = 64 * 1024 * 1024};
    struct journal *journal;
    struct journal_record *record;
    struct failure failure = {0};
    CHECKF(journal_open(&options, &journal, &failure) == STATUS_OK, "%s", failure.text);
    CHECKF(journal_replay_next(journal, &record, &failure) == STATUS_END, "%s", failure.text);
    CHECKF(journal_start(journal, clock_wall(clock), clock_mono(clock), &record, &failure) == STATUS_OK, "%s", failure.text);
    journal_record_release(record);
    return journal;
}

static double run(struct journal *journal, const struct clock *clock, const struct journal_batch *const *batches,
                  int commits, int batches_each, double *wall_ns) {
    struct failure failure = {0};
    double begin_cpu = now_ns(CLOCK_THREAD_CPUTIME_ID), begin = now_ns(CLOCK_MONOTONIC);
    for (int i = 0; i < commits; i++) {
        struct journal_record *record;
        const struct journal_batch *const *at = batches + (i * batches_each) % BATCHES;
        CHECKF(journal_commit(journal, at, (size_t)batches_each, clock_wall(clock), clock_mono(clock), &record, &failure) ==
                   STATUS_OK,
               "%s", failure.text);
        journal_record_release(record);
    }
    *wall_ns = now_ns(CLOCK_MONOTONIC) - begin;
    return now_ns(CLOCK_THREAD_CPUTIME_ID) - begin_cpu;
}

int main(int argc, char **argv) {
    struct clock clock = os_clock();
    struct random random = os_random();
    struct random_sequence sequence = {1};
    static struct columns columns[BATCHES][PARTITIONS], single_columns[BATCHES][PARTITIONS];
    static struct journal_batch full[BATCHES], single[BATCHES];
    const struct journal_batch *full_at[BATCHES], *single_at[BATCHES];
    char text[4][64];
    int64_t time_ms = clock_wall(&clock).ms;
    double append_ns = 0;
    static struct click clicks[BATCH_CLICKS];
    static char texts[BATCH_CLICKS][4][64];
    for (int b = 0; b < BATCHES; b++) {
        for (int i = 0; i < BATCH_CLICKS; i++) clicks[i] = make_click(&sequence, time_ms, texts[i]);
        for (int i = 0; i < BATCH_CLICKS; i++) /* once unmeasured: batches are used again and again */
            columns_append(&columns[b][identity_partition(clicks[i].identity, PARTITIONS)], &clicks[i]);
        for (int p = 0; p < PARTITIONS; p++) columns_clear(&columns[b][p]);
        double begin = now_ns(CLOCK_THREAD_CPUTIME_ID);
        for (int i = 0; i < BATCH_CLICKS; i++)
            columns_append(&columns[b][identity_partition(clicks[i].identity, PARTITIONS)], &clicks[i]);
        append_ns += now_ns(CLOCK_THREAD_CPUTIME_ID) - begin;
        full[b] = (struct journal_batch){.columns = columns[b], .counts = {.received = BATCH_CLICKS}};
        struct click click = make_click(&sequence, time_ms, text);
        columns_append(&single_columns[b][identity_partition(click.identity, PARTITIONS)], &click);
        single[b] = (struct journal_batch){.columns = single_columns[b], .counts = {.received = 1}};
        full_at[b] = &full[b];
        single_at[b] = &single[b];
    }
    printf("columns_append          %7.1f ns a click\n", append_ns / (BATCHES * BATCH_CLICKS));

    double wall_ns;
    struct journal *journal = start(&null_files, &random, &clock);
    double cpu_ns = run(journal, &clock, full_at, COMMITS, 1, &wall_ns);
    printf("commit, 1 x 1,000       %7.1f ns CPU a click\n", cpu_ns / ((double)COMMITS * BATCH_CLICKS));
    cpu_ns = run(journal, &clock, full_at, COMMITS / 8, 8, &wall_ns);
    printf("commit, 8 x 1,000       %7.1f ns CPU a click\n", cpu_ns / ((double)(COMMITS / 8) * 8 * BATCH_CLICKS));
    cpu_ns = run(journal, &clock, single_at, COMMITS, 64, &wall_ns);
    printf("commit, 64 x 1          %7.1f ns CPU a click\n", cpu_ns / ((double)COMMITS * 64));
    cpu_ns = run(journal, &clock, single_at, COMMITS, 1, &wall_ns);
    printf("commit, 1 x 1, no disk  %7.2f us CPU a commit\n", cpu_ns / COMMITS / 1000);
    struct journal_totals totals = journal_totals(journal);
    printf("bytes                   %7.1f a click\n", (double)totals.bytes / (double)totals.accepted);
    journal_destroy(journal);

    char path[4096];
    (void)snprintf(path, sizeof path, "%s/journal-bench-XXXXXX", argc > 1 ? argv[1] : ".");
    CHECKF(mkdtemp(path) != NULL, "%s", path);
    struct os_directory *directory;
    struct failure failure = {0};
    CHECKF(os_directory_open(path, &directory, &failure) == STATUS_OK, "%s", failure.text);
    struct files files = os_files(directory);
    journal = start(&files, &random, &clock);
    cpu_ns = run(journal, &clock, single_at, SINGLE_COMMITS, 1, &wall_ns);
    printf("commit, 1 x 1, synced   %7.1f us (%.1f us CPU)\n", wall_ns / SINGLE_COMMITS / 1000,
           cpu_ns / SINGLE_COMMITS / 1000);
    cpu_ns = run(journal, &clock, full_at, SINGLE_COMMITS, 1, &wall_ns);
    printf("commit, 1 x 1,000, synced %5.1f us, %.1f ns CPU a click\n", wall_ns / SINGLE_COMMITS / 1000,
           cpu_ns / ((double)SINGLE_COMMITS * BATCH_CLICKS));
    CHECKF(journal_close(journal, &failure) == STATUS_OK, "%s", failure.text);
    os_directory_close(directory);
    printf("left behind: %s\n", path);
    return 0;
}
