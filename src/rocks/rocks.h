/* rocks.h: the seam's kv on RocksDB. Why, and its limits: docs/adr. RocksDB is named nowhere else. */
#pragma once

#include "base/status.h"
#include "seam/kv.h"

struct rocks;

struct rocks_options {
    const char *path;     /* the store's directory; made if missing */
    uint64_t cache_bytes; /* block cache and memtables together */
    bool read_only;       /* must be there, stays as it is, and must not be written to */
};
/* STATUS_BUSY: another process has it. Other failures name the path. */
enum status rocks_open(const struct rocks_options *options, struct rocks **out, struct failure *failure) MUST_USE;
struct kv rocks_kv(struct rocks *rocks);
void rocks_close(struct rocks *rocks);
