/* fake_files_internal.h: inodes, names, and what is not yet durable of both. */
#pragma once

#include "fake/fake_files.h"

enum { FAKE_PATH_BYTES = 256, FAKE_SECTOR_BYTES = 512, FAKE_NAMES_MAX = 4096 };

enum fake_change_kind { FAKE_CHANGE_WRITE, FAKE_CHANGE_SIZE };

struct fake_change {
    enum fake_change_kind kind;
    uint64_t offset; /* or the new size */
    struct buffer bytes;
};

struct fake_inode {
    uint32_t references; /* names, now and durable, pending name changes, open files */
    struct buffer now;
    struct buffer durable;
    struct fake_change *changes; /* since the last sync, in order */
    size_t change_count, change_capacity;
};

struct fake_name {
    char path[FAKE_PATH_BYTES];
    struct fake_inode *inode; /* NULL: a directory */
};

/* Sorted by path. */
struct fake_names {
    struct fake_name *at;
    size_t count, capacity;
};

/* A create, rename or remove that its directory has not been synced for: `unset` goes, `set` comes; either may be empty. */
struct fake_name_change {
    char set[FAKE_PATH_BYTES];
    char unset[FAKE_PATH_BYTES];
    struct fake_inode *inode;
};

struct fake_failure {
    uint64_t at; /* the value of counts.calls at which it strikes; 0: none */
    bool for_good;
    enum status status;
};

struct fake_files {
    struct random_sequence random;
    uint64_t epoch; /* of open files: a crash or restart begins another */
    struct fake_names now, durable;
    struct fake_name_change *name_changes;
    size_t name_change_count, name_change_capacity;
    struct fake_failure failures[FAKE_CALLS];
    uint64_t changes, stop_at;
    struct fake_files_counts counts;
};

struct fake_file {
    struct fake_files *fake;
    struct fake_inode *inode;
    uint64_t epoch;
    bool writable;
    char path[FAKE_PATH_BYTES];
};

/* fake_disk.c */
struct fake_inode *fake_inode_create(void);
struct fake_inode *fake_inode_hold(struct fake_inode *inode);
void fake_inode_release(struct fake_inode *inode);
void fake_inode_write(struct fake_inode *inode, uint64_t offset, struct bytes bytes);
void fake_inode_resize(struct fake_inode *inode, uint64_t size);
void fake_inode_sync(struct fake_inode *inode);
/* Each unsynced change is kept, lost or torn, in the durable content; then nothing is pending. */
void fake_inode_lose(struct fake_inode *inode, struct random_sequence *random, struct fake_files_counts *counts);

struct fake_name *fake_names_find(const struct fake_names *names, const char *path);
void fake_names_set(struct fake_names *names, const char *path, struct fake_inode *inode);
void fake_names_unset(struct fake_names *names, const char *path);
void fake_names_fini(struct fake_names *names);
void fake_names_copy(struct fake_names *to, const struct fake_names *from);

void fake_name_change_add(struct fake_files *fake, const char *set, const char *unset, struct fake_inode *inode);
void fake_name_change_apply(struct fake_names *names, const struct fake_name_change *change);
/* Is `path` an entry of `directory` ("." is the top)? */
bool fake_path_in(const char *path, const char *directory);
