/* survey.h: looks at all that is kept of a partition's identities, good or not, and says what is damaged: the list, and
 * every block of each run that it names. For `tally repair`. Files that no list names are leftovers: no start reads them. */
#pragma once

#include "dedup/dedup.h"

enum { DEDUP_SURVEY_NOTE_BYTES = 256 };

struct dedup_survey {
    bool listed;                        /* a list is there that can be read */
    char note[DEDUP_SURVEY_NOTE_BYTES]; /* else, perhaps: why the next start makes all anew */
    uint64_t runs, entries, bytes;      /* that are right */
    uint64_t damaged;                   /* list and runs */
};

/* Each damaged file once, with the first byte of the damage that is met. */
typedef void dedup_survey_found(void *context, const struct failure *why);
/* Called before each run; may be NULL. */
typedef void dedup_survey_progress(void *context, const char *path);

/* Reads only. STATUS_OK whatever it finds, what cannot be read for an error of the disk included. */
void dedup_survey(const struct files *files, const char *name, const uint8_t log_uuid[16], uint32_t partition,
                  dedup_survey_progress *progress, dedup_survey_found *found, void *context, struct dedup_survey *out);
/* The next start makes the partition's runs anew and gives this reason. Durable when it returns. */
enum status dedup_survey_discard(const struct files *files, const char *name, const uint8_t log_uuid[16], uint32_t partition,
                                 const char *reason, struct failure *failure) MUST_USE;
