#include "view/work_memory.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"

void work_fini(struct work_memory *work) {
    for (int i = 0; i < WORK_PARTS; i++) free(work->parts[i].at);
    *work = (struct work_memory){0};
}

/* A little more than what is asked for, since the next minute may be a little larger. */
static size_t room(size_t bytes) {
    CHECK(bytes <= SIZE_MAX / 2);
    return bytes + bytes / 4 + 4096;
}

void *work_get(struct work_memory *work, enum work_part part, size_t bytes) {
    if (bytes > work->parts[part].bytes) {
        free(work->parts[part].at);
        work->parts[part].bytes = room(bytes);
        work->parts[part].at = memory_allocate_large(work->parts[part].bytes);
    }
    return work->parts[part].at;
}

void *work_grow(struct work_memory *work, enum work_part part, size_t bytes) {
    size_t held = work->parts[part].bytes;
    if (bytes <= held) return work->parts[part].at;
    size_t wanted = room(bytes);
    void *grown = memory_allocate_large(wanted);
    if (held > 0) memcpy(grown, work->parts[part].at, held);
    free(work->parts[part].at);
    work->parts[part].at = grown;
    work->parts[part].bytes = wanted;
    return grown;
}
