#include <inttypes.h>
#include <stdlib.h>

#include "base/check.h"
#include "journal/journal_internal.h"

enum { JOURNAL_MAGIC = 0x10C0FFEE, SEGMENT_BYTES_MIN = 4096 };

static void uuid_text(const uint8_t uuid[16], char text[33]) {
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < 16; i++) {
        text[2 * i] = digits[uuid[i] >> 4];
        text[2 * i + 1] = digits[uuid[i] & 15];
    }
    text[32] = 0;
}

static enum status check_expected_uuid(const struct journal *journal, const uint8_t *expected, struct failure *failure) {
    char wanted[33], found[33];
    if (expected == NULL) return STATUS_OK;
    uuid_text(expected, wanted);
    if (journal->segment_count == 0)
        return failure_set(failure, STATUS_BAD_CONFIG, "the store counted log %s, but there is no journal here", wanted);
    if (memcmp(expected, journal->log.uuid, 16) == 0) return STATUS_OK;
    uuid_text(journal->log.uuid, found);
    return failure_set(failure, STATUS_BAD_CONFIG, "the store counted log %s, but this journal is log %s", wanted, found);
}

/* I3 seen from behind: what was counted was durable. A log that ends before it has lost acknowledged clicks. */
static enum status check_counted_below(const struct journal *journal, const struct journal_options *options,
                                       struct failure *failure) {
    if (options->counted_below == NULL) return STATUS_OK;
    for (uint32_t i = 0; i < options->counted_below_count; i++) {
        uint64_t end = i < journal->end.partition_count ? journal->end.partitions[i].next.at : 0;
        if (end >= options->counted_below[i].at) continue;
        if (journal->segment_count == 0)
            return failure_set(failure, STATUS_CORRUPT,
                               "journal/ is empty, but the store counted partition %" PRIu32 " up to offset %" PRIu64, i,
                               options->counted_below[i].at);
        const struct segment_place *last = &journal->segments[journal->segment_count - 1];
        char path[SEGMENT_PATH_BYTES];
        segment_path(path, last->number, "");
        return failure_set(failure, STATUS_CORRUPT,
                           "%s is damaged at byte %" PRIu64 ": the journal ends here, at offset %" PRIu64
                           " of partition %" PRIu32 ", but the store counted up to offset %" PRIu64,
                           path, last->records_end, end, i, options->counted_below[i].at);
    }
    return STATUS_OK;
}

static enum status journal_propose(struct journal *journal, const struct rules_proposal *proposal, struct failure *failure) {
    struct rules current = journal->segment_count > 0 ? journal->end.rules : (struct rules){0};
    if (journal->segment_count > 0) current.partition_count = journal->log.partition_count;
    return rules_propose(proposal, &current, &journal->rules, failure);
}

/* A crash before the end leaves no segment under its own name, and the next open makes another log. */
static enum status journal_make(struct journal *journal, struct failure *failure) {
    journal->log.partition_count = journal->rules.partition_count;
    journal->log.canonical_version = journal->rules.canonical_version;
    random_fill(&journal->random, journal->log.uuid, sizeof journal->log.uuid);
    random_fill(&journal->random, journal->log.key.at, sizeof journal->log.key.at);
    journal->seed = log_seed(&journal->log);
    log_state_init(&journal->end, journal->log.partition_count, journal->end_filters);
    enum status status = journal_remove_leftovers(journal, failure);
    if (status == STATUS_OK)
        status = segment_writer_begin(journal, 1, &journal->end, segment_footer_bytes_max(&journal->end), failure);
    if (status != STATUS_OK) return status;
    CHECK(journal->segment_count == 0);
    journal->segments = memory_resize(journal->segments, sizeof journal->segments[0]);
    journal->segments[0] = (struct segment_place){.number = 1, .records_end = journal->writer.at};
    journal->segment_count = 1;
    journal->settled = true;
    return STATUS_OK;
}

static enum status open_log(struct journal *journal, const struct journal_options *options, struct failure *failure) {
    const struct files *files = &journal->files;
    enum status status = files->make_directory(files->self, "journal", failure);
    if (status == STATUS_OK) status = files->directory_sync(files->self, ".", failure);
    if (status == STATUS_OK) status = journal_inspect(journal, failure);
    if (status == STATUS_OK) status = check_expected_uuid(journal, options->expected_uuid, failure);
    if (status == STATUS_OK) status = check_counted_below(journal, options, failure);
    if (status == STATUS_OK) status = journal_propose(journal, &options->proposal, failure);
    if (status == STATUS_OK && journal->segment_count == 0) status = journal_make(journal, failure);
    return status;
}

enum status journal_open(const struct journal_options *options, struct journal **out, struct failure *failure) {
    CHECK(options->files != NULL && options->random != NULL);
    CHECK(options->counted_below_count <= PARTITIONS_MAX);
    struct journal *journal = memory_allocate_zeroed(1, sizeof *journal);
    journal->magic = JOURNAL_MAGIC;
    journal->files = *options->files;
    journal->random = *options->random;
    journal->segment_bytes = options->segment_bytes < SEGMENT_BYTES_MIN ? SEGMENT_BYTES_MIN : options->segment_bytes;
    journal->filters = filter_log_create();
    journal->end_filters = filter_log_create();
    enum status status = open_log(journal, options, failure);
    if (status != STATUS_OK) {
        journal_destroy(journal);
        return status;
    }
    CHECK(journal->end.partition_count == journal->log.partition_count);
    log_state_init(&journal->state, journal->log.partition_count, journal->filters);
    journal->reader = (struct log_reader){
        .files = &journal->files,
        .log = &journal->log,
        .filter_log = journal->filters,
        .state = &journal->state,
        .told = &journal->next,
    };
    *out = journal;
    return STATUS_OK;
}

void journal_destroy(struct journal *journal) {
    if (journal == NULL) return;
    CHECK(journal->magic == JOURNAL_MAGIC);
    log_reader_close(&journal->reader);
    segment_writer_drop(journal);
    filter_log_destroy(journal->filters);
    filter_log_destroy(journal->end_filters);
    for (size_t i = 0; i < journal->segment_count; i++) free(journal->segments[i].first_offsets);
    free(journal->segments);
    free(journal->columns);
    journal->magic = 0;
    free(journal);
}
