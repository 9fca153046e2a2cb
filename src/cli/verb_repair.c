/* `tally repair`: what is damaged in a data directory, what it would cost, and, when told so, what can be done. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/bytes.h"
#include "cli/cli.h"
#include "cli/repair.h"
#include "cli/verbs.h"

static const char *advice_of(enum survey_kind kind) {
    switch (kind) {
    case SURVEY_DAMAGED:
        return "put a copy of the file back; without one see `lost` below";
    case SURVEY_VERSION:
        return "run the version of tally that wrote it";
    case SURVEY_TORN:
        return "it was never acknowledged; a start or --apply moves it to *.torn";
    case SURVEY_LEFTOVER:
        return "a start or --apply removes it";
    case SURVEY_KEPT:
        return "delete it when nobody wants to look at it";
    }
    return "";
}

static void print_journal(const struct journal_survey *survey) {
    printf("journal: %" PRIu64 " segments, %" PRIu64 " bytes, %" PRIu64 " records with %" PRIu64 " clicks are right\n",
           survey->segments, survey->bytes, survey->records, survey->clicks);
    for (size_t i = 0; i < survey->finding_count; i++)
        printf("found: %s\n       %s\n", survey->findings[i].why, advice_of(survey->findings[i].kind));
    if (survey->findings_more > 0) printf("found: %" PRIu64 " more\n", survey->findings_more);
}

static void print_store(const struct repair *repair) {
    switch (repair->store) {
    case REPAIR_STORE_NONE:
        printf("store: there is none; a start builds it from the journal\n");
        return;
    case REPAIR_STORE_GOOD:
        printf("store: %" PRIu64 " values, %" PRIu64 " bytes are right\n", repair->store_findings.values,
               repair->store_findings.bytes);
        return;
    case REPAIR_STORE_DAMAGED:
        printf("found: %s\n       a start or --apply moves store/ aside, and it is built anew from the journal: nothing is "
               "lost\n",
               repair->store_why.text);
        return;
    case REPAIR_STORE_AHEAD:
        printf("found: %s\n       put a copy of the journal back that has them; without one see `lost` below\n",
               repair->store_why.text);
        return;
    }
}

/* Nothing is lost by any of it. */
static void print_identities(const struct repair *repair) {
    const struct repair_identities *identities = &repair->identities;
    uint64_t runs = 0, entries = 0, bytes = 0;
    for (uint32_t p = 0; p < identities->partition_count; p++) {
        const struct dedup_survey *survey = &identities->partitions[p];
        runs += survey->runs;
        entries += survey->entries;
        bytes += survey->bytes;
        if (survey->note[0] != '\0')
            printf("identities: those of partition %" PRIu32 " wait for a start that makes them anew: %s\n", p,
                   survey->note);
    }
    if (identities->partition_count == 0)
        printf("identities: dedup/ was not examined, since no segment of the journal tells what should be there\n");
    else
        printf("identities: %" PRIu64 " files, %" PRIu64 " entries, %" PRIu64 " bytes are right\n", runs, entries, bytes);
    for (size_t i = 0; i < identities->finding_count; i++)
        printf("found: %s\n       the identities of partition %" PRIu32
               " are made anew from the journal by the next start; no click is lost\n",
               identities->findings[i].why, identities->findings[i].partition);
    if (identities->findings_more > 0) printf("found: %" PRIu64 " more\n", identities->findings_more);
}

static bool has_kind(const struct journal_survey *survey, enum survey_kind kind) {
    for (size_t i = 0; i < survey->finding_count; i++)
        if (survey->findings[i].kind == kind) return true;
    return false;
}

/* Of offsets: what the store counted of a journal that has lost it. Clicks and a few others. */
static uint64_t offsets_lost(const struct repair *repair) {
    uint64_t lost = 0;
    for (uint32_t p = 0; p < repair->store_identity.partition_count; p++) {
        uint64_t counted = repair->store_identity.offsets[p].at, end = repair->survey.ends[p].at;
        if (counted > end) lost += counted - end;
    }
    return lost;
}

static void print_loss(const struct repair *repair) {
    const struct journal_survey *survey = &repair->survey;
    uint64_t segment = repair_cut_segment(repair);
    if (survey->cut_segment == 0) {
        printf("lost: at most %" PRIu64 " clicks that were acknowledged and counted are in no file of the journal\n"
               "      `tally repair --apply --cut %" PRIu64 "` goes on without them: store/ is moved aside and built anew\n",
               offsets_lost(repair), segment);
        return;
    }
    uint64_t behind = survey->clicks_told - survey->clicks_kept, readable = survey->clicks - survey->clicks_kept;
    printf("lost: in front of the first damage are %" PRIu64 " clicks; behind it at least %" PRIu64
           " more were acknowledged, and %" PRIu64 " of those can still be read\n",
           survey->clicks_kept, behind > readable ? behind : readable, readable);
    if (survey->cut_at == 0 && survey->clicks_kept == 0)
        printf("      the damage is at the journal's beginning: nothing would be left, so only a copy helps\n");
    else
        printf("      `tally repair --apply --cut %" PRIu64
               "` ends the journal in front of the damage and keeps the files as\n"
               "      they were as *.cut; all clicks behind it are then missing from every count\n",
               segment);
}

static int refuse_cut(const struct repair *repair, uint64_t cut) {
    if (!repair_needs_cut(repair))
        cli_say("--cut %" PRIu64 ": nothing in the journal has to be cut", cut);
    else
        cli_say("--cut %" PRIu64 ": the damage begins in segment %" PRIu64 "; nothing was done", cut,
                repair_cut_segment(repair));
    return CLI_BAD_USAGE;
}

static int apply(struct repair *repair, uint64_t cut, struct failure *failure) {
    const struct journal_survey *survey = &repair->survey;
    if (has_kind(survey, SURVEY_VERSION)) {
        cli_say("the journal is of another version of tally: nothing was done");
        return CLI_DIFFERENT;
    }
    if (cut != 0 && (!repair_needs_cut(repair) || cut != repair_cut_segment(repair))) return refuse_cut(repair, cut);
    if (cut != 0 && survey->cut_segment != 0 && survey->clicks_kept == 0) {
        cli_say("--cut %" PRIu64 ": no click would be left; nothing was done", cut);
        return CLI_DIFFERENT;
    }
    enum status status = cut != 0 ? repair_cut(repair, failure) : repair_mend(repair, failure);
    if (status != STATUS_OK) return cli_fail(failure);
    return cut == 0 && repair_needs_cut(repair) ? CLI_DIFFERENT : CLI_DONE;
}

static bool all_is_right(const struct repair *repair) {
    const struct journal_survey *survey = &repair->survey;
    return !repair_needs_cut(repair) && repair->store != REPAIR_STORE_DAMAGED && !repair->identities.any_damaged &&
           !has_kind(survey, SURVEY_VERSION) && !has_kind(survey, SURVEY_TORN) && !has_kind(survey, SURVEY_LEFTOVER);
}

static int examine(const char *path, bool applies, uint64_t cut) {
    struct failure failure = {0};
    struct repair *repair = memory_allocate(sizeof *repair);
    int exit_code = CLI_DONE;
    if (repair_look(repair, path, isatty(STDERR_FILENO) == 1, &failure) != STATUS_OK) {
        free(repair);
        return cli_fail(&failure);
    }
    print_journal(&repair->survey);
    print_store(repair);
    print_identities(repair);
    if (repair_needs_cut(repair) && !has_kind(&repair->survey, SURVEY_VERSION)) print_loss(repair);
    if (all_is_right(repair))
        printf("all is right\n");
    else
        exit_code = applies ? apply(repair, cut, &failure) : (int)CLI_DIFFERENT;
    if (!applies && exit_code == CLI_DIFFERENT) printf("nothing was changed; see --apply\n");
    repair_close(repair);
    free(repair);
    return exit_code;
}

int verb_repair(int argc, char **argv) {
    const char *path = NULL;
    bool applies = false;
    uint64_t cut = 0;
    const struct cli_flag flags[] = {
        {.name = "data", .argument = "DIR", .help = "the data directory; its server must be stopped", .to_text = &path},
        {.name = "apply", .help = "do what loses nothing that was acknowledged", .to_switch = &applies},
        {.name = "cut",
         .argument = "SEGMENT",
         .help = "with --apply: end the journal in front of the damage in this segment, and lose what is behind it",
         .to_count = &cut,
         .min = 1},
    };
    const struct cli_usage usage = {
        .verb = "repair",
        .summary = "Examines every byte of a data directory and shows what is damaged. Changes nothing without --apply.",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .notes = "Exit codes: 0 all is right, or is now; 1 it could not be examined (a server runs on it, no access);\n"
                 "3 something is damaged, or left over, and still is.\n"
                 "A torn tail, a damaged store and damaged files of identities cost no click and are mended by every\n"
                 "start that meets them, too. Take a copy of the directory before --cut.\n",
    };
    int exit_code = cli_parse(&usage, &argc, argv);
    if (exit_code != CLI_CONTINUE) return exit_code;
    if (path == NULL) {
        cli_say("--data is missing; name the data directory");
        return CLI_BAD_USAGE;
    }
    if (cut != 0 && !applies) {
        cli_say("--cut does nothing without --apply");
        return CLI_BAD_USAGE;
    }
    return examine(path, applies, cut);
}
