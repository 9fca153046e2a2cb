/* Life and death of the fake file system, and what a test does to it with its own hands. */
#include <stdlib.h>

#include "base/check.h"
#include "fake/fake_files_internal.h"

struct fake_files *fake_files_create(uint64_t seed) {
    struct fake_files *fake = memory_allocate_zeroed(1, sizeof *fake);
    fake->random.state = seed;
    return fake;
}

static void forget_name_changes(struct fake_files *fake) {
    for (size_t i = 0; i < fake->name_change_count; i++) fake_inode_release(fake->name_changes[i].inode);
    fake->name_change_count = 0;
}

void fake_files_destroy(struct fake_files *fake) {
    if (fake == NULL) return;
    forget_name_changes(fake);
    free(fake->name_changes);
    fake_forget_rots(fake);
    free(fake->rots);
    fake_names_fini(&fake->now);
    fake_names_fini(&fake->durable);
    free(fake);
}

static void put_name(struct fake_files *fake, const char *path, struct fake_inode *inode) {
    fake_names_set(&fake->now, path, inode);
    fake_names_set(&fake->durable, path, inode);
}

struct fake_files *fake_files_clone(const struct fake_files *fake, uint64_t seed) {
    struct fake_files *clone = fake_files_create(seed);
    for (size_t i = 0; i < fake->now.count; i++) {
        const struct fake_name *name = &fake->now.at[i];
        if (name->inode == NULL)
            put_name(clone, name->path, NULL);
        else
            fake_files_put(clone, name->path, buffer_view(&name->inode->now));
    }
    return clone;
}

struct fake_files_counts fake_files_counts(const struct fake_files *fake) {
    return fake->counts;
}

void fake_files_heal(struct fake_files *fake) {
    fake->stop_at = 0;
    fake->stopped = false;
    fake->lie = FAKE_LIE_NONE;
    memset(fake->failures, 0, sizeof fake->failures);
}

void fake_files_restart(struct fake_files *fake) {
    fake->epoch++;
    fake_files_heal(fake);
}

/* A directory that was lost takes what is in it along. */
static void drop_orphans(struct fake_names *names) {
    for (size_t i = names->count; i > 0; i--) {
        char directory[FAKE_PATH_BYTES];
        const char *path = names->at[i - 1].path;
        const char *slash = strrchr(path, '/');
        if (slash == NULL) continue;
        memcpy(directory, path, (size_t)(slash - path));
        directory[slash - path] = 0;
        if (fake_names_find(names, directory) == NULL) fake_names_unset(names, path);
    }
}

static void lose_inode(struct fake_inode *inode, struct random_sequence *random, struct fake_files_counts *counts) {
    if (inode == NULL) return;
    fake_inode_lose(inode, random, counts);
    counts->destroyed += inode->diverged;
    inode->diverged = false;
    buffer_clear(&inode->now);
    buffer_append_bytes(&inode->now, buffer_view(&inode->durable));
}

void fake_files_crash(struct fake_files *fake, struct random_sequence *random) {
    fake_files_restart(fake);
    fake->counts.crashes++;
    for (size_t i = 0; i < fake->name_change_count; i++) {
        if (random_sequence_below(random, 2) == 0) {
            fake->counts.names_lost++;
            fake->counts.destroyed += fake->name_changes[i].sworn;
            continue;
        }
        fake->counts.names_kept++;
        fake_name_change_apply(&fake->durable, &fake->name_changes[i]);
    }
    forget_name_changes(fake);
    drop_orphans(&fake->durable);
    fake_names_copy(&fake->now, &fake->durable);
    for (size_t i = 0; i < fake->now.count; i++) lose_inode(fake->now.at[i].inode, random, &fake->counts);
}

void fake_files_fail(struct fake_files *fake, enum fake_call call, uint64_t nth, bool for_good, enum status status) {
    CHECK(call < FAKE_CALLS && nth >= 1 && status != STATUS_OK);
    fake->failures[call] =
        (struct fake_failure){.at = fake->counts.calls[call] + nth, .for_good = for_good, .status = status};
}

void fake_files_fill(struct fake_files *fake, enum fake_call call, uint64_t nth) {
    fake_files_fail(fake, call, nth, true, STATUS_NO_SPACE);
    fake->failures[call].fills = true;
}

void fake_files_stop_at(struct fake_files *fake, uint64_t nth) {
    CHECK(nth >= 1);
    fake->stop_at = fake->changes + nth;
    fake->stopped = false;
}

uint64_t fake_files_changes(const struct fake_files *fake) {
    return fake->changes;
}

static struct fake_inode *inode_of(const struct fake_files *fake, const char *path) {
    struct fake_name *name = fake_names_find(&fake->now, path);
    CHECKF(name != NULL && name->inode != NULL, "%s is not there", path);
    return name->inode;
}

bool fake_files_exists(const struct fake_files *fake, const char *path) {
    return fake_names_find(&fake->now, path) != NULL;
}

struct bytes fake_files_content(const struct fake_files *fake, const char *path) {
    return buffer_view(&inode_of(fake, path)->now);
}

void fake_files_put(struct fake_files *fake, const char *path, struct bytes content) {
    struct fake_inode *inode = fake_inode_create();
    fake_inode_write(inode, 0, content);
    fake_inode_sync(inode, &fake->counts);
    put_name(fake, path, inode);
    fake_inode_release(inode);
}

void fake_files_flip(struct fake_files *fake, const char *path, uint64_t offset, uint8_t mask) {
    struct fake_inode *inode = inode_of(fake, path);
    CHECK(offset < inode->now.len);
    uint8_t flipped = inode->now.at[offset] ^ mask;
    fake_inode_write(inode, offset, (struct bytes){&flipped, 1});
    fake_inode_sync(inode, &fake->counts);
}

void fake_files_cut(struct fake_files *fake, const char *path, uint64_t size) {
    struct fake_inode *inode = inode_of(fake, path);
    CHECK(size <= inode->now.len);
    fake_inode_resize(inode, size);
    fake_inode_sync(inode, &fake->counts);
}

void fake_files_delete(struct fake_files *fake, const char *path) {
    CHECK(fake_files_exists(fake, path));
    fake_names_unset(&fake->now, path);
    fake_names_unset(&fake->durable, path);
}

void fake_files_each(const struct fake_files *fake, void (*visit)(void *context, const char *path), void *context) {
    for (size_t i = 0; i < fake->now.count; i++) visit(context, fake->now.at[i].path);
}

static const struct fake_name *next_in(const struct fake_names *names, size_t *at, const char *directory) {
    while (*at < names->count) {
        const struct fake_name *name = &names->at[(*at)++];
        if (fake_path_in(name->path, directory)) return name;
    }
    return NULL;
}

static bool same_entry(const struct fake_name *left, const struct fake_name *right) {
    if (strcmp(left->path, right->path) != 0 || (left->inode == NULL) != (right->inode == NULL)) return false;
    return left->inode == NULL || bytes_equal(buffer_view(&left->inode->now), buffer_view(&right->inode->now));
}

bool fake_files_same_in(const struct fake_files *a, const struct fake_files *b, const char *directory) {
    size_t i = 0, k = 0;
    for (;;) {
        const struct fake_name *left = next_in(&a->now, &i, directory), *right = next_in(&b->now, &k, directory);
        if (left == NULL || right == NULL) return left == right;
        if (!same_entry(left, right)) return false;
    }
}

bool fake_files_same(const struct fake_files *a, const struct fake_files *b) {
    if (a->now.count != b->now.count) return false;
    for (size_t i = 0; i < a->now.count; i++)
        if (!same_entry(&a->now.at[i], &b->now.at[i])) return false;
    return true;
}
