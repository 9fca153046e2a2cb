/* The table of functions, and the failures that tests schedule. */
#include "fake/fake_files.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "fake/fake_files_internal.h"

/* Each scheduled failure is counted when it strikes, and once. */
static void note_failure(struct fake_files *fake, enum fake_call call, bool stopped, bool struck) {
    struct fake_failure *planned = &fake->failures[call];
    fake->counts.injected++;
    fake->counts.stops += stopped && !fake->stopped;
    fake->stopped = fake->stopped || stopped;
    if (!struck || planned->has_struck) return;
    fake->counts.fills += planned->fills;
    fake->counts.failed[call] += !planned->fills;
    planned->has_struck = true;
}

/* Counts the call; gives the failure that was scheduled for it. */
static enum status begin_call(struct fake_files *fake, enum fake_call call, bool changes, const char *path,
                              struct failure *failure) {
    if (changes && fake->wait != NULL) fake->wait(fake->wait_context);
    fake->counts.calls[call]++;
    if (changes) fake->changes++;
    bool stopped = fake->stop_at > 0 && fake->changes >= fake->stop_at;
    struct fake_failure *planned = &fake->failures[call];
    bool struck = planned->at > 0 && fake->counts.calls[call] >= planned->at && (changes || !planned->fills);
    if (!stopped && !struck) return STATUS_OK;
    enum status status = struck ? planned->status : STATUS_IO_ERROR;
    note_failure(fake, call, stopped, struck);
    if (struck && !planned->for_good) planned->at = 0;
    return failure_set(failure, status, "%s: a failure that a test asked for", path);
}

static struct fake_file *fake_file(struct file *file) {
    struct fake_file *own = (struct fake_file *)(void *)file;
    CHECKF(own->epoch == own->fake->epoch, "%s was opened before the last crash", own->path);
    return own;
}

static enum status call_open(void *self, const char *path, enum file_mode mode, struct file **out, struct failure *failure) {
    struct fake_files *fake = self;
    enum status status = begin_call(fake, FAKE_OPEN, mode == FILE_CREATE, path, failure);
    if (status != STATUS_OK) return status;
    struct fake_name *name = fake_names_find(&fake->now, path);
    if (mode == FILE_READ && (name == NULL || name->inode == NULL))
        return failure_set(failure, STATUS_NOT_FOUND, "%s: no such file", path);
    if (mode == FILE_CREATE && name != NULL) return failure_set(failure, STATUS_IO_ERROR, "%s: exists", path);
    struct fake_file *file = memory_allocate_zeroed(1, sizeof *file);
    *file = (struct fake_file){.fake = fake, .epoch = fake->epoch, .writable = mode == FILE_CREATE};
    (void)snprintf(file->path, sizeof file->path, "%s", path);
    if (mode == FILE_READ) {
        file->inode = fake_inode_hold(name->inode);
    } else {
        file->inode = fake_inode_create();
        fake_name_change_add(fake, path, "", file->inode);
    }
    *out = (struct file *)(void *)file;
    return STATUS_OK;
}

static void call_close(struct file *file) {
    struct fake_file *own = (struct fake_file *)(void *)file;
    fake_inode_release(own->inode);
    free(own);
}

static enum status call_size(struct file *file, uint64_t *out, struct failure *failure) {
    (void)failure;
    *out = fake_file(file)->inode->now.len;
    return STATUS_OK;
}

static enum status call_read(struct file *file, uint64_t offset, void *at, size_t len, size_t *got,
                             struct failure *failure) {
    struct fake_file *own = fake_file(file);
    enum status status = begin_call(own->fake, FAKE_READ, false, own->path, failure);
    if (status != STATUS_OK) return status;
    const struct buffer *now = &own->inode->now;
    *got = 0;
    if (offset >= now->len) return STATUS_OK;
    *got = len < now->len - offset ? len : (size_t)(now->len - offset);
    if (*got > 0) memcpy(at, now->at + offset, *got);
    return STATUS_OK;
}

static enum status call_write(struct file *file, uint64_t offset, struct bytes bytes, struct failure *failure) {
    struct fake_file *own = fake_file(file);
    CHECK(own->writable);
    enum status status = begin_call(own->fake, FAKE_WRITE, true, own->path, failure);
    if (status != STATUS_OK) bytes.len = random_sequence_below(&own->fake->random, bytes.len + 1);
    fake_inode_write(own->inode, offset, bytes);
    bool misdirected = fake_lie_strikes(own->fake, FAKE_LIE_MISDIRECTED);
    if (misdirected) fake_misdirect(own->fake, own->inode, offset, bytes);
    if (misdirected || fake_lie_strikes(own->fake, FAKE_LIE_LOST)) fake_inode_lose_last(own->inode);
    return status;
}

static enum status call_allocate(struct file *file, uint64_t size, struct failure *failure) {
    struct fake_file *own = fake_file(file);
    CHECK(own->writable && size >= own->inode->now.len);
    enum status status = begin_call(own->fake, FAKE_ALLOCATE, true, own->path, failure);
    if (status == STATUS_OK) fake_inode_resize(own->inode, size);
    return status;
}

static enum status call_truncate(struct file *file, uint64_t size, struct failure *failure) {
    struct fake_file *own = fake_file(file);
    CHECK(own->writable);
    enum status status = begin_call(own->fake, FAKE_TRUNCATE, true, own->path, failure);
    if (status == STATUS_OK) fake_inode_resize(own->inode, size);
    return status;
}

static enum status call_sync(struct file *file, struct failure *failure) {
    struct fake_file *own = fake_file(file);
    enum status status = begin_call(own->fake, FAKE_SYNC, true, own->path, failure);
    if (status == STATUS_OK && fake_lie_strikes(own->fake, FAKE_LIE_SYNC))
        fake_inode_sync_falsely(own->inode);
    else if (status == STATUS_OK)
        fake_inode_sync(own->inode, &own->fake->counts);
    else
        fake_inode_lose(own->inode, &own->fake->random, &own->fake->counts);
    return status;
}

static enum status call_rename(void *self, const char *from, const char *to, struct failure *failure) {
    struct fake_files *fake = self;
    enum status status = begin_call(fake, FAKE_RENAME, true, from, failure);
    if (status != STATUS_OK) return status;
    struct fake_name *name = fake_names_find(&fake->now, from);
    if (name == NULL || name->inode == NULL) return failure_set(failure, STATUS_NOT_FOUND, "%s: no such file", from);
    fake_name_change_add(fake, to, from, name->inode);
    return STATUS_OK;
}

static enum status call_remove(void *self, const char *path, struct failure *failure) {
    struct fake_files *fake = self;
    enum status status = begin_call(fake, FAKE_REMOVE, true, path, failure);
    if (status != STATUS_OK) return status;
    struct fake_name *name = fake_names_find(&fake->now, path);
    if (name == NULL || name->inode == NULL) return failure_set(failure, STATUS_NOT_FOUND, "%s: no such file", path);
    fake_name_change_add(fake, "", path, NULL);
    return STATUS_OK;
}

static enum status call_make_directory(void *self, const char *path, struct failure *failure) {
    struct fake_files *fake = self;
    enum status status = begin_call(fake, FAKE_MAKE_DIRECTORY, true, path, failure);
    if (status != STATUS_OK) return status;
    struct fake_name *name = fake_names_find(&fake->now, path);
    if (name != NULL && name->inode != NULL) return failure_set(failure, STATUS_IO_ERROR, "%s: is a file", path);
    if (name == NULL) fake_name_change_add(fake, path, "", NULL);
    return STATUS_OK;
}

static bool change_in(const struct fake_name_change *change, const char *directory) {
    return fake_path_in(change->set[0] != 0 ? change->set : change->unset, directory);
}

static enum status call_directory_sync(void *self, const char *path, struct failure *failure) {
    struct fake_files *fake = self;
    enum status status = begin_call(fake, FAKE_DIRECTORY_SYNC, true, path, failure);
    if (status != STATUS_OK) return status;
    bool falsely = fake_lie_strikes(fake, FAKE_LIE_SYNC);
    size_t left = 0;
    for (size_t i = 0; i < fake->name_change_count; i++) {
        struct fake_name_change *change = &fake->name_changes[i];
        bool concerned = change_in(change, path);
        change->sworn = change->sworn || (concerned && falsely);
        if (concerned && !falsely) {
            fake_name_change_apply(&fake->durable, change);
            fake_inode_release(change->inode);
        } else {
            fake->name_changes[left++] = *change;
        }
    }
    fake->name_change_count = left;
    return STATUS_OK;
}

static enum status call_list(void *self, const char *path, void (*visit)(void *context, const char *name), void *context,
                             struct failure *failure) {
    struct fake_files *fake = self;
    enum status status = begin_call(fake, FAKE_LIST, false, path, failure);
    if (status != STATUS_OK) return status;
    if (strcmp(path, ".") != 0 && fake_names_find(&fake->now, path) == NULL)
        return failure_set(failure, STATUS_NOT_FOUND, "%s: no such directory", path);
    for (size_t i = 0; i < fake->now.count; i++) {
        const char *slash = strrchr(fake->now.at[i].path, '/');
        if (fake_path_in(fake->now.at[i].path, path)) visit(context, slash == NULL ? fake->now.at[i].path : slash + 1);
    }
    return STATUS_OK;
}

struct files fake_files_table(struct fake_files *fake) {
    return (struct files){
        .self = fake,
        .open = call_open,
        .close = call_close,
        .size = call_size,
        .read = call_read,
        .write = call_write,
        .allocate = call_allocate,
        .truncate = call_truncate,
        .sync = call_sync,
        .rename = call_rename,
        .remove = call_remove,
        .make_directory = call_make_directory,
        .directory_sync = call_directory_sync,
        .list = call_list,
    };
}
