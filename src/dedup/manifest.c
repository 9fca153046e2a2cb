#include "dedup/manifest.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"

#define MANIFEST_LIST_MAGIC UINT64_C(0x74736C796C6C6174) /* "tallylst" */
#define MANIFEST_NOTE_MAGIC UINT64_C(0x746F6E796C6C6174) /* "tallynot" */
enum {
    MANIFEST_HEAD_BYTES = 8 + 4 + 4, /* magic, version, length */
    MANIFEST_BYTES_MAX = 8192,
    CRC_BYTES = 4,
};

void manifest_path(char path[MANIFEST_PATH_BYTES], const char *of) {
    int len = snprintf(path, MANIFEST_PATH_BYTES, "dedup/%s.manifest", of);
    CHECK(len > 0 && len < MANIFEST_PATH_BYTES);
}

/* A run has a number and something in it, and is listed once. */
static bool may_be_listed(const struct manifest *manifest, uint32_t at) {
    const struct manifest_run *run = &manifest->runs[at];
    for (uint32_t i = 0; i < at; i++)
        if (manifest->runs[i].number == run->number) return false;
    return run->number > 0 && run->count > 0;
}

bool manifest_lists(const struct manifest *manifest, uint64_t number) {
    for (uint32_t i = 0; i < manifest->run_count; i++)
        if (manifest->runs[i].number == number) return true;
    return false;
}

enum status manifest_check_run(const struct manifest *manifest, uint32_t i, const struct run_file *run, uint32_t footer_crc,
                               struct failure *failure) {
    const struct manifest_run *expected = &manifest->runs[i];
    CHECK(i < manifest->run_count && run->name.number == expected->number);
    uint64_t footer_at = run_file_bytes(run) - RUN_BLOCK_BYTES;
    if (footer_crc != expected->footer_crc || run->count != expected->count || run->count == 0)
        return run_file_damaged(run, footer_at, "another run than the one that was kept", failure);
    if (run->offset_max >= manifest->position.offset.at)
        return run_file_damaged(run, footer_at, "it holds more than was kept", failure);
    return STATUS_OK;
}

/* It goes to a log and a terminal. */
static bool may_be_shown(uint8_t byte) {
    return byte >= ' ' && byte != 0x7F;
}

struct manifest_note manifest_note_of(enum manifest_note_kind kind, const char *reason) {
    struct manifest_note note = {.kind = kind};
    size_t len = 0;
    for (; reason[len] != '\0' && len + 1 < sizeof note.reason; len++)
        note.reason[len] = (char)(may_be_shown((uint8_t)reason[len]) ? reason[len] : '?');
    CHECK((kind == MANIFEST_NOTHING_KEPT) == (len == 0));
    return note;
}

static void encode_note(const struct manifest_note *note, struct buffer *out) {
    size_t len = strnlen(note->reason, sizeof note->reason);
    CHECK(len < sizeof note->reason && (note->kind == MANIFEST_NOTHING_KEPT) == (len == 0));
    buffer_put_u32(out, note->kind);
    buffer_put_u32(out, (uint32_t)len);
    buffer_append(out, note->reason, len);
}

static void encode_list(const struct manifest *manifest, struct buffer *out) {
    const struct dedup_position *position = &manifest->position;
    CHECK(position->known && position->state_len <= sizeof position->state && manifest->run_count <= DEDUP_RUNS_MAX);
    buffer_put_u64(out, position->offset.at);
    buffer_put_u64(out, (uint64_t)position->d.ms);
    buffer_put_u32(out, manifest->run_count);
    for (uint32_t i = 0; i < manifest->run_count; i++) {
        CHECK(may_be_listed(manifest, i));
        buffer_put_u64(out, manifest->runs[i].number);
        buffer_put_u64(out, manifest->runs[i].count);
        buffer_put_u32(out, manifest->runs[i].footer_crc);
    }
    buffer_put_u32(out, position->state_len);
    buffer_append(out, position->state, position->state_len);
}

void manifest_encode(const struct manifest *manifest, const uint8_t log[RUN_LOG_BYTES], uint32_t partition,
                     struct buffer *out) {
    size_t begin = out->len;
    buffer_put_u64(out, manifest->position.known ? MANIFEST_LIST_MAGIC : MANIFEST_NOTE_MAGIC);
    buffer_put_u32(out, MANIFEST_FORMAT_VERSION);
    buffer_put_u32(out, 0); /* length, below */
    buffer_append(out, log, RUN_LOG_BYTES);
    buffer_put_u32(out, partition);
    if (manifest->position.known)
        encode_list(manifest, out);
    else
        encode_note(&manifest->note, out);
    put_u32(out->at + begin + 12, (uint32_t)(out->len - begin + CRC_BYTES));
    buffer_put_u32(out, crc32c(0, (struct bytes){out->at + begin, out->len - begin}));
    CHECK(out->len - begin <= MANIFEST_BYTES_MAX && get_u32(out->at + begin + 12) == out->len - begin);
}

static enum status damaged(const char *path, const char *what, struct failure *failure) {
    return failure_set(failure, STATUS_CORRUPT, "%s: %s", path, what);
}

static void decode_note(struct reader *reader, struct manifest_note *note) {
    uint32_t kind = reader_u32(reader), len = reader_u32(reader);
    if (kind > MANIFEST_ALL_OF_NO_USE || len >= sizeof note->reason || (kind == MANIFEST_NOTHING_KEPT) != (len == 0))
        reader->bad = true;
    if (reader->bad) return;
    struct bytes reason = reader_bytes(reader, len);
    for (size_t i = 0; !reader->bad && i < reason.len; i++) {
        if (!may_be_shown(reason.at[i])) reader->bad = true;
        note->reason[i] = (char)reason.at[i];
    }
    note->kind = (enum manifest_note_kind)kind;
}

static void decode_list(struct reader *reader, struct manifest *out) {
    struct dedup_position *position = &out->position;
    position->known = true;
    position->offset.at = reader_u64(reader);
    position->d.ms = (int64_t)reader_u64(reader);
    out->run_count = reader_u32(reader);
    if (out->run_count > DEDUP_RUNS_MAX) reader->bad = true;
    for (uint32_t i = 0; !reader->bad && i < out->run_count; i++) {
        out->runs[i].number = reader_u64(reader);
        out->runs[i].count = reader_u64(reader);
        out->runs[i].footer_crc = reader_u32(reader);
        if (!may_be_listed(out, i)) reader->bad = true;
    }
    position->state_len = reader_u32(reader);
    if (position->state_len > sizeof position->state) reader->bad = true;
    if (reader->bad) return;
    struct bytes state = reader_bytes(reader, position->state_len);
    if (!reader->bad && state.len > 0) memcpy(position->state, state.at, state.len);
}

enum status manifest_decode(struct bytes bytes, const char *path, const uint8_t log[RUN_LOG_BYTES], uint32_t partition,
                            struct manifest *out, struct failure *failure) {
    *out = (struct manifest){0};
    uint64_t magic = bytes.len < MANIFEST_HEAD_BYTES + CRC_BYTES ? 0 : get_u64(bytes.at);
    if (magic != MANIFEST_LIST_MAGIC && magic != MANIFEST_NOTE_MAGIC)
        return damaged(path, "this is no list of runs", failure);
    uint32_t version = get_u32(bytes.at + 8);
    if (get_u32(bytes.at + bytes.len - CRC_BYTES) != crc32c(0, (struct bytes){bytes.at, bytes.len - CRC_BYTES}))
        return damaged(path, "damage", failure);
    if (version != MANIFEST_FORMAT_VERSION)
        return failure_set(failure, STATUS_UNSUPPORTED, "%s: format version %" PRIu32 ", this program knows %d", path,
                           version, MANIFEST_FORMAT_VERSION);
    if (get_u32(bytes.at + 12) != bytes.len) return damaged(path, "its length is another one", failure);
    struct reader reader =
        reader_of((struct bytes){bytes.at + MANIFEST_HEAD_BYTES, bytes.len - MANIFEST_HEAD_BYTES - CRC_BYTES});
    struct bytes its_log = reader_bytes(&reader, RUN_LOG_BYTES);
    uint32_t its_partition = reader_u32(&reader);
    if (reader.bad || memcmp(its_log.at, log, RUN_LOG_BYTES) != 0 || its_partition != partition)
        return damaged(path, "it is of another journal or partition", failure);
    if (magic == MANIFEST_LIST_MAGIC)
        decode_list(&reader, out);
    else
        decode_note(&reader, &out->note);
    if (!reader.bad && reader_left(&reader) == 0) return STATUS_OK;
    *out = (struct manifest){0};
    return damaged(path, "figures that cannot be", failure);
}

enum status manifest_read(const struct files *files, const char *of, const uint8_t log[RUN_LOG_BYTES], uint32_t partition,
                          struct manifest *out, struct failure *failure) {
    char path[MANIFEST_PATH_BYTES];
    uint8_t bytes[MANIFEST_BYTES_MAX];
    struct file *file;
    size_t got = 0;
    manifest_path(path, of);
    enum status status = files->open(files->self, path, FILE_READ, &file, failure);
    if (status != STATUS_OK) return status;
    status = files->read(file, 0, bytes, sizeof bytes, &got, failure);
    files->close(file);
    if (status != STATUS_OK) return status;
    return manifest_decode((struct bytes){bytes, got}, path, log, partition, out, failure);
}

static enum status write_new(const struct files *files, const char *path, struct bytes encoded, struct failure *failure) {
    struct file *file;
    struct failure unused = {0};
    (void)files->remove(files->self, path, &unused); /* what a crash or an error left */
    enum status status = files->open(files->self, path, FILE_CREATE, &file, failure);
    if (status != STATUS_OK) return status;
    status = files->write(file, 0, encoded, failure);
    if (status == STATUS_OK) status = files->sync(file, failure);
    files->close(file);
    return status;
}

static enum status replace(const struct files *files, const char *of, const char *aside, struct bytes encoded,
                           struct failure *failure) {
    CHECK(encoded.len >= MANIFEST_HEAD_BYTES + CRC_BYTES && encoded.len <= MANIFEST_BYTES_MAX);
    char path[MANIFEST_PATH_BYTES], new_path[MANIFEST_PATH_BYTES + 8];
    manifest_path(path, of);
    (void)snprintf(new_path, sizeof new_path, "%s%.7s", path, aside);
    enum status status = write_new(files, new_path, encoded, failure);
    if (status == STATUS_OK) status = files->rename(files->self, new_path, path, failure);
    if (status == STATUS_OK) status = files->directory_sync(files->self, "dedup", failure);
    return status;
}

enum status manifest_write(const struct files *files, const char *of, struct bytes encoded, struct failure *failure) {
    return replace(files, of, ".new", encoded, failure);
}

enum status manifest_write_note(const struct files *files, const char *of, const uint8_t log[RUN_LOG_BYTES],
                                uint32_t partition, const struct manifest_note *note, struct failure *failure) {
    struct manifest manifest = {.note = *note};
    struct buffer encoded = {0};
    manifest_encode(&manifest, log, partition, &encoded);
    enum status status = replace(files, of, ".note", buffer_view(&encoded), failure);
    buffer_fini(&encoded);
    return status;
}

enum status manifest_remove(const struct files *files, const char *of, struct failure *failure) {
    char path[MANIFEST_PATH_BYTES];
    struct failure own = {0};
    manifest_path(path, of);
    enum status status = files->remove(files->self, path, &own);
    if (status == STATUS_NOT_FOUND) return STATUS_OK;
    if (status != STATUS_OK) return failure_set(failure, status, "%s", own.text);
    return files->directory_sync(files->self, "dedup", failure);
}
