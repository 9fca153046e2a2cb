#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/check.h"
#include "os/os_internal.h"

enum { DIRECTORY_MAGIC = 0x0D12EC70 };

struct os_directory {
    uint32_t magic;
    int fd;
    int lock_fd;
    char *path;
};

enum status os_failure(struct failure *failure, const char *operation, const char *path, int error) {
    char text[128];
    const char *reason = strerror_r(error, text, sizeof text); /* the GNU one: may return other storage */
    enum status status = STATUS_IO_ERROR;
    if (error == ENOSPC || error == EDQUOT || error == EFBIG) status = STATUS_NO_SPACE;
    if (error == ENOENT) status = STATUS_NOT_FOUND;
    return failure_set(failure, status, "%s: cannot %s: %s", path, operation, reason);
}

int os_directory_fd(const struct os_directory *directory) {
    CHECK(directory->magic == DIRECTORY_MAGIC && directory->fd >= 0);
    return directory->fd;
}

const char *os_directory_path(const struct os_directory *directory) {
    CHECK(directory->magic == DIRECTORY_MAGIC);
    return directory->path;
}

/* The pid is for the message only: the lock is flock's, and goes with the process that has it. */
static enum status lock_taken(const struct os_directory *directory, struct failure *failure) {
    char pid[32] = "";
    ssize_t got = pread(directory->lock_fd, pid, sizeof pid - 1, 0);
    pid[got > 0 ? strcspn(pid, "\n") : 0] = 0;
    return failure_set(failure, STATUS_BUSY, "%s is in use by another process%s%s: stop it, or give another data directory",
                       directory->path, pid[0] != 0 ? ", pid " : "", pid);
}

static enum status directory_lock(struct os_directory *directory, struct failure *failure) {
    directory->lock_fd = openat(directory->fd, "LOCK", O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (directory->lock_fd < 0)
        return failure_set(failure, STATUS_IO_ERROR, "%s/LOCK: cannot open: %s; the data directory must be writable",
                           directory->path, strerror(errno));
    while (flock(directory->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EINTR) continue;
        if (errno == EWOULDBLOCK) return lock_taken(directory, failure);
        return failure_set(failure, STATUS_IO_ERROR, "%s/LOCK: cannot lock: %s", directory->path, strerror(errno));
    }
    char pid[32];
    int len = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    CHECK(len > 0);
    /* A full disk must not keep a node from starting to say so: without the pid the lock holds all the same. */
    if (ftruncate(directory->lock_fd, 0) == 0 && pwrite(directory->lock_fd, pid, (size_t)len, 0) == len) return STATUS_OK;
    return STATUS_OK;
}

enum status os_directory_open(const char *path, struct os_directory **out, struct failure *failure) {
    if (mkdir(path, 0750) != 0 && errno != EEXIST)
        return failure_set(failure, errno == ENOSPC ? STATUS_NO_SPACE : STATUS_IO_ERROR,
                           "%s: cannot make the data directory: %s; its parent must exist and be writable", path,
                           strerror(errno));
    struct os_directory *directory = memory_allocate_zeroed(1, sizeof *directory);
    directory->magic = DIRECTORY_MAGIC;
    directory->lock_fd = -1;
    directory->path = memory_allocate(strlen(path) + 1);
    memcpy(directory->path, path, strlen(path) + 1);
    directory->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum status status = STATUS_OK;
    if (directory->fd < 0)
        status = failure_set(failure, STATUS_IO_ERROR,
                             "%s: cannot open the data directory: %s; give a directory that this user may read and write",
                             path, strerror(errno));
    if (status == STATUS_OK) status = directory_lock(directory, failure);
    if (status != STATUS_OK) {
        os_directory_close(directory);
        return status;
    }
    *out = directory;
    return STATUS_OK;
}

void os_directory_close(struct os_directory *directory) {
    if (directory == NULL) return;
    CHECK(directory->magic == DIRECTORY_MAGIC);
    if (directory->lock_fd >= 0) close(directory->lock_fd); /* and with it the lock */
    if (directory->fd >= 0) close(directory->fd);
    free(directory->path);
    directory->magic = 0;
    free(directory);
}

bool os_directory_has(const struct os_directory *directory, const char *path) {
    return faccessat(os_directory_fd(directory), path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

enum status os_directory_put_aside(struct os_directory *directory, const char *name, char aside[OS_NAME_BYTES],
                                   struct failure *failure) {
    int fd = os_directory_fd(directory);
    for (int i = 1; i == 1 || os_directory_has(directory, aside); i++) {
        int len = i == 1 ? snprintf(aside, OS_NAME_BYTES, "%s.damaged", name)
                         : snprintf(aside, OS_NAME_BYTES, "%s.%d.damaged", name, i);
        CHECK(len > 0 && len < OS_NAME_BYTES);
    }
    if (renameat(fd, name, fd, aside) != 0) return os_failure(failure, "move aside", name, errno);
    return fsync(fd) == 0 ? STATUS_OK : os_failure(failure, "sync", directory->path, errno);
}
