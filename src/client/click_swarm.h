/* click_swarm.h: many kept connections, each with one click in flight: what a fleet of web servers does to Tally. For the
 * bench: the cost of a request here is a send and a receive, so that the server's is what is measured. One thread.
 */
#pragma once

#include "base/status.h"
#include "base/units.h"

enum { CLICK_SWARM_CONNECTIONS_MAX = 4096 };

struct click_swarm_options {
    const char *url; /* http://HOST:PORT with an IPv4 address */
    unsigned connections;
    uint64_t clicks; /* all different; each is answered before its connection sends the next */
    uint64_t first;  /* number of the first click, so that two swarms send different ones */
};

struct click_swarm_result {
    double seconds;   /* from the first byte to the last answer */
    uint64_t *ack_us; /* one for each click, in the order of the answers; the caller's, as many as clicks */
    uint64_t acks;
};

/* STATUS_IO_ERROR: a connection failed, or an answer was not 200, or none came for a while; the rest is then not sent. */
enum status click_swarm_run(const struct click_swarm_options *options, struct click_swarm_result *result,
                            struct failure *failure) MUST_USE;
