#include <sodium.h>

#include "base/check.h"
#include "os/os.h"

static void fill(void *self, void *at, size_t len) {
    (void)self;
    randombytes_buf(at, len);
}

struct random os_random(void) {
    CHECK(sodium_init() >= 0); /* any number of times, from any thread */
    return (struct random){.self = NULL, .fill = fill};
}
