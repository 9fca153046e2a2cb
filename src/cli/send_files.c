#include "cli/send_files.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/check.h"

static enum status look_at(struct send_files *files, const char *name, struct failure *failure) {
    struct stat stat_of;
    bool is_stdin = strcmp(name, "-") == 0;
    if (!is_stdin && (access(name, R_OK) != 0 || stat(name, &stat_of) != 0)) {
        return failure_set(failure, STATUS_IO_ERROR, "cannot open %s: %s", name, strerror(errno));
    }
    if (!is_stdin && S_ISDIR(stat_of.st_mode)) {
        return failure_set(failure, STATUS_IO_ERROR, "%s is a directory; name its files, e.g. %s/*", name, name);
    }
    if (is_stdin || !S_ISREG(stat_of.st_mode)) {
        files->all_regular = false;
        if (files->odd_name == NULL) files->odd_name = is_stdin ? "standard input" : name;
    } else {
        files->bytes += (uint64_t)stat_of.st_size;
    }
    return STATUS_OK;
}

static bool is_pattern(const char *name) {
    return strcmp(name, "-") != 0 && access(name, F_OK) != 0 && strpbrk(name, "*?[") != NULL;
}

static void add_name(struct send_files *files, const char *name) {
    files->names = memory_resize(files->names, (files->count + 1) * sizeof *files->names);
    files->names[files->count] = strdup(name);
    CHECK(files->names[files->count] != NULL);
    files->count++;
}

static enum status add_matches(struct send_files *files, const char *pattern, struct failure *failure) {
    glob_t found = {0};
    int code = glob(pattern, 0, NULL, &found);
    for (size_t i = 0; code == 0 && i < found.gl_pathc; i++) add_name(files, found.gl_pathv[i]);
    globfree(&found);
    if (code == 0) return STATUS_OK;
    return failure_set(failure, STATUS_IO_ERROR,
                       code == GLOB_NOMATCH ? "no file matches %s" : "cannot look for files like %s", pattern);
}

enum status send_files_find(char *const *operands, size_t count, struct send_files *out, struct failure *failure) {
    *out = (struct send_files){.all_regular = true};
    enum status status = STATUS_OK;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        if (is_pattern(operands[i])) {
            status = add_matches(out, operands[i], failure);
        } else {
            add_name(out, operands[i]);
        }
    }
    for (size_t i = 0; i < out->count && status == STATUS_OK; i++) status = look_at(out, out->names[i], failure);
    return status;
}

void send_files_fini(struct send_files *files) {
    for (size_t i = 0; i < files->count; i++) free(files->names[i]);
    free(files->names);
    *files = (struct send_files){0};
}
