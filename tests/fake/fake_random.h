/* fake_random.h: the seam's random bytes from a seed. */
#pragma once

#include "base/random_sequence.h"
#include "seam/random.h"

/* The sequence outlives the table. */
struct random fake_random_table(struct random_sequence *sequence);
