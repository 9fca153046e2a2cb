/* resume.h: how far a server has answered for files, kept in a small file, so that a later run goes on from there.
 *
 * A file is known again by its device, inode and first bytes: a log that was renamed goes on where it was, one that was
 * replaced or cut begins anew. When in doubt a file begins anew, since sending again is always safe. One thread at a time.
 */
#pragma once

#include "client/sender.h"

enum { RESUME_FILES_MAX = 10000, RESUME_HEAD_BYTES = 64 };

struct resume;

/* Reads the file at `path` if there is one. STATUS_BAD_CONFIG: it is not such a file, or was made for another server or
 * source. `path` and `source` (may be NULL) outlive it. */
enum status resume_open(const char *path, const char *url, const char *source, struct resume **out,
                        struct failure *failure) MUST_USE;
void resume_close(struct resume *resume); /* NULL is fine; saves nothing */

/* File number `file` of this run stands open as `fd`: where to go on, 0 and 0 for a new one. */
void resume_begin(struct resume *resume, size_t file, int fd, const char *name, uint64_t *offset, uint64_t *lines);
/* The place of `resume_begin` cannot be used: the file begins anew. */
void resume_restart(struct resume *resume, size_t file);
/* A batch was answered for. They may come in any order; the place moves only over what is answered without a gap. */
void resume_note(struct resume *resume, const struct sender_batch *batch);
/* Replaces the file as a whole, on stable storage. */
enum status resume_save(struct resume *resume, struct failure *failure) MUST_USE;
