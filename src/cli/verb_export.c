#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/local_node.h"
#include "cli/verbs.h"
#include "client/download.h"
#include "view/view.h"

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

/* The same as a server does at its start and at its end, without one: the store is brought up to the journal's end, and what
 * filters wait for of their past is counted. */
static int export_directory(const struct config *config, const struct view_export_wanted *wanted) {
    struct failure failure = {0};
    struct local_node local;
    struct requests nobody = {.reply = no_reply, .resume = no_resume};
    /* Reading must not change the rules or the filters, whatever the environment says. */
    struct rules_proposal unchanged = {0};
    if (local_node_open(&local, config, &unchanged, NULL, &nobody, NULL, &failure) != STATUS_OK) return cli_fail(&failure);
    enum node_phase phase;
    while ((phase = node_phase(local.node)) == NODE_REPLAYING ||
           (phase == NODE_SERVING && node_export_lacks_history(local.node)))
        node_threads_wait(local.threads, 10);
    enum status status = STATUS_OK;
    if (phase == NODE_SERVING) status = node_export(local.node, wanted, write_to_stdout, NULL, &failure);
    node_stop(local.node, 0);
    enum status finished = local_node_finish(&local, &failure);
    local_node_close(&local);
    if (status == STATUS_OK && finished == STATUS_OK) return CLI_DONE;
    if (failure.status == STATUS_OK) (void)failure_set(&failure, status, "stdout: %s", status_text(status));
    return cli_fail(&failure);
}

static int export_server(const struct config *config, const char *table, const char *filters) {
    struct failure failure = {0};
    struct buffer path = {0};
    buffer_printf(&path, "/v1/export?table=%s%s%s", table, filters != NULL ? "&filter=" : "",
                  filters != NULL ? filters : "");
    buffer_append(&path, "", 1);
    enum status status = download(config->client_url, (const char *)path.at, write_to_stdout, NULL, &failure);
    buffer_fini(&path);
    return status == STATUS_OK ? CLI_DONE : cli_fail(&failure);
}

int verb_export(int argc, char **argv) {
    static struct config config;
    static const char *const tables[] = {"cells", "counts", "filters", "rankings", NULL};
    const char *table = NULL, *filters = NULL;
    const struct cli_flag flags[] = {
        {.name = "table", .argument = "NAME", .help = "what to export", .to_text = &table, .choices = tables},
        {.name = "filter",
         .argument = "IDS",
         .help = "of counts: only these filters, e.g. 12,13; 0 is all clicks",
         .to_text = &filters},
    };
    const struct cli_usage usage = {
        .verb = "export",
        .summary = "Writes a table as CSV on stdout, sorted.",
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .settings = CONFIG_FOR_EXPORT | CONFIG_FOR_CLIENT,
        .config = &config,
        .notes =
            "With --data DIR: from a stopped server's directory. Otherwise from the server at --url.\n"
            "  cells     ad_id,minute,atom,country,count\n"
            "  counts    ad_id,minute,filter_id,count: of all clicks (filter 0) and of every filter\n"
            "  filters   filter_id,region,ip,user_id,ranked,covers_from,number,deleted; `tally filter add --file` reads it\n"
            "  rankings  filter_id,window,update_minute,version,rank,ad_id,count: those that are kept\n"
            "Two replays of one journal give the same bytes, but for rankings.\n",
    };
    int exit_code = cli_parse(&usage, &argc, argv);
    if (exit_code != CLI_CONTINUE) return exit_code;
    if (table == NULL) {
        cli_say("--table is missing; write --table cells, counts, filters or rankings");
        return CLI_BAD_USAGE;
    }
    struct view_export_wanted wanted;
    struct failure failure = {0};
    struct bytes filters_text = bytes_of_text(filters != NULL ? filters : "");
    enum status status = node_export_parse(bytes_of_text(table), filters != NULL ? &filters_text : NULL, &wanted, &failure);
    if (status != STATUS_OK) {
        cli_say("--%s", failure.text);
        exit_code = CLI_BAD_USAGE;
    } else if (config_given(&config, CONFIG_data_directory)) {
        exit_code = export_directory(&config, &wanted);
    } else {
        exit_code = export_server(&config, table, filters);
    }
    node_export_wanted_fini(&wanted);
    return exit_code;
}
