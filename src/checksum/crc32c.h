/* crc32c.h: CRC-32C (Castagnoli), RFC 3720 appendix B.4, by ISA-L. Pass 0 to begin, the last result to go on. */
#pragma once

#include <stdint.h>

#include "base/bytes.h"

uint32_t crc32c(uint32_t crc, struct bytes bytes);
