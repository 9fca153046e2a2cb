/* damage.h: the journal cut at every byte and with every byte flipped, with its store and without one. */
#pragma once

#include "sweep/small.h"
#include "sweep/table.h"

/* Headers and footers with each of their bits; the rest with one bit a byte, or with `all` of them, and all zeros
 * behind the last record. */
void sweep_damage(struct table *table, bool all);
