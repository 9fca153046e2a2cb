#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/local_node.h"
#include "cli/verbs.h"
#include "client/download.h"

static enum status write_to_stdout(void *context, struct bytes part) {
    (void)context;
    return fwrite(part.at, 1, part.len, stdout) == part.len ? STATUS_OK : STATUS_IO_ERROR;
}

static void no_reply(void *self, void *request, struct reply *reply) {
    (void)self;
    (void)request;
    buffer_fini(&reply->body);
}

static void no_resume(void *self, void *request) {
    (void)self;
    (void)request;
}

/* The same as a server does at its start and at its end, without one: the store is brought up to the journal's end. */
static int export_directory(const struct config *config) {
    struct failure failure = {0};
    struct local_node local;
    struct requests nobody = {.reply = no_reply, .resume = no_resume};
    /* Reading must not change the rules, whatever the environment says. */
    struct rules_proposal unchanged = {0};
    if (local_node_open(&local, config, &unchanged, &nobody, NULL, &failure) != STATUS_OK) return cli_fail(&failure);
    enum node_phase phase;
    while ((phase = node_phase(local.node)) == NODE_REPLAYING) node_threads_wait(local.threads, 10);
    enum status status = STATUS_OK;
    if (phase == NODE_SERVING) status = node_export_cells(local.node, write_to_stdout, NULL, &failure);
    node_stop(local.node, 0);
    enum status finished = local_node_finish(&local, &failure);
    local_node_close(&local);
    if (status == STATUS_OK && finished == STATUS_OK) return CLI_DONE;
    if (failure.status == STATUS_OK) (void)failure_set(&failure, status, "stdout: %s", status_text(status));
    return cli_fail(&failure);
}

int verb_export(int argc, char **argv) {
    static struct config config;
    static const char *const tables[] = {"cells", NULL};
    const char *table = NULL;
    const struct cli_flag flags[] = {
        {.name = "table", .argument = "NAME", .help = "what to export", .to_text = &table, .choices = tables},
    };
    const struct cli_usage usage = {
        .verb = "export",
        .summary = "Writes the counts as CSV on stdout, sorted by ad and minute.",
        .flags = flags,
        .flag_count = 1,
        .settings = CONFIG_FOR_EXPORT | CONFIG_FOR_CLIENT,
        .config = &config,
        .notes = "With --data DIR: from a stopped server's directory. Otherwise from the server at --url.\n"
                 "Columns of cells: ad_id,minute,atom,country,count. Two replays of one journal give the same bytes.",
    };
    int exit_code = cli_parse(&usage, &argc, argv);
    if (exit_code != CLI_CONTINUE) return exit_code;
    if (table == NULL) {
        cli_say("--table is missing; write --table cells");
        return CLI_BAD_USAGE;
    }
    if (config_given(&config, CONFIG_data_directory)) return export_directory(&config);
    struct failure failure = {0};
    enum status status = download(config.client_url, "/v1/export?table=cells", write_to_stdout, NULL, &failure);
    return status == STATUS_OK ? CLI_DONE : cli_fail(&failure);
}
