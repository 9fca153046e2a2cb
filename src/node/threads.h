/* threads.h: drives a node with threads: one for the journal, one for each partition, one for the reducer, one
 * for recalculations, one that makes files of identities durable. */
#pragma once

#include "node/node.h"

struct node_threads;

/* Before node_open: puts its wake and CPU functions into `options`. */
struct node_threads *node_threads_create(struct node_options *options);
void node_threads_start(struct node_threads *threads, struct node *node);
/* Waits until the node is STOPPED or FAILED, or for `milliseconds`. */
void node_threads_wait(struct node_threads *threads, int milliseconds);
/* Ends and joins the threads; they stop between two steps. */
void node_threads_join(struct node_threads *threads);
void node_threads_destroy(struct node_threads *threads);
/* Of the HTTP server, for the stage "intake"; before start. */
void node_threads_set_intake_cpu(struct node_threads *threads, double (*cpu)(void *self), void *self);
