/* A start takes over the runs that were kept, or leaves a note why not. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "dedup/dedup_internal.h"

struct names {
    const char *of;
    const struct manifest *listed; /* NULL: none */
    struct buffer others;          /* each with its end */
    uint64_t highest;
};

/* "OF-NUMBER.run", and lists and notes that were being written */
static void visit_name(void *context, const char *name) {
    struct names *names = context;
    size_t of = strlen(names->of), len = strlen(name);
    if (strncmp(name, names->of, of) != 0) return;
    bool is_run = name[of] == '-' && len > of + 5 && strcmp(name + len - 4, ".run") == 0;
    if (!is_run && strcmp(name + of, ".manifest.new") != 0 && strcmp(name + of, ".manifest.note") != 0) return;
    uint64_t number = is_run ? strtoull(name + of + 1, NULL, 10) : 0;
    if (number > names->highest) names->highest = number;
    if (is_run && names->listed != NULL && manifest_lists(names->listed, number)) return;
    buffer_append(&names->others, name, len + 1);
}

static enum status remove_others(const struct files *files, struct names *names, struct failure *failure) {
    enum status status = files->list(files->self, "dedup", visit_name, names, failure);
    for (size_t at = 0; at < names->others.len && status == STATUS_OK;
         at += strlen((const char *)names->others.at + at) + 1) {
        char path[6 + 256];
        (void)snprintf(path, sizeof path, "dedup/%.255s", (const char *)names->others.at + at);
        status = files->remove(files->self, path, failure);
    }
    buffer_fini(&names->others);
    return status;
}

enum status dedup_make_directory(const struct files *files, struct failure *failure) {
    enum status status = files->make_directory(files->self, "dedup", failure);
    return status == STATUS_OK ? files->directory_sync(files->self, ".", failure) : status;
}

enum status dedup_clear(const struct files *files, const char *name, struct failure *failure) {
    struct names names = {.of = name};
    enum status status = manifest_remove(files, name, failure);
    return status == STATUS_OK ? remove_others(files, &names, failure) : status;
}

static enum status load_run(struct dedup *dedup, const struct manifest *manifest, uint32_t i, struct failure *failure) {
    struct run_name name = dedup->name;
    struct run *run;
    name.number = manifest->runs[i].number;
    dedup_run_path(dedup->file_name, name.number, name.path);
    enum status status = run_load(&dedup->files, &name, &dedup->pool, dedup->buffers, dedup->buffer_blocks, &run, failure);
    if (status != STATUS_OK) return status;
    CHECK(dedup->run_count == i && i < DEDUP_RUNS_MAX);
    dedup->runs[dedup->run_count++] = run;
    return manifest_check_run(manifest, i, &run->file, run->footer_crc, failure);
}

/* STATUS_END: there is a note instead of a list. STATUS_NOT_FOUND, and not even a place: there is neither. */
static enum status load(struct dedup *dedup, struct journal_offset counted_below, struct manifest *manifest,
                        struct failure *why) {
    enum status status =
        manifest_read(&dedup->files, dedup->file_name, dedup->name.log, dedup->name.partition, manifest, why);
    if (status == STATUS_OK && !manifest->position.known) return STATUS_END;
    if (status != STATUS_OK) return status;
    if (manifest->position.offset.at > counted_below.at)
        return failure_set(why, STATUS_AGAIN,
                           "the files of identities of partition %" PRIu32 " go on from offset %" PRIu64
                           ", but the store has counted up to %" PRIu64 " only",
                           dedup->name.partition, manifest->position.offset.at, counted_below.at);
    for (uint32_t i = 0; i < manifest->run_count && status == STATUS_OK; i++) status = load_run(dedup, manifest, i, why);
    if (status == STATUS_OK && pool_free(&dedup->pool) < dedup_chunks_partly_used(dedup))
        status =
            failure_set(why, STATUS_FULL,
                        "the filters of the identities of partition %" PRIu32 " do not fit into --dedup-memory as it is now",
                        dedup->name.partition);
    return status;
}

static enum status take_over(struct dedup *dedup, struct journal_offset counted_below, struct failure *why) {
    struct kept *kept = dedup->kept;
    const struct dedup_position *position = &kept->durable.position;
    enum status status = load(dedup, counted_below, &kept->durable, why);
    if (status != STATUS_OK) return status;
    if (!kept->go_on_from(kept->owner, position->offset, (struct bytes){position->state, position->state_len}))
        return failure_set(why, STATUS_UNSUPPORTED,
                           "the files of identities of partition %" PRIu32
                           " were kept by a version that tells in another way where they end",
                           dedup->name.partition);
    CHECK(position->known && position->offset.at <= counted_below.at); /* never ahead of what is counted for good */
    kept->whole = *position;
    dedup->d_max = dedup->line = dedup->frozen_d = position->d;
    return STATUS_OK;
}

static void let_go_of_all(struct dedup *dedup) {
    while (dedup->run_count > 0) run_destroy(dedup->runs[--dedup->run_count], &dedup->pool);
    dedup->kept->durable = (struct manifest){0};
}

/* What a start says, and leaves for those that come before there is a list again: `status` is why nothing was taken over,
 * `why` has the words of what was just met. */
static struct manifest_note choose_note(const struct dedup *dedup, struct journal_offset counted_below, enum status status,
                                        const struct failure *distrusted, struct failure *why) {
    const struct manifest *found = &dedup->kept->durable;
    enum manifest_note_kind kind = MANIFEST_OF_NO_USE;
    bool met_now = distrusted == NULL && (found->position.known || (status != STATUS_NOT_FOUND && status != STATUS_END));
    if (distrusted != NULL) {
        kind = MANIFEST_ALL_OF_NO_USE;
        (void)failure_set(why, distrusted->status, "%s", distrusted->text);
    } else if (status == STATUS_END) {
        kind = found->note.kind;
        if (kind != MANIFEST_NOTHING_KEPT) (void)failure_set(why, STATUS_CORRUPT, "%s", found->note.reason);
    } else if (!met_now) {
        *why = (struct failure){0};
        (void)failure_set(why, STATUS_NOT_FOUND,
                          "dedup/%s.manifest is missing: its files were removed, or there was never memory for any",
                          dedup->file_name);
    }
    /* So little was counted that all of it fits into a table: the journal would be read from its beginning anyway. */
    if (!met_now && counted_below.at <= dedup->table_bytes / sizeof(struct leaf_slot)) kind = MANIFEST_NOTHING_KEPT;
    if (kind == MANIFEST_NOTHING_KEPT) *why = (struct failure){0};
    return manifest_note_of(kind, why->text);
}

static enum status begin_anew(struct dedup *dedup, struct journal_offset counted_below, enum status status,
                              const struct failure *distrusted, struct failure *why, struct failure *failure) {
    const struct manifest_note found = dedup->kept->durable.note;
    const struct manifest_note note = choose_note(dedup, counted_below, status, distrusted, why);
    let_go_of_all(dedup);
    if (status == STATUS_END && found.kind == note.kind && strcmp(found.reason, note.reason) == 0) return STATUS_OK;
    return dedup_leave_note(dedup, &note, failure);
}

enum status dedup_restore(struct dedup *dedup, struct journal_offset counted_below, const struct failure *distrusted,
                          struct failure *why, struct failure *failure) {
    CHECK(dedup->run_count == 0 && dedup->name.number == 0 && event_time_is_none(dedup->d_max));
    struct kept *kept = dedup->kept;
    if (kept == NULL) return STATUS_OK;
    CHECK(dedup->frozen == NULL && !kept->whole.known && !kept->durable.position.known && !kept->chosen.position.known);
    enum status status = distrusted == NULL ? take_over(dedup, counted_below, why) : STATUS_AGAIN;
    if (status != STATUS_OK) {
        /* First the list goes: it must not tell of runs that are gone. */
        status = begin_anew(dedup, counted_below, status, distrusted, why, failure);
        if (status != STATUS_OK) return status;
    }
    CHECK(dedup->run_count == kept->durable.run_count); /* what is listed is what is held */
    struct names names = {.of = dedup->file_name, .listed = &kept->durable};
    status = remove_others(&dedup->files, &names, failure);
    dedup->name.number = names.highest;
    return status;
}

bool dedup_all_of_no_use(const struct files *files, const char *name, const uint8_t log_uuid[16], uint32_t partition,
                         struct failure *why) {
    struct manifest manifest;
    struct failure unused = {0};
    if (manifest_read(files, name, log_uuid, partition, &manifest, &unused) != STATUS_OK) return false;
    if (manifest.position.known || manifest.note.kind != MANIFEST_ALL_OF_NO_USE) return false;
    (void)failure_set(why, STATUS_CORRUPT, "%s", manifest.note.reason);
    return true;
}
