/* manifest.h: which runs of a partition are whole and durable, and where judging goes on from them; or a note that there are
 * none, and why. Internal to dedup/.
 *
 * It promises: every entry that was remembered at `position` (its offset is below, its bound above D there) is in the listed
 * runs, no entry in them has its offset at or beyond, and the files are durable. It is replaced as a whole, so a crash
 * leaves the old one or the new one. A note stands in a list's place, so that the next start can tell what became of it: one
 * of neither is known to have lost its files. Bytes: docs/format/dedup.md. */
#pragma once

#include "dedup/dedup.h"
#include "dedup/run_file.h"

enum { MANIFEST_FORMAT_VERSION = 1, MANIFEST_STATE_BYTES_MAX = DEDUP_STATE_BYTES_MAX, MANIFEST_REASON_BYTES = 256 };

/* A place in the partition, and what its owner needs to go on from there. */
struct dedup_position {
    bool known;
    struct journal_offset offset; /* of the first click that is not in the runs */
    struct event_time d;          /* there */
    uint32_t state_len;
    uint8_t state[MANIFEST_STATE_BYTES_MAX];
};

enum manifest_note_kind {
    MANIFEST_NOTHING_KEPT,  /* yet */
    MANIFEST_OF_NO_USE,     /* what was kept: it is being made anew */
    MANIFEST_ALL_OF_NO_USE, /* and that of the other partitions, too: damage was met, and nobody looked whether it is all */
};

struct manifest_note {
    enum manifest_note_kind kind;
    char reason[MANIFEST_REASON_BYTES]; /* empty when nothing was kept */
};

struct manifest {
    struct dedup_position position; /* !known: a note */
    struct manifest_note note;
    uint32_t run_count;
    struct manifest_run {
        uint64_t number, count;
        uint32_t footer_crc;
    } runs[DEDUP_RUNS_MAX]; /* the oldest first */
};

bool manifest_lists(const struct manifest *manifest, uint64_t number);
/* With as much of the text as has a place. */
struct manifest_note manifest_note_of(enum manifest_note_kind kind, const char *reason);

/* Whether the file is the run that is listed as number `i`; else STATUS_CORRUPT. */
enum status manifest_check_run(const struct manifest *manifest, uint32_t i, const struct run_file *run, uint32_t footer_crc,
                               struct failure *failure) MUST_USE;

void manifest_encode(const struct manifest *manifest, const uint8_t log[RUN_LOG_BYTES], uint32_t partition,
                     struct buffer *out);
/* STATUS_CORRUPT; STATUS_UNSUPPORTED: another version, with both. The failure names `path`. */
enum status manifest_decode(struct bytes bytes, const char *path, const uint8_t log[RUN_LOG_BYTES], uint32_t partition,
                            struct manifest *out, struct failure *failure) MUST_USE;

enum { MANIFEST_PATH_BYTES = 64 };
void manifest_path(char path[MANIFEST_PATH_BYTES], const char *of);
/* STATUS_NOT_FOUND: there is none. */
enum status manifest_read(const struct files *files, const char *of, const uint8_t log[RUN_LOG_BYTES], uint32_t partition,
                          struct manifest *out, struct failure *failure) MUST_USE;
/* Durable when it returns. What it lists has to be durable before. */
enum status manifest_write(const struct files *files, const char *of, struct bytes encoded,
                           struct failure *failure) MUST_USE;
/* The same of a note; another thread may be in manifest_write. */
enum status manifest_write_note(const struct files *files, const char *of, const uint8_t log[RUN_LOG_BYTES],
                                uint32_t partition, const struct manifest_note *note, struct failure *failure) MUST_USE;
/* Durable when it returns; fine if there is none. */
enum status manifest_remove(const struct files *files, const char *of, struct failure *failure) MUST_USE;
