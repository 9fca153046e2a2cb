/* faults.h: the Nth call of each kind fails, for all N, once and for good. */
#pragma once

#include "sweep/script.h"
#include "sweep/table.h"

/* Every kind that files and the store can fail in, over one script. */
void sweep_faults(const struct script *script, struct table *table);
