#include "sweep/seam.h"

#include <stdlib.h>

#include "base/check.h"

/* --- files: the fake's own handles pass through, with the rig beside them --- */

struct seam_file {
    struct rig *rig;
    struct file *file;
};

#define FILES fake_files_table(rig->files)
#define ASLEEP(call)                                                                                                        \
    rig->asleep++;                                                                                                          \
    enum status status = call;                                                                                              \
    rig->asleep--;                                                                                                          \
    return status

static struct seam_file *seam_file(struct file *file) {
    return (struct seam_file *)(void *)file;
}

static enum status files_open(void *self, const char *path, enum file_mode mode, struct file **out,
                              struct failure *failure) {
    struct rig *rig = self;
    struct file *inner = NULL;
    rig->asleep++;
    enum status status = FILES.open(rig->files, path, mode, &inner, failure);
    if (status == STATUS_OK) {
        struct seam_file *file = memory_allocate(sizeof *file);
        *file = (struct seam_file){rig, inner};
        *out = (struct file *)(void *)file;
    }
    rig->asleep--;
    return status;
}

static void file_close(struct file *file) {
    struct seam_file *own = seam_file(file);
    fake_files_table(own->rig->files).close(own->file);
    free(own);
}

static enum status file_size(struct file *file, uint64_t *out, struct failure *failure) {
    struct rig *rig = seam_file(file)->rig;
    ASLEEP(FILES.size(seam_file(file)->file, out, failure));
}

static enum status file_read(struct file *file, uint64_t offset, void *at, size_t len, size_t *got,
                             struct failure *failure) {
    struct rig *rig = seam_file(file)->rig;
    ASLEEP(FILES.read(seam_file(file)->file, offset, at, len, got, failure));
}

static enum status file_write(struct file *file, uint64_t offset, struct bytes bytes, struct failure *failure) {
    struct rig *rig = seam_file(file)->rig;
    ASLEEP(FILES.write(seam_file(file)->file, offset, bytes, failure));
}

static enum status file_allocate(struct file *file, uint64_t size, struct failure *failure) {
    struct rig *rig = seam_file(file)->rig;
    ASLEEP(FILES.allocate(seam_file(file)->file, size, failure));
}

static enum status file_truncate(struct file *file, uint64_t size, struct failure *failure) {
    struct rig *rig = seam_file(file)->rig;
    ASLEEP(FILES.truncate(seam_file(file)->file, size, failure));
}

static enum status file_sync(struct file *file, struct failure *failure) {
    struct rig *rig = seam_file(file)->rig;
    ASLEEP(FILES.sync(seam_file(file)->file, failure));
}

static enum status files_rename(void *self, const char *from, const char *to, struct failure *failure) {
    struct rig *rig = self;
    ASLEEP(FILES.rename(rig->files, from, to, failure));
}

static enum status files_remove(void *self, const char *path, struct failure *failure) {
    struct rig *rig = self;
    ASLEEP(FILES.remove(rig->files, path, failure));
}

static enum status files_make_directory(void *self, const char *path, struct failure *failure) {
    struct rig *rig = self;
    ASLEEP(FILES.make_directory(rig->files, path, failure));
}

static enum status files_directory_sync(void *self, const char *path, struct failure *failure) {
    struct rig *rig = self;
    ASLEEP(FILES.directory_sync(rig->files, path, failure));
}

/* The visitor is the node's: it is awake in there. */
static enum status files_list(void *self, const char *path, void (*visit)(void *context, const char *name), void *context,
                              struct failure *failure) {
    struct rig *rig = self;
    return FILES.list(rig->files, path, visit, context, failure);
}

struct files seam_files(struct rig *rig) {
    return (struct files){
        .self = rig,
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

/* --- kv --- */

#define KV fake_kv_table(rig->kv)

struct seam_iterator {
    struct rig *rig;
    struct kv_iterator *at;
};

static struct seam_iterator *seam_iterator(struct kv_iterator *iterator) {
    return (struct seam_iterator *)(void *)iterator;
}

static const struct seam_iterator *seam_iterator_view(const struct kv_iterator *iterator) {
    return (const struct seam_iterator *)(const void *)iterator;
}

/* Counts a read, and has it fail if it is its turn. What the comparison reads beside the node is not the node's. */
static void kv_read(struct rig *rig) {
    if (rig->auditing) return;
    if (++rig->kv_calls.reads == rig->fails_kv_read) fake_kv_fail_read(rig->kv, 1, STATUS_IO_ERROR);
}

static enum status kv_get(void *self, const struct kv_snapshot *snapshot, struct bytes key, struct buffer *value,
                          struct failure *failure) {
    struct rig *rig = self;
    kv_read(rig);
    ASLEEP(KV.get(rig->kv, snapshot, key, value, failure));
}

static enum status kv_write(void *self, const struct kv_batch *batch, struct failure *failure) {
    struct rig *rig = self;
    rig->kv_calls.writes++;
    ASLEEP(KV.write(rig->kv, batch, failure));
}

static enum status kv_flush(void *self, struct failure *failure) {
    struct rig *rig = self;
    rig->kv_calls.flushes++;
    ASLEEP(KV.flush(rig->kv, failure));
}

static struct kv_snapshot *kv_snapshot_take(void *self) {
    struct rig *rig = self;
    return KV.snapshot_take(rig->kv);
}

static void kv_snapshot_drop(void *self, struct kv_snapshot *snapshot) {
    struct rig *rig = self;
    KV.snapshot_drop(rig->kv, snapshot);
}

static struct kv_iterator *kv_iterate(void *self, const struct kv_snapshot *snapshot) {
    struct rig *rig = self;
    rig->asleep++;
    struct seam_iterator *iterator = memory_allocate(sizeof *iterator);
    *iterator = (struct seam_iterator){rig, KV.iterate(rig->kv, snapshot)};
    rig->asleep--;
    return (struct kv_iterator *)(void *)iterator;
}

static void kv_seek(struct kv_iterator *iterator, struct bytes key) {
    struct rig *rig = seam_iterator(iterator)->rig;
    kv_read(rig);
    KV.iterator_seek(seam_iterator(iterator)->at, key);
}

static void kv_seek_before(struct kv_iterator *iterator, struct bytes key) {
    struct rig *rig = seam_iterator(iterator)->rig;
    kv_read(rig);
    KV.iterator_seek_before(seam_iterator(iterator)->at, key);
}

static void kv_next(struct kv_iterator *iterator) {
    struct rig *rig = seam_iterator(iterator)->rig;
    kv_read(rig);
    KV.iterator_next(seam_iterator(iterator)->at);
}

static bool kv_valid(const struct kv_iterator *iterator) {
    const struct seam_iterator *own = seam_iterator_view(iterator);
    return fake_kv_table(own->rig->kv).iterator_valid(own->at);
}

static struct bytes kv_key(const struct kv_iterator *iterator) {
    const struct seam_iterator *own = seam_iterator_view(iterator);
    return fake_kv_table(own->rig->kv).iterator_key(own->at);
}

static struct bytes kv_value(const struct kv_iterator *iterator) {
    const struct seam_iterator *own = seam_iterator_view(iterator);
    return fake_kv_table(own->rig->kv).iterator_value(own->at);
}

static enum status kv_status(const struct kv_iterator *iterator, struct failure *failure) {
    const struct seam_iterator *own = seam_iterator_view(iterator);
    return fake_kv_table(own->rig->kv).iterator_status(own->at, failure);
}

static void kv_close(struct kv_iterator *iterator) {
    struct seam_iterator *own = seam_iterator(iterator);
    fake_kv_table(own->rig->kv).iterator_close(own->at);
    free(own);
}

struct kv seam_kv(struct rig *rig) {
    return (struct kv){
        .self = rig,
        .get = kv_get,
        .write = kv_write,
        .flush = kv_flush,
        .snapshot_take = kv_snapshot_take,
        .snapshot_drop = kv_snapshot_drop,
        .iterate = kv_iterate,
        .iterator_seek = kv_seek,
        .iterator_seek_before = kv_seek_before,
        .iterator_next = kv_next,
        .iterator_valid = kv_valid,
        .iterator_key = kv_key,
        .iterator_value = kv_value,
        .iterator_status = kv_status,
        .iterator_close = kv_close,
    };
}
