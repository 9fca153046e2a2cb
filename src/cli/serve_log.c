#include "cli/serve_log.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "cli/cli.h"
#include "click/decode.h"
#include "os/os.h"
#include "query/query.h"

enum {
    PROGRESS_EVERY_MS = 1000,
    SLOW_COMMITS_EVERY_MS = 1000,
    CUTS_EVERY_MS = 10 * SECOND_MS,
    /* Intake that is full now and then would else be two lines each time. */
    ACCEPTING_AFTER_MS = 5 * SECOND_MS,
};

static struct mono_time mono_now(const struct serve_log *say) {
    return clock_mono(&say->clock);
}

static struct wall_time wall_now(const struct serve_log *say) {
    return clock_wall(&say->clock);
}

static int64_t passed_ms(struct mono_time since, struct mono_time now) {
    return (now.ns - since.ns) / 1000000;
}

static int64_t passed_seconds(struct mono_time since, struct mono_time now) {
    return passed_ms(since, now) / SECOND_MS;
}

void serve_log_begin(struct serve_log *say, const struct config *config) {
    _Static_assert((int)LOG_FORMAT_AUTO == 0 && (int)LOG_FORMAT_JSON == 2 && (int)LOG_DEBUG == 0 && (int)LOG_ERROR == 3,
                   "the order of the choices in the table of settings");
    CHECK(config->log_format <= LOG_FORMAT_JSON && config->log_level <= LOG_ERROR);
    *say = (struct serve_log){
        .log = log_to(STDERR_FILENO, (enum log_format)config->log_format, (enum log_level)config->log_level),
        .clock = os_clock(),
        .known = {.clock_trusted = true},
    };
    say->begun_at = mono_now(say);
    log_write(&say->log, wall_now(say), LOG_EVENT_STARTING,
              LOG_FIELDS(log_text("version", TALLY_VERSION), log_text("data", config->data_directory),
                         log_text("listen", config->http_listen), log_number("pid", getpid())),
              "tally %s starts on %s", TALLY_VERSION, config->data_directory);
}

void serve_log_opened(struct serve_log *say, const struct config *config, const struct node *node) {
    struct node_progress progress = node_progress(node);
    log_write(&say->log, wall_now(say), LOG_EVENT_OPENED,
              LOG_FIELDS(log_number("dedup_memory_bytes", (int64_t)config->dedup_memory_bytes),
                         log_number("dedup_entries_max", (int64_t)progress.dedup_entries_max),
                         log_number("window_memory_bytes", (int64_t)config->window_memory_bytes)),
              "dedup memory of %llu MiB remembers %.1f million clicks",
              (unsigned long long)(config->dedup_memory_bytes >> 20), (double)progress.dedup_entries_max / 1e6);
    if (progress.partitions_restored > 0)
        log_write(&say->log, wall_now(say), LOG_EVENT_RESTORED,
                  LOG_FIELDS(log_number("partitions", progress.partitions_restored),
                             log_number("identities", (int64_t)progress.identities_restored),
                             log_number("segments", (int64_t)progress.segments_skipped)),
                  "%u partitions go on from the files of %.1f million identities; %llu segments need not be read",
                  progress.partitions_restored, (double)progress.identities_restored / 1e6,
                  (unsigned long long)progress.segments_skipped);
    if (progress.partitions_rebuilt > 0)
        log_write(
            &say->log, wall_now(say), LOG_EVENT_REBUILT,
            LOG_FIELDS(log_number("partitions", progress.partitions_rebuilt), log_text("reason", progress.rebuilt_why)),
            "the identities of %u partitions are made anew from the journal: %s", progress.partitions_rebuilt,
            progress.rebuilt_why);
}

void serve_log_store_damaged(struct serve_log *say, const char *moved_to, const struct failure *why) {
    if (moved_to[0] == '\0') return;
    log_write(&say->log, wall_now(say), LOG_EVENT_STORE_DAMAGED,
              LOG_FIELDS(log_text("moved_to", moved_to), log_text("reason", why->text)),
              "the store is damaged, is now %s/, and is built anew from the journal; %.400s", moved_to, why->text);
}

void serve_log_listening(struct serve_log *say, const char *url) {
    log_write(&say->log, wall_now(say), LOG_EVENT_LISTENING, LOG_FIELDS(log_text("url", url)), "listening on %s", url);
}

static void say_progress(struct serve_log *say, const struct node *node, struct mono_time now) {
    if (passed_ms(say->begun_at, now) < PROGRESS_EVERY_MS || passed_ms(say->progress_at, now) < PROGRESS_EVERY_MS) return;
    struct node_progress progress = node_progress(node);
    say->progress_at = now;
    log_write(&say->log, wall_now(say), LOG_EVENT_REPLAYING,
              LOG_FIELDS(log_number("clicks", (int64_t)progress.clicks), log_number("records", (int64_t)progress.records)),
              "replaying the journal: %llu clicks so far", (unsigned long long)progress.clicks);
}

static void say_rules(const struct serve_log *say, const struct rules *rules) {
    const char *identity = rules->identity_mode == IDENTITY_MODE_CONTENT ? "content" : "reject";
    log_write(&say->log, wall_now(say), LOG_EVENT_RULES,
              LOG_FIELDS(log_number("number", rules->number), log_number("partitions", rules->partition_count),
                         log_number("delay_ms", rules->delay_ms), log_number("lateness_ms", rules->lateness_ms),
                         log_number("horizon_ms", rules->horizon_ms), log_number("max_skew_ms", rules->max_skew_ms),
                         log_text("without_event_id", identity)),
              "counting rules number %u are in force", rules->number);
}

static void say_ready(struct serve_log *say, const struct node *node, const char *url, struct mono_time now) {
    struct node_progress progress = node_progress(node);
    struct rules rules = node_rules(node);
    say->ready = true;
    if (progress.torn_path[0] != '\0')
        log_write(&say->log, wall_now(say), LOG_EVENT_TORN_TAIL,
                  LOG_FIELDS(log_text("file", progress.torn_path), log_number("bytes", (int64_t)progress.torn_bytes)),
                  "the journal's last write was torn: its %llu bytes, which were never acknowledged, are kept in %s",
                  (unsigned long long)progress.torn_bytes, progress.torn_path);
    say_rules(say, &rules);
    log_write(&say->log, wall_now(say), LOG_EVENT_READY,
              LOG_FIELDS(log_text("url", url), log_number("clicks", (int64_t)progress.clicks),
                         log_number("seconds", passed_seconds(say->begun_at, now))),
              "ready: %s", url);
}

static void say_clock(struct serve_log *say, bool trusted, struct mono_time now) {
    if (trusted == say->known.clock_trusted) return;
    if (!trusted) {
        say->untrusted_since = now;
        log_write(&say->log, wall_now(say), LOG_EVENT_CLOCK_UNTRUSTED, LOG_NO_FIELDS,
                  "the machine's clock is behind the journal or was stepped: clicks get 503 until it is right; look at NTP");
    } else {
        log_write(&say->log, wall_now(say), LOG_EVENT_CLOCK_TRUSTED,
                  LOG_FIELDS(log_number("seconds", passed_seconds(say->untrusted_since, now))), "the clock is right again");
    }
}

/* The reason of now, or one for which a request was refused since the last look. */
static enum node_refusal refusal_seen(const struct serve_log *say, const struct node_condition *condition) {
    if (condition->refusal != NODE_REFUSES_NOT) return condition->refusal;
    for (unsigned i = NODE_REFUSES_CLOCK; i < NODE_REFUSALS; i++)
        if (condition->refused[i] > say->known.refused[i]) return (enum node_refusal)i;
    return NODE_REFUSES_NOT;
}

static uint64_t refused_all(const struct node_condition *condition) {
    uint64_t sum = 0;
    for (unsigned i = NODE_REFUSES_NOT; i < NODE_REFUSALS; i++) sum += condition->refused[i];
    return sum;
}

static void say_refusing(struct serve_log *say, const struct node_condition *condition, struct mono_time now) {
    enum node_refusal refusal = refusal_seen(say, condition);
    if (refusal != NODE_REFUSES_NOT) {
        say->refused_at = now;
        if (refusal == say->refusing) return;
        if (say->refusing == NODE_REFUSES_NOT) {
            say->refusing_since = now;
            say->refused_before = refused_all(&say->known);
        }
        say->refusing = refusal;
        log_write(&say->log, wall_now(say), LOG_EVENT_REFUSING, LOG_FIELDS(log_text("reason", node_refusal_code(refusal))),
                  "clicks get 503: %s", node_refusal_text(refusal));
    } else if (say->refusing != NODE_REFUSES_NOT && passed_ms(say->refused_at, now) >= ACCEPTING_AFTER_MS) {
        uint64_t refused = refused_all(condition) - say->refused_before;
        say->refusing = NODE_REFUSES_NOT;
        log_write(&say->log, wall_now(say), LOG_EVENT_ACCEPTING,
                  LOG_FIELDS(log_number("refused", (int64_t)refused),
                             log_number("seconds", passed_seconds(say->refusing_since, say->refused_at))),
                  "clicks are taken again; %llu requests got 503 meanwhile", (unsigned long long)refused);
    }
}

/* Full is 503, so it is said while there is time to act. */
static void say_dedup_memory(struct serve_log *say, const struct node_condition *condition) {
    uint64_t entries = condition->dedup_entries, max = condition->dedup_entries_max;
    if (entries < max / 4 * 3) say->dedup_low = false;
    if (say->dedup_low || entries < max / 5 * 4) return;
    say->dedup_low = true;
    log_write(&say->log, wall_now(say), LOG_EVENT_DEDUP_MEMORY_LOW,
              LOG_FIELDS(log_number("entries", (int64_t)entries), log_number("entries_max", (int64_t)max)),
              "the memory for identities is at %.0f%%: %.1f million of %.1f million clicks; raise --dedup-memory",
              (double)entries * 100 / (double)max, (double)entries / 1e6, (double)max / 1e6);
}

static void say_slow_commits(struct serve_log *say, const struct node_condition *condition, struct mono_time now) {
    if (condition->slowest_commit_ms > say->slowest_commit_ms) say->slowest_commit_ms = condition->slowest_commit_ms;
    uint64_t commits = condition->slow_commits - say->slow_commits_told;
    if (commits == 0 || passed_ms(say->commits_at, now) < SLOW_COMMITS_EVERY_MS) return;
    log_write(&say->log, wall_now(say), LOG_EVENT_SLOW_COMMIT,
              LOG_FIELDS(log_number("commits", (int64_t)commits), log_number("slowest_ms", say->slowest_commit_ms)),
              "%llu commits took longer than a second, the slowest %lld ms: the disk is slow", (unsigned long long)commits,
              (long long)say->slowest_commit_ms);
    say->slow_commits_told = condition->slow_commits;
    say->slowest_commit_ms = 0;
    say->commits_at = now;
}

void serve_log_connections(const struct http_counters *counters, struct query_connections *out) {
    *out = (struct query_connections){
        .open = counters->connections,
        .accepted = counters->accepted,
        .ended = {{"idle", counters->closed_idle},
                  {"room", counters->closed_for_room},
                  {"full", counters->refused_full},
                  {"slow_head", counters->cut_slow_head},
                  {"stalled_body", counters->cut_stalled_body},
                  {"not_reading", counters->cut_not_reading},
                  {"lost", counters->lost}},
    };
}

/* Those that rested too long, or went away by themselves, are daily life. */
static bool is_cut(const char *reason) {
    return strcmp(reason, "idle") != 0 && strcmp(reason, "lost") != 0;
}

static void say_cuts(struct serve_log *say, const struct http_server *http, struct mono_time now) {
    if (passed_ms(say->cuts_at, now) < CUTS_EVERY_MS) return;
    struct http_counters counters = http_counters(http);
    struct query_connections before, after;
    serve_log_connections(&say->counters_told, &before);
    serve_log_connections(&counters, &after);
    for (size_t i = 0; after.ended[i].reason != NULL; i++) {
        uint64_t count = after.ended[i].count - before.ended[i].count;
        if (count == 0 || !is_cut(after.ended[i].reason)) continue;
        say->cuts_at = now;
        log_write(&say->log, wall_now(say), LOG_EVENT_CONNECTIONS_CUT,
                  LOG_FIELDS(log_text("reason", after.ended[i].reason), log_number("connections", (int64_t)count)),
                  "%llu connections were cut: %s", (unsigned long long)count, after.ended[i].reason);
    }
    say->counters_told = counters;
}

void serve_log_look(struct serve_log *say, struct node *node, const struct http_server *http) {
    struct mono_time now = mono_now(say);
    struct node_condition condition = node_condition(node);
    bool serving = node_phase(node) == NODE_SERVING;
    say_clock(say, condition.clock_trusted, now);
    if (serving && !say->ready) say_ready(say, node, http_url(http), now);
    if (!say->ready) {
        say_progress(say, node, now);
    } else if (serving) {
        say_dedup_memory(say, &condition);
        say_refusing(say, &condition, now);
        if (condition.checkpoints != say->known.checkpoints)
            log_write(&say->log, wall_now(say), LOG_EVENT_CHECKPOINT,
                      LOG_FIELDS(log_number("checkpoints", (int64_t)condition.checkpoints)), "counts went to the store");
    }
    say_slow_commits(say, &condition, now);
    say_cuts(say, http, now);
    say->known = condition;
}

void serve_log_stopping(struct serve_log *say, int signal) {
    log_write(&say->log, wall_now(say), LOG_EVENT_STOPPING,
              LOG_FIELDS(log_text("signal", signal == SIGINT ? "SIGINT" : "SIGTERM")),
              "stopping: what was accepted is counted, then the journal is sealed");
}

int serve_log_stopped(struct serve_log *say) {
    log_write(&say->log, wall_now(say), LOG_EVENT_STOPPED,
              LOG_FIELDS(log_number("seconds", passed_seconds(say->begun_at, mono_now(say)))), "stopped");
    return CLI_DONE;
}

const char *serve_log_advice(enum status status) {
    switch (status) {
    case STATUS_NO_SPACE:
        return "make room on the data directory's disk, then start again: what was acknowledged is there";
    case STATUS_IO_ERROR:
    case STATUS_NOT_FOUND:
        return "see that the data directory can be read and written and that its disk is well, then start again: what was "
               "acknowledged is there";
    case STATUS_CORRUPT:
        return "a damaged file of dedup/ needs nothing but another start; otherwise copy the data directory before anything "
               "else; `tally repair --data DIR` then says what is damaged and what can be done: a damaged store/ is built "
               "anew from "
               "the journal, a damaged segment of journal/ is put back from a copy";
    case STATUS_BAD_CONFIG:
        return "change the setting that is named, or give another data directory with --data; a store/ of another version "
               "or "
               "journal may be removed: it is rebuilt from the journal";
    case STATUS_UNSUPPORTED:
        return "start it with the version of tally that wrote the data directory, or give another data directory";
    default:
        return NULL;
    }
}

int serve_log_failed(struct serve_log *say, const struct failure *failure, const char *advice) {
    CHECK(failure->status != STATUS_OK);
    const char *text = failure->text[0] != '\0' ? failure->text : status_text(failure->status);
    struct log_field last = {0};
    if (advice != NULL) last = log_text("advice", advice);
    log_write(&say->log, wall_now(say), LOG_EVENT_FAILED, LOG_FIELDS(log_text("reason", status_text(failure->status)), last),
              "%s", text);
    return failure->status == STATUS_BAD_CONFIG ? CLI_BAD_USAGE : CLI_FAILED;
}
