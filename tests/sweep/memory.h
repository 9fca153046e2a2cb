/* memory.h: the Nth allocation fails, for all N, once and for good: of the product, and of the libraries that can be made to
 * ask where it asks (jansson; the C++ part of the JSON scanner). What ZSTD, RocksDB and libc take for themselves cannot. */
#pragma once

#include "sweep/script.h"
#include "sweep/table.h"

void sweep_memory(const struct script *script, struct table *table);
