/* verb_serve.c: the server's life, from the first flag to the sealed journal. */
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/filter_file.h"
#include "cli/local_node.h"
#include "cli/serve_log.h"
#include "cli/verbs.h"
#include "http/http.h"
#include "page/page.h"

enum { STOP_DEADLINE_MS = 10 * SECOND_MS, POLL_MS = 100 };

/* What a request may be for: the page, answered here, or the node. */
struct edge {
    struct node *node;
    struct requests requests;
};

static void handle_request(void *self, const struct request_head *head, void *request, void **session, bool *body_wanted) {
    const struct edge *edge = self;
    struct reply reply;
    if (!page_answer(head, &reply)) {
        node_request(edge->node, head, request, session, body_wanted);
        return;
    }
    *body_wanted = false;
    edge->requests.reply(edge->requests.self, request, &reply);
}

static enum status handle_feed(void *self, void *session, struct bytes bytes) {
    const struct edge *edge = self;
    return node_request_feed(edge->node, session, bytes);
}

static void handle_end(void *self, void *session) {
    const struct edge *edge = self;
    node_request_end(edge->node, session);
}

static void handle_abort(void *self, void *session) {
    const struct edge *edge = self;
    node_request_abort(edge->node, session);
}

static double intake_cpu(void *self) {
    return http_cpu_seconds(self);
}

static void count_connections(void *self, struct query_connections *out) {
    struct http_counters counters = http_counters(self);
    serve_log_connections(&counters, out);
}

/* Before any thread is made, so that all of them inherit it and only wait_for_signal gets the signals. */
static void block_signals(sigset_t *signals) {
    sigemptyset(signals);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, signals, NULL);
    (void)signal(SIGXFSZ, SIG_IGN); /* a file size limit is a full disk: an error of the write, not a death */
}

/* The signal, or 0 after POLL_MS. */
static int wait_for_signal(const sigset_t *signals) {
    struct timespec span = {.tv_nsec = POLL_MS * 1000000L};
    int caught = sigtimedwait(signals, NULL, &span);
    return caught > 0 ? caught : 0;
}

/* Until a signal or a failure. */
static void serve(const struct local_node *local, const struct http_server *http, struct serve_log *say,
                  const sigset_t *signals) {
    int signal;
    while ((signal = wait_for_signal(signals)) == 0) {
        enum node_phase phase = node_phase(local->node);
        if (phase == NODE_FAILED || phase == NODE_STOPPED) return;
        serve_log_look(say, local->node, http);
    }
    serve_log_stopping(say, signal);
}

static struct http_options http_options_of(const struct config *config) {
    return (struct http_options){
        .listen = config->http_listen,
        .threads = (unsigned)config->http_threads,
        .connections_max =
            (unsigned)(config->http_connections < config->http_threads ? config->http_threads : config->http_connections),
        .idle_timeout_seconds = (unsigned)((config->http_idle_timeout_ms + SECOND_MS - 1) / SECOND_MS),
    };
}

static int run(const struct config *config, const struct filter_list *filters, struct http_server *http,
               const sigset_t *signals) {
    struct failure failure = {0};
    struct local_node local;
    struct serve_log say;
    struct requests requests = http_requests(http);
    struct rules_proposal proposal = config_rules_proposal(config);
    struct local_transport transport = {.self = http, .cpu = intake_cpu, .connections = count_connections};
    serve_log_begin(&say, config);
    if (local_node_open(&local, config, &proposal, filters, &requests, &transport, &failure) != STATUS_OK) {
        http_destroy(http);
        return serve_log_failed(&say, &failure, serve_log_advice(failure.status));
    }
    serve_log_store_damaged(&say, local.store_aside, &local.store_why);
    serve_log_opened(&say, config, local.node);
    struct http_options options = http_options_of(config);
    struct edge edge = {.node = local.node, .requests = requests};
    struct http_handler handler = {&edge, handle_request, handle_feed, handle_end, handle_abort};
    enum status listened = http_start(http, &options, &handler, &failure);
    if (listened == STATUS_OK) {
        serve_log_listening(&say, http_url(http));
        serve(&local, http, &say, signals);
        http_quiesce(http);
    }
    node_stop(local.node, STOP_DEADLINE_MS);
    enum status finished = local_node_finish(&local, &failure);
    http_destroy(http);
    local.store_aside[0] = '\0'; /* said */
    if (finished == STATUS_CORRUPT) local_node_drop_damaged_store(&local);
    serve_log_store_damaged(&say, local.store_aside, &local.store_why);
    int code = 0;
    if (listened != STATUS_OK)
        code = serve_log_failed(&say, &failure, NULL); /* the reason says what to do */
    else if (finished != STATUS_OK)
        code = serve_log_failed(&say, &failure, serve_log_advice(failure.status));
    local_node_close(&local); /* after that: on a disk that fails, closing may fail, too */
    return code != 0 ? code : serve_log_stopped(&say);
}

int verb_serve(int argc, char **argv) {
    static struct config config;
    const struct cli_usage usage = {
        .verb = "serve",
        .summary = "Takes clicks over HTTP, counts each exactly once, keeps them, and answers questions.",
        .settings = CONFIG_FOR_SERVE,
        .config = &config,
        .notes =
            "SIGTERM or Ctrl-C: stops in order, exit 0. After a crash, just start it again: what was acknowledged is there.",
    };
    struct failure failure = {0};
    sigset_t signals;
    int exit_code = cli_parse(&usage, &argc, argv);
    if (exit_code != CLI_CONTINUE) return exit_code;
    if (config_require_data(&config, &failure) != STATUS_OK) return cli_fail(&failure);
    struct filter_list filters = {0};
    if (config_given(&config, CONFIG_filters_file) && filter_file_read(config.filters_file, &filters, &failure) != STATUS_OK)
        return cli_fail(&failure);
    block_signals(&signals);
    exit_code = run(&config, &filters, http_create(), &signals);
    filter_list_fini(&filters);
    return exit_code;
}
