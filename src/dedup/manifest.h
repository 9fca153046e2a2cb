/* manifest.h: which runs of a partition are whole and durable, and where judging goes on from them. Internal to dedup/.
 *
 * It promises: every entry that was remembered at `position` (its offset is below, its bound above D there) is in the listed
 * runs, no entry in them has its offset at or beyond, and the files are durable. It is replaced as a whole, so a crash
 * leaves the old one or the new one. Bytes: docs/format/dedup.md. */
#pragma once

#include "dedup/dedup.h"
#include "dedup/run_file.h"

enum { MANIFEST_FORMAT_VERSION = 1, MANIFEST_STATE_BYTES_MAX = DEDUP_STATE_BYTES_MAX };

/* A place in the partition, and what its owner needs to go on from there. */
struct dedup_position {
    bool known;
    struct journal_offset offset; /* of the first click that is not in the runs */
    struct event_time d;          /* there */
    uint32_t state_len;
    uint8_t state[MANIFEST_STATE_BYTES_MAX];
};

struct manifest {
    struct dedup_position position;
    uint32_t run_count;
    struct manifest_run {
        uint64_t number, count;
        uint32_t footer_crc;
    } runs[DEDUP_RUNS_MAX]; /* the oldest first */
};

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
/* Durable when it returns; fine if there is none. */
enum status manifest_remove(const struct files *files, const char *of, struct failure *failure) MUST_USE;
