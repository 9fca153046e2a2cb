#include "cli/audit_directory.h"

#include "os/os.h"
#include "rocks/rocks.h"

struct audit {
    struct os_directory *directory;
    struct rocks *rocks;
    struct kv kv;
    struct journal *journal;
    struct oracle *oracle;
    struct store *store;
    struct ads *ads;
    struct view *view;
};

static enum status open_all(struct audit *audit, const char *path, struct failure *failure) {
    enum status status = os_directory_open(path, &audit->directory, failure);
    if (status != STATUS_OK) return status;
    struct buffer store_path = {0};
    buffer_printf(&store_path, "%s/store", path);
    buffer_append(&store_path, "", 1);
    struct rocks_options rocks_options = {.path = (const char *)store_path.at, .cache_bytes = 64 << 20};
    status = rocks_open(&rocks_options, &audit->rocks, failure);
    buffer_fini(&store_path);
    if (status != STATUS_OK) return status;
    audit->kv = rocks_kv(audit->rocks);
    struct files files = os_files(audit->directory);
    struct random random = os_random();
    struct journal_options options = {.files = &files, .random = &random, .segment_bytes = 256 << 20};
    status = journal_open(&options, &audit->journal, failure);
    if (status == STATUS_OK) status = audit_count_journal(audit->journal, &audit->oracle, failure);
    if (status != STATUS_OK) return status;
    uint32_t partition_count = journal_rules(audit->journal)->partition_count;
    status = store_open(&audit->kv, journal_uuid(audit->journal).at, partition_count, &audit->store, failure);
    if (status != STATUS_OK) return status;
    audit->ads = ads_create(0);
    struct view_bounds bounds = {
        .window_memory_bytes = 1 << 20, .slices_memory_bytes = 1 << 20, .ranking_cells_max = UINT64_MAX};
    audit->view = view_create(audit->store, &audit->kv, audit->ads, partition_count, &bounds);
    return view_load(audit->view, failure);
}

static void close_all(struct audit *audit) {
    if (audit->view != NULL) view_destroy(audit->view);
    if (audit->ads != NULL) ads_destroy(audit->ads);
    if (audit->store != NULL) store_destroy(audit->store);
    if (audit->oracle != NULL) oracle_destroy(audit->oracle);
    if (audit->journal != NULL) journal_destroy(audit->journal);
    if (audit->rocks != NULL) rocks_close(audit->rocks);
    if (audit->directory != NULL) os_directory_close(audit->directory);
}

static enum status compare(struct audit *audit, struct audit_result *result, struct failure *failure) {
    for (uint32_t p = 0; p < view_partition_count(audit->view); p++)
        if (view_partition(audit->view, p)->offset.at != journal_end(audit->journal, p).at)
            return failure_set(
                failure, STATUS_BAD_INPUT,
                "the server was not stopped in order: partition %u is in the store up to offset %llu of %llu; start "
                "and stop the server, then audit again",
                p, (unsigned long long)view_partition(audit->view, p)->offset.at,
                (unsigned long long)journal_end(audit->journal, p).at);
    return audit_compare(audit->view, audit->ads, audit->oracle, result, failure);
}

enum status audit_directory(const char *data_directory, struct audit_result *result, struct failure *failure) {
    struct audit audit = {0};
    enum status status = open_all(&audit, data_directory, failure);
    if (status == STATUS_OK) status = compare(&audit, result, failure);
    close_all(&audit);
    return status;
}
