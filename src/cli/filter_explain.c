/* filter_explain.c: `tally filter explain ID CLICK`: why a click matches a filter, or why not, part by part. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cli/cli.h"
#include "cli/filter_file.h"
#include "cli/filter_print.h"
#include "cli/filter_verbs.h"
#include "click/country.h"
#include "click/decode.h"
#include "click/ip.h"
#include "click/timestamp.h"
#include "client/api.h"
#include "filter/filter.h"

enum part { PART_REGION, PART_IP, PART_USER, PARTS };
static const char *const part_names[PARTS] = {"region", "ip", "user_id"};

/* What the filter wants of each part, what the click has, and whether that is in it. */
struct explanation {
    struct filter *filter;
    enum filter_mode modes[PARTS];
    struct buffer wanted[PARTS], found[PARTS]; /* text with a NUL; `wanted` in the grammar of filters */
    bool part_matches[PARTS];
    bool matches;
    const char *covers_from; /* NULL: everything */
    bool counted;            /* the filter covers the click's minute */
};

/* --- the click --- */

/* As a file's lines are told apart: a log line begins with [. */
static bool is_json(const struct buffer *line) {
    return line->len > 0 && line->at[0] == '{';
}

/* One line; spaces before it and line ends behind it do not count. */
static enum status read_click(const char *operand, struct buffer *line, struct failure *failure) {
    if (strcmp(operand, "-") == 0) {
        enum status status = file_read_whole("-", LINE_BYTES_MAX, line, failure);
        if (status != STATUS_OK) return status;
    } else {
        buffer_append_text(line, operand);
    }
    buffer_append(line, "", 1); /* so that there is something to move */
    line->len--;
    size_t blanks = 0;
    while (blanks < line->len && line->at[blanks] != '\0' && strchr(" \t\r\n", line->at[blanks]) != NULL) blanks++;
    line->len -= blanks;
    memmove(line->at, line->at + blanks, line->len);
    while (line->len > 0 && (line->at[line->len - 1] == '\n' || line->at[line->len - 1] == '\r')) line->len--;
    if (line->len == 0) return failure_set(failure, STATUS_BAD_CONFIG, "there is no click: it is empty");
    if (is_json(line) || memchr(line->at, '\n', line->len) == NULL) return STATUS_OK;
    return failure_set(failure, STATUS_BAD_CONFIG, "there is more than one line; a filter is explained for one click");
}

/* Whether the server would take a click of the future is another question. */
static enum status decode_click(struct decoder *decoder, struct buffer *line, struct click *click, struct failure *failure) {
    const struct decode_rules rules = {.mode = IDENTITY_MODE_CONTENT, .max_skew_ms = INT64_MAX};
    char detail[DECODE_DETAIL_BYTES] = "";
    memset(buffer_reserve(line, DECODE_PADDING_BYTES), 0, DECODE_PADDING_BYTES);
    enum reject reject = is_json(line) ? decode_json(decoder, buffer_view(line), &rules, click, detail)
                                       : decode_log_line(decoder, buffer_view(line), &rules, click, detail);
    if (reject == REJECT_NONE) return STATUS_OK;
    return failure_set(failure, STATUS_BAD_CONFIG, "this is not a click: %s: %s; `tally errors %s` says more",
                       reject_code(reject), detail, reject_code(reject));
}

/* --- the filter --- */

static struct bytes member(const struct json *answer, const char *name) {
    const char *text = json_text(answer, name);
    return bytes_of_text(text != NULL ? text : "");
}

static enum status read_filter(const struct json *answer, struct explanation *out, struct failure *failure) {
    struct filter_flaw flaw;
    if (!filter_parse(0, member(answer, "region"), member(answer, "ip"), member(answer, "user_id"), false, &out->filter,
                      &flaw))
        return failure_set(failure, STATUS_IO_ERROR, "the server describes a filter that this tally does not understand: %s",
                           flaw.text);
    void (*const write[PARTS])(const struct filter *, struct buffer *) = {filter_region_text, filter_ip_text,
                                                                          filter_user_text};
    out->modes[PART_REGION] = out->filter->region_mode;
    out->modes[PART_IP] = out->filter->ip_mode;
    out->modes[PART_USER] = out->filter->user_mode;
    for (size_t i = 0; i < PARTS; i++) {
        write[i](out->filter, &out->wanted[i]);
        buffer_append(&out->wanted[i], "", 1);
    }
    out->covers_from = json_text(answer, "covers_from");
    return STATUS_OK;
}

/* --- both --- */

/* By the definition itself: a filter of which only this part is left. */
static bool part_matches(const struct filter *filter, enum part part, const struct click *click) {
    struct filter only = *filter;
    if (part != PART_REGION) only.region_mode = FILTER_ANY, only.region_count = 0;
    if (part != PART_IP) only.ip_mode = FILTER_ANY, only.ip_count = 0;
    if (part != PART_USER) only.user_mode = FILTER_ANY, only.user_count = 0;
    return filter_matches(&only, click->country, &click->ip, click->user_id);
}

static void judge(const struct click *click, struct explanation *out) {
    char country[4], ip[IP_TEXT_BYTES];
    struct event_time covers_from;
    country_text(click->country, country);
    (void)ip_text(&click->ip, ip);
    buffer_append_text(&out->found[PART_REGION], country);
    buffer_append_text(&out->found[PART_IP], ip);
    buffer_append_bytes(&out->found[PART_USER], click->user_id);
    bool all = true;
    for (size_t i = 0; i < PARTS; i++) {
        buffer_append(&out->found[i], "", 1);
        out->part_matches[i] = part_matches(out->filter, (enum part)i, click);
        all = all && out->part_matches[i];
    }
    out->matches = filter_matches(out->filter, click->country, &click->ip, click->user_id);
    CHECK(out->matches == all);
    out->counted = out->covers_from == NULL || !timestamp_parse_question(bytes_of_text(out->covers_from), &covers_from) ||
                   click->time.ms >= covers_from.ms;
}

/* --- printing --- */

/* "a" or "b". */
static void append_users(struct buffer *out, const struct filter *filter) {
    for (size_t i = 0; i < filter->user_count; i++) {
        struct buffer user = {0};
        buffer_append_bytes(&user, filter->users[i]);
        buffer_append(&user, "", 1);
        if (i > 0) buffer_append_text(out, i + 1 < filter->user_count ? ", " : " or ");
        json_quote(out, (const char *)user.at);
        buffer_fini(&user);
    }
}

static const char user_prefix[] = "user ";

/* `longer` is "user X" where `shorter` is X. */
static bool differ_by_prefix(struct bytes longer, struct bytes shorter) {
    const size_t prefix_len = sizeof user_prefix - 1;
    return longer.len == prefix_len + shorter.len && memcmp(longer.at, user_prefix, prefix_len) == 0 &&
           bytes_equal((struct bytes){longer.at + prefix_len, shorter.len}, shorter);
}

/* The log's usual form has "user 111" in its third field, and people write 111 into the filter, or the other way round. */
static void print_user_hint(const struct explanation *explanation, struct bytes user_id) {
    const struct filter *filter = explanation->filter;
    for (size_t i = 0; i < filter->user_count; i++) {
        if (bytes_equal(filter->users[i], user_id)) return;
    }
    for (size_t i = 0; i < filter->user_count; i++) {
        struct bytes user = filter->users[i];
        if (!differ_by_prefix(user_id, user) && !differ_by_prefix(user, user_id)) continue;
        printf("The whole field is the id: \"%.*s\", of the click, and \"%.*s\", of the filter, are two users.\n",
               (int)user_id.len, (const char *)user_id.at, (int)user.len, (const char *)user.at);
        return;
    }
}

static void add_row(struct table *table, const struct explanation *explanation, enum part part) {
    static const char *const has[PARTS] = {"the click is from ", "the click is from ", "the click is of user "};
    static const char *const takes[] = {"any will do", "the filter takes only ", "the filter takes any but "};
    const char *found = (const char *)explanation->found[part].at, *wanted = (const char *)explanation->wanted[part].at;
    enum filter_mode mode = explanation->modes[part];
    struct buffer text = {0};
    buffer_append_text(&text, has[part]);
    if (part == PART_USER)
        json_quote(&text, found); /* an id may have spaces: where it begins and ends must be seen */
    else
        buffer_append_text(&text, found);
    if (part == PART_REGION && strcmp(found, "ZZZ") == 0) buffer_append_text(&text, " (unknown)");
    buffer_printf(&text, "; %s", takes[mode]);
    if (part == PART_USER)
        append_users(&text, explanation->filter);
    else if (mode != FILTER_ANY)
        buffer_append_text(&text, wanted + (mode == FILTER_NONE_OF));
    buffer_append(&text, "", 1);
    table_cell(table, part_names[part]);
    table_cell(table, explanation->part_matches[part] ? "yes" : "no");
    table_cell(table, (const char *)text.at);
    table_end_row(table);
    buffer_fini(&text);
}

static void print_text(const struct explanation *explanation, const struct click *click) {
    struct table table = {0};
    printf("%s\n", explanation->matches ? "matches" : "does not match");
    for (size_t i = 0; i < PARTS; i++) add_row(&table, explanation, (enum part)i);
    table_print(&table, stdout, "  ", false);
    table_fini(&table);
    if (click->ip.kind == IP_V4_MASKED && explanation->modes[PART_IP] != FILTER_ANY)
        printf("A masked address is in a block only if all addresses that it may stand for are.\n");
    print_user_hint(explanation, click->user_id);
    if (explanation->matches && !explanation->counted)
        printf("It is not in the filter's counts, which begin with %s; `tally recalculate` brings those before.\n",
               explanation->covers_from);
}

static void print_json(const struct explanation *explanation, const struct json *answer) {
    struct buffer out = {0};
    buffer_append_text(&out, "{\"filter_id\":");
    json_append(answer, "filter_id", &out);
    buffer_printf(&out, ",\"matches\":%s,\"covered\":%s,\"parts\":[", explanation->matches ? "true" : "false",
                  explanation->counted ? "true" : "false");
    for (size_t i = 0; i < PARTS; i++) {
        buffer_printf(&out, "%s{\"part\":\"%s\",\"filter\":", i > 0 ? "," : "", part_names[i]);
        json_quote(&out, (const char *)explanation->wanted[i].at);
        buffer_append_text(&out, ",\"click\":");
        json_quote(&out, (const char *)explanation->found[i].at);
        buffer_printf(&out, ",\"matches\":%s}", explanation->part_matches[i] ? "true" : "false");
    }
    buffer_append_text(&out, "]}\n");
    fwrite(out.at, 1, out.len, stdout);
    buffer_fini(&out);
}

static void explanation_fini(struct explanation *explanation) {
    for (size_t i = 0; i < PARTS; i++) {
        buffer_fini(&explanation->wanted[i]);
        buffer_fini(&explanation->found[i]);
    }
    if (explanation->filter != NULL) filter_destroy(explanation->filter);
}

static int explain(const char *url, const char *id, const struct click *click, bool as_json) {
    struct http_client *client = http_client_create(url, HTTP_CLIENT_TIMEOUT_MS);
    struct explanation explanation = {0};
    struct json *answer = NULL;
    struct buffer path = {0};
    struct failure failure = {0};
    filter_path(&path, id);
    enum status status = api_get(client, buffer_view(&path), &answer, NULL, &failure);
    if (status == STATUS_OK) status = read_filter(answer, &explanation, &failure);
    if (status == STATUS_OK) {
        judge(click, &explanation);
        if (as_json)
            print_json(&explanation, answer);
        else
            print_text(&explanation, click);
    }
    explanation_fini(&explanation);
    json_destroy(answer);
    buffer_fini(&path);
    http_client_destroy(client);
    return status == STATUS_OK ? CLI_DONE : answer_fail(&failure);
}

int filter_explain(int argc, char **argv) {
    static struct config config;
    const char *format = "text";
    const struct cli_flag flags[] = {
        {.name = "format",
         .argument = "text|json",
         .help = "how to print the explanation",
         .to_text = &format,
         .choices = filter_formats},
    };
    const struct cli_usage usage = {.verb = "filter explain",
                                    .summary = "Says whether a click matches a filter, and why, part by part.",
                                    .operands = "ID CLICK|-",
                                    .operands_min = 2,
                                    .operands_max = 2,
                                    .flags = flags,
                                    .flag_count = sizeof flags / sizeof flags[0],
                                    .settings = CONFIG_FOR_CLIENT,
                                    .config = &config,
                                    .notes = "CLICK is a log line or a JSON object, in quotes; - reads it from standard "
                                             "input. The click is not sent to the server."};
    int exit_code = cli_parse(&usage, &argc, argv);
    if (exit_code != CLI_CONTINUE) return exit_code;
    struct decoder *decoder = decoder_create();
    struct buffer line = {0};
    struct click click;
    struct failure failure = {0};
    enum status status = read_click(argv[2], &line, &failure);
    if (status == STATUS_OK) status = decode_click(decoder, &line, &click, &failure);
    exit_code =
        status == STATUS_OK ? explain(config.client_url, argv[1], &click, strcmp(format, "json") == 0) : cli_fail(&failure);
    buffer_fini(&line);
    decoder_destroy(decoder);
    return exit_code;
}
