#include "aggregate/partial.h"

#include <stdlib.h>

#include "base/check.h"

void partial_fini(struct partial *partial) {
    free(partial->increments);
    free(partial->atom_increments);
    *partial = (struct partial){0};
}

static void *grow(void *at, size_t *capacity, size_t element_size) {
    CHECK(*capacity <= (SIZE_MAX / element_size - 1024) / 2);
    *capacity = *capacity * 2 + 1024;
    return memory_resize(at, *capacity * element_size);
}

void partial_grow_increments(struct partial *partial) {
    partial->increments = grow(partial->increments, &partial->increment_capacity, sizeof *partial->increments);
    CHECK(partial->increment_count < partial->increment_capacity);
}

void partial_grow_atom_increments(struct partial *partial) {
    partial->atom_increments =
        grow(partial->atom_increments, &partial->atom_increment_capacity, sizeof *partial->atom_increments);
    CHECK(partial->atom_increment_count < partial->atom_increment_capacity);
}
