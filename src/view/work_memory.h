/* work_memory.h: working memory that the writer keeps from use to use: fresh pages would cost more than what is done in
 * them. Each part belongs to one use at a time; what it held is lost with the next. Grows to what the largest minute needs:
 * some 50 bytes for each of its cells. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "view/slice_sort.h"

enum work_part { WORK_ITEMS, WORK_SCRATCH, WORK_CELLS, WORK_PARTS };

/* {0} is empty. */
struct work_memory {
    struct {
        void *at;
        size_t bytes;
    } parts[WORK_PARTS];
};

void work_fini(struct work_memory *work);
/* At least so many bytes, for anything. */
void *work_get(struct work_memory *work, enum work_part part, size_t bytes);
/* The same for a part that is in use: what it holds is kept. */
void *work_grow(struct work_memory *work, enum work_part part, size_t bytes);
static inline struct slice *work_slices(struct work_memory *work, enum work_part part, size_t count) {
    return (struct slice *)work_get(work, part, count * sizeof(struct slice));
}
