/* engine.h: what gzip and zstd have in common, for the files of this folder only. */
#pragma once

#include "compress/decompress.h"

/* One step of the library: moves `input`, sets *made, and *between when it stands between two members (or frames). */
struct engine {
    void *(*create)(void);
    void (*destroy)(void *state);
    void (*reset)(void *state);
    enum status (*step)(void *state, struct bytes *input, uint8_t *out, size_t room, size_t *made, bool *between,
                        struct failure *failure);
};

extern const struct engine engine_gzip, engine_zstd;
