/* small.h: a data directory to be damaged, and what is known of it. */
#pragma once

#include "sweep/script.h"

enum { SMALL_SEGMENTS_MAX = 8, SMALL_RECORDS_MAX = 64 };

struct small_segment {
    char path[64];
    uint64_t header, end, size; /* where the records begin and end; the file's length */
    bool sealed;
    size_t record_count;
    struct small_record {
        uint64_t end;
        uint64_t offsets[2]; /* of each partition, behind it */
        uint64_t clicks;     /* of the log, with it */
    } records[SMALL_RECORDS_MAX];
};

struct small {
    struct rig rig; /* not running */
    struct small_segment segments[SMALL_SEGMENTS_MAX];
    size_t segment_count;
    uint64_t counted[2]; /* offsets up to which the store has counted */
    uint64_t clicks;     /* of all segments */
};

void small_init(struct small *small);
void small_fini(struct small *small);
