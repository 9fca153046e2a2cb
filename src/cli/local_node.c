#include "cli/local_node.h"

#include <stdio.h>

#include "os/os.h"
#include "rocks/rocks.h"
#include "store/store.h"

static enum status open_rocks(struct local_node *local, const struct config *config, struct failure *failure) {
    struct buffer path = {0};
    buffer_printf(&path, "%s/store", os_directory_path(local->directory));
    buffer_append(&path, "", 1);
    struct rocks_options options = {.path = (const char *)path.at, .cache_bytes = config->store_cache_bytes};
    enum status status = rocks_open(&options, &local->rocks, failure);
    buffer_fini(&path);
    return status;
}

/* The journal is the truth, and a store that is damaged only costs the time to build it. Whether it is, its values say: the
 * failure may be the journal's as well. */
static bool store_is_damaged(const struct local_node *local, const struct failure *failure, struct failure *why) {
    if (failure->status != STATUS_CORRUPT) return false;
    if (local->rocks == NULL) { /* it did not even open */
        *why = *failure;
        return true;
    }
    struct store_findings findings;
    struct kv kv = rocks_kv(local->rocks);
    if (store_verify(&kv, &findings, why) != STATUS_OK) return why->status == STATUS_CORRUPT;
    *why = findings.first;
    return findings.damaged > 0;
}

static enum status move_store_aside(struct local_node *local, struct failure *failure) {
    if (local->rocks != NULL) rocks_close(local->rocks);
    local->rocks = NULL;
    return os_directory_put_aside(local->directory, "store", local->store_aside, failure);
}

void local_node_drop_damaged_store(struct local_node *local) {
    struct failure why = {0}, own = {0};
    const struct failure failed = *node_failure(local->node);
    node_close(local->node);
    local->node = NULL;
    if (!store_is_damaged(local, &failed, &why)) return;
    if (move_store_aside(local, &own) == STATUS_OK)
        local->store_why = why;
    else
        local->store_aside[0] = '\0';
}

static enum status open_node(struct local_node *local, const struct node_options *options, const struct requests *requests,
                             const struct config *config, struct failure *failure) {
    enum status status = open_rocks(local, config, failure);
    if (status != STATUS_OK) return status;
    struct node_seam seam = {
        .clock = os_clock(),
        .random = os_random(),
        .files = os_files(local->directory),
        .kv = rocks_kv(local->rocks),
        .requests = *requests,
    };
    return node_open(&seam, options, &local->node, failure);
}

enum status local_node_open(struct local_node *local, const struct config *config, const struct rules_proposal *proposal,
                            const struct filter_list *filters, const struct requests *requests,
                            const struct local_transport *transport, struct failure *failure) {
    *local = (struct local_node){0};
    enum status status = os_directory_open(config->data_directory, &local->directory, failure);
    if (status != STATUS_OK) return status;
    struct node_options options = {
        .proposal = *proposal,
        .filters = filters,
        .segment_bytes = config->journal_segment_size_bytes,
        .dedup_memory_bytes = config->dedup_memory_bytes,
        .window_memory_bytes = config->window_memory_bytes,
        .slices_memory_bytes = config->slices_memory_bytes,
        .ranking_cells_max = config->ranking_cells_max,
        .filters_max = config->filters_max,
        .atoms_max = config->atoms_max,
        .pending_clicks_max = config->intake_pending_clicks,
        .checkpoint_interval_ms = config->store_checkpoint_interval_ms,
        .checkpoint_clicks = config->store_checkpoint_clicks,
        .flush_interval_ms = config->store_flush_interval_ms,
    };
    local->threads = node_threads_create(&options);
    if (transport != NULL) {
        node_threads_set_intake_cpu(local->threads, transport->cpu, transport->self);
        options.connections = transport->connections;
        options.connections_self = transport->self;
    }
    struct failure own = {0};
    status = open_node(local, &options, requests, config, &own);
    if (status != STATUS_OK && store_is_damaged(local, &own, &local->store_why)) {
        own = (struct failure){0};
        status = move_store_aside(local, &own);
        if (status == STATUS_OK) status = open_node(local, &options, requests, config, &own);
    }
    if (status != STATUS_OK) (void)failure_set(failure, status, "%s", own.text);
    if (status != STATUS_OK) {
        local_node_close(local);
        return status;
    }
    node_threads_start(local->threads, local->node);
    return STATUS_OK;
}

enum status local_node_finish(struct local_node *local, struct failure *failure) {
    while (node_phase(local->node) != NODE_STOPPED && node_phase(local->node) != NODE_FAILED)
        node_threads_wait(local->threads, 1000);
    node_threads_join(local->threads);
    if (node_phase(local->node) == NODE_STOPPED) return STATUS_OK;
    return failure_set(failure, node_failure(local->node)->status, "%s", node_failure(local->node)->text);
}

void local_node_close(struct local_node *local) {
    if (local->node != NULL) node_close(local->node);
    if (local->threads != NULL) node_threads_destroy(local->threads);
    if (local->rocks != NULL) rocks_close(local->rocks);
    if (local->directory != NULL) os_directory_close(local->directory);
    *local = (struct local_node){0};
}
