#include "checksum/crc32c.h"

#include <isa-l/crc.h>
#include <limits.h>

uint32_t crc32c(uint32_t crc, struct bytes bytes) {
    uint32_t state = ~crc;
    while (bytes.len > 0) {
        int part = bytes.len > INT_MAX ? INT_MAX : (int)bytes.len;
        /* ISA-L takes a pointer to non-const that it only reads. */
        state = crc32_iscsi((unsigned char *)(uintptr_t)bytes.at, part, state);
        bytes.at += part;
        bytes.len -= (size_t)part;
    }
    return ~state;
}
