/* runs.h: damage of the files of identities: of a list and of a run. */
#pragma once

#include "sweep/table.h"

/* `all`: each bit of each byte. */
void sweep_runs(struct table *table, bool all);
