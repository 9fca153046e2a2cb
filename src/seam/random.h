/* random.h (seam): the only source of unpredictable bytes (identity key, log uuid, salts). */
#pragma once

#include <stddef.h>

struct random {
    void *self;
    void (*fill)(void *self, void *at, size_t len);
};

static inline void random_fill(const struct random *random, void *at, size_t len) {
    random->fill(random->self, at, len);
}
