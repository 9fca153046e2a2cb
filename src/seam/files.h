/* files.h (seam): the journal's view of a file system. Paths are relative to the data directory, '/' separates.
 *
 * Every function may be called from one thread at a time per file. Errors: STATUS_NO_SPACE for a full disk or quota or file
 * size limit, STATUS_NOT_FOUND where said, else STATUS_IO_ERROR; each fills `failure` (may be NULL) with path and reason.
 * What was written is only durable after file_sync; a name (create, rename, remove) only after directory_sync of its folder.
 */
#pragma once

#include "base/bytes.h"
#include "base/status.h"

struct file; /* opaque, made by open */

enum file_mode {
    FILE_READ,   /* must exist */
    FILE_CREATE, /* must not exist; read and write */
};

struct files {
    void *self;
    enum status (*open)(void *self, const char *path, enum file_mode mode, struct file **out, struct failure *failure);
    void (*close)(struct file *file);
    enum status (*size)(struct file *file, uint64_t *out, struct failure *failure);
    /* Reads up to `len` bytes; `*got` is less only at the end of the file. */
    enum status (*read)(struct file *file, uint64_t offset, void *at, size_t len, size_t *got, struct failure *failure);
    /* Writes all or fails; what a failed write left behind is unknown. */
    enum status (*write)(struct file *file, uint64_t offset, struct bytes bytes, struct failure *failure);
    /* Makes the file `size` bytes long with its space reserved; new bytes read as zero. */
    enum status (*allocate)(struct file *file, uint64_t size, struct failure *failure);
    enum status (*truncate)(struct file *file, uint64_t size, struct failure *failure);
    /* fdatasync. A failure is fatal for the caller: what reached the disk is unknown from then on. */
    enum status (*sync)(struct file *file, struct failure *failure);
    enum status (*rename)(void *self, const char *from, const char *to, struct failure *failure); /* replaces `to` */
    enum status (*remove)(void *self, const char *path, struct failure *failure);
    enum status (*make_directory)(void *self, const char *path, struct failure *failure); /* fine if it exists */
    enum status (*directory_sync)(void *self, const char *path, struct failure *failure);
    /* Calls `visit` with each name in the directory, ascending bytes; no "." or "..". */
    enum status (*list)(void *self, const char *path, void (*visit)(void *context, const char *name), void *context,
                        struct failure *failure);
};
