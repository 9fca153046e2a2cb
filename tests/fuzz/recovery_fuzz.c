/* Bytes as what happened to a log's files while no program ran: flips, cuts, appended and moved pieces, files gone; or as
 * the whole of its one segment. Opening it again either refuses, with a place, or gives whole commits from the first one on,
 * and what is written after that is read back. */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "fake/fake_clock.h"
#include "fake/fake_files.h"
#include "fake/fake_random.h"
#include "journal/journal.h"
#include "put_right.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PARTITIONS = 2, SEGMENT_BYTES = 8192, COMMITS = 9, RECORDS_MAX = 64, PATH_BYTES = 64, FILES_MAX = 8 };

struct log {
    struct fake_files *disk;
    struct files files;
    struct random_sequence sequence;
    struct random random;
    struct journal *journal;
    struct journal_record *records[RECORDS_MAX];
    size_t count;
};

/* As it was written, before anything happened to it. */
static struct log original;
static const struct wall_time now = {INT64_C(1900000000000)};

static struct journal_options options_of(struct log *log) {
    log->files = fake_files_table(log->disk);
    log->random = fake_random_table(&log->sequence);
    return (struct journal_options){.files = &log->files,
                                    .random = &log->random,
                                    .proposal = {.has_partitions = true, .partition_count = PARTITIONS},
                                    .segment_bytes = SEGMENT_BYTES};
}

static void keep(struct log *log, struct journal_record *record) {
    if (record == NULL) return;
    CHECK(log->count < RECORDS_MAX);
    log->records[log->count++] = record;
}

static void forget(struct log *log) {
    while (log->count > 0) journal_record_release(log->records[--log->count]);
}

static void commit(struct log *log, uint32_t number) {
    struct columns columns[PARTITIONS] = {{0}};
    char text[16];
    struct journal_batch batch = {.columns = columns, .arrival_floor = {INT64_MIN}};
    const struct journal_batch *batches[] = {&batch};
    for (uint32_t i = 0; i < 12; i++) {
        (void)snprintf(text, sizeof text, "%u-%u", number, i);
        struct click click = {.source = BYTES_LITERAL("default"),
                              .event_id = bytes_of_text(text),
                              .ad_id = BYTES_LITERAL("ad"),
                              .user_id = BYTES_LITERAL("user"),
                              .time = {now.ms - 1000 * (int64_t)number},
                              .time_form = TIME_MS_NUMBER,
                              .ip = {.kind = IP_V4, .bytes = {1, 2, 3, 4}},
                              .ip_form = IP_CANONICAL,
                              .country = {COUNTRY_UNKNOWN}};
        click_identify(&click, journal_identity_key(log->journal));
        columns_append(&columns[identity_partition(click.identity, PARTITIONS)], &click);
    }
    batch.counts.received = 12;
    struct journal_record *record = NULL;
    CHECK(journal_commit(log->journal, batches, 1, now, (struct mono_time){1}, &record, NULL) == STATUS_OK);
    keep(log, record);
    for (uint32_t p = 0; p < PARTITIONS; p++) columns_fini(&columns[p]);
}

/* STATUS_OK once it is started. */
static enum status up(struct log *log, struct failure *failure) {
    const struct journal_options options = options_of(log);
    struct journal_record *record = NULL;
    enum status status = journal_open(&options, &log->journal, failure);
    if (status != STATUS_OK) return status;
    while ((status = journal_replay_next(log->journal, &record, failure)) == STATUS_OK) keep(log, record);
    if (status != STATUS_END) return status;
    status = journal_start(log->journal, now, (struct mono_time){1}, &record, failure);
    if (status == STATUS_OK) keep(log, record);
    return status;
}

static void down(struct log *log) {
    if (log->journal != NULL) journal_destroy(log->journal);
    log->journal = NULL;
}

static void make_original(void) {
    original = (struct log){.disk = fake_files_create(1), .sequence = {5}};
    CHECK(up(&original, NULL) == STATUS_OK);
    struct filter *filter = NULL;
    struct filter_flaw flaw;
    CHECK(filter_parse(3, BYTES_LITERAL("!USA"), BYTES_LITERAL("*"), BYTES_LITERAL("u1"), true, &filter, &flaw));
    for (uint32_t i = 0; i < COMMITS; i++) {
        commit(&original, i);
        if (i != 4) continue;
        const struct filter_change change = {FILTER_CREATE, 3, filter};
        struct journal_record *record;
        CHECK(journal_commit_filters(original.journal, &change, 1, now, (struct mono_time){1}, &record, NULL) == STATUS_OK);
        keep(&original, record);
    }
    filter_destroy(filter);
    down(&original);
}

/* --- what happens to the files --- */

struct paths {
    char at[FILES_MAX][PATH_BYTES];
    size_t count;
};

static void take_path(void *context, const char *path) {
    struct paths *paths = context;
    if (strchr(path, '/') == NULL) return; /* a directory */
    if (paths->count < FILES_MAX) (void)snprintf(paths->at[paths->count++], PATH_BYTES, "%s", path);
}

static void append_bytes(struct fake_files *disk, const char *path, struct bytes added) {
    struct buffer content = {0};
    buffer_append_bytes(&content, fake_files_content(disk, path));
    buffer_append_bytes(&content, added);
    fake_files_put(disk, path, buffer_view(&content));
    buffer_fini(&content);
}

static void copy_file(struct fake_files *disk, const char *from, const char *to) {
    struct buffer content = {0};
    buffer_append_bytes(&content, fake_files_content(disk, from));
    fake_files_put(disk, to, buffer_view(&content));
    buffer_fini(&content);
}

/* Six bytes: what, to which file, where (3), how. Returns how many bytes were used. */
static size_t happen(struct fake_files *disk, const uint8_t *at, size_t left) {
    if (left < 6) return left;
    struct paths paths = {.count = 0};
    fake_files_each(disk, take_path, &paths);
    if (paths.count == 0) return left;
    const char *path = paths.at[at[1] % paths.count], *other = paths.at[(at[1] >> 4) % paths.count];
    const uint64_t size = fake_files_content(disk, path).len;
    const uint64_t place = (at[2] | (uint64_t)at[3] << 8 | (uint64_t)at[4] << 16) % (size + 1);
    switch (at[0] % 6) {
    case 0:
        if (place < size && at[5] != 0) fake_files_flip(disk, path, place, at[5]);
        break;
    case 1:
        fake_files_cut(disk, path, place);
        break;
    case 2: {
        const size_t len = left - 6 < at[5] ? left - 6 : at[5];
        append_bytes(disk, path, (struct bytes){at + 6, len});
        return 6 + len;
    }
    case 3: { /* what stands there already, once more at its end: misdirected, or written twice */
        uint8_t piece[256];
        const struct bytes content = fake_files_content(disk, path);
        const size_t len = size - place < at[5] ? (size_t)(size - place) : at[5];
        if (len > 0) memcpy(piece, content.at + place, len);
        append_bytes(disk, path, (struct bytes){piece, len});
        break;
    }
    case 4:
        if (paths.count > 1) fake_files_delete(disk, path);
        break;
    default:
        if (strcmp(path, other) != 0) copy_file(disk, other, path);
    }
    return 6;
}

/* --- what must hold --- */

static bool begins_as(const struct log *log, const struct log *expected) {
    for (size_t i = 0; i < log->count && i < expected->count; i++)
        if (!bytes_equal(log->records[i]->bytes, expected->records[i]->bytes)) return false;
    return true;
}

static void goes_on(struct log *log) {
    const size_t before = log->count;
    commit(log, 77);
    CHECK(log->count == before + 1);
    down(log);
    struct log again = {.disk = log->disk, .sequence = {9}};
    struct failure failure = {0};
    CHECKF(up(&again, &failure) == STATUS_OK, "%s", failure.text);
    CHECK(again.count == log->count && begins_as(&again, log));
    down(&again);
    forget(&again);
}

static void try(struct log *log, bool damaged_original) {
    struct failure failure = {0};
    const enum status status = up(log, &failure);
    /* A commit that was there is never read as another, however the open ends. A log of nothing is a new one. */
    if (damaged_original && (log->count > 1 || status != STATUS_OK)) CHECK(begins_as(log, &original));
    if (status == STATUS_OK) {
        goes_on(log);
    } else {
        CHECK(status == STATUS_CORRUPT || status == STATUS_UNSUPPORTED || status == STATUS_BAD_CONFIG ||
              status == STATUS_AGAIN);
        CHECK(failure.status == status && failure.text[0] != 0);
        down(log);
    }
    forget(log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (original.disk == NULL) make_original();
    if (size < 1) return 0;
    struct log log = {.sequence = {data[0]}};
    if (data[0] % 2 == 0) {
        log.disk = fake_files_clone(original.disk, 2);
        for (size_t at = 1; at < size;) at += happen(log.disk, data + at, size - at);
        try(&log, true);
    } else {
        uint8_t *copy = memory_allocate(size);
        memcpy(copy, data + 1, size - 1);
        segment_put_right(copy, size - 1);
        log.disk = fake_files_create(3);
        const struct files files = fake_files_table(log.disk);
        CHECK(files.make_directory(files.self, "journal", NULL) == STATUS_OK);
        fake_files_put(log.disk, "journal/00000000000000000001.seg", (struct bytes){copy, size - 1});
        free(copy);
        try(&log, false);
    }
    fake_files_destroy(log.disk);
    return 0;
}
