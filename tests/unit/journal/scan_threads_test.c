/* Scans in one thread, the writer in another, on real files: sealing and reading meet wherever they do. */
#include <ftw.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "journal_fixture.h"

#include "os/os.h"

enum { COMMITS = 400 };

struct beside {
    struct fixture *fixture;
    pthread_mutex_t lock; /* of the journal: a scan is made by whoever may call it */
    _Atomic bool written;
    uint64_t scans, records;
};

static void scan_once(struct beside *beside) {
    CHECK(pthread_mutex_lock(&beside->lock) == 0);
    uint64_t number = 1, end = journal_totals(beside->fixture->journal).records + 1;
    struct journal_scan *scan = journal_scan_create(beside->fixture->journal, end);
    CHECK(pthread_mutex_unlock(&beside->lock) == 0);
    struct failure failure = {0};
    struct journal_record *record;
    enum status status;
    for (; (status = journal_scan_next(scan, &record, &failure)) == STATUS_OK; number++) {
        CHECK(record->number == number);
        journal_record_release(record);
    }
    CHECKF(status == STATUS_END && number == end, "%s", failure.text);
    journal_scan_destroy(scan);
    beside->scans++;
    beside->records += number - 1;
}

static void *scan_all_the_time(void *context) {
    struct beside *beside = context;
    while (!atomic_load(&beside->written)) scan_once(beside);
    scan_once(beside);
    return NULL;
}

static int remove_visited(const char *path, const struct stat *stat, int kind, struct FTW *place) {
    (void)stat;
    (void)kind;
    (void)place;
    return remove(path);
}

static void scans_beside_a_writing_thread_read_all_that_was_durable(void **state) {
    (void)state;
    struct fixture *fixture = fixture_new();
    struct os_directory *directory;
    char path[] = "/tmp/tally-scan-test-XXXXXX";
    assert_non_null(mkdtemp(path));
    assert_int_equal(os_directory_open(path, &directory, &fixture->failure), STATUS_OK);
    fixture->files = os_files(directory);
    fixture->options.segment_bytes = 4096;
    assert_int_equal(fixture_up(fixture), STATUS_OK);
    struct beside beside = {.fixture = fixture, .lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_t scanner;
    assert_int_equal(pthread_create(&scanner, NULL, scan_all_the_time, &beside), 0);
    for (int i = 0; i < COMMITS; i++) {
        assert_int_equal(pthread_mutex_lock(&beside.lock), 0);
        assert_int_equal(i % 9 == 4 ? fixture_filters(fixture, 2) : fixture_clicks(fixture, 9), STATUS_OK);
        assert_int_equal(pthread_mutex_unlock(&beside.lock), 0);
    }
    atomic_store(&beside.written, true);
    assert_int_equal(pthread_join(scanner, NULL), 0);
    assert_true(beside.scans >= 1 && beside.records >= COMMITS);
    assert_true(journal_totals(fixture->journal).segments > 50);
    assert_int_equal(pthread_mutex_destroy(&beside.lock), 0);
    fixture_free(fixture);
    os_directory_close(directory);
    assert_int_equal(nftw(path, remove_visited, 8, FTW_DEPTH | FTW_PHYS), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scans_beside_a_writing_thread_read_all_that_was_durable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
