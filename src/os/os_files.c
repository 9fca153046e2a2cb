/* The journal's files on POSIX. Linux of Debian 12; other systems are not supported (nor macOS, whose fsync does not). */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/check.h"
#include "os/os_internal.h"

enum { FILE_MAGIC = 0x0F11E000 };

struct os_file {
    uint32_t magic;
    int fd;
    char path[]; /* for messages */
};

static struct os_file *os_file(struct file *file) {
    struct os_file *own = (struct os_file *)(void *)file;
    CHECK(own != NULL && own->magic == FILE_MAGIC && own->fd >= 0);
    return own;
}

static enum status files_open(void *self, const char *path, enum file_mode mode, struct file **out,
                              struct failure *failure) {
    int flags = O_CLOEXEC | (mode == FILE_READ ? O_RDONLY : O_RDWR | O_CREAT | O_EXCL);
    int fd = openat(os_directory_fd(self), path, flags, 0640);
    if (fd < 0) return os_failure(failure, mode == FILE_READ ? "open" : "create", path, errno);
    struct os_file *file = memory_allocate(sizeof *file + strlen(path) + 1);
    file->magic = FILE_MAGIC;
    file->fd = fd;
    memcpy(file->path, path, strlen(path) + 1);
    *out = (struct file *)(void *)file;
    return STATUS_OK;
}

static void file_close(struct file *file) {
    struct os_file *own = os_file(file);
    close(own->fd); /* everything that matters was synced; an error here says nothing new */
    own->magic = 0;
    free(own);
}

static enum status file_size(struct file *file, uint64_t *out, struct failure *failure) {
    struct os_file *own = os_file(file);
    struct stat facts;
    if (fstat(own->fd, &facts) != 0) return os_failure(failure, "stat", own->path, errno);
    *out = (uint64_t)facts.st_size;
    return STATUS_OK;
}

static enum status file_read(struct file *file, uint64_t offset, void *at, size_t len, size_t *got,
                             struct failure *failure) {
    struct os_file *own = os_file(file);
    CHECK(offset <= INT64_MAX);
    *got = 0;
    while (*got < len) {
        ssize_t part = pread(own->fd, (uint8_t *)at + *got, len - *got, (off_t)(offset + *got));
        if (part < 0 && errno == EINTR) continue;
        if (part < 0) return os_failure(failure, "read", own->path, errno);
        if (part == 0) break;
        *got += (size_t)part;
    }
    return STATUS_OK;
}

static enum status file_write(struct file *file, uint64_t offset, struct bytes bytes, struct failure *failure) {
    struct os_file *own = os_file(file);
    CHECK(offset <= INT64_MAX && bytes.len <= INT64_MAX - offset);
    size_t done = 0;
    while (done < bytes.len) {
        ssize_t part = pwrite(own->fd, bytes.at + done, bytes.len - done, (off_t)(offset + done));
        if (part < 0 && errno == EINTR) continue;
        if (part <= 0) return os_failure(failure, "write", own->path, part < 0 ? errno : EIO);
        done += (size_t)part;
    }
    return STATUS_OK;
}

/* Not glibc's posix_fallocate: where the file system cannot reserve, it writes into every block of the file. There the file
 * is only made long, and a full disk shows at a write instead. */
static enum status file_allocate(struct file *file, uint64_t size, struct failure *failure) {
    struct os_file *own = os_file(file);
    CHECK(size <= INT64_MAX);
    uint64_t current;
    enum status status = file_size(file, &current, failure);
    if (status != STATUS_OK) return status;
    CHECK(size >= current);
    if (size == current) return STATUS_OK;
    int result;
    do result = fallocate(own->fd, 0, 0, (off_t)size);
    while (result != 0 && errno == EINTR);
    if (result != 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) {
        do result = ftruncate(own->fd, (off_t)size);
        while (result != 0 && errno == EINTR);
    }
    return result == 0 ? STATUS_OK : os_failure(failure, "reserve space", own->path, errno);
}

static enum status file_truncate(struct file *file, uint64_t size, struct failure *failure) {
    struct os_file *own = os_file(file);
    CHECK(size <= INT64_MAX);
    int result;
    do result = ftruncate(own->fd, (off_t)size);
    while (result != 0 && errno == EINTR);
    return result == 0 ? STATUS_OK : os_failure(failure, "truncate", own->path, errno);
}

static enum status file_sync(struct file *file, struct failure *failure) {
    struct os_file *own = os_file(file);
    /* Never again on an error, not even on EINTR: the kernel may have dropped what it could not write. */
    return fdatasync(own->fd) == 0 ? STATUS_OK : os_failure(failure, "sync", own->path, errno);
}

static enum status files_rename(void *self, const char *from, const char *to, struct failure *failure) {
    int directory = os_directory_fd(self);
    return renameat(directory, from, directory, to) == 0 ? STATUS_OK : os_failure(failure, "rename", from, errno);
}

static enum status files_remove(void *self, const char *path, struct failure *failure) {
    return unlinkat(os_directory_fd(self), path, 0) == 0 ? STATUS_OK : os_failure(failure, "remove", path, errno);
}

static enum status files_make_directory(void *self, const char *path, struct failure *failure) {
    if (mkdirat(os_directory_fd(self), path, 0750) == 0) return STATUS_OK;
    int error = errno;
    struct stat facts;
    if (error == EEXIST && fstatat(os_directory_fd(self), path, &facts, 0) == 0 && S_ISDIR(facts.st_mode)) return STATUS_OK;
    return os_failure(failure, "make directory", path, error);
}

static enum status open_directory(void *self, const char *path, int *fd, struct failure *failure) {
    *fd = openat(os_directory_fd(self), path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *fd >= 0 ? STATUS_OK : os_failure(failure, "open directory", path, errno);
}

static enum status files_directory_sync(void *self, const char *path, struct failure *failure) {
    int fd;
    enum status status = open_directory(self, path, &fd, failure);
    if (status != STATUS_OK) return status;
    if (fsync(fd) != 0) status = os_failure(failure, "sync directory", path, errno);
    close(fd);
    return status;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Collects first: the visitor may change the directory. */
static enum status read_names(DIR *directory, const char *path, char ***names, size_t *count, struct failure *failure) {
    size_t capacity = 0;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (entry == NULL) return errno == 0 ? STATUS_OK : os_failure(failure, "list", path, errno);
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (*count == capacity) {
            capacity = capacity == 0 ? 64 : 2 * capacity;
            *names = memory_resize(*names, capacity * sizeof **names);
        }
        size_t len = strlen(entry->d_name) + 1;
        (*names)[*count] = memcpy(memory_allocate(len), entry->d_name, len);
        (*count)++;
    }
}

static enum status files_list(void *self, const char *path, void (*visit)(void *context, const char *name), void *context,
                              struct failure *failure) {
    int fd;
    enum status status = open_directory(self, path, &fd, failure);
    if (status != STATUS_OK) return status;
    DIR *directory = fdopendir(fd);
    if (directory == NULL) {
        status = os_failure(failure, "list", path, errno);
        close(fd);
        return status;
    }
    char **names = NULL;
    size_t count = 0;
    status = read_names(directory, path, &names, &count, failure);
    closedir(directory); /* and its fd */
    if (status == STATUS_OK && count > 0) qsort(names, count, sizeof *names, compare_names);
    for (size_t i = 0; i < count; i++) {
        if (status == STATUS_OK) visit(context, names[i]);
        free(names[i]);
    }
    free(names);
    return status;
}

struct files os_files(struct os_directory *directory) {
    return (struct files){
        .self = directory,
        .open = files_open,
        .close = file_close,
        .size = file_size,
        .read = file_read,
        .write = file_write,
        .allocate = file_allocate,
        .truncate = file_truncate,
        .sync = file_sync,
        .rename = files_rename,
        .remove = files_remove,
        .make_directory = files_make_directory,
        .directory_sync = files_directory_sync,
        .list = files_list,
    };
}
