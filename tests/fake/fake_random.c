#include "fake/fake_random.h"

static void fill(void *self, void *at, size_t len) {
    unsigned char *bytes = at;
    for (size_t i = 0; i < len; i++) bytes[i] = (unsigned char)(random_sequence_next(self) >> 56);
}

struct random fake_random_table(struct random_sequence *sequence) {
    return (struct random){.self = sequence, .fill = fill};
}
