/* local_node.h: a node on this machine: data directory, RocksDB store, threads. */
#pragma once

#include "config/config.h"
#include "node/node.h"
#include "node/threads.h"
#include "os/os.h"
#include "query/query.h"

struct local_node {
    struct os_directory *directory;
    struct rocks *rocks;
    struct node_threads *threads;
    struct node *node;
    char store_aside[OS_NAME_BYTES]; /* where a damaged store was moved to; or empty */
    struct failure store_why;        /* what was wrong with it */
};

/* What the figures tell of whoever brings the requests. */
struct local_transport {
    void *self;
    double (*cpu)(void *self);
    void (*connections)(void *self, struct query_connections *out);
};

/* `transport` may be NULL. Opens and starts replaying; a damaged store is moved aside, and replaying builds it anew. On
 * failure everything is closed again. `proposal`: new rules, or {0} to leave them alone. `filters`: to stand once it serves,
 * or NULL; they outlive the node's start. */
enum status local_node_open(struct local_node *local, const struct config *config, const struct rules_proposal *proposal,
                            const struct filter_list *filters, const struct requests *requests,
                            const struct local_transport *transport, struct failure *failure) MUST_USE;
/* After node_stop, or when it FAILED: waits for the end of its work and ends the threads. STATUS_OK only when it STOPPED. */
enum status local_node_finish(struct local_node *local, struct failure *failure) MUST_USE;
/* After local_node_finish said STATUS_CORRUPT: if the store is damaged it is moved aside, so that the next start builds it
 * anew. No request may be open. */
void local_node_drop_damaged_store(struct local_node *local);
/* No request may be open. */
void local_node_close(struct local_node *local);
