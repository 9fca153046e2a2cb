#include "journal/person_walk.h"

#include "base/check.h"
#include "journal/record_format.h"

struct person_walk person_walk_of(const struct click_block *block) {
    CHECK(block->count > 0 && block->personal.len > PERSONAL_SALT_BYTES + (size_t)block->count * 2);
    const uint8_t *lengths = block->personal.at + PERSONAL_SALT_BYTES;
    const uint8_t *users = lengths + (size_t)block->count * 2; /* behind the forms */
    const uint8_t *ips = users;
    for (uint32_t i = 0; i < block->count; i++) ips += lengths[i];
    CHECK(ips < block->personal.at + block->personal.len);
    return (struct person_walk){lengths, users, ips};
}
