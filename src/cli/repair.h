/* repair.h: what `tally repair` finds in a data directory and does about it. */
#pragma once

#include "dedup/survey.h"
#include "journal/survey.h"
#include "os/os.h"
#include "store/store.h"

enum repair_store {
    REPAIR_STORE_NONE, /* there is none: a start builds it */
    REPAIR_STORE_GOOD,
    REPAIR_STORE_DAMAGED, /* or of another version, or of another journal: `store_why` says which */
    REPAIR_STORE_AHEAD,   /* it has counted what the journal does not hold (any more): acknowledged clicks are lost */
};

enum { REPAIR_FINDINGS_MAX = 256 };
struct repair_identities {
    uint32_t partition_count; /* that were looked at; 0: no segment of the journal says which there are */
    struct dedup_survey partitions[PARTITIONS_MAX];
    struct {
        uint32_t partition;
        char why[512];
    } findings[REPAIR_FINDINGS_MAX]; /* by partition */
    size_t finding_count;
    uint64_t findings_more;
    bool any_damaged;
};

struct repair {
    struct os_directory *directory;
    struct files files;
    bool has_journal;
    struct journal_survey survey;
    enum repair_store store;
    struct store_findings store_findings;
    struct store_identity store_identity;
    struct failure store_why;
    struct repair_identities identities;
};

/* Opens the directory (STATUS_BUSY: a server runs on it; STATUS_NOT_FOUND: there is none) and looks at all of it.
 * `progress`: what is read now is said on stderr. Changes nothing. */
enum status repair_look(struct repair *repair, const char *path, bool progress, struct failure *failure) MUST_USE;
void repair_close(struct repair *repair);
/* The journal has damage that only a cut takes away; with what would be lost. */
bool repair_needs_cut(const struct repair *repair);
/* Looks at the files of identities; the journal was looked at before. */
void repair_look_at_identities(struct repair *repair, bool progress);
/* Has the next start make those anew that are damaged. */
enum status repair_discard_identities(struct repair *repair, struct failure *failure) MUST_USE;
/* Where a cut would be made: at the first damage, or at the end of a journal that has lost what the store counted. */
uint64_t repair_cut_segment(const struct repair *repair);

/* What never loses anything acknowledged: moves a damaged store aside, discards damaged files of identities, and does to the
 * journal what a start does: a torn tail goes to *.torn, half-made files are removed. Each thing done is a line on stdout.
 */
enum status repair_mend(struct repair *repair, struct failure *failure) MUST_USE;
/* Cuts the journal where repair_cut_segment says, and moves a store aside that has counted more. */
enum status repair_cut(struct repair *repair, struct failure *failure) MUST_USE;
