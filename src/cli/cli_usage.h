/* cli_usage.h: what `tally VERB --help` prints; for the frame only. */
#pragma once

#include "cli/cli.h"

/* On stdout. Call it before flags are read into what they point to: that is where the defaults are. */
void cli_print_usage(const struct cli_usage *usage);
