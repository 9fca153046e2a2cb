/* What outlives the process: places, and lists of runs. Taking them over again: dedup_restore.c. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "dedup/dedup_internal.h"

void dedup_run_path(const char *of, uint64_t number, char path[RUN_PATH_BYTES]) {
    int len = snprintf(path, RUN_PATH_BYTES, "dedup/%s-%012" PRIu64 ".run", of, number);
    CHECK(len > 0 && len < RUN_PATH_BYTES);
}

void dedup_partition_name(char name[DEDUP_NAME_BYTES], uint32_t partition) {
    (void)snprintf(name, DEDUP_NAME_BYTES, "p%02" PRIu32, partition);
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

bool dedup_is_listed(const struct dedup *dedup, uint64_t number) {
    return dedup->kept != NULL &&
           (manifest_lists(&dedup->kept->durable, number) || manifest_lists(&dedup->kept->chosen, number));
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
        if (!manifest_lists(&kept->durable, kept->chosen.runs[i].number))
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

/* What fails here leaves the list, and the next start meets the same run again, says so again, and tries this again. */
static void distrust(struct dedup *dedup) {
    struct failure unused = {0};
    CHECK(dedup->kept->distrusted);
    enum status noted = dedup_leave_note(dedup, &dedup->kept->note, &unused);
    (void)noted;
}

void dedup_keep_done(struct dedup *dedup) {
    struct kept *kept = dedup->kept;
    CHECK(kept != NULL && kept->chosen.position.known);
    CHECK(kept->chosen.position.offset.at >= kept->durable.position.offset.at);
    kept->durable = kept->chosen;
    kept->chosen = (struct manifest){0};
    if (kept->distrusted) distrust(dedup); /* it was on its way meanwhile */
}

void dedup_keeping_fini(struct dedup_keeping *keeping) {
    buffer_fini(&keeping->manifest);
}

enum status dedup_leave_note(struct dedup *dedup, const struct manifest_note *note, struct failure *failure) {
    struct failure unused = {0};
    enum status status =
        manifest_write_note(&dedup->files, dedup->file_name, dedup->name.log, dedup->name.partition, note, &unused);
    if (status == STATUS_OK) return STATUS_OK;
    /* On a full disk, say: then the next start finds neither list nor note, which tells it as much. */
    return manifest_remove(&dedup->files, dedup->file_name, failure);
}

enum status dedup_distrust(struct dedup *dedup, enum status status, const struct failure *why) {
    struct kept *kept = dedup->kept;
    if (kept == NULL) return status;
    if (!kept->distrusted)
        kept->note =
            manifest_note_of(MANIFEST_ALL_OF_NO_USE,
                             why != NULL && why->text[0] != '\0' ? why->text : "a file of identities could not be read");
    kept->distrusted = true;
    distrust(dedup);
    return status;
}
