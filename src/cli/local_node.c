#include "cli/local_node.h"

#include <stdio.h>

#include "os/os.h"
#include "rocks/rocks.h"

static enum status open_rocks(struct local_node *local, const struct config *config, struct failure *failure) {
    struct buffer path = {0};
    buffer_printf(&path, "%s/store", os_directory_path(local->directory));
    buffer_append(&path, "", 1);
    struct rocks_options options = {.path = (const char *)path.at, .cache_bytes = config->store_cache_bytes};
    enum status status = rocks_open(&options, &local->rocks, failure);
    buffer_fini(&path);
    return status;
}

enum status local_node_open(struct local_node *local, const struct config *config, const struct rules_proposal *proposal,
                            const struct filter_list *filters, const struct requests *requests,
                            const struct local_transport *transport, struct failure *failure) {
    *local = (struct local_node){0};
    enum status status = os_directory_open(config->data_directory, &local->directory, failure);
    if (status != STATUS_OK) return status;
    status = open_rocks(local, config, failure);
    if (status != STATUS_OK) {
        local_node_close(local);
        return status;
    }
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
    struct node_seam seam = {
        .clock = os_clock(),
        .random = os_random(),
        .files = os_files(local->directory),
        .kv = rocks_kv(local->rocks),
        .requests = *requests,
    };
    status = node_open(&seam, &options, &local->node, failure);
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
