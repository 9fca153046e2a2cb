/* bench_sink.h: a server in a thread of this process that takes clicks and only counts their lines, to see what a sender can
 * do. Any other request gets the same answer, with no lines. */
#pragma once

#include <stdint.h>

struct sink;

/* Listens on a free port of 127.0.0.1. */
struct sink *sink_start(void);
const char *sink_url(const struct sink *sink);
/* Ends the thread, closes its connections; returns how many lines came, and its CPU time. */
uint64_t sink_stop(struct sink *sink, double *cpu_seconds);
