/* What the fake file system is made of: inodes with pending changes, and names with pending changes. */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "fake/fake_files_internal.h"

struct fake_inode *fake_inode_create(void) {
    struct fake_inode *inode = memory_allocate_zeroed(1, sizeof *inode);
    inode->references = 1;
    return inode;
}

struct fake_inode *fake_inode_hold(struct fake_inode *inode) {
    if (inode != NULL) inode->references++;
    return inode;
}

static void inode_forget_changes(struct fake_inode *inode) {
    for (size_t i = 0; i < inode->change_count; i++) buffer_fini(&inode->changes[i].bytes);
    inode->change_count = 0;
}

void fake_inode_release(struct fake_inode *inode) {
    if (inode == NULL || --inode->references > 0) return;
    inode_forget_changes(inode);
    free(inode->changes);
    buffer_fini(&inode->now);
    buffer_fini(&inode->durable);
    free(inode);
}

static void content_resize(struct buffer *content, uint64_t size) {
    if (size > content->len) {
        size_t extra = size - content->len;
        memset(buffer_reserve(content, extra), 0, extra);
    }
    content->len = size;
}

static void content_write(struct buffer *content, uint64_t offset, struct bytes bytes) {
    if (bytes.len == 0) return;
    if (offset + bytes.len > content->len) content_resize(content, offset + bytes.len);
    memcpy(content->at + offset, bytes.at, bytes.len);
}

static void inode_add_change(struct fake_inode *inode, enum fake_change_kind kind, uint64_t offset, struct bytes bytes) {
    if (inode->change_count == inode->change_capacity) {
        inode->change_capacity = inode->change_capacity == 0 ? 8 : 2 * inode->change_capacity;
        inode->changes = memory_resize(inode->changes, inode->change_capacity * sizeof inode->changes[0]);
    }
    struct fake_change *change = &inode->changes[inode->change_count++];
    *change = (struct fake_change){.kind = kind, .offset = offset};
    buffer_append_bytes(&change->bytes, bytes);
}

void fake_inode_write(struct fake_inode *inode, uint64_t offset, struct bytes bytes) {
    content_write(&inode->now, offset, bytes);
    inode_add_change(inode, FAKE_CHANGE_WRITE, offset, bytes);
}

void fake_inode_resize(struct fake_inode *inode, uint64_t size) {
    content_resize(&inode->now, size);
    inode_add_change(inode, FAKE_CHANGE_SIZE, size, (struct bytes){NULL, 0});
}

void fake_inode_lose_last(struct fake_inode *inode) {
    CHECK(inode->change_count > 0);
    inode->changes[inode->change_count - 1].lost = true;
}

/* Replays the pending changes rather than copying the whole content: a sync costs what was written. */
void fake_inode_sync(struct fake_inode *inode, struct fake_files_counts *counts) {
    for (size_t i = 0; i < inode->change_count; i++) {
        const struct fake_change *change = &inode->changes[i];
        if (change->kind == FAKE_CHANGE_SIZE)
            content_resize(&inode->durable, change->offset);
        else if (change->lost) {
            counts->destroyed++;
            inode->diverged = true;
        } else
            content_write(&inode->durable, change->offset, buffer_view(&change->bytes));
    }
    inode_forget_changes(inode);
}

void fake_inode_sync_falsely(struct fake_inode *inode) {
    for (size_t i = 0; i < inode->change_count; i++) inode->changes[i].sworn = true;
}

static void write_lose(struct fake_inode *inode, const struct fake_change *change, struct random_sequence *random,
                       struct fake_files_counts *counts) {
    struct bytes bytes = buffer_view(&change->bytes);
    uint64_t what = change->lost ? 0 : random_sequence_below(random, 4);
    counts->destroyed += change->sworn && what != 1;
    switch (what) {
    case 0:
        counts->writes_lost++;
        return;
    case 1:
        counts->writes_kept++;
        content_write(&inode->durable, change->offset, bytes);
        return;
    case 2:
        counts->writes_torn_prefix++;
        bytes.len = random_sequence_below(random, bytes.len + 1);
        content_write(&inode->durable, change->offset, bytes);
        return;
    default:
        break;
    }
    counts->writes_torn_sectors++;
    for (uint64_t at = change->offset; at < change->offset + bytes.len;) {
        uint64_t sector_end = (at / FAKE_SECTOR_BYTES + 1) * FAKE_SECTOR_BYTES;
        uint64_t end = sector_end < change->offset + bytes.len ? sector_end : change->offset + bytes.len;
        if (random_sequence_below(random, 2) == 0)
            content_write(&inode->durable, at, (struct bytes){bytes.at + (at - change->offset), end - at});
        at = end;
    }
}

/* A drive whose syncs lie mostly writes in order all the same: then a crash takes the last of it. */
static size_t kept_in_order(struct fake_inode *inode, struct random_sequence *random, struct fake_files_counts *counts) {
    bool sworn = false;
    for (size_t i = 0; i < inode->change_count; i++) sworn = sworn || inode->changes[i].sworn;
    if (!sworn || random_sequence_below(random, 4) == 0) return SIZE_MAX;
    size_t kept = random_sequence_below(random, inode->change_count + 1);
    for (size_t i = 0; i < inode->change_count; i++) {
        struct fake_change *change = &inode->changes[i];
        bool lost = i >= kept || (change->kind == FAKE_CHANGE_WRITE && change->lost);
        counts->destroyed += lost && change->sworn;
        if (lost) continue;
        if (change->kind == FAKE_CHANGE_SIZE)
            content_resize(&inode->durable, change->offset);
        else
            content_write(&inode->durable, change->offset, buffer_view(&change->bytes));
    }
    return kept;
}

void fake_inode_lose(struct fake_inode *inode, struct random_sequence *random, struct fake_files_counts *counts) {
    bool in_order = kept_in_order(inode, random, counts) != SIZE_MAX;
    for (size_t i = 0; i < inode->change_count && !in_order; i++) {
        const struct fake_change *change = &inode->changes[i];
        if (change->kind == FAKE_CHANGE_WRITE) {
            write_lose(inode, change, random, counts);
        } else if (random_sequence_below(random, 2) == 0) {
            counts->sizes_kept++;
            content_resize(&inode->durable, change->offset);
        } else {
            counts->sizes_lost++;
            counts->destroyed += change->sworn;
        }
    }
    inode_forget_changes(inode);
}

struct fake_name *fake_names_find(const struct fake_names *names, const char *path) {
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->at[i].path, path) == 0) return &names->at[i];
    return NULL;
}

void fake_names_set(struct fake_names *names, const char *path, struct fake_inode *inode) {
    CHECK(strlen(path) < FAKE_PATH_BYTES);
    (void)fake_inode_hold(inode);
    struct fake_name *name = fake_names_find(names, path);
    if (name != NULL) {
        fake_inode_release(name->inode);
        name->inode = inode;
        return;
    }
    CHECK(names->count < FAKE_NAMES_MAX);
    if (names->count == names->capacity) {
        names->capacity = names->capacity == 0 ? 16 : 2 * names->capacity;
        names->at = memory_resize(names->at, names->capacity * sizeof names->at[0]);
    }
    size_t place = names->count++;
    for (; place > 0 && strcmp(names->at[place - 1].path, path) > 0; place--) names->at[place] = names->at[place - 1];
    (void)snprintf(names->at[place].path, FAKE_PATH_BYTES, "%s", path);
    names->at[place].inode = inode;
}

void fake_names_unset(struct fake_names *names, const char *path) {
    struct fake_name *name = fake_names_find(names, path);
    if (name == NULL) return;
    fake_inode_release(name->inode);
    size_t place = (size_t)(name - names->at);
    memmove(name, name + 1, (names->count - place - 1) * sizeof *name);
    names->count--;
}

void fake_names_fini(struct fake_names *names) {
    for (size_t i = 0; i < names->count; i++) fake_inode_release(names->at[i].inode);
    free(names->at);
    *names = (struct fake_names){0};
}

void fake_names_copy(struct fake_names *to, const struct fake_names *from) {
    fake_names_fini(to);
    for (size_t i = 0; i < from->count; i++) fake_names_set(to, from->at[i].path, from->at[i].inode);
}

void fake_name_change_add(struct fake_files *fake, const char *set, const char *unset, struct fake_inode *inode) {
    if (fake->name_change_count == fake->name_change_capacity) {
        fake->name_change_capacity = fake->name_change_capacity == 0 ? 8 : 2 * fake->name_change_capacity;
        fake->name_changes = memory_resize(fake->name_changes, fake->name_change_capacity * sizeof fake->name_changes[0]);
    }
    struct fake_name_change *change = &fake->name_changes[fake->name_change_count++];
    (void)snprintf(change->set, FAKE_PATH_BYTES, "%s", set);
    (void)snprintf(change->unset, FAKE_PATH_BYTES, "%s", unset);
    change->inode = fake_inode_hold(inode);
    change->sworn = false;
    fake_name_change_apply(&fake->now, change);
}

void fake_name_change_apply(struct fake_names *names, const struct fake_name_change *change) {
    if (change->set[0] != 0) fake_names_set(names, change->set, change->inode);
    if (change->unset[0] != 0) fake_names_unset(names, change->unset);
}

bool fake_path_in(const char *path, const char *directory) {
    const char *slash = strrchr(path, '/');
    if (strcmp(directory, ".") == 0) return slash == NULL;
    size_t len = strlen(directory);
    return slash != NULL && (size_t)(slash - path) == len && strncmp(path, directory, len) == 0;
}
