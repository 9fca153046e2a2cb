/* lay_identities DIRECTORY MILLIONS [PARTITIONS [RUNS [KNOWN]]]: makes a data directory as a node has it that was stopped
 * after so many clicks, all within the horizon, without the clicks: for measuring a start and counting with more identities
 * than would come in the time of a test.
 *
 * What is there: in each partition RUNS runs, written by the product's own writer, and their list; a journal whose older
 * segments are gone (its only one begins behind those clicks); a store that tells of the same offset. The clicks count as
 * too late, which are remembered as any other and have no cells. Identities are evenly spread, as hashes are; they are
 * forgotten one after the other over a horizon.
 *
 * Most of them are of nobody's click. KNOWN_COUNT are of clicks that are written to the file KNOWN, a JSON line each: what
 * the server must call a duplicate when it comes. They lie in all partitions and runs, at all ages. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "aggregate/position.h"
#include "base/check.h"
#include "base/random_sequence.h"
#include "click/decode.h"
#include "dedup/dedup_internal.h"
#include "journal/segment.h"
#include "os/os.h"
#include "rocks/rocks.h"
#include "store/store.h"
#include "workload/workload.h"

enum {
    CHUNK_BITS = 20,
    CHUNKS = 4096,
    CAPACITY = 64,
    FIRST_OFFSETS = 2, /* rules and a tick */
    SEGMENT_NUMBER = 2,
    KNOWN_COUNT = 50000,
    KNOWN_BY_CONTENT = 4, /* each so many-th has no event_id */
};

struct known {
    struct dedup_entry entry;
    uint32_t partition, run;
};

struct lay {
    const char *directory;
    struct files files;
    struct log_identity log;
    struct rules rules;
    struct event_time now;
    uint64_t clicks; /* of each partition */
    uint32_t runs;
    struct log_state state;
    struct random_sequence random;
    struct known *known; /* by partition, run and identity */
    size_t known_count;
};

#define MUST(call)                                                                                                          \
    do {                                                                                                                    \
        struct failure failure_of_call = {0}, *failure = &failure_of_call;                                                  \
        enum status status_of_call = (call);                                                                                \
        CHECKF(status_of_call == STATUS_OK, "%s %s", status_text(status_of_call), failure_of_call.text);                    \
    } while (0)

static struct rules default_rules(uint32_t partitions) {
    return (struct rules){
        .number = 1,
        .partition_count = partitions,
        .delay_ms = 15 * SECOND_MS,
        .lateness_ms = 24 * HOUR_MS,
        .horizon_ms = 24 * HOUR_MS + MINUTE_MS,
        .max_skew_ms = MINUTE_MS,
        .canonical_version = 1,
    };
}

/* --- when --- */

/* The next entry of a run of `count`: when it came, so that its place in time is independent of that in the order. */
static void place_in_time(struct lay *lay, uint32_t run, uint64_t count, struct dedup_entry *entry) {
    uint64_t older = (uint64_t)run * count + random_sequence_below(&lay->random, count), all = (uint64_t)lay->runs * count;
    entry->offset.at = FIRST_OFFSETS + older;
    entry->bound.ms = lay->now.ms - 23 * HOUR_MS + (int64_t)((double)older / (double)all * 23 * HOUR_MS);
}

/* --- known clicks --- */

/* Stamped with its bound: were it forgotten, it would be counted again, not too late. */
static void make_known_line(struct workload *workload, size_t number, struct wall_time now, struct buffer *line) {
    buffer_clear(line);
    workload_next_json(workload, now, line);
    buffer_append(line, "", 1);
    char *begin = (char *)line->at, *fields = strstr(begin, "\"ad_id\"");
    CHECK(fields != NULL);
    line->len--;
    if (number % KNOWN_BY_CONTENT != 0) return;
    line->len -= (size_t)(fields - begin) - 1;
    memmove(begin + 1, fields, line->len - 1);
}

/* By the server's own code, as intake has it. */
static void identify(const struct lay *lay, struct decoder *decoder, struct buffer *line, struct known *known) {
    const struct decode_rules rules = {.now = {lay->now.ms}, .max_skew_ms = lay->rules.max_skew_ms};
    char detail[DECODE_DETAIL_BYTES];
    struct click click;
    (void)buffer_reserve(line, DECODE_PADDING_BYTES);
    enum reject reject = decode_json(decoder, (struct bytes){line->at, line->len - 1}, &rules, &click, detail);
    CHECKF(reject == REJECT_NONE, "%s", detail);
    CHECK(click.time.ms == known->entry.bound.ms);
    click.source = BYTES_LITERAL("default");
    click_identify(&click, &lay->log.key);
    known->entry.identity = click.identity;
    known->entry.content_tag = click.content_tag;
    known->partition = identity_partition(click.identity, lay->rules.partition_count);
}

static int compare_known(const void *a, const void *b) {
    const struct known *x = a, *y = b;
    if (x->partition != y->partition) return x->partition < y->partition ? -1 : 1;
    if (x->run != y->run) return x->run < y->run ? -1 : 1;
    return identity_compare(x->entry.identity, y->entry.identity);
}

static void make_known(struct lay *lay, const char *path) {
    FILE *file = fopen(path, "we");
    CHECKF(file != NULL, "cannot write %s", path);
    struct workload_options options = workload_defaults();
    options.seed = random_sequence_next(&lay->random); /* never the event ids of another stream */
    options.duplicates_per_mille = options.late_per_mille = 0;
    options.delay_ms_max = 0;
    struct workload *workload = workload_create(&options);
    struct decoder *decoder = decoder_create();
    struct buffer line = {0};
    lay->known_count = KNOWN_COUNT;
    lay->known = memory_allocate_zeroed(KNOWN_COUNT, sizeof *lay->known);
    for (size_t i = 0; i < KNOWN_COUNT; i++) {
        struct known *known = &lay->known[i];
        known->run = (uint32_t)random_sequence_below(&lay->random, lay->runs);
        place_in_time(lay, known->run, lay->clicks / lay->runs, &known->entry);
        make_known_line(workload, i, (struct wall_time){known->entry.bound.ms}, &line);
        identify(lay, decoder, &line, known);
        CHECK(fwrite(line.at, 1, line.len, file) == line.len);
    }
    CHECK(fclose(file) == 0);
    qsort(lay->known, KNOWN_COUNT, sizeof *lay->known, compare_known);
    buffer_fini(&line);
    decoder_destroy(decoder);
    workload_destroy(workload);
}

/* Those of one run; `*first` becomes the first of them. */
static uint64_t known_of(const struct lay *lay, uint32_t p, uint32_t run, const struct known **first) {
    size_t begin = 0, end;
    while (begin < lay->known_count && (lay->known[begin].partition != p || lay->known[begin].run != run)) begin++;
    for (end = begin; end < lay->known_count && lay->known[end].partition == p && lay->known[end].run == run;) end++;
    *first = lay->known + begin;
    return end - begin;
}

/* --- one run --- */

/* The `index`th of `count`: ascending, one in each share of the range. */
static struct dedup_entry entry_at(struct lay *lay, uint32_t p, uint64_t index, uint64_t count) {
    uint64_t step = UINT64_MAX / count, low = random_sequence_next(&lay->random);
    low -= low % lay->rules.partition_count;
    return (struct dedup_entry){
        .identity = {.low = low + p, .high = step * index + random_sequence_below(&lay->random, step)},
        .content_tag = (uint32_t)low,
    };
}

static struct manifest_run lay_run(struct lay *lay, uint32_t p, uint32_t number, struct pool *pool, uint8_t *blocks) {
    uint64_t count = lay->clicks / lay->runs;
    char of[DEDUP_NAME_BYTES];
    struct run_name name = {.partition = p, .number = number + 1};
    struct run_writer writer;
    struct run *run = NULL;
    memcpy(name.log, lay->log.uuid, sizeof name.log);
    (void)snprintf(of, sizeof of, "p%02u", p);
    dedup_run_path(of, name.number, name.path);
    MUST(run_writer_begin(&writer, &lay->files, &name, count, true, pool, blocks, CAPACITY, failure));
    const struct known *known;
    uint64_t known_left = known_of(lay, p, number, &known), others = count - known_left;
    CHECKF(known_left < count, "too few identities: %" PRIu64 " in a run", count);
    for (uint64_t i = 0; i < others; i++) {
        struct dedup_entry entry = entry_at(lay, p, i, others);
        place_in_time(lay, number, count, &entry);
        for (; known_left > 0 && identity_compare(known->entry.identity, entry.identity) < 0; known++, known_left--)
            MUST(run_writer_add(&writer, &known->entry, failure));
        MUST(run_writer_add(&writer, &entry, failure));
    }
    for (; known_left > 0; known++, known_left--) MUST(run_writer_add(&writer, &known->entry, failure));
    while (run == NULL) MUST(run_writer_finish(&writer, &run, failure));
    MUST(lay->files.sync(run->file.file, failure));
    struct manifest_run made = {name.number, count, run->footer_crc};
    run_destroy(run, pool);
    return made;
}

/* --- one partition --- */

static void lay_partition(struct lay *lay, uint32_t p, struct pool *pool, uint8_t *blocks) {
    struct watermark *watermark = &lay->state.partitions[p].watermark;
    watermark_tick(watermark, &lay->rules, lay->now);
    watermark->clicks = lay->clicks / lay->runs * lay->runs;
    struct journal_offset end = {FIRST_OFFSETS + watermark->clicks};
    lay->state.partitions[p].next = end;
    lay->state.accepted += watermark->clicks;
    struct manifest manifest = {.position = {.known = true, .offset = end, .d = watermark->d}, .run_count = lay->runs};
    for (uint32_t i = 0; i < lay->runs; i++) manifest.runs[i] = lay_run(lay, p, i, pool, blocks);
    struct position position = {lay->rules, *watermark, {.too_late = watermark->clicks}, 0};
    struct buffer bytes = {0};
    position_encode(&position, &bytes);
    manifest.position.state_len = (uint32_t)bytes.len;
    memcpy(manifest.position.state, bytes.at, bytes.len);
    buffer_clear(&bytes);
    manifest_encode(&manifest, lay->log.uuid, p, &bytes);
    char of[DEDUP_NAME_BYTES];
    (void)snprintf(of, sizeof of, "p%02u", p);
    MUST(lay->files.directory_sync(lay->files.self, "dedup", failure));
    MUST(manifest_write(&lay->files, of, buffer_view(&bytes), failure));
    buffer_fini(&bytes);
    (void)fprintf(stderr, "partition %u: %" PRIu64 " identities\n", p, watermark->clicks);
}

/* --- journal and store --- */

static void lay_journal(struct lay *lay) {
    struct buffer header = {0};
    char path[SEGMENT_PATH_BYTES];
    struct file *file;
    lay->state.next_record = 1000;
    lay->state.last_arrival.ms = lay->state.highest.ms = lay->now.ms;
    lay->state.rules = lay->rules;
    lay->state.received = lay->state.accepted;
    segment_header_encode(&lay->log, SEGMENT_NUMBER, &lay->state, &header);
    MUST(lay->files.make_directory(lay->files.self, "journal", failure));
    segment_path(path, SEGMENT_NUMBER, "");
    MUST(lay->files.open(lay->files.self, path, FILE_CREATE, &file, failure));
    MUST(lay->files.write(file, 0, buffer_view(&header), failure));
    MUST(lay->files.sync(file, failure));
    lay->files.close(file);
    MUST(lay->files.directory_sync(lay->files.self, "journal", failure));
    buffer_fini(&header);
}

static void lay_store(const struct lay *lay) {
    char path[1024];
    struct rocks *rocks;
    struct store *store;
    struct kv_batch batch = {0};
    (void)snprintf(path, sizeof path, "%s/store", lay->directory);
    MUST(rocks_open(&(struct rocks_options){.path = path, .cache_bytes = 64 << 20}, &rocks, failure));
    struct kv kv = rocks_kv(rocks);
    MUST(store_open(&kv, lay->log.uuid, lay->rules.partition_count, &store, failure));
    for (uint32_t p = 0; p < lay->rules.partition_count; p++) {
        const struct watermark *watermark = &lay->state.partitions[p].watermark;
        struct partition_checkpoint checkpoint = {
            lay->state.partitions[p].next, *watermark, {.too_late = watermark->clicks}, lay->rules.number};
        store_put_partition(store, &batch, p, &checkpoint);
        store_put_open(store, &batch, p, NULL, 0);
    }
    MUST(store_write(store, &batch, failure));
    MUST(store_flush(store, failure));
    kv_batch_fini(&batch);
    store_destroy(store);
    rocks_close(rocks);
}

int main(int count, char **arguments) {
    CHECKF(count >= 3, "usage: lay_identities DIRECTORY MILLIONS [PARTITIONS [RUNS [KNOWN]]]");
    uint64_t all = strtoull(arguments[2], NULL, 10) * 1000000;
    uint32_t partitions = count > 3 ? (uint32_t)strtoul(arguments[3], NULL, 10) : 4;
    static struct lay lay;
    struct timespec now;
    CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
    lay.directory = arguments[1];
    lay.rules = default_rules(partitions);
    lay.now.ms = (int64_t)now.tv_sec * 1000;
    lay.clicks = all / partitions;
    lay.runs = count > 4 ? (uint32_t)strtoul(arguments[4], NULL, 10) : DEDUP_RUNS_MAX - 2;
    lay.random.state = (uint64_t)now.tv_nsec;
    lay.log = (struct log_identity){.canonical_version = 1, .partition_count = partitions};
    CHECK(mkdir(lay.directory, 0750) == 0);
    struct os_directory *directory;
    MUST(os_directory_open(lay.directory, &directory, failure));
    lay.files = os_files(directory);
    struct random random = os_random();
    random_fill(&random, lay.log.uuid, sizeof lay.log.uuid);
    random_fill(&random, lay.log.key.at, sizeof lay.log.key.at);
    if (count > 5) make_known(&lay, arguments[5]);
    log_state_init(&lay.state, partitions, NULL);
    MUST(dedup_make_directory(&lay.files, failure));
    static struct pool pool;
    static uint8_t blocks[CAPACITY * RUN_BLOCK_BYTES];
    pool_init(&pool, CHUNK_BITS, CHUNKS);
    for (uint32_t p = 0; p < partitions; p++) lay_partition(&lay, p, &pool, blocks);
    pool_fini(&pool);
    lay_journal(&lay);
    lay_store(&lay);
    os_directory_close(directory);
    free(lay.known);
    return 0;
}
