/* The look at all that is kept of a partition: any damage is found, and what is none is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/codec.h"
#include "base/random_sequence.h"
#include "dedup/manifest.h"
#include "dedup/run_format.h"
#include "dedup/survey.h"
#include "fake/fake_files.h"

enum { ENTRIES = 3000, MEMORY = 128 * 1024, TABLE = 16384, BOUND_MS = 1000, PATHS_MAX = 32 };

static const uint8_t a_log[RUN_LOG_BYTES] = {1, 2, 3};

struct kept {
    struct fake_files *fake;
    struct files files;
    uint64_t at; /* the next click */
    char runs[PATHS_MAX][64];
    unsigned run_count;
};

static void position(void *self, struct journal_offset *offset, struct buffer *state) {
    const struct kept *kept = self;
    offset->at = kept->at;
    buffer_put_u8(state, 1);
}

static bool go_on_from(void *self, struct journal_offset offset, struct bytes state) {
    (void)self;
    (void)offset;
    (void)state;
    return true;
}

static void note_run(void *context, const char *path) {
    struct kept *kept = context;
    if (strstr(path, ".run") == NULL) return;
    assert_true(kept->run_count < PATHS_MAX);
    (void)snprintf(kept->runs[kept->run_count++], sizeof kept->runs[0], "%.63s", path);
}

/* The files of a partition that has ended in order: a list and what it names. */
static void keep_some(struct kept *kept) {
    *kept = (struct kept){.fake = fake_files_create(1)};
    kept->files = fake_files_table(kept->fake);
    struct dedup_options options = {.memory_bytes = MEMORY,
                                    .files = &kept->files,
                                    .name = "p02",
                                    .partition = 2,
                                    .position = position,
                                    .go_on_from = go_on_from,
                                    .owner = kept,
                                    .table_bytes = TABLE};
    struct event_time d = {0};
    struct failure why = {0};
    bool did;
    memcpy(options.log_uuid, a_log, sizeof a_log);
    struct dedup *dedup = dedup_create(&options);
    assert_int_equal(dedup_make_directory(&kept->files, NULL), STATUS_OK);
    assert_int_equal(dedup_restore(dedup, (struct journal_offset){0}, NULL, &why, NULL), STATUS_OK);
    for (; kept->at < ENTRIES; kept->at++) {
        struct random_sequence of = {kept->at};
        struct dedup_entry entry = {.identity = {random_sequence_next(&of), random_sequence_next(&of)},
                                    .offset = {kept->at},
                                    .bound = {BOUND_MS + (int64_t)(kept->at % 7)}};
        assert_int_equal(dedup_insert(dedup, &entry, d, NULL), STATUS_OK);
        assert_int_equal(dedup_step(dedup, d, &did, NULL), STATUS_OK);
    }
    for (did = true; did;) assert_int_equal(dedup_step(dedup, d, &did, NULL), STATUS_OK);
    struct dedup_keeping keeping = {0};
    assert_true(dedup_keep_choose(dedup, (struct journal_offset){kept->at}));
    assert_true(dedup_keep_take(dedup, &keeping));
    assert_int_equal(dedup_keep_write(&kept->files, &keeping, NULL), STATUS_OK);
    dedup_keep_done(dedup);
    dedup_keeping_fini(&keeping);
    for (did = true; did;) assert_int_equal(dedup_step(dedup, d, &did, NULL), STATUS_OK);
    dedup_destroy(dedup);
    fake_files_each(kept->fake, note_run, kept);
    assert_true(kept->run_count >= 2);
}

static void note_last(void *context, const struct failure *why) {
    *(struct failure *)context = *why;
}

static struct dedup_survey look(const struct kept *kept, struct failure *why) {
    struct dedup_survey survey;
    *why = (struct failure){0};
    dedup_survey(&kept->files, "p02", a_log, 2, NULL, note_last, why, &survey);
    assert_int_equal(survey.damaged > 0, why->status != STATUS_OK);
    return survey;
}

static void assert_found(const struct kept *kept, const char *path, uint64_t block) {
    struct failure why;
    char place[32];
    assert_int_equal(look(kept, &why).damaged, 1);
    (void)snprintf(place, sizeof place, " at byte %llu;", (unsigned long long)block * RUN_BLOCK_BYTES);
    assert_non_null(strstr(why.text, path));
    assert_non_null(strstr(why.text, place));
}

static void what_is_right_is_counted(void **state) {
    (void)state;
    struct kept kept;
    struct failure why;
    keep_some(&kept);
    struct dedup_survey survey = look(&kept, &why);
    uint64_t bytes = 0;
    for (unsigned i = 0; i < kept.run_count; i++) bytes += fake_files_content(kept.fake, kept.runs[i]).len;
    assert_true(survey.listed);
    assert_int_equal(survey.damaged, 0);
    assert_int_equal(survey.runs, kept.run_count);
    assert_int_equal(survey.bytes, bytes);
    assert_in_range(survey.entries, ENTRIES / 2, ENTRIES);
    fake_files_destroy(kept.fake);
}

static void a_flipped_bit_in_any_block_is_found_with_its_place(void **state) {
    (void)state;
    struct kept kept;
    keep_some(&kept);
    for (unsigned i = 0; i < kept.run_count; i++)
        for (uint64_t at = 100, size = fake_files_content(kept.fake, kept.runs[i]).len; at < size; at += 1023) {
            fake_files_flip(kept.fake, kept.runs[i], at, 4);
            assert_found(&kept, kept.runs[i], at / RUN_BLOCK_BYTES);
            fake_files_flip(kept.fake, kept.runs[i], at, 4);
        }
    fake_files_destroy(kept.fake);
}

static void put_block(struct kept *kept, const char *path, uint64_t at, uint8_t *block) {
    struct bytes content = fake_files_content(kept->fake, path);
    run_seal_block(block);
    for (uint64_t i = 0; i < RUN_BLOCK_BYTES; i++)
        if (content.at[at + i] != block[i]) fake_files_flip(kept->fake, path, at + i, content.at[at + i] ^ block[i]);
}

/* Behind right checksums: what no disk does, but a fault in a program might. */
static void figures_that_contradict_each_other_are_found(void **state) {
    (void)state;
    enum { SECOND = 2 * RUN_BLOCK_BYTES };
    static const uint64_t footer_changes[] = {RUN_END_OFFSET_MIN_AT, RUN_END_OFFSET_MAX_AT, RUN_END_BOUND_MAX_AT,
                                              RUN_END_COUNT_AT};
    struct kept kept;
    keep_some(&kept);
    const char *path = kept.runs[0];
    uint64_t footer = fake_files_content(kept.fake, path).len / RUN_BLOCK_BYTES - 1;
    uint8_t before[RUN_BLOCK_BYTES], block[RUN_BLOCK_BYTES];
    memcpy(before, fake_files_content(kept.fake, path).at + SECOND, sizeof before);
    memcpy(block, before, sizeof block);
    put_u64(block, get_u64(block) + 1); /* the index has another first identity */
    put_block(&kept, path, SECOND, block);
    assert_found(&kept, path, 2);
    memcpy(block, before, sizeof block);
    memcpy(block + RUN_ENTRY_BYTES, block + 2 * RUN_ENTRY_BYTES, RUN_ENTRY_BYTES); /* one twice */
    put_block(&kept, path, SECOND, block);
    assert_found(&kept, path, 2);
    memcpy(block, before, sizeof block);
    run_put_u48(block + RUN_ENTRY_BYTES + 20, ENTRIES + 1); /* an offset that the footer does not know */
    put_block(&kept, path, SECOND, block);
    assert_found(&kept, path, footer);
    put_block(&kept, path, SECOND, before);
    memcpy(before, fake_files_content(kept.fake, path).at + footer * RUN_BLOCK_BYTES, sizeof before);
    for (size_t i = 0; i < sizeof footer_changes / sizeof *footer_changes; i++) {
        memcpy(block, before, sizeof block);
        put_u64(block + footer_changes[i], get_u64(block + footer_changes[i]) + 1);
        put_block(&kept, path, footer * RUN_BLOCK_BYTES, block);
        assert_found(&kept, path, footer);
    }
    put_block(&kept, path, footer * RUN_BLOCK_BYTES, before);
    struct failure why;
    assert_int_equal(look(&kept, &why).damaged, 0);
    fake_files_destroy(kept.fake);
}

static void a_run_that_is_missing_or_cut_is_found_and_one_of_no_list_is_a_leftover(void **state) {
    (void)state;
    struct kept kept;
    struct failure why;
    struct file *file;
    keep_some(&kept);
    assert_int_equal(kept.files.open(kept.files.self, "dedup/p02-000000009999.run", FILE_CREATE, &file, NULL), STATUS_OK);
    kept.files.close(file);
    assert_int_equal(look(&kept, &why).damaged, 0);
    fake_files_cut(kept.fake, kept.runs[1], 3 * RUN_BLOCK_BYTES);
    assert_int_equal(look(&kept, &why).damaged, 1);
    fake_files_delete(kept.fake, kept.runs[0]);
    struct dedup_survey survey = look(&kept, &why);
    assert_int_equal(survey.damaged, 2);
    assert_int_equal(survey.runs, kept.run_count - 2);
    fake_files_delete(kept.fake, kept.runs[1]);
    assert_int_equal(look(&kept, &why).damaged, 2);
    assert_non_null(strstr(why.text, kept.runs[1]));
    fake_files_destroy(kept.fake);
}

static void a_damaged_list_is_found_and_none_is_none(void **state) {
    (void)state;
    struct kept kept;
    struct failure why;
    keep_some(&kept);
    fake_files_flip(kept.fake, "dedup/p02.manifest", 40, 1);
    assert_int_equal(look(&kept, &why).damaged, 1);
    assert_non_null(strstr(why.text, "dedup/p02.manifest"));
    assert_int_equal(dedup_survey_discard(&kept.files, "p02", a_log, 2, why.text, NULL), STATUS_OK);
    struct failure unused;
    struct dedup_survey survey = look(&kept, &unused);
    assert_false(survey.listed);
    assert_int_equal(survey.damaged, 0);
    assert_string_equal(survey.note, why.text);
    fake_files_delete(kept.fake, "dedup/p02.manifest");
    survey = look(&kept, &why);
    assert_false(survey.listed);
    assert_int_equal(survey.damaged, 0);
    fake_files_destroy(kept.fake);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_right_is_counted),
        cmocka_unit_test(a_flipped_bit_in_any_block_is_found_with_its_place),
        cmocka_unit_test(figures_that_contradict_each_other_are_found),
        cmocka_unit_test(a_run_that_is_missing_or_cut_is_found_and_one_of_no_list_is_a_leftover),
        cmocka_unit_test(a_damaged_list_is_found_and_none_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
