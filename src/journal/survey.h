/* survey.h: looks at a whole journal, good or not, and says all that is wrong with it: every record of every segment, its
 * checksums and digests, the chain of offsets, headers and footers, and what else lies there. For `tally repair`.
 *
 * Reads only. What may be done about what it finds: journal_survey_cut, and a start of the server. */
#pragma once

#include "rules/rules.h"
#include "seam/files.h"

enum survey_kind {
    SURVEY_DAMAGED,  /* bytes that were acknowledged, or should be there, are not as they were written */
    SURVEY_VERSION,  /* of another program */
    SURVEY_TORN,     /* a tail of the unsealed segment that was never acknowledged: a start moves it aside */
    SURVEY_LEFTOVER, /* a half-made file: a start removes it */
    SURVEY_KEPT,     /* what an earlier start or repair put aside */
};

enum { SURVEY_FINDINGS_MAX = 256, SURVEY_PATH_BYTES = 128 };
struct survey_finding {
    enum survey_kind kind;
    char path[SURVEY_PATH_BYTES];
    uint64_t at, bytes; /* of SURVEY_TORN: which; of damage: where it begins */
    char why[512];      /* in words, with file and byte */
};

struct journal_survey {
    struct survey_finding findings[SURVEY_FINDINGS_MAX];
    size_t finding_count;
    uint64_t findings_more;                    /* that had no place */
    uint64_t segments, bytes, records, clicks; /* that are there and right */
    uint64_t clicks_told;     /* that were accepted, as the last header, footer or record that can be read tells */
    uint32_t partition_count; /* 0: no segment says */
    uint8_t uuid[16];
    /* The part in front of the first damage: a log of its own. Behind it, what can be read and what cannot is lost to it. */
    struct journal_offset ends[PARTITIONS_MAX];
    uint64_t cut_segment; /* where that damage is; 0: there is none */
    uint64_t cut_at;
    uint64_t clicks_kept;
    uint64_t last_segment, last_end; /* where the log ends when nothing is cut */
};

/* Called before each segment: `done` of `all` have been read. */
typedef void survey_progress(void *context, const char *path, size_t done, size_t all);
/* STATUS_OK whatever it finds; errors of reading are the disk's. STATUS_NOT_FOUND: there is no journal. */
enum status journal_survey(const struct files *files, survey_progress *progress, void *context, struct journal_survey *out,
                           struct failure *failure) MUST_USE;

/* Makes the log end in segment `number` at byte `at`, which must be the end of a record or of the header, or 0 when nothing
 * of the segment is to stay. The segment as it was and those behind it are kept beside as `*.cut`. In an order in which a
 * crash at any point loses nothing and the next try goes on. Takes acknowledged clicks from the log: only when a person has
 * said so. */
enum status journal_survey_cut(const struct files *files, uint64_t number, uint64_t at, struct failure *failure) MUST_USE;
