#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/random_sequence.h"
#include "base/units.h"
#include "client/line_source.h"

struct file {
    char path[64];
};

static struct file file_of(struct bytes content) {
    struct file file;
    snprintf(file.path, sizeof file.path, "/tmp/lines-test-XXXXXX");
    int fd = mkstemp(file.path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content.at, content.len), content.len);
    close(fd);
    return file;
}

/* All batches, joined; and what was said about them. */
struct taken {
    struct buffer bytes;
    uint64_t batches, lines;
    char content_type[32]; /* of the last batch */
    enum status status;    /* of the last call */
    struct failure failure;
};

static struct taken take_all(char *const *names, size_t count, uint32_t batch_lines) {
    struct taken taken = {0};
    struct line_source *lines = line_source_create(names, count, batch_lines, NULL);
    struct sender_batch batch = {0};
    struct sender_pause pause;
    const char *file = NULL;
    uint64_t next_line = 1;
    while ((taken.status = line_source_next(lines, &batch, &pause, &taken.failure)) == STATUS_OK) {
        if (file != batch.file) next_line = 1;
        file = batch.file;
        assert_int_equal(batch.first_line, next_line);
        assert_in_range(batch.line_count, 1, batch_lines);
        uint32_t ends = 0;
        for (size_t i = 0; i < batch.body.len; i++) ends += batch.body.at[i] == '\n';
        assert_in_range(batch.line_count - ends, 0, 1); /* 1: a last line without its end */
        next_line += batch.line_count;
        taken.batches++;
        taken.lines += batch.line_count;
        buffer_append_bytes(&taken.bytes, buffer_view(&batch.body));
        snprintf(taken.content_type, sizeof taken.content_type, "%s", batch.content_type);
    }
    buffer_fini(&batch.body);
    line_source_destroy(lines);
    return taken;
}

static struct taken take_text(struct bytes content, uint32_t batch_lines) {
    struct file file = file_of(content);
    char *const names[] = {file.path};
    struct taken taken = take_all(names, 1, batch_lines);
    unlink(file.path);
    return taken;
}

static void a_file_is_cut_into_batches_of_whole_lines(void **state) {
    (void)state;
    struct bytes text = BYTES_LITERAL("{a}\n{b}\r\n\n{c}\n{d}\n{e}");
    struct taken taken = take_text(text, 2);
    assert_int_equal(taken.status, STATUS_END);
    assert_int_equal(taken.batches, 3);
    assert_int_equal(taken.lines, 6);
    assert_true(bytes_equal(buffer_view(&taken.bytes), text));
    assert_string_equal(taken.content_type, SENDER_NDJSON);
    buffer_fini(&taken.bytes);
}

static void an_empty_file_is_no_batch(void **state) {
    (void)state;
    struct taken taken = take_text(BYTES_LITERAL(""), 10);
    assert_int_equal(taken.status, STATUS_END);
    assert_int_equal(taken.batches, 0);
}

static void random_lines_come_out_as_they_went_in(void **state) {
    (void)state;
    struct random_sequence sequence = {3};
    for (int round = 0; round < 30; round++) {
        struct buffer text = {0};
        uint64_t lines = random_sequence_below(&sequence, 3000), long_share = random_sequence_below(&sequence, 100);
        for (uint64_t i = 0; i < lines; i++) {
            bool is_long = random_sequence_below(&sequence, 1000) < long_share;
            uint64_t len = random_sequence_below(&sequence, is_long ? LINE_BYTES_MAX : 200);
            memset(buffer_reserve(&text, len + 1), 'x', len);
            text.len += len;
            if (i + 1 < lines || round % 2 == 0) buffer_append(&text, "\n", 1);
        }
        struct taken taken = take_text(buffer_view(&text), 1 + (uint32_t)random_sequence_below(&sequence, 1500));
        assert_int_equal(taken.status, STATUS_END);
        assert_true(bytes_equal(buffer_view(&taken.bytes), buffer_view(&text)));
        buffer_fini(&taken.bytes);
        buffer_fini(&text);
    }
}

static void a_far_too_long_line_is_shortened_but_stays_one_line_too_long(void **state) {
    (void)state;
    struct buffer text = {0};
    buffer_append_text(&text, "{1}\n");
    size_t huge = 3 * 1024 * 1024;
    memset(buffer_reserve(&text, huge), 'x', huge);
    text.len += huge;
    buffer_append_text(&text, "\n{3}\n");
    struct taken taken = take_text(buffer_view(&text), 1000);
    assert_int_equal(taken.lines, 3);
    assert_true(taken.bytes.len < 1024 * 1024);
    assert_memory_equal(taken.bytes.at, "{1}\n", 4);
    assert_memory_equal(taken.bytes.at + taken.bytes.len - 5, "\n{3}\n", 5);
    assert_true(taken.bytes.len > LINE_BYTES_MAX + 9); /* so that the server still says line_too_long */
    buffer_fini(&taken.bytes);
    buffer_fini(&text);
}

static void long_lines_end_a_batch_early(void **state) {
    (void)state;
    struct buffer text = {0};
    for (int i = 0; i < 400; i++) {
        memset(buffer_reserve(&text, LINE_BYTES_MAX), 'y', LINE_BYTES_MAX - 1);
        text.len += LINE_BYTES_MAX - 1;
        buffer_append(&text, "\n", 1);
    }
    struct taken taken = take_text(buffer_view(&text), 1000000);
    assert_int_equal(taken.lines, 400);
    assert_in_range(taken.batches, 3, 4);
    assert_true(bytes_equal(buffer_view(&taken.bytes), buffer_view(&text)));
    buffer_fini(&taken.bytes);
    buffer_fini(&text);
}

static void log_lines_are_told_by_the_first_line_that_is_not_empty(void **state) {
    (void)state;
    struct taken taken = take_text(BYTES_LITERAL("\n\r\n  \n[AdClickEvent] a, b\n{}\n"), 1);
    assert_string_equal(taken.content_type, SENDER_LOG_LINES);
    buffer_fini(&taken.bytes);
    taken = take_text(BYTES_LITERAL("[1,2]\n[AdClickEvent] a, b\n"), 1);
    assert_string_equal(taken.content_type, SENDER_NDJSON);
    buffer_fini(&taken.bytes);
}

static void each_file_has_its_own_kind_and_line_numbers(void **state) {
    (void)state;
    struct file json = file_of(BYTES_LITERAL("{}\n{}\n{}"));
    struct file log = file_of(BYTES_LITERAL("[AdClickEvent] 1\n[AdClickEvent] 2\n"));
    char *const names[] = {json.path, log.path};
    struct taken taken = take_all(names, 2, 2);
    assert_int_equal(taken.status, STATUS_END);
    assert_int_equal(taken.batches, 3);
    assert_int_equal(taken.lines, 5);
    assert_string_equal(taken.content_type, SENDER_LOG_LINES);
    buffer_fini(&taken.bytes);
    unlink(json.path);
    unlink(log.path);
}

/* "{1}\n{2}\n{3}" as two gzip members, cut in the middle of a line, and as a zstd frame. */
static const char gzip_file[] =
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xab\x36\xac\xe5\xaa\x06\x00\x3a\x02\xa6\x61\x05\x00\x00"
    "\x00\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x33\xaa\xe5\xaa\x36\xae\x05\x00\x1f\x2c\xf4\x14\x06"
    "\x00\x00\x00";
static const char zstd_file[] = "\x28\xb5\x2f\xfd\x00\x58\x59\x00\x00\x7b\x31\x7d\x0a\x7b\x32\x7d\x0a\x7b\x33\x7d";

static void compressed_files_are_told_by_their_content_and_undone(void **state) {
    (void)state;
    const struct bytes files[] = {BYTES_LITERAL(gzip_file), BYTES_LITERAL(zstd_file)};
    for (size_t i = 0; i < 2; i++) {
        struct taken taken = take_text(files[i], 2);
        assert_int_equal(taken.status, STATUS_END);
        assert_int_equal(taken.lines, 3);
        assert_int_equal(taken.batches, 2);
        assert_true(bytes_equal(buffer_view(&taken.bytes), BYTES_LITERAL("{1}\n{2}\n{3}")));
        buffer_fini(&taken.bytes);
    }
}

static void of_a_damaged_file_the_whole_lines_come_first(void **state) {
    (void)state;
    struct taken taken = take_text((struct bytes){(const uint8_t *)gzip_file, sizeof gzip_file - 3}, 10);
    assert_int_equal(taken.status, STATUS_BAD_INPUT);
    assert_non_null(strstr(taken.failure.text, "damaged"));
    assert_true(bytes_equal(buffer_view(&taken.bytes), BYTES_LITERAL("{1}\n{2}\n")));
    buffer_fini(&taken.bytes);
}

static void a_missing_file_is_named(void **state) {
    (void)state;
    char missing[] = "/nowhere/clicks.log";
    char *const names[] = {missing};
    struct taken taken = take_all(names, 1, 10);
    assert_int_equal(taken.status, STATUS_IO_ERROR);
    assert_non_null(strstr(taken.failure.text, "/nowhere/clicks.log"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_cut_into_batches_of_whole_lines),
        cmocka_unit_test(an_empty_file_is_no_batch),
        cmocka_unit_test(random_lines_come_out_as_they_went_in),
        cmocka_unit_test(a_far_too_long_line_is_shortened_but_stays_one_line_too_long),
        cmocka_unit_test(long_lines_end_a_batch_early),
        cmocka_unit_test(log_lines_are_told_by_the_first_line_that_is_not_empty),
        cmocka_unit_test(each_file_has_its_own_kind_and_line_numbers),
        cmocka_unit_test(compressed_files_are_told_by_their_content_and_undone),
        cmocka_unit_test(of_a_damaged_file_the_whole_lines_come_first),
        cmocka_unit_test(a_missing_file_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
