/* audit_directory.h: the audit (audit/audit.h) of a stopped data directory. Changes nothing in it. */
#pragma once

#include "audit/audit.h"

/* STATUS_BUSY while a server runs on it; STATUS_BAD_INPUT when the server was not stopped in order, so that the store does
 * not yet hold all of the journal. */
enum status audit_directory(const char *data_directory, struct audit_result *result, struct failure *failure) MUST_USE;
