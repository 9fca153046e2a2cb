/* arena.h: one range of memory that is reserved once; the kernel backs what was touched. Internal to dedup/. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CACHE_LINE_BYTES = 64, PAGE_BYTES = 4096, HUGE_PAGE_BYTES = 2 * 1024 * 1024 };

struct arena {
    uint8_t *at;
    size_t bytes;
    bool is_mapped;
};

/* All zero, at a cache line, at least `bytes`. From the size of a huge page on it is mapped, ends at a page, and is not
 * backed before it is touched. */
void arena_init(struct arena *arena, uint64_t bytes);
void arena_fini(struct arena *arena);
