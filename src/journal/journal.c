#include "base/check.h"
#include "journal/journal_internal.h"

void journal_move(struct journal *journal, enum journal_life to) {
    static const bool allowed[JOURNAL_LIVES][JOURNAL_LIVES] = {
        [JOURNAL_OPENED] = {[JOURNAL_REPLAYED] = true, [JOURNAL_FAILED] = true},
        [JOURNAL_REPLAYED] = {[JOURNAL_WRITING] = true, [JOURNAL_CLOSED] = true, [JOURNAL_FAILED] = true},
        [JOURNAL_WRITING] = {[JOURNAL_CLOSED] = true, [JOURNAL_FAILED] = true},
    };
    CHECKF(allowed[journal->life][to], "journal from life %d to %d", (int)journal->life, (int)to);
    journal->life = to;
}

enum status journal_fail(struct journal *journal, enum status status) {
    CHECK(status != STATUS_OK);
    journal_move(journal, JOURNAL_FAILED);
    return status;
}

enum status journal_close(struct journal *journal, struct failure *failure) {
    CHECK(journal->life != JOURNAL_FAILED && journal->life != JOURNAL_CLOSED);
    enum status status = STATUS_OK;
    /* Before the start nothing of this process is in the log, and its last segment stays as it was found. */
    if (journal->life == JOURNAL_WRITING && journal->writer.file != NULL) status = segment_writer_seal(journal, failure);
    if (journal->life != JOURNAL_OPENED) journal_move(journal, status == STATUS_OK ? JOURNAL_CLOSED : JOURNAL_FAILED);
    journal_destroy(journal);
    return status;
}

/* What is durable, whatever has been replayed of it. */
static const struct log_state *durable_state(const struct journal *journal) {
    return journal->life == JOURNAL_OPENED ? &journal->end : &journal->state;
}

const struct rules *journal_rules(const struct journal *journal) {
    CHECK(journal->rules.number > 0);
    return &journal->rules;
}

const struct identity_key *journal_identity_key(const struct journal *journal) {
    return &journal->log.key;
}

struct journal_uuid journal_uuid(const struct journal *journal) {
    struct journal_uuid uuid;
    memcpy(uuid.at, journal->log.uuid, sizeof uuid.at);
    return uuid;
}

const struct filters *journal_filters(const struct journal *journal) {
    return journal->filters->filters;
}

struct journal_offset journal_end(const struct journal *journal, uint32_t partition) {
    CHECK(partition < journal->log.partition_count);
    return durable_state(journal)->partitions[partition].next;
}

const struct watermark *journal_watermark(const struct journal *journal, uint32_t partition) {
    CHECK(partition < journal->log.partition_count);
    return &durable_state(journal)->partitions[partition].watermark;
}

struct journal_totals journal_totals(const struct journal *journal) {
    const struct log_state *state = durable_state(journal);
    struct journal_totals totals = {
        .received = state->received,
        .accepted = state->accepted,
        .records = state->next_record - 1,
        .bytes = state->record_bytes,
        .segments = journal->last_number,
        .syncs = journal->syncs,
        .torn_bytes = journal->torn_bytes,
    };
    memcpy(totals.rejected_by, state->rejected_by, sizeof totals.rejected_by);
    return totals;
}

const char *journal_torn_path(const struct journal *journal) {
    return journal->torn_bytes > 0 ? journal->torn_path : NULL;
}
