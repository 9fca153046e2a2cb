#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/repair.h"
#include "rocks/rocks.h"

static void say_progress(void *context, const char *path, size_t done, size_t all) {
    if (*(const bool *)context) cli_say("examining %s (%zu of %zu)", path, done + 1, all);
}

/* The journal's log is the truth: a store that is not of it, or that cannot be read, is one to be built anew. */
static void judge_store(struct repair *repair) {
    const struct store_identity *identity = &repair->store_identity;
    const struct journal_survey *survey = &repair->survey;
    if (survey->partition_count == 0) return; /* nothing to compare it with */
    if (memcmp(identity->log_uuid, survey->uuid, sizeof survey->uuid) != 0 ||
        identity->partition_count != survey->partition_count) {
        repair->store = REPAIR_STORE_DAMAGED;
        (void)failure_set(&repair->store_why, STATUS_BAD_CONFIG, "the store belongs to another journal");
        return;
    }
    for (uint32_t p = 0; p < identity->partition_count; p++) {
        if (identity->offsets[p].at <= survey->ends[p].at) continue;
        repair->store = REPAIR_STORE_AHEAD;
        (void)failure_set(&repair->store_why, STATUS_CORRUPT,
                          "the store counted partition %u up to offset %llu, but the journal can be read up to %llu", p,
                          (unsigned long long)identity->offsets[p].at, (unsigned long long)survey->ends[p].at);
    }
}

static void look_at_store(struct repair *repair) {
    struct rocks *rocks = NULL;
    struct buffer path = {0};
    if (!os_directory_has(repair->directory, "store/CURRENT")) {
        repair->store = os_directory_has(repair->directory, "store") ? REPAIR_STORE_DAMAGED : REPAIR_STORE_NONE;
        if (repair->store == REPAIR_STORE_DAMAGED)
            (void)failure_set(&repair->store_why, STATUS_CORRUPT, "store/CURRENT is missing");
        return;
    }
    buffer_printf(&path, "%s/store", os_directory_path(repair->directory));
    buffer_append(&path, "", 1);
    struct rocks_options options = {.path = (const char *)path.at, .cache_bytes = 64 << 20, .read_only = true};
    enum status status = rocks_open(&options, &rocks, &repair->store_why);
    buffer_fini(&path);
    if (status == STATUS_OK) {
        struct kv kv = rocks_kv(rocks);
        status = store_verify(&kv, &repair->store_findings, &repair->store_why);
        if (status == STATUS_OK && repair->store_findings.damaged > 0) {
            repair->store_why = repair->store_findings.first;
            status = repair->store_why.status;
        }
        if (status == STATUS_OK) status = store_peek(&kv, &repair->store_identity, &repair->store_why);
        rocks_close(rocks);
    }
    repair->store = status == STATUS_OK ? REPAIR_STORE_GOOD : REPAIR_STORE_DAMAGED;
    if (status == STATUS_NOT_FOUND) repair->store = REPAIR_STORE_NONE; /* empty */
    if (status == STATUS_OK) judge_store(repair);
}

enum status repair_look(struct repair *repair, const char *path, bool progress, struct failure *failure) {
    *repair = (struct repair){0};
    if (access(path, F_OK) != 0) /* opening would make it */
        return failure_set(failure, STATUS_NOT_FOUND, "%s: there is no such data directory", path);
    enum status status = os_directory_open(path, &repair->directory, failure);
    if (status != STATUS_OK) return status;
    repair->files = os_files(repair->directory);
    if (os_directory_has(repair->directory, "journal")) {
        status = journal_survey(&repair->files, say_progress, &progress, &repair->survey, failure);
        repair->has_journal = status == STATUS_OK;
    } else {
        status = failure_set(failure, STATUS_NOT_FOUND,
                             "%s has no journal/: this is no data directory of tally, or not all of one", path);
    }
    if (status != STATUS_OK) {
        repair_close(repair);
        return status;
    }
    if (progress) cli_say("examining store/");
    look_at_store(repair);
    repair_look_at_identities(repair, progress);
    return STATUS_OK;
}

void repair_close(struct repair *repair) {
    if (repair->directory != NULL) os_directory_close(repair->directory);
    *repair = (struct repair){0};
}

bool repair_needs_cut(const struct repair *repair) {
    return repair->survey.cut_segment != 0 || repair->store == REPAIR_STORE_AHEAD;
}

uint64_t repair_cut_segment(const struct repair *repair) {
    return repair->survey.cut_segment != 0 ? repair->survey.cut_segment : repair->survey.last_segment;
}
