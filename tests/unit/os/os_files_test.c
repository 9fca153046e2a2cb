/* The real files behave as seam/files.h says, and a journal lives on them. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "journal/journal.h"
#include "os/os.h"

struct place {
    char path[64];
    struct os_directory *directory;
    struct files files;
    struct failure failure;
};

static int set_up(void **state) {
    struct place *place = calloc(1, sizeof *place);
    assert_non_null(place);
    (void)snprintf(place->path, sizeof place->path, "/tmp/tally-os-test-XXXXXX");
    assert_non_null(mkdtemp(place->path));
    assert_int_equal(os_directory_open(place->path, &place->directory, &place->failure), STATUS_OK);
    place->files = os_files(place->directory);
    *state = place;
    return 0;
}

static void remove_visit(void *context, const char *name) {
    struct place *place = context;
    char path[512];
    (void)snprintf(path, sizeof path, "%s/journal/%s", place->path, name);
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/%s", place->path, name);
    (void)unlink(path);
}

static int tear_down(void **state) {
    struct place *place = *state;
    char path[128];
    (void)place->files.list(place->directory, "journal", remove_visit, place, NULL);
    (void)place->files.list(place->directory, ".", remove_visit, place, NULL);
    (void)snprintf(path, sizeof path, "%s/journal", place->path);
    (void)rmdir(path);
    os_directory_close(place->directory);
    int result = rmdir(place->path);
    free(place);
    return result;
}

static struct file *make_file(struct place *place, const char *path) {
    struct file *file;
    assert_int_equal(place->files.open(place->directory, path, FILE_CREATE, &file, &place->failure), STATUS_OK);
    return file;
}

static void what_is_written_is_read_back(void **state) {
    struct place *place = *state;
    const struct files *files = &place->files;
    struct file *file = make_file(place, "one");
    assert_int_equal(files->write(file, 5, BYTES_LITERAL("click"), &place->failure), STATUS_OK);
    assert_int_equal(files->sync(file, &place->failure), STATUS_OK);
    uint64_t size;
    assert_int_equal(files->size(file, &size, &place->failure), STATUS_OK);
    assert_int_equal(size, 10);
    char content[16];
    size_t got;
    assert_int_equal(files->read(file, 3, content, sizeof content, &got, &place->failure), STATUS_OK);
    assert_int_equal(got, 7);
    assert_memory_equal(content, "\0\0click", 7);
    files->close(file);
    assert_int_equal(files->open(place->directory, "one", FILE_READ, &file, &place->failure), STATUS_OK);
    files->close(file);
}

static void reserved_space_reads_as_zero_and_can_be_cut(void **state) {
    struct place *place = *state;
    const struct files *files = &place->files;
    struct file *file = make_file(place, "one");
    assert_int_equal(files->write(file, 0, BYTES_LITERAL("click"), &place->failure), STATUS_OK);
    assert_int_equal(files->allocate(file, 10000, &place->failure), STATUS_OK);
    uint64_t size;
    assert_int_equal(files->size(file, &size, &place->failure), STATUS_OK);
    assert_int_equal(size, 10000);
    char content[6];
    size_t got;
    assert_int_equal(files->read(file, 0, content, 6, &got, &place->failure), STATUS_OK);
    assert_memory_equal(content, "click\0", 6);
    assert_int_equal(files->truncate(file, 3, &place->failure), STATUS_OK);
    assert_int_equal(files->size(file, &size, &place->failure), STATUS_OK);
    assert_int_equal(size, 3);
    files->close(file);
}

static void create_wants_no_file_and_read_wants_one(void **state) {
    struct place *place = *state;
    const struct files *files = &place->files;
    struct file *file = make_file(place, "one");
    files->close(file);
    assert_int_equal(files->open(place->directory, "one", FILE_CREATE, &file, &place->failure), STATUS_IO_ERROR);
    assert_non_null(strstr(place->failure.text, "one: cannot create"));
    place->failure = (struct failure){0};
    assert_int_equal(files->open(place->directory, "two", FILE_READ, &file, &place->failure), STATUS_NOT_FOUND);
    assert_non_null(strstr(place->failure.text, "two: cannot open"));
    assert_int_equal(files->remove(place->directory, "two", NULL), STATUS_NOT_FOUND);
    assert_int_equal(files->make_directory(place->directory, "one", NULL), STATUS_IO_ERROR);
}

static void collect(void *context, const char *name) {
    strcat(context, name);
    strcat(context, " ");
}

static void names_are_listed_in_order_and_rename_replaces(void **state) {
    struct place *place = *state;
    const struct files *files = &place->files;
    assert_int_equal(files->make_directory(place->directory, "journal", &place->failure), STATUS_OK);
    assert_int_equal(files->make_directory(place->directory, "journal", &place->failure), STATUS_OK);
    files->close(make_file(place, "journal/c"));
    files->close(make_file(place, "journal/a"));
    files->close(make_file(place, "journal/b"));
    assert_int_equal(files->rename(place->directory, "journal/c", "journal/a", &place->failure), STATUS_OK);
    assert_int_equal(files->directory_sync(place->directory, "journal", &place->failure), STATUS_OK);
    char names[64] = "";
    assert_int_equal(files->list(place->directory, "journal", collect, names, &place->failure), STATUS_OK);
    assert_string_equal(names, "a b ");
    assert_int_equal(files->list(place->directory, "nowhere", collect, names, NULL), STATUS_NOT_FOUND);
}

/* The file size limit is the full disk that a test can have without one. */
static void a_file_that_may_not_grow_is_no_space(void **state) {
    struct place *place = *state;
    struct file *file = make_file(place, "one");
    struct rlimit limit, low;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    low = limit;
    low.rlim_cur = 4096;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    static const uint8_t block[8192];
    enum status written = place->files.write(file, 0, (struct bytes){block, sizeof block}, &place->failure);
    enum status allocated = place->files.allocate(file, 65536, NULL);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(written, STATUS_NO_SPACE);
    assert_int_equal(allocated, STATUS_NO_SPACE);
    assert_non_null(strstr(place->failure.text, "one: cannot write"));
    place->files.close(file);
}

static void a_journal_lives_on_real_files(void **state) {
    struct place *place = *state;
    struct random random = os_random();
    struct clock clock = os_clock();
    for (int life = 0; life < 3; life++) {
        struct journal_options options = {.files = &place->files, .random = &random, .segment_bytes = 65536};
        struct journal *journal;
        struct journal_record *record;
        assert_int_equal(journal_open(&options, &journal, &place->failure), STATUS_OK);
        int records = 0;
        while (journal_replay_next(journal, &record, &place->failure) == STATUS_OK) {
            journal_record_release(record);
            records++;
        }
        assert_int_equal(place->failure.status, STATUS_OK);
        assert_int_equal(records, life == 0 ? 0 : 1 + life);
        assert_int_equal(journal_start(journal, clock_wall(&clock), clock_mono(&clock), &record, &place->failure),
                         STATUS_OK);
        journal_record_release(record);
        struct columns columns[4] = {0};
        struct click click = {
            .source = BYTES_LITERAL("default"),
            .ad_id = BYTES_LITERAL("ad001"),
            .user_id = BYTES_LITERAL("user 1"),
            .time = {1},
            .ip = {.kind = IP_V4},
            .time_form = TIME_MS_NUMBER,
            .country_form = COUNTRY_ALPHA3,
            .ip_form = IP_CANONICAL,
        };
        columns_append(&columns[0], &click);
        struct journal_batch batch = {.columns = columns, .counts = {.received = 1}};
        const struct journal_batch *const batches[] = {&batch};
        assert_int_equal(
            journal_commit(journal, batches, 1, clock_wall(&clock), clock_mono(&clock), &record, &place->failure),
            STATUS_OK);
        journal_record_release(record);
        columns_fini(&columns[0]);
        if (life == 1)
            assert_int_equal(journal_close(journal, &place->failure), STATUS_OK);
        else
            journal_destroy(journal);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_written_is_read_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reserved_space_reads_as_zero_and_can_be_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(create_wants_no_file_and_read_wants_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_are_listed_in_order_and_rename_replaces, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_may_not_grow_is_no_space, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_journal_lives_on_real_files, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
