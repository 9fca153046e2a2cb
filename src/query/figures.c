#include "base/check.h"
#include "query/answers.h"

static void add(uint64_t *sum, uint64_t value) {
    CHECK(!__builtin_add_overflow(*sum, value, sum)); /* I9 */
}

static void add_verdicts(struct verdict_totals *sum, const struct verdict_totals *totals) {
    add(&sum->counted, totals->counted);
    add(&sum->duplicate, totals->duplicate);
    add(&sum->conflict, totals->conflict);
    add(&sum->too_late, totals->too_late);
    add(&sum->invalid, totals->invalid);
    add(&sum->duplicate_content, totals->duplicate_content);
    add(&sum->late_amended, totals->late_amended);
}

/* While the journal is read again, its totals may be behind what the checkpoints have counted. Those clicks were accepted,
 * so they are added: the laws hold in every answer. In any other phase it is a violation (I4). */
static uint64_t raise_to(struct journal_totals *totals, uint64_t judged) {
    if (totals->accepted >= judged) return 0;
    uint64_t behind = judged - totals->accepted;
    add(&totals->accepted, behind);
    add(&totals->received, behind);
    return behind;
}

struct figures figures_of(const struct view *view, const struct query_status *status) {
    struct figures figures = {.view = view,
                              .status = *status,
                              .version = view_version(view),
                              .rules_number = status->rules.number,
                              .usage = view_usage(view)};
    figures.filters = figures.usage.filters_standing;
    figures.filters_ranked = figures.usage.filters_ranked;
    figures.atoms = figures.usage.atoms_live;
    for (uint32_t i = 0; i < view_partition_count(view); ++i) {
        const struct view_partition *partition = view_partition(view, i);
        add_verdicts(&figures.verdicts, &partition->totals);
        /* The journal's own count of clicks against the verdicts, at the same offset. */
        if (partition->watermark.clicks != verdict_totals_clicks(&partition->totals)) figures.partitions_violated = 1;
        if (partition->checkpoint_cells != partition->checkpoint_totals.counted) figures.cells_violated = 1;
    }
    for (size_t i = 0; i < REJECT_CODES; ++i) add(&figures.rejected, status->totals.rejected_by[i]);
    uint64_t expected = status->totals.accepted;
    add(&expected, figures.rejected);
    figures.intake_violated = status->totals.received != expected;

    uint64_t judged = verdict_totals_clicks(&figures.verdicts);
    bool replaying = strcmp(status->phase, "replaying") == 0 || strcmp(status->phase, "starting") == 0;
    if (raise_to(&figures.status.totals, judged) > 0 && !replaying) figures.partitions_violated = 1;
    figures.pending = figures.status.totals.accepted - judged;
    return figures;
}

const char *compiler_text(void) {
#ifdef __clang__
    return "clang " __clang_version__;
#else
    return "gcc " __VERSION__;
#endif
}
