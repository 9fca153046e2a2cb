/* Makes a damaged log end in front of its damage, and keeps all that it takes away. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/codec.h"
#include "journal/segment.h"
#include "journal/survey.h"

enum { COPY_BYTES = 1024 * 1024 };

static enum status exists(const struct files *files, const char *path, bool *out, struct failure *failure) {
    struct file *file;
    struct failure own = {0};
    enum status status = files->open(files->self, path, FILE_READ, &file, &own);
    *out = status == STATUS_OK;
    if (status == STATUS_OK) files->close(file);
    return status == STATUS_NOT_FOUND || status == STATUS_OK ? STATUS_OK : failure_set(failure, status, "%s", own.text);
}

/* Copies [0, end) under a temporary name, syncs it and gives it its own; `open_mark`: as a segment that is not sealed. */
static enum status copy_file(const struct files *files, const char *from_path, uint64_t end, const char *to_path,
                             bool open_mark, struct failure *failure) {
    struct file *from = NULL, *to = NULL;
    struct buffer part = {0};
    char temporary[SEGMENT_PATH_BYTES + 8];
    (void)snprintf(temporary, sizeof temporary, "%.95s.new", to_path);
    bool there = false;
    enum status status = exists(files, temporary, &there, failure);
    if (status == STATUS_OK && there) status = files->remove(files->self, temporary, failure); /* of a try before */
    if (status == STATUS_OK) status = files->open(files->self, from_path, FILE_READ, &from, failure);
    if (status == STATUS_OK) status = files->open(files->self, temporary, FILE_CREATE, &to, failure);
    for (uint64_t at = 0; status == STATUS_OK && at < end;) {
        size_t len = end - at < COPY_BYTES ? (size_t)(end - at) : COPY_BYTES, got = 0;
        buffer_clear(&part);
        status = files->read(from, at, buffer_reserve(&part, len), len, &got, failure);
        if (status == STATUS_OK && got < len) status = failure_set(failure, STATUS_IO_ERROR, "%s became shorter", from_path);
        if (status == STATUS_OK && open_mark && at == 0) part.at[SEGMENT_MARK_AT] = SEGMENT_MARK_OPEN;
        if (status == STATUS_OK) status = files->write(to, at, (struct bytes){part.at, len}, failure);
        at += len;
    }
    if (status == STATUS_OK) status = files->sync(to, failure);
    if (from != NULL) files->close(from);
    if (to != NULL) files->close(to);
    if (status == STATUS_OK) status = files->rename(files->self, temporary, to_path, failure);
    if (status == STATUS_OK) status = files->directory_sync(files->self, "journal", failure);
    buffer_fini(&part);
    return status;
}

/* A name beside the segment that is not taken: evidence is never overwritten. */
static enum status cut_path(const struct files *files, uint64_t number, char path[SEGMENT_PATH_BYTES],
                            struct failure *failure) {
    bool taken = true;
    enum status status = STATUS_OK;
    for (int i = 1; status == STATUS_OK && taken; i++) {
        char suffix[32];
        (void)snprintf(suffix, sizeof suffix, i == 1 ? ".cut" : ".%d.cut", i);
        segment_path(path, number, suffix);
        status = exists(files, path, &taken, failure);
    }
    return status;
}

static enum status put_aside(const struct files *files, uint64_t number, struct failure *failure) {
    char path[SEGMENT_PATH_BYTES], aside[SEGMENT_PATH_BYTES];
    segment_path(path, number, "");
    enum status status = cut_path(files, number, aside, failure);
    if (status == STATUS_OK) status = files->rename(files->self, path, aside, failure);
    if (status == STATUS_OK) status = files->directory_sync(files->self, "journal", failure);
    return status;
}

static void note_number(void *context, const char *name) {
    if (strspn(name, "0123456789") == 20 && strcmp(name + 20, ".seg") == 0)
        buffer_put_u64(context, strtoull(name, NULL, 10));
}

static enum status file_size(const struct files *files, const char *path, uint64_t *out, struct failure *failure) {
    struct file *file;
    enum status status = files->open(files->self, path, FILE_READ, &file, failure);
    if (status != STATUS_OK) return status;
    status = files->size(file, out, failure);
    files->close(file);
    return status;
}

/* The newest first: until the last step what is left is a log that ends later, or that is damaged as before. */
enum status journal_survey_cut(const struct files *files, uint64_t number, uint64_t at, struct failure *failure) {
    struct buffer numbers = {0};
    enum status status = files->list(files->self, "journal", note_number, &numbers, failure);
    bool present = false;
    for (size_t i = numbers.len / 8; status == STATUS_OK && i > 0; i--) {
        uint64_t other = get_u64(numbers.at + 8 * (i - 1));
        present = present || other == number;
        if (other > number) status = put_aside(files, other, failure);
    }
    if (status == STATUS_OK && at == 0 && present) status = put_aside(files, number, failure);
    if (status == STATUS_OK && at > 0) {
        char path[SEGMENT_PATH_BYTES], aside[SEGMENT_PATH_BYTES];
        uint64_t size = 0;
        segment_path(path, number, "");
        CHECK(present);
        status = cut_path(files, number, aside, failure);
        if (status == STATUS_OK) status = file_size(files, path, &size, failure);
        if (status == STATUS_OK) status = copy_file(files, path, size, aside, false, failure);
        if (status == STATUS_OK) status = copy_file(files, path, at, path, true, failure);
    }
    buffer_fini(&numbers);
    return status;
}
