/* filter_add.c: `tally filter add` and `delete`: changes of the filters. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/choice_flags.h"
#include "cli/cli.h"
#include "cli/filter_file.h"
#include "cli/filter_print.h"
#include "cli/filter_verbs.h"
#include "client/api.h"
#include "query/filter_json.h"

/* What is sent, and how the answer is told. */
struct addition {
    struct buffer body;
    bool is_csv;
    const char *file; /* NULL: it is one filter, of flags */
    bool as_json;
};

static void print_added(const struct addition *addition, const struct json *answer, unsigned http_status) {
    uint64_t created = http_status == 201, unchanged = http_status != 201;
    if (addition->file != NULL) {
        (void)json_u64(answer, "created", &created);
        (void)json_u64(answer, "unchanged", &unchanged);
        printf("created %" PRIu64 ", unchanged %" PRIu64 "\n", created, unchanged);
        return;
    }
    printf(created > 0 ? "Created:\n" : "Unchanged; it was there already:\n");
    filter_print(answer);
}

/* A refusal of a file is told by its name and row, as what is wrong in the file itself is. */
static int refused(const struct addition *addition, unsigned http_status, struct bytes problem,
                   const struct failure *failure) {
    const bool nothing_taken = (http_status >= 400 && http_status < 500) || http_status == 507;
    struct failure by_file = {0};
    struct json *json = json_parse(problem);
    const char *detail = json_text(json, "detail");
    if (addition->file != NULL && nothing_taken && detail != NULL)
        failure_set(&by_file, failure->status, "%s: %s; nothing of the file was taken", addition->file, detail);
    json_destroy(json);
    return answer_fail(by_file.status != STATUS_OK ? &by_file : failure);
}

static int send_addition(const char *url, const struct addition *addition) {
    struct http_client *client = http_client_create(url, HTTP_CLIENT_TIMEOUT_MS);
    struct json *answer = NULL;
    struct buffer raw = {0};
    struct failure failure = {0};
    unsigned http_status = 0;
    enum status status = api_post(client, BYTES_LITERAL("/v1/filters"), addition->is_csv ? "text/csv" : "application/json",
                                  buffer_view(&addition->body), &answer, &raw, &http_status, &failure);
    if (status == STATUS_OK && addition->as_json)
        fwrite(raw.at, 1, raw.len, stdout);
    else if (status == STATUS_OK)
        print_added(addition, answer, http_status);
    int exit_code = status == STATUS_OK ? CLI_DONE : refused(addition, http_status, buffer_view(&raw), &failure);
    json_destroy(answer);
    buffer_fini(&raw);
    http_client_destroy(client);
    return exit_code;
}

static struct bytes text_of(const char *text) {
    return bytes_of_text(text != NULL ? text : "");
}

/* Empty would be any, and is what an unset variable of a shell leaves: a filter of every click by mistake bills them all. */
static enum status check_parts(const struct choice_flags *parts, struct failure *failure) {
    const char *const texts[] = {parts->region, parts->ip, parts->user_id};
    static const char *const names[] = {"region", "ip", "user-id"};
    bool given = false;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i] == NULL) continue;
        if (texts[i][strspn(texts[i], " ")] == '\0')
            return failure_set(failure, STATUS_BAD_CONFIG, "--%s is empty; write * for any", names[i]);
        given = true;
    }
    if (given) return STATUS_OK;
    return failure_set(failure, STATUS_BAD_CONFIG, "give at least one of --region, --ip and --user-id; * for any");
}

/* Refused here already, so that a slip needs no server to be told. */
static enum status prepare_one(const char *id_text, const struct choice_flags *parts, bool ranked, struct buffer *body,
                               struct failure *failure) {
    struct filter_flaw flaw;
    struct filter *filter = NULL;
    uint32_t id = 0;
    if (check_parts(parts, failure) != STATUS_OK) return failure->status;
    if (!filter_id_parse(bytes_of_text(id_text), &id, &flaw) ||
        !filter_parse(id, text_of(parts->region), text_of(parts->ip), text_of(parts->user_id), ranked, &filter, &flaw))
        return failure_set(failure, STATUS_BAD_CONFIG, "%s", flaw.text);
    filter_json_append_definition(body, filter, id);
    filter_destroy(filter);
    return STATUS_OK;
}

/* The file is sent as it is; reading it here tells the row by the file's name. */
static enum status prepare_file(const char *name, struct addition *addition, struct failure *failure) {
    struct filter_list list = {0};
    enum status status = file_read_whole(name, FILTER_FILE_BYTES_MAX, &addition->body, failure);
    if (status == STATUS_OK) status = filter_file_parse(name, buffer_view(&addition->body), &list, failure);
    addition->is_csv = filter_file_form(buffer_view(&addition->body)) == FILTER_REQUEST_CSV;
    addition->file = name;
    filter_list_fini(&list);
    return status;
}

static enum status prepare(int argc, char **argv, const char *file, const struct choice_flags *parts, bool ranked,
                           struct addition *addition, struct failure *failure) {
    bool has_parts = parts->region != NULL || parts->ip != NULL || parts->user_id != NULL || ranked;
    if ((argc == 2) == (file != NULL) || (file != NULL && has_parts))
        return failure_set(
            failure, STATUS_BAD_CONFIG,
            "filter add needs either an ID with its parts, or --file FILE; `tally filter add --help` says more");
    if (file != NULL) return prepare_file(file, addition, failure);
    return prepare_one(argv[1], parts, ranked, &addition->body, failure);
}

int filter_add(int argc, char **argv) {
    static struct config config;
    const char *file = NULL, *format = "text";
    struct choice_flags parts = {0};
    bool ranked = false;
    const struct cli_flag flags[] = {
        FILTER_PART_FLAGS(&parts),
        {.name = "ranked", .help = "publish and keep its ads with the most clicks, every minute", .to_switch = &ranked},
        {.name = "file",
         .argument = "FILE",
         .help = "all filters of a CSV or JSON file (or -), told apart by content: all of them or none",
         .to_text = &file},
        {.name = "format",
         .argument = "text|json",
         .help = "how to print the answer: for people, or as the server gave it",
         .to_text = &format,
         .choices = filter_formats},
    };
    const struct cli_usage usage = {
        .verb = "filter add",
        .summary = "Makes a stored filter. Adding the same again changes nothing; a filter never changes.",
        .operands = "[ID]",
        .operands_max = 1,
        .flags = flags,
        .flag_count = sizeof flags / sizeof flags[0],
        .settings = CONFIG_FOR_CLIENT,
        .config = &config,
        .notes = "A LIST is *, a value, values with | between them, or ! and one of these; without the flag it is *.\n"
                 "At least one of the three must be there.\n"
                 "  tally filter add 0012 --region USA --user-id 111\n"
                 "  tally filter add 1 --region '!USA'\n"
                 "  tally filter add 13 --ip 123.1.2.3 --user-id 123 --ranked\n"
                 "A CSV file begins with a line of names: filter_id,region,ip,user_id,ranked (ranked may be missing).\n"
                 "A JSON file is an object with these members, or an array of them."};
    int exit_code = cli_parse(&usage, &argc, argv);
    if (exit_code != CLI_CONTINUE) return exit_code;
    struct addition addition = {.as_json = strcmp(format, "json") == 0};
    struct failure failure = {0};
    exit_code = prepare(argc, argv, file, &parts, ranked, &addition, &failure) == STATUS_OK
                    ? send_addition(config.client_url, &addition)
                    : cli_fail(&failure);
    buffer_fini(&addition.body);
    return exit_code;
}

int filter_delete(int argc, char **argv) {
    static struct config config;
    const char *format = "text";
    const struct cli_flag flags[] = {
        {.name = "format",
         .argument = "text|json",
         .help = "how to print the answer: for people, or as the server gave it",
         .to_text = &format,
         .choices = filter_formats},
    };
    const struct cli_usage usage = {.verb = "filter delete",
                                    .summary = "Deletes a filter: no question can name it any more, and no new click is "
                                               "counted for it.",
                                    .operands = "ID",
                                    .operands_min = 1,
                                    .operands_max = 1,
                                    .flags = flags,
                                    .flag_count = sizeof flags / sizeof flags[0],
                                    .settings = CONFIG_FOR_CLIENT,
                                    .config = &config};
    int exit_code = cli_parse(&usage, &argc, argv);
    if (exit_code != CLI_CONTINUE) return exit_code;
    struct http_client *client = http_client_create(config.client_url, HTTP_CLIENT_TIMEOUT_MS);
    struct json *answer = NULL;
    struct buffer path = {0}, raw = {0};
    struct failure failure = {0};
    filter_path(&path, argv[1]);
    enum status status = api_delete(client, buffer_view(&path), &answer, &raw, &failure);
    if (status == STATUS_OK && strcmp(format, "json") == 0)
        fwrite(raw.at, 1, raw.len, stdout);
    else if (status == STATUS_OK)
        printf("Filter %s is deleted. No count of another filter or of all clicks changes, and the id stays taken.\n"
               "What was counted for this one alone stays in the tables of cells, but for what `tally recalculate` had "
               "added.\n",
               argv[1]);
    json_destroy(answer);
    buffer_fini(&path);
    buffer_fini(&raw);
    http_client_destroy(client);
    return status == STATUS_OK ? CLI_DONE : answer_fail(&failure);
}
