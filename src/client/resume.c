#include "client/resume.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "client/http_client.h"
#include "client/json.h"

enum { FORMAT = 1, STATE_BYTES_MAX = 16 * 1024 * 1024, ID_TEXT_BYTES = 48, HEAD_TEXT_BYTES = 2 * RESUME_HEAD_BYTES + 1 };

struct place {
    char id[ID_TEXT_BYTES];     /* device and inode */
    char head[HEAD_TEXT_BYTES]; /* the first bytes of the file, in hex; of a growing file maybe less than they are now */
    char *name;                 /* for people who read the state */
    uint64_t offset, lines;     /* answered for: bytes of the undone content, and lines */
    bool of_run;                /* one of this run's files, number `file` */
    size_t file;
};

/* Answered for, but there is a gap before it. */
struct island {
    size_t file;
    uint64_t begin, end, end_lines;
};

struct resume {
    const char *path, *source;
    char *url;
    struct place *places;
    size_t place_count;
    struct island *islands;
    size_t island_count, island_room;
};

/* --- reading --- */

static char *read_text(int fd, size_t *len) {
    char *text = memory_allocate(STATE_BYTES_MAX);
    *len = 0;
    ssize_t got;
    while (*len < STATE_BYTES_MAX && (got = read(fd, text + *len, STATE_BYTES_MAX - *len)) > 0) *len += (size_t)got;
    return text;
}

static char *copy_text(const char *text) {
    char *copy = strdup(text != NULL ? text : "");
    CHECK(copy != NULL);
    return copy;
}

static bool read_place(const struct json *json, size_t index, struct place *out) {
    char path[64];
    *out = (struct place){0};
    snprintf(path, sizeof path, "files/%zu/offset", index);
    if (!json_u64(json, path, &out->offset)) return false;
    snprintf(path, sizeof path, "files/%zu/lines", index);
    if (!json_u64(json, path, &out->lines)) return false;
    snprintf(path, sizeof path, "files/%zu/id", index);
    const char *id = json_text(json, path);
    snprintf(path, sizeof path, "files/%zu/head", index);
    const char *head = json_text(json, path);
    if (id == NULL || head == NULL || strlen(id) >= ID_TEXT_BYTES || strlen(head) >= HEAD_TEXT_BYTES) return false;
    snprintf(out->id, sizeof out->id, "%s", id);
    snprintf(out->head, sizeof out->head, "%s", head);
    snprintf(path, sizeof path, "files/%zu/name", index);
    out->name = copy_text(json_text(json, path));
    return true;
}

static enum status read_state(struct resume *resume, const struct json *json, struct failure *failure) {
    uint64_t format = 0;
    const char *url = json_text(json, "url"), *source = json_text(json, "source");
    if (!json_u64(json, "format", &format) || format != FORMAT || url == NULL) {
        return failure_set(failure, STATUS_BAD_CONFIG,
                           "%s is not a file that --resume has made: name another one, or remove it to send from the start",
                           resume->path);
    }
    const char *own_source = resume->source != NULL ? resume->source : "";
    if (strcmp(url, resume->url) != 0 || strcmp(source != NULL ? source : "", own_source) != 0) {
        return failure_set(failure, STATUS_BAD_CONFIG,
                           "%s says how far files were sent to %s%s%s, not to this server and source: name another file",
                           resume->path, url, source != NULL && *source != '\0' ? " as " : "", source != NULL ? source : "");
    }
    size_t count = json_count(json, "files");
    for (size_t i = 0; i < count && resume->place_count < RESUME_FILES_MAX; i++) {
        if (read_place(json, i, &resume->places[resume->place_count])) resume->place_count++;
    }
    return STATUS_OK;
}

enum status resume_open(const char *path, const char *url, const char *source, struct resume **out,
                        struct failure *failure) {
    struct resume *resume = memory_allocate_zeroed(1, sizeof *resume);
    *resume = (struct resume){.path = path, .source = source, .url = http_url_trimmed(url)};
    resume->places = memory_allocate_zeroed(RESUME_FILES_MAX, sizeof *resume->places);
    enum status status = STATUS_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno != ENOENT) {
        status = failure_set(failure, STATUS_IO_ERROR, "cannot read %s: %s", path, strerror(errno));
    }
    if (fd >= 0) {
        size_t len;
        char *text = read_text(fd, &len);
        struct json *json = json_parse((struct bytes){(const uint8_t *)text, len});
        status = read_state(resume, json, failure);
        json_destroy(json);
        free(text);
        close(fd);
    }
    if (status != STATUS_OK) {
        resume_close(resume);
        resume = NULL;
    }
    *out = resume;
    return status;
}

void resume_close(struct resume *resume) {
    if (resume == NULL) return;
    for (size_t i = 0; i < resume->place_count; i++) free(resume->places[i].name);
    free(resume->places);
    free(resume->islands);
    free(resume->url);
    free(resume);
}

/* --- where a file stands --- */

static struct place *place_of(struct resume *resume, size_t file) {
    for (size_t i = resume->place_count; i-- > 0;) { /* this run's are the last ones */
        if (resume->places[i].of_run && resume->places[i].file == file) return &resume->places[i];
    }
    return NULL;
}

static void take_out(struct resume *resume, size_t index) {
    CHECK(index < resume->place_count);
    free(resume->places[index].name);
    resume->place_count--;
    memmove(&resume->places[index], &resume->places[index + 1], (resume->place_count - index) * sizeof(struct place));
}

static void describe(int fd, struct place *out) {
    struct stat stat;
    uint8_t head[RESUME_HEAD_BYTES];
    CHECK(fstat(fd, &stat) == 0);
    ssize_t len = pread(fd, head, sizeof head, 0);
    snprintf(out->id, sizeof out->id, "%" PRIx64 "-%" PRIx64, (uint64_t)stat.st_dev, (uint64_t)stat.st_ino);
    for (ssize_t i = 0; i < len; i++) snprintf(out->head + 2 * i, 3, "%02x", head[i]);
}

void resume_begin(struct resume *resume, size_t file, int fd, const char *name, uint64_t *offset, uint64_t *lines) {
    struct place place = {.of_run = true, .file = file, .name = copy_text(name)};
    describe(fd, &place);
    for (size_t i = 0; i < resume->place_count; i++) {
        const struct place *old = &resume->places[i];
        if (strcmp(old->id, place.id) != 0 || old->of_run) continue;
        if (strncmp(old->head, place.head, strlen(old->head)) == 0) {
            place.offset = old->offset;
            place.lines = old->lines;
        }
        take_out(resume, i);
        break;
    }
    if (resume->place_count == RESUME_FILES_MAX) take_out(resume, 0); /* the one not seen for the longest */
    resume->places[resume->place_count++] = place;
    *offset = place.offset;
    *lines = place.lines;
}

void resume_restart(struct resume *resume, size_t file) {
    struct place *place = place_of(resume, file);
    CHECK(place != NULL);
    place->offset = place->lines = 0;
}

void resume_note(struct resume *resume, const struct sender_batch *batch) {
    CHECK(batch->end_offset >= batch->begin_offset);
    struct place *place = place_of(resume, batch->file_index);
    if (place == NULL) return; /* a pipe */
    if (resume->island_count == resume->island_room) {
        resume->island_room = resume->island_room * 2 + 16;
        resume->islands = memory_resize(resume->islands, resume->island_room * sizeof *resume->islands);
    }
    resume->islands[resume->island_count++] =
        (struct island){batch->file_index, batch->begin_offset, batch->end_offset, batch->end_line};
    for (size_t i = 0; i < resume->island_count;) {
        struct island island = resume->islands[i];
        if (island.file != batch->file_index || island.begin != place->offset) {
            i++;
            continue;
        }
        place->offset = island.end;
        place->lines = island.end_lines;
        resume->islands[i] = resume->islands[--resume->island_count];
        if (island.end > island.begin) i = 0; /* the next one may stand anywhere */
    }
}

/* --- writing --- */

static void print_state(const struct resume *resume, struct buffer *out) {
    buffer_printf(out, "{\"format\":%d,\"url\":", FORMAT);
    json_quote(out, resume->url);
    buffer_append_text(out, ",\"source\":");
    json_quote(out, resume->source != NULL ? resume->source : "");
    buffer_append_text(out, ",\"files\":[");
    for (size_t i = 0; i < resume->place_count; i++) {
        const struct place *place = &resume->places[i];
        buffer_append_text(out, i > 0 ? ",\n{\"name\":" : "\n{\"name\":");
        json_quote(out, place->name);
        buffer_printf(out, ",\"id\":\"%s\",\"head\":\"%s\",\"offset\":%" PRIu64 ",\"lines\":%" PRIu64 "}", place->id,
                      place->head, place->offset, place->lines);
    }
    buffer_append_text(out, "]}\n");
}

enum status resume_save(struct resume *resume, struct failure *failure) {
    struct buffer text = {0}, path = {0};
    print_state(resume, &text);
    buffer_printf(&path, "%s.new", resume->path);
    buffer_append(&path, "", 1);
    const char *new_path = (const char *)path.at;
    int fd = open(new_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    size_t written = 0;
    ssize_t put = 0;
    while (fd >= 0 && written < text.len && (put = write(fd, text.at + written, text.len - written)) > 0) {
        written += (size_t)put;
    }
    bool saved = fd >= 0 && written == text.len && fdatasync(fd) == 0;
    int error = errno;
    if (fd >= 0) close(fd);
    if (saved && rename(new_path, resume->path) != 0) {
        saved = false;
        error = errno;
    }
    buffer_fini(&text);
    buffer_fini(&path);
    if (saved) return STATUS_OK;
    return failure_set(failure, STATUS_IO_ERROR, "cannot write %s: %s", resume->path, strerror(error));
}
