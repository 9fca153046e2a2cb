#include "cli/error_table.h"

#include <stdbool.h>
#include <string.h>

#include "base/check.h"

const char *const good_json_line = "{\"ad_id\":\"ad001\",\"click_timestamp\":1609459201000,\"user_id\":\"user 1\","
                                   "\"ip\":\"207.148.22.22\",\"country\":\"USA\"}";
const char *const good_log_line = "[AdClickEvent] ad001, 2021-01-01 00:00:01, user 1, 207.148.22.22, USA";

/* --- lines --- */

static const struct reject_explanation reject_explanations[REJECT_CODES] = {
    [REJECT_BAD_JSON] =
        {"{\"ad_id\":\"ad001\",}",
         "Write one whole JSON object on each line (NDJSON). A file of one pretty-printed array can be turned "
         "into that: jq -c '.[]' FILE | tally send -"},
    [REJECT_NOT_OBJECT] = {"[\"ad001\",1609459201000]", "Write each click as an object with the members of the example of a "
                                                        "good line, not as an array, a string or a number."},
    [REJECT_MISSING_FIELD] = {"{\"ad_id\":\"ad001\",\"user_id\":\"user 1\",\"ip\":\"207.148.22.22\",\"country\":\"USA\"}",
                              "Give ad_id, click_timestamp, user_id and ip in each click; the detail names the one that is "
                              "missing. country and event_id may be left out (event_id not when the server's "
                              "--without-event-id is reject)."},
    [REJECT_DUPLICATE_FIELD] = {"{\"ad_id\":\"ad001\",\"ad_id\":\"ad002\",\"click_timestamp\":1609459201000,\"user_id\":"
                                "\"user 1\",\"ip\":\"207.148.22.22\",\"country\":\"USA\"}",
                                "Write each member once: which of two values is meant cannot be told."},
    [REJECT_WRONG_TYPE] = {"{\"ad_id\":1,\"click_timestamp\":1609459201000,\"user_id\":\"user "
                           "1\",\"ip\":\"207.148.22.22\",\"country\":\"USA\"}",
                           "Write ids, ip and country as JSON strings, with quotes, and click_timestamp "
                           "as a number or a string."},
    [REJECT_BAD_AD_ID] = {"{\"ad_id\":\"\",\"click_timestamp\":1609459201000,\"user_id\":\"user "
                          "1\",\"ip\":\"207.148.22.22\",\"country\":\"USA\"}",
                          "Use ids of 1 to 128 bytes of UTF-8 without control characters. They are "
                          "never cut, since two ads could become one."},
    [REJECT_BAD_USER_ID] = {"{\"ad_id\":\"ad001\",\"click_timestamp\":1609459201000,\"user_id\":\"\",\"ip\":\"207.148.22."
                            "22\",\"country\":\"USA\"}",
                            "Use ids of 1 to 128 bytes of UTF-8 without control characters."},
    [REJECT_BAD_EVENT_ID] = {"{\"ad_id\":\"ad001\",\"click_timestamp\":1609459201000,\"user_id\":\"user "
                             "1\",\"ip\":\"207.148.22.22\",\"country\":\"USA\",\"event_id\":\"\"}",
                             "Use ids of 1 to 128 bytes of UTF-8 without control characters, or "
                             "leave event_id out: then the other five say which click it is."},
    [REJECT_BAD_TIMESTAMP] = {"{\"ad_id\":\"ad001\",\"click_timestamp\":\"01/02/2021 10:00\",\"user_id\":\"user "
                              "1\",\"ip\":\"207.148.22.22\",\"country\":\"USA\"}",
                              "Write milliseconds since 1970 (13 digits), seconds (10 digits), RFC 3339 as "
                              "2021-01-01T00:00:01Z, or 2021-01-01 00:00:01, which is UTC."},
    [REJECT_FUTURE_TIMESTAMP] =
        {"{\"ad_id\":\"ad001\",\"click_timestamp\":\"2099-01-01T00:00:00Z\",\"user_id\":\"user "
         "1\",\"ip\":\"207.148.22.22\",\"country\":\"USA\"}",
         "Set the clocks of the machine that stamped the click and of the server (NTP). A click may be "
         "at most --max-skew (60 s) ahead. Local time sent as UTC looks like this too."},
    [REJECT_BAD_IP] =
        {"{\"ad_id\":\"ad001\",\"click_timestamp\":1609459201000,\"user_id\":\"user "
         "1\",\"ip\":\"207.148.22.300\",\"country\":\"USA\"}",
         "Write IPv4 as 207.148.22.22, IPv6 as 2001:db8::1, or IPv4 with masked parts as 207.xxx.xx.22; no port, "
         "no list of proxies."},
    [REJECT_BAD_COUNTRY] = {"{\"ad_id\":\"ad001\",\"click_timestamp\":1609459201000,\"user_id\":\"user "
                            "1\",\"ip\":\"207.148.22.22\",\"country\":\"Atlantis\"}",
                            "Write an ISO 3166-1 code of two or three letters, such as DE or DEU, or leave country out."},
    [REJECT_BAD_UTF8] = {"{\"ad_id\":\"caf\\xE9\", ...}",
                         "Write the file in UTF-8: iconv -f ISO-8859-1 -t UTF-8 FILE | tally send -"},
    [REJECT_LINE_TOO_LONG] =
        {"a line of more than 65,536 bytes",
         "Keep a click's line below 64 KiB, and end every line. A file without line ends looks like this."},
    [REJECT_BAD_LOG_LINE] =
        {"[AdClickEvent] ad001, 2021-01-01 00:00:01",
         "Write the five parts in the order ad, time, user, ip, country, with a comma and a space between "
         "them. What the line begins with decides whether it is read as a log line."},
    [REJECT_REFUSED_BATCH] =
        {"a good line beside a bad one, sent to /v1/clicks?atomic=1",
         "Correct the other lines of the batch and send it again, or send it without atomic=1: then good "
         "lines are kept."},
};

struct reject_explanation reject_explain(enum reject reject) {
    CHECK((unsigned)reject < REJECT_CODES);
    struct reject_explanation explanation = reject_explanations[reject];
    CHECKF(explanation.example != NULL && explanation.advice != NULL, "%s is not explained", reject_code(reject));
    return explanation;
}

/* '-' and '_' are one. */
static bool same_code(const char *a, const char *b) {
    while (*a != '\0' && (*a == *b || (strchr("-_", *a) != NULL && *b != '\0' && strchr("-_", *b) != NULL))) {
        a++;
        b++;
    }
    return *a == *b;
}

enum reject reject_find(const char *code) {
    for (unsigned i = 0; i < REJECT_CODES; i++) {
        if (same_code(code, reject_code((enum reject)i))) return (enum reject)i;
    }
    return REJECT_NONE;
}

/* --- requests --- */

const struct problem_explanation problem_explanations[] = {
    {"lines-rejected", 400, "some lines of the request were rejected; the others are kept",
     "POST /v1/clicks with a line that is not a click",
     "Look at `errors`: line, code and detail of the first 1,000, and `errors_by_code` for all. Correct those lines and "
     "send "
     "them, or everything, again."},
    {"batch-refused", 400, "an atomic request had a bad line, so none of its lines was kept",
     "POST /v1/clicks?atomic=1 with a line that is not a click", "Correct the lines in `errors` and send the batch again."},
    {"body-too-large", 413, "an atomic request is larger than 16 MiB decompressed, or one with filters than 64 MiB",
     "POST /v1/clicks?atomic=1 with 20 MiB",
     "Send smaller batches, or clicks without atomic=1: then a body may be as long as it likes."},
    {"damaged-body", 400, "the compressed body is damaged or cut; the whole lines before that are kept",
     "POST /v1/clicks with Content-Encoding: gzip and half a file",
     "Check the file (gzip -t, zstd -t), and send it again: what was kept counts once."},
    {"decompression-limit", 413, "the compressed body expands to too much, or needs too large a window",
     "POST /v1/clicks with Content-Encoding: zstd, compressed with --long=27",
     "Compress with the usual settings, or let `tally send` read the file."},
    {"unsupported-media-type", 415, "the Content-Type is none that clicks, or filters, come in",
     "POST /v1/clicks with Content-Type: text/csv",
     "For clicks say application/json (one click), application/x-ndjson (one a line) or text/plain (log lines), for "
     "filters application/json or text/csv."},
    {"unsupported-content-encoding", 415, "the Content-Encoding is none that can be undone",
     "POST /v1/clicks with Content-Encoding: br", "Use gzip or zstd, or no encoding; filters come without one."},
    {"bad-parameter", 400, "a parameter has a value that it cannot have", "GET /v1/ads/popular_ads?window=9999",
     "The detail names the parameter and what it may be."},
    {"unknown-parameter", 400, "a parameter that is not known here", "GET /v1/ads/popular_ads?windw=5",
     "The detail names those that are. A mistyped name is refused, not ignored, since the answer would be to another "
     "question."},
    {"bad-range", 400, "from, to and last do not make a range",
     "GET /v1/ads/ad001/aggregated_cnt?from=202101020000&to=202101010000",
     "Give from and to with from earlier, both in whole minutes, or last alone."},
    {"unknown-filter", 404, "there is no filter of this number, or it was deleted", "GET /v1/ads/popular_ads?filter=7",
     "`tally filter list` shows those there are. Without filter, or with 0, all clicks are counted."},
    {"bad-filter", 400, "a filter is not one: its id, region, ip or user_id is wrong",
     "POST /v1/filters with {\"filter_id\":12,\"region\":\"Atlantis\"}",
     "The detail names the row and the field. Each of region, ip and user_id is *, a value, a|b|c, or ! before them; a "
     "backslash takes the meaning from these characters. Nothing of a request or file with one bad filter is taken."},
    {"needs-filter", 400, "clicks are not counted by this ip or user_id, since no stored filter asks for it",
     "GET /v1/ads/ad001/aggregated_cnt?user_id=111",
     "Create the filter that the detail shows, and ask again: it counts from then on. `region` alone works at any time."},
    {"filter-exists", 409, "there is a filter of this id, with another content", "POST /v1/filters with an id that is taken",
     "Take another id: filters never change, so that a number always means the same clicks."},
    {"filter-deleted", 409, "the filter of this id was deleted, and its id stays taken",
     "POST /v1/filters with the id of a deleted filter", "Take another id."},
    {"filters-full", 507, "there would be more filters, atoms or ranked filters than allowed",
     "POST /v1/filters when there are --filters-max of them",
     "Delete filters that nobody asks for, or raise the bound that the detail names; see the table of what they need."},
    {"ranking-too-costly", 422, "a ranking with this filter would read too many cells",
     "GET /v1/ads/popular_ads?window=1440&region=USA&at=202101010000",
     "Ask for a shorter window, mark the filter as ranked when you create it, or raise --ranking-cells-max: it is what "
     "keeps one question from slowing all others."},
    {"not-found", 404, "there is nothing at this path", "GET /v2/status",
     "The detail lists what there is. Is --url the address of the server alone, without a path?"},
    {"method-not-allowed", 405, "the path is there, but not for this method", "DELETE /v1/status",
     "Clicks and filters are sent with POST, questions are asked with GET. The detail lists what the path takes."},
    {"too-slow", 408, "the request did not come to its end in time", "a client that sends half a request and waits",
     "Send without pauses; on a slow line, send smaller batches. What was not answered can be sent again safely."},
    {"store-failed", 500, "the counts of the past cannot be read from the disk",
     "any question about the past on a broken disk",
     "Look at the server's messages and at the disk. The journal is the truth: with the server stopped, store/ can be "
     "removed "
     "and is made again from it."},
    {"not-supported", 501, "this server was built or started without it", "GET /v1/live where events cannot be sent",
     "Ask what the detail names instead."},
    {"not-now", 503, "the server cannot do it at this moment, and says why", "POST /v1/clicks while the journal is replayed",
     "Wait for Retry-After and ask again: `tally send` does so by itself. /readyz?verbose says what the server waits for; "
     "when it is memory for remembering clicks, raise --dedup-memory."},
    {"not-committed", 503, "the clicks could not be made durable, so whether they will be counted is not known",
     "POST /v1/clicks on a full disk",
     "Send them again, which is safe: every click is counted once. Look at the disk's room."},
    {"too-many-watchers", 503, "as many clients watch /v1/live as may", "GET /v1/live from many browsers",
     "Close some, or ask /v1/status."},
    {"too-many-connections", 503, "as many connections are open as may", "ten thousand clients at once",
     "Use kept-alive connections, fewer of them, or raise --http-connections."},
};
const size_t problem_explanation_count = sizeof problem_explanations / sizeof problem_explanations[0];

const struct problem_explanation *problem_find(const char *type) {
    static const char prefix[] = "urn:tally:problem:";
    if (strncmp(type, prefix, sizeof prefix - 1) == 0) type += sizeof prefix - 1;
    for (size_t i = 0; i < problem_explanation_count; i++) {
        if (same_code(type, problem_explanations[i].type)) return &problem_explanations[i];
    }
    return NULL;
}
