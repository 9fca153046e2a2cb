/* fake_files_internal.h: inodes, names, and what is not yet durable of both. */
#pragma once

#include "fake/fake_files.h"

enum { FAKE_PATH_BYTES = 256, FAKE_SECTOR_BYTES = 512, FAKE_NAMES_MAX = 4096 };

enum fake_change_kind { FAKE_CHANGE_WRITE, FAKE_CHANGE_SIZE };

struct fake_change {
    enum fake_change_kind kind;
    uint64_t offset; /* or the new size */
    struct buffer bytes;
    bool lost;  /* it never reaches the disk */
    bool sworn; /* a sync said that it was durable, which it is not */
};

struct fake_inode {
    uint32_t references; /* names, now and durable, pending name changes, open files */
    struct buffer now;
    struct buffer durable;
    bool diverged;               /* what is read is not what is on the disk, though nothing is pending */
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
    bool sworn;
};

/* What rotted, so that it can be brought back. */
struct fake_rot {
    struct fake_inode *inode;
    uint64_t offset;
    uint8_t was, became;
};

struct fake_failure {
    uint64_t at; /* the value of counts.calls at which it strikes; 0: none */
    bool for_good;
    bool fills; /* only calls that need room */
    bool has_struck;
    enum status status;
};

struct fake_files {
    struct random_sequence random;
    uint64_t epoch; /* of open files: a crash or restart begins another */
    struct fake_names now, durable;
    struct fake_name_change *name_changes;
    size_t name_change_count, name_change_capacity;
    struct fake_failure failures[FAKE_CALLS];
    enum fake_lie lie;
    uint64_t lie_in; /* syncs or writes until then */
    bool lie_for_good;
    struct fake_rot *rots;
    size_t rot_count, rot_capacity;
    void (*wait)(void *context);
    void *wait_context;
    uint64_t changes, stop_at;
    bool stopped;
    struct fake_files_counts counts;
};

struct fake_file {
    struct fake_files *fake;
    struct fake_inode *inode;
    uint64_t epoch;
    bool writable;
    char path[FAKE_PATH_BYTES];
};

/* fake_files_lies.c */
/* Whether this call is the one that is to lie. */
bool fake_lie_strikes(struct fake_files *fake, enum fake_lie lie);
/* The bytes come to stand somewhere they do not belong; `inode` is where they were meant to be. */
void fake_misdirect(struct fake_files *fake, struct fake_inode *inode, uint64_t offset, struct bytes bytes);
void fake_forget_rots(struct fake_files *fake);

/* fake_disk.c */
struct fake_inode *fake_inode_create(void);
struct fake_inode *fake_inode_hold(struct fake_inode *inode);
void fake_inode_release(struct fake_inode *inode);
void fake_inode_write(struct fake_inode *inode, uint64_t offset, struct bytes bytes);
/* The last write of the inode is a lost one. */
void fake_inode_lose_last(struct fake_inode *inode);
void fake_inode_resize(struct fake_inode *inode, uint64_t size);
/* All pending changes become durable but those that are lost; counts those. */
void fake_inode_sync(struct fake_inode *inode, struct fake_files_counts *counts);
void fake_inode_sync_falsely(struct fake_inode *inode);
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
