#include "dedup/arena.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/check.h"

/* Aligned to a huge page when it is large enough to have one: with small pages every look-up would miss the TLB too. */
void arena_init(struct arena *arena, uint64_t bytes) {
    if (bytes < HUGE_PAGE_BYTES) {
        size_t len = (bytes + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES * CACHE_LINE_BYTES;
        arena->at = aligned_alloc(CACHE_LINE_BYTES, len);
        CHECKF(arena->at != NULL, "out of memory for %zu bytes", len);
        memset(arena->at, 0, len);
        arena->bytes = len;
        CHECK(arena->bytes >= bytes && arena->bytes % CACHE_LINE_BYTES == 0);
        arena->is_mapped = false;
        return;
    }
    size_t len = (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    uint8_t *at =
        mmap(NULL, len + HUGE_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECKF(at != MAP_FAILED, "no address space for %zu bytes of identities: lower --dedup-memory", len);
    size_t skip = (HUGE_PAGE_BYTES - (uintptr_t)at % HUGE_PAGE_BYTES) % HUGE_PAGE_BYTES;
    if (skip > 0) CHECK(munmap(at, skip) == 0);
    CHECK(munmap(at + skip + len, HUGE_PAGE_BYTES - skip) == 0);
    arena->at = at + skip;
    arena->bytes = len;
    CHECK((uintptr_t)arena->at % HUGE_PAGE_BYTES == 0 && arena->bytes >= bytes);
    arena->is_mapped = true;
    (void)madvise(arena->at, len, MADV_HUGEPAGE); /* only speed depends on it */
}

void arena_fini(struct arena *arena) {
    if (arena->is_mapped) {
        CHECK(munmap(arena->at, arena->bytes) == 0);
    } else {
        free(arena->at);
    }
    *arena = (struct arena){0};
}
