#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/random_sequence.h"
#include "client/line_source.h"
#include "client/resume.h"
#include "client/temp_directory.h"

#define URL "http://127.0.0.1:8080"

static char directory[TEMP_PATH_BYTES], state_path[TEMP_PATH_BYTES + 16], clicks_path[TEMP_PATH_BYTES + 16];

static int make_directory(void **state) {
    (void)state;
    struct failure failure = {0};
    if (temp_directory_make("resume", "/tmp", directory, &failure) != STATUS_OK) return -1;
    snprintf(state_path, sizeof state_path, "%s/state", directory);
    snprintf(clicks_path, sizeof clicks_path, "%s/clicks", directory);
    return 0;
}

static int remove_directory(void **state) {
    (void)state;
    temp_directory_remove(directory);
    return 0;
}

static void write_file(const char *path, const char *mode, const char *text) {
    FILE *file = fopen(path, mode);
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static struct resume *open_state(const char *url, const char *source) {
    struct resume *resume = NULL;
    struct failure failure = {0};
    assert_int_equal(resume_open(state_path, url, source, &resume, &failure), STATUS_OK);
    return resume;
}

/* What a run would send of the clicks file, in batches of two lines; the first `answered_max` batches are answered for. */
static struct buffer run(unsigned answered_max, uint64_t *first_line) {
    struct buffer sent = {0};
    struct resume *resume = open_state(URL, NULL);
    char *const names[] = {clicks_path};
    struct line_source *lines = line_source_create(names, 1, 2, resume);
    struct sender_batch batch = {0};
    struct sender_pause pause;
    struct failure failure = {0};
    enum status status;
    unsigned answered = 0;
    *first_line = 0;
    while ((status = line_source_next(lines, &batch, &pause, &failure)) == STATUS_OK) {
        if (*first_line == 0) *first_line = batch.first_line;
        buffer_append_bytes(&sent, buffer_view(&batch.body));
        if (answered++ < answered_max) resume_note(resume, &batch);
    }
    assert_int_equal(status, STATUS_END);
    assert_int_equal(resume_save(resume, &failure), STATUS_OK);
    buffer_fini(&batch.body);
    line_source_destroy(lines);
    resume_close(resume);
    return sent;
}

static void assert_sent(unsigned answered_max, const char *text, uint64_t line) {
    uint64_t first_line;
    struct buffer sent = run(answered_max, &first_line);
    assert_true(bytes_equal(buffer_view(&sent), bytes_of_text(text)));
    assert_int_equal(first_line, line);
    buffer_fini(&sent);
}

static void a_later_run_goes_on_behind_what_was_answered_for(void **state) {
    (void)state;
    write_file(clicks_path, "w", "{1}\n{2}\n{3}\n{4}\n{5}\n");
    assert_sent(1, "{1}\n{2}\n{3}\n{4}\n{5}\n", 1);
    assert_sent(9, "{3}\n{4}\n{5}\n", 3);
    assert_sent(9, "", 0);
    write_file(clicks_path, "a", "{6}\n");
    assert_sent(9, "{6}\n", 6);
}

static void a_last_line_without_its_end_is_sent_again_when_it_has_grown(void **state) {
    (void)state;
    write_file(clicks_path, "w", "{1}\n{2}\n{3}\n{4");
    assert_sent(9, "{1}\n{2}\n{3}\n{4", 1);
    write_file(clicks_path, "a", "44}\n");
    assert_sent(9, "{444}\n", 4);
}

static void a_file_that_was_cut_or_replaced_begins_anew(void **state) {
    (void)state;
    write_file(clicks_path, "w", "{1}\n{2}\n{3}\n");
    assert_sent(9, "{1}\n{2}\n{3}\n", 1);
    write_file(clicks_path, "w", "{1}\n"); /* the same inode and beginning, but shorter */
    assert_sent(9, "{1}\n", 1);
    write_file(clicks_path, "w", "{7}\n{8}\n{9}\n{10}\n"); /* the same inode, but another beginning */
    assert_sent(9, "{7}\n{8}\n{9}\n{10}\n", 1);
}

static void a_renamed_file_goes_on(void **state) {
    (void)state;
    write_file(clicks_path, "w", "{1}\n{2}\n{3}\n");
    assert_sent(1, "{1}\n{2}\n{3}\n", 1);
    char renamed[sizeof clicks_path + 8];
    snprintf(renamed, sizeof renamed, "%s.1", clicks_path);
    assert_int_equal(rename(clicks_path, renamed), 0);
    struct resume *resume = open_state(URL, NULL);
    int fd = open(renamed, O_RDONLY);
    uint64_t offset, lines;
    resume_begin(resume, 0, fd, renamed, &offset, &lines);
    assert_int_equal(offset, 8);
    assert_int_equal(lines, 2);
    close(fd);
    resume_close(resume);
}

static void answers_in_any_order_never_pass_over_a_gap(void **state) {
    (void)state;
    enum { BATCHES = 200 };
    struct random_sequence sequence = {7};
    struct sender_batch batches[BATCHES];
    uint64_t offset, lines;
    for (uint64_t i = 0, at = 0; i < BATCHES; i++) {
        uint64_t len = 10 + random_sequence_below(&sequence, 90);
        batches[i] = (struct sender_batch){.file_index = 3, .begin_offset = at, .end_offset = at + len, .end_line = i + 1};
        at += len;
    }
    write_file(clicks_path, "w", "{1}\n");
    int fd = open(clicks_path, O_RDONLY);
    struct resume *resume = open_state(URL, NULL);
    resume_begin(resume, 3, fd, clicks_path, &offset, &lines);
    bool answered[BATCHES] = {false};
    for (unsigned i = 0; i < BATCHES; i++) { /* each a little before or after its turn */
        unsigned pick = (unsigned)random_sequence_below(&sequence, BATCHES);
        while (answered[pick]) pick = (pick + 1) % BATCHES;
        answered[pick] = true;
        resume_note(resume, &batches[pick]);
        unsigned whole = 0;
        while (whole < BATCHES && answered[whole]) whole++;
        struct failure failure = {0};
        if (i % 20 != 19) continue;
        assert_int_equal(resume_save(resume, &failure), STATUS_OK);
        struct resume *again = open_state(URL, NULL);
        resume_begin(again, 0, fd, clicks_path, &offset, &lines);
        assert_int_equal(offset, whole > 0 ? batches[whole - 1].end_offset : 0);
        assert_int_equal(lines, whole);
        resume_close(again);
    }
    assert_int_equal(lines, BATCHES);
    close(fd);
    resume_close(resume);
}

static void a_state_of_another_server_or_of_nothing_is_refused(void **state) {
    (void)state;
    struct resume *resume = open_state(URL, "shop");
    struct failure failure = {0};
    assert_int_equal(resume_save(resume, &failure), STATUS_OK);
    resume_close(resume);
    assert_int_equal(resume_open(state_path, "http://other:1", "shop", &resume, &failure), STATUS_BAD_CONFIG);
    assert_null(resume);
    assert_non_null(strstr(failure.text, URL));
    failure = (struct failure){0};
    assert_int_equal(resume_open(state_path, URL, NULL, &resume, &failure), STATUS_BAD_CONFIG);
    assert_non_null(strstr(failure.text, "shop"));
    const char *const texts[] = {"", "{\"ad_id\":\"ad001\"}\n", "[1", "{\"format\":2,\"url\":\"" URL "\"}"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        write_file(state_path, "w", texts[i]);
        failure = (struct failure){0};
        assert_int_equal(resume_open(state_path, URL, NULL, &resume, &failure), STATUS_BAD_CONFIG);
        assert_non_null(strstr(failure.text, state_path));
    }
    assert_int_equal(resume_open(directory, URL, NULL, &resume, &failure), STATUS_BAD_CONFIG);
}

static void a_state_that_cannot_be_written_is_a_failure_with_its_name(void **state) {
    (void)state;
    struct resume *resume = NULL;
    struct failure failure = {0};
    assert_int_equal(resume_open("/nowhere/state", URL, NULL, &resume, &failure), STATUS_OK); /* there is none yet */
    assert_int_equal(resume_save(resume, &failure), STATUS_IO_ERROR);
    assert_non_null(strstr(failure.text, "/nowhere/state"));
    resume_close(resume);
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(a_later_run_goes_on_behind_what_was_answered_for),
        IN_DIRECTORY(a_last_line_without_its_end_is_sent_again_when_it_has_grown),
        IN_DIRECTORY(a_file_that_was_cut_or_replaced_begins_anew),
        IN_DIRECTORY(a_renamed_file_goes_on),
        IN_DIRECTORY(answers_in_any_order_never_pass_over_a_gap),
        IN_DIRECTORY(a_state_of_another_server_or_of_nothing_is_refused),
        IN_DIRECTORY(a_state_that_cannot_be_written_is_a_failure_with_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
