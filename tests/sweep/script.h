/* script.h: what a node lives through, action by action: small, but whole lives. */
#pragma once

#include "sweep/rig.h"

struct script;
extern const struct script *const scripts[]; /* ended by NULL */
/* Leaves a journal of a few KB: two sealed segments and one that is not, and a store that has counted part of that one. */
extern const struct script *const script_small;
/* Leaves values in every table of the store. */
extern const struct script *const script_with_filters;
/* Leaves a list of runs for each partition, and a journal that goes a little further. */
extern const struct script *const script_runs;
const char *script_name(const struct script *script);

/* Runs the script from action `from` on; the number of the action in which the node ended against its will, or the number of
 * actions. Ends at the first problem, too. May go on behind a failure
 * with the same action again, also on a node that somebody started meanwhile. */
size_t script_run(const struct script *script, struct rig *rig, size_t from);
size_t script_actions(const struct script *script);
/* Whether identities are in files in it. */
bool script_is_in_files(const struct script *script);
/* Whether a run to its end, without faults, met what the script is about. */
bool script_met_all(const struct script *script, const struct rig *rig);
bool script_action_starts(const struct script *script, size_t at);
