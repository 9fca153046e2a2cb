#include <stdio.h>

#include "cli/repair.h"
#include "journal/journal.h"

static enum status move_store(struct repair *repair, struct failure *failure) {
    char aside[OS_NAME_BYTES];
    enum status status = os_directory_put_aside(repair->directory, "store", aside, failure);
    if (status != STATUS_OK) return status;
    printf("done: store/ is now %s/; the next start builds it anew from the journal\n", aside);
    return STATUS_OK;
}

/* As a start does it, and by the same code: open, read all, then the tail is moved and the unsealed segment written anew. */
static enum status settle_journal(struct repair *repair, struct failure *failure) {
    struct random random = os_random();
    struct journal_options options = {.files = &repair->files, .random = &random};
    struct journal *journal = NULL;
    enum status status = journal_open(&options, &journal, failure);
    while (status == STATUS_OK) {
        struct journal_record *record;
        status = journal_replay_next(journal, &record, failure);
        if (status == STATUS_OK) journal_record_release(record);
    }
    if (status == STATUS_END) {
        status = STATUS_OK;
        const char *torn = journal_torn_path(journal);
        if (torn != NULL)
            printf("done: %llu torn bytes are now in %s\n", (unsigned long long)journal_totals(journal).torn_bytes, torn);
    }
    journal_destroy(journal);
    return status;
}

static bool wants_settling(const struct journal_survey *survey) {
    for (size_t i = 0; i < survey->finding_count; i++)
        if (survey->findings[i].kind == SURVEY_TORN || survey->findings[i].kind == SURVEY_LEFTOVER) return true;
    return false;
}

enum status repair_mend(struct repair *repair, struct failure *failure) {
    enum status status = STATUS_OK;
    if (repair->store == REPAIR_STORE_DAMAGED) status = move_store(repair, failure);
    if (status == STATUS_OK && wants_settling(&repair->survey) && !repair_needs_cut(repair))
        status = settle_journal(repair, failure);
    return status == STATUS_OK ? repair_discard_identities(repair, failure) : status;
}

enum status repair_cut(struct repair *repair, struct failure *failure) {
    const struct journal_survey *survey = &repair->survey;
    enum status status = STATUS_OK;
    /* First the store: without it, whatever the journal is at a crash is what counts. */
    if (repair->store != REPAIR_STORE_NONE && os_directory_has(repair->directory, "store"))
        status = move_store(repair, failure);
    if (status == STATUS_OK) status = repair_discard_identities(repair, failure);
    if (status != STATUS_OK || survey->cut_segment == 0) return status;
    status = journal_survey_cut(&repair->files, survey->cut_segment, survey->cut_at, failure);
    if (status == STATUS_OK)
        printf("done: the journal ends in segment %llu at byte %llu; what was behind it is kept as *.cut\n",
               (unsigned long long)survey->cut_segment, (unsigned long long)survey->cut_at);
    return status;
}
