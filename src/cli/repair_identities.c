/* The files of identities as `tally repair` sees them: whatever is wrong with them, the journal has everything. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/cli.h"
#include "cli/repair.h"

struct looking {
    struct repair_identities *identities;
    uint32_t partition;
    bool progress;
};

static void say_progress(void *context, const char *path) {
    const struct looking *looking = context;
    if (looking->progress) cli_say("examining %s", path);
}

static void note_finding(void *context, const struct failure *why) {
    const struct looking *looking = context;
    struct repair_identities *identities = looking->identities;
    identities->any_damaged = true;
    if (identities->finding_count == REPAIR_FINDINGS_MAX) {
        identities->findings_more++;
        return;
    }
    size_t at = identities->finding_count++;
    identities->findings[at].partition = looking->partition;
    (void)snprintf(identities->findings[at].why, sizeof identities->findings[at].why, "%.511s", why->text);
}

void repair_look_at_identities(struct repair *repair, bool progress) {
    struct repair_identities *identities = &repair->identities;
    identities->partition_count = repair->survey.partition_count;
    for (uint32_t p = 0; p < identities->partition_count; p++) {
        struct looking looking = {identities, p, progress};
        char name[DEDUP_NAME_BYTES];
        dedup_partition_name(name, p);
        dedup_survey(&repair->files, name, repair->survey.uuid, p, say_progress, note_finding, &looking,
                     &identities->partitions[p]);
    }
}

/* The first that was found in it; NULL: it has no place among the findings. */
static const char *reason_of(const struct repair_identities *identities, uint32_t partition) {
    for (size_t i = 0; i < identities->finding_count; i++)
        if (identities->findings[i].partition == partition) return identities->findings[i].why;
    return NULL;
}

enum status repair_discard_identities(struct repair *repair, struct failure *failure) {
    const struct repair_identities *identities = &repair->identities;
    for (uint32_t p = 0; p < identities->partition_count; p++) {
        if (identities->partitions[p].damaged == 0) continue;
        const char *reason = reason_of(identities, p);
        char name[DEDUP_NAME_BYTES];
        dedup_partition_name(name, p);
        enum status status = dedup_survey_discard(&repair->files, name, repair->survey.uuid, p,
                                                  reason != NULL ? reason : "`tally repair` found them damaged", failure);
        if (status != STATUS_OK) return status;
        printf("done: the next start makes the identities of partition %" PRIu32 " anew from the journal\n", p);
    }
    return STATUS_OK;
}
