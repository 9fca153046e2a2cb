/* refusal.c: a start that does not go on, or should not have: what it says, and what the operator does about it. What rotted
 * comes back from a copy, a damaged store is removed, and otherwise the log is cut in front of its damage. */
#include <stdlib.h>

#include "base/check.h"
#include "journal/survey.h"
#include "sim/world.h"

static bool names_a_place(const char *text) {
    bool place = strstr(text, "at byte") != NULL || strstr(text, "missing") != NULL || strstr(text, "empty") != NULL ||
                 strstr(text, "format version") != NULL;
    return (strstr(text, "journal/") != NULL && place) || strstr(text, "the store counted log") != NULL;
}

bool world_names_the_store(const struct failure *failure) {
    return strstr(failure->text, "the store is damaged") != NULL ||
           strstr(failure->text, "remove the store directory") != NULL;
}

bool world_names_a_damaged_run(const struct failure *failure) {
    return failure->status == STATUS_CORRUPT && strncmp(failure->text, "dedup/", strlen("dedup/")) == 0 &&
           strstr(failure->text, "at byte") != NULL;
}

/* What `tally repair` refuses too: only a copy helps. */
static bool nothing_would_be_left(const struct journal_survey *survey) {
    for (size_t i = 0; i < survey->finding_count; i++)
        if (survey->findings[i].kind == SURVEY_VERSION) return true;
    return survey->cut_segment != 0 && survey->clicks_kept == 0;
}

/* As `tally repair --apply --cut` does: first the store goes, then what is behind the first damage is put aside. */
static void cut_journal(struct world *world) {
    struct failure failure = {0};
    struct files files = fake_files_table(world->files);
    struct journal_survey *survey = memory_allocate(sizeof *survey);
    enum status status = journal_survey(&files, NULL, NULL, survey, &failure);
    if (status == STATUS_NOT_FOUND || (status == STATUS_OK && nothing_would_be_left(survey))) {
        world->journal_lost = true;
        world->coverage->journals_lost++;
    } else if (status == STATUS_OK) {
        world_wipe_store(world);
        world->coverage->journals_cut += survey->cut_segment != 0;
        if (survey->cut_segment != 0) status = journal_survey_cut(&files, survey->cut_segment, survey->cut_at, &failure);
        if (status == STATUS_OK && !world_take_stock(world))
            world_problem(world, "the journal cannot be read after it was cut");
        world->log_unreadable = false;
        world->destroyed_seen = fake_files_counts(world->files).destroyed;
    }
    if (status != STATUS_OK && !world->journal_lost) world_problem(world, "the repair: %s", failure.text);
    free(survey);
}

static void bring_back_or_cut(struct world *world) {
    fake_files_restart(world->files);
    if (fake_files_undo_rot(world->files)) {
        world->coverage->rot_brought_back++;
        world->destroyed_seen = 0; /* the truth may be larger again */
    } else {
        cut_journal(world);
    }
}

void world_take_refusal(struct world *world, const struct failure *failure, const struct fake_files *before) {
    fake_files_restart(world->files);
    if (world_names_the_store(failure) && world->store_rotten) {
        world->coverage->stores_refused++;
        world_wipe_store(world);
        return;
    }
    if (world_names_a_damaged_run(failure)) { /* the next start makes it anew */
        world->coverage->runs_damaged++;
        return;
    }
    if (fake_files_counts(world->files).destroyed == 0 || failure->status == STATUS_IO_ERROR) {
        world_problem(world, "the start: %s", failure->text);
        return;
    }
    if (!names_a_place(failure->text)) world_problem(world, "a refusal without the place: %s", failure->text);
    bool same = before == NULL || fake_files_same_in(before, world->files, "journal");
    if (!same) world_problem(world, "a refused start changed the journal");
    world->coverage->starts_refused++;
    bring_back_or_cut(world);
}

/* It went on from the identities and counts that were kept before, and the log cannot say any more whether they are right:
 * an operator who looks at it with `tally repair` does what is done after a refusal. */
void world_take_unread_damage(struct world *world) {
    if (node_progress(world->node).segments_skipped == 0)
        world_problem(world, "the node starts on a journal that cannot be read");
    world->coverage->starts_beside_damage++;
    world_kill(world);
    bring_back_or_cut(world);
}
