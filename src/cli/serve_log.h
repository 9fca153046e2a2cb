/* serve_log.h: what `tally serve` logs: it looks at the node once in a while and says what has changed since. Nothing inside
 * the node logs. The events: log/log_events.h. One thread. */
#pragma once

#include "config/config.h"
#include "http/http.h"
#include "log/log.h"
#include "node/node.h"

struct serve_log {
    struct log log;
    struct clock clock;
    struct mono_time begun_at;    /* of the process */
    struct mono_time progress_at; /* the last line of progress */
    struct mono_time refused_at;  /* when the refusal was last seen */
    struct mono_time refusing_since;
    struct mono_time untrusted_since;
    struct mono_time commits_at, cuts_at; /* the last line about slow commits, and about connections */
    bool ready;                           /* said so */
    bool dedup_low;                       /* said so, and it still is */
    enum node_refusal refusing;           /* said so; or NODE_REFUSES_NOT */
    uint64_t refused_before;              /* requests, when it was said */
    struct node_condition known;          /* what was told already */
    int64_t slowest_commit_ms;            /* not told yet */
    uint64_t slow_commits_told;
    struct http_counters counters_told;
};

void serve_log_begin(struct serve_log *say, const struct config *config);
void serve_log_opened(struct serve_log *say, const struct config *config, const struct node *node);
/* Nothing when `moved_to` is empty. */
void serve_log_store_damaged(struct serve_log *say, const char *moved_to, const struct failure *why);
void serve_log_listening(struct serve_log *say, const char *url);
/* Says what has changed. To be called a few times a second. */
void serve_log_look(struct serve_log *say, struct node *node, const struct http_server *http);
void serve_log_stopping(struct serve_log *say, int signal);
/* The last line, and the exit code. `advice`: what to do, or NULL when the reason says so itself. */
int serve_log_stopped(struct serve_log *say);
int serve_log_failed(struct serve_log *say, const struct failure *failure, const char *advice) MUST_USE;
/* What to do about a failure that is no matter of flags, or NULL. */
const char *serve_log_advice(enum status status);
/* The connections that did not end in order, by reason, for /metrics. */
void serve_log_connections(const struct http_counters *counters, struct query_connections *out);
