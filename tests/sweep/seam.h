/* seam.h: the fakes as the rig's node sees them. Every call is counted, and inside them no allocation fails: what is asked
 * of a fake is done or not, as on a machine. */
#pragma once

#include "sweep/rig.h"

/* Of the rig's `files` and `kv`, whatever they are at the time of a call. */
struct files seam_files(struct rig *rig);
struct kv seam_kv(struct rig *rig);
