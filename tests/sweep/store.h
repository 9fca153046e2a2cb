/* store.h: each value of the store with every byte flipped. */
#pragma once

#include "sweep/script.h"
#include "sweep/table.h"

void sweep_store(struct table *table, bool all);
