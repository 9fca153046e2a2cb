/* What outlives the process: places, lists of runs, and taking them over again. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "dedup/dedup_internal.h"

void dedup_run_path(const char *of, uint64_t number, char path[RUN_PATH_BYTES]) {
    int len = snprintf(path, RUN_PATH_BYTES, "dedup/%s-%012" PRIu64 ".run", of, number);
    CHECK(len > 0 && len < RUN_PATH_BYTES);
}

/* --- the line --- */

void dedup_note_frozen(struct dedup *dedup) {
    struct kept *kept = dedup->kept;
    CHECK(dedup->frozen == NULL && dedup->frozen_d.ms <= dedup->d_max.ms);
    dedup->frozen_d = dedup->d_max;
    dedup->inserted = 0;
    if (kept == NULL) return;
    struct dedup_position *position = &kept->frozen;
    buffer_clear(&kept->scratch);
    kept->position(kept->owner, &position->offset, &kept->scratch);
    CHECK(kept->scratch.len <= sizeof position->state);
    CHECK(!kept->whole.known || position->offset.at >= kept->whole.offset.at);
    CHECK(dedup->frozen_d.ms >= dedup->line.ms);
    position->known = true;
    position->d = dedup->frozen_d;
    position->state_len = (uint32_t)kept->scratch.len;
    if (kept->scratch.len > 0) memcpy(position->state, kept->scratch.at, kept->scratch.len);
}

void dedup_note_whole(struct dedup *dedup) {
    dedup->line = event_time_max(dedup->line, dedup->frozen_d);
    CHECK(dedup->frozen == NULL && dedup->line.ms <= dedup->d_max.ms); /* nothing is forgotten before D says so */
    struct kept *kept = dedup->kept;
    if (kept == NULL) return;
    CHECK(!kept->frozen.known || kept->frozen.d.ms == dedup->line.ms);
    CHECK(!kept->whole.known || !kept->frozen.known || kept->whole.offset.at <= kept->frozen.offset.at);
    kept->whole = kept->frozen;
}

void dedup_jump_line(struct dedup *dedup) {
    CHECK(dedup->line.ms <= dedup->d_max.ms && dedup->frozen_d.ms <= dedup->d_max.ms);
    dedup->line = dedup->frozen_d = dedup->d_max;
    if (dedup->kept != NULL) dedup->kept->whole.known = dedup->kept->frozen.known = false;
}

/* --- lists of runs --- */

static bool lists(const struct manifest *manifest, uint64_t number) {
    for (uint32_t i = 0; i < manifest->run_count; i++)
        if (manifest->runs[i].number == number) return true;
    return false;
}

bool dedup_is_listed(const struct dedup *dedup, uint64_t number) {
    return dedup->kept != NULL && (lists(&dedup->kept->durable, number) || lists(&dedup->kept->chosen, number));
}

static bool same_list(const struct manifest *a, const struct manifest *b) {
    if (a->position.known != b->position.known || a->position.offset.at != b->position.offset.at ||
        a->run_count != b->run_count)
        return false;
    for (uint32_t i = 0; i < a->run_count; i++)
        if (a->runs[i].number != b->runs[i].number) return false;
    return true;
}

bool dedup_keep_choose(struct dedup *dedup, struct journal_offset counted_below) {
    struct kept *kept = dedup->kept;
    if (kept == NULL || kept->distrusted) return false;
    if (kept->chosen.position.known) return true;
    /* A start goes on from the place of the list and counts only from `counted_below` on: what lies between is judged
     * again, so the place must not be the later one. */
    if (!kept->whole.known || kept->whole.offset.at > counted_below.at) return false;
    CHECK(kept->whole.d.ms == dedup->line.ms); /* the runs have lost nothing that is remembered there */
    CHECK(kept->whole.offset.at >= kept->durable.position.offset.at); /* what is kept never goes back */
    struct manifest manifest = {.position = kept->whole, .run_count = dedup->run_count};
    for (uint32_t i = 0; i < dedup->run_count; i++) {
        const struct run *run = dedup->runs[i];
        CHECK(run->file.offset_max < kept->whole.offset.at);
        manifest.runs[i] = (struct manifest_run){run->file.name.number, run->file.count, run->footer_crc};
    }
    if (same_list(&manifest, &kept->durable)) return false;
    kept->chosen = manifest;
    return true;
}

bool dedup_keep_take(const struct dedup *dedup, struct dedup_keeping *keeping) {
    const struct kept *kept = dedup->kept;
    if (kept == NULL || kept->distrusted || !kept->chosen.position.known) return false;
    memcpy(keeping->name, dedup->file_name, sizeof keeping->name);
    keeping->number_count = 0;
    for (uint32_t i = 0; i < kept->chosen.run_count; i++)
        if (!lists(&kept->durable, kept->chosen.runs[i].number))
            keeping->numbers[keeping->number_count++] = kept->chosen.runs[i].number;
    CHECK(keeping->number_count <= kept->chosen.run_count);
    buffer_clear(&keeping->manifest);
    manifest_encode(&kept->chosen, dedup->name.log, dedup->name.partition, &keeping->manifest);
    return true;
}

/* By a handle of its own: the run's is the partition's, which goes on reading meanwhile. */
static enum status sync_run(const struct files *files, const char *of, uint64_t number, struct failure *failure) {
    char path[RUN_PATH_BYTES];
    struct file *file;
    dedup_run_path(of, number, path);
    enum status status = files->open(files->self, path, FILE_READ, &file, failure);
    if (status != STATUS_OK) return status;
    status = files->sync(file, failure);
    files->close(file);
    return status;
}

enum status dedup_keep_write(const struct files *files, const struct dedup_keeping *keeping, struct failure *failure) {
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < keeping->number_count && status == STATUS_OK; i++)
        status = sync_run(files, keeping->name, keeping->numbers[i], failure);
    if (status == STATUS_OK && keeping->number_count > 0) status = files->directory_sync(files->self, "dedup", failure);
    if (status == STATUS_OK) status = manifest_write(files, keeping->name, buffer_view(&keeping->manifest), failure);
    return status;
}

void dedup_keep_done(struct dedup *dedup) {
    struct kept *kept = dedup->kept;
    CHECK(kept != NULL && kept->chosen.position.known);
    CHECK(kept->chosen.position.offset.at >= kept->durable.position.offset.at);
    kept->durable = kept->chosen;
    kept->chosen = (struct manifest){0};
    if (kept->distrusted) (void)dedup_distrust(dedup, STATUS_CORRUPT); /* it was on its way meanwhile */
}

void dedup_keeping_fini(struct dedup_keeping *keeping) {
    buffer_fini(&keeping->manifest);
}

/* What fails here leaves the list, and the next start meets the same run again, says so again, and tries this again. */
enum status dedup_distrust(struct dedup *dedup, enum status status) {
    struct failure unused = {0};
    if (dedup->kept == NULL) return status;
    dedup->kept->distrusted = true;
    enum status removed = manifest_remove(&dedup->files, dedup->file_name, &unused);
    (void)removed;
    return status;
}

/* --- the next process --- */

struct names {
    const char *of;
    const struct manifest *listed; /* NULL: none */
    struct buffer others;          /* each with its end */
    uint64_t highest;
};

/* "OF-NUMBER.run", "OF.manifest.new" */
static void visit_name(void *context, const char *name) {
    struct names *names = context;
    size_t of = strlen(names->of), len = strlen(name);
    if (strncmp(name, names->of, of) != 0) return;
    bool is_run = name[of] == '-' && len > of + 5 && strcmp(name + len - 4, ".run") == 0;
    if (!is_run && strcmp(name + of, ".manifest.new") != 0) return;
    uint64_t number = is_run ? strtoull(name + of + 1, NULL, 10) : 0;
    if (number > names->highest) names->highest = number;
    if (is_run && names->listed != NULL && lists(names->listed, number)) return;
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
    const struct manifest_run *expected = &manifest->runs[i];
    struct run_name name = dedup->name;
    struct run *run;
    name.number = expected->number;
    dedup_run_path(dedup->file_name, name.number, name.path);
    enum status status = run_load(&dedup->files, &name, &dedup->pool, dedup->buffers, dedup->buffer_blocks, &run, failure);
    if (status != STATUS_OK) return status;
    CHECK(dedup->run_count == i && i < DEDUP_RUNS_MAX);
    dedup->runs[dedup->run_count++] = run;
    if (run->footer_crc != expected->footer_crc || run->file.count != expected->count || run->file.count == 0)
        return failure_set(failure, STATUS_CORRUPT, "%s: another run than the one that was kept", name.path);
    if (run->file.offset_max >= manifest->position.offset.at)
        return failure_set(failure, STATUS_CORRUPT, "%s: it holds more than was kept", name.path);
    return STATUS_OK;
}

static enum status load(struct dedup *dedup, struct journal_offset counted_below, struct manifest *manifest,
                        struct failure *why) {
    enum status status =
        manifest_read(&dedup->files, dedup->file_name, dedup->name.log, dedup->name.partition, manifest, why);
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

static void let_go_of_all(struct dedup *dedup) {
    while (dedup->run_count > 0) run_destroy(dedup->runs[--dedup->run_count], &dedup->pool);
}

enum status dedup_restore(struct dedup *dedup, struct journal_offset counted_below, struct failure *why,
                          struct failure *failure) {
    CHECK(dedup->run_count == 0 && dedup->name.number == 0 && event_time_is_none(dedup->d_max));
    struct kept *kept = dedup->kept;
    if (kept == NULL) return STATUS_OK;
    CHECK(dedup->frozen == NULL && !kept->whole.known && !kept->durable.position.known && !kept->chosen.position.known);
    const struct dedup_position *position = &kept->durable.position;
    enum status status = load(dedup, counted_below, &kept->durable, why);
    if (status == STATUS_OK &&
        !kept->go_on_from(kept->owner, position->offset, (struct bytes){position->state, position->state_len}))
        status = failure_set(why, STATUS_UNSUPPORTED,
                             "the files of identities of partition %" PRIu32
                             " were kept by a version that tells in another way where they end",
                             dedup->name.partition);
    if (status == STATUS_OK) {
        CHECK(position->known && position->offset.at <= counted_below.at); /* never ahead of what is counted for good */
        kept->whole = kept->durable.position;
        dedup->d_max = dedup->line = dedup->frozen_d = position->d;
    } else {
        if (status == STATUS_NOT_FOUND && !position->known) *why = (struct failure){0}; /* nothing was kept */
        let_go_of_all(dedup);
        kept->durable = (struct manifest){0};
        /* First the list: it must not tell of runs that are gone. */
        status = manifest_remove(&dedup->files, dedup->file_name, failure);
        if (status != STATUS_OK) return status;
    }
    CHECK(dedup->run_count == kept->durable.run_count); /* what is listed is what is held */
    struct names names = {.of = dedup->file_name, .listed = &kept->durable};
    status = remove_others(&dedup->files, &names, failure);
    dedup->name.number = names.highest;
    return status;
}
