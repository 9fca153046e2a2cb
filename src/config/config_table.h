/* config_table.h: every setting, one row each. Flags, environment variables, YAML keys, `tally config print`, the usage and
 * the table in docs/configuration.md are all derived from this.
 *
 * X(member, kind, key, flag, default, range, verbs, help)
 * - member   of struct config, with its unit last
 * - kind     ADDRESS, TEXT, URL, DURATION (ms), SIZE (bytes), COUNT or CHOICE: how it is written and kept (config.h)
 * - key      section.name of the YAML file; the environment variable is TALLY_SECTION_NAME
 * - default  as text; NULL: there is none, and the help says what holds then
 * - range    RANGE(smallest, largest) of a number, in its unit; CHOICES("a|b") of a CHOICE, kept as 0, 1, ...; ANY
 * - verbs    that have the flag: CONFIG_FOR_*, or-ed. File and environment may hold every setting, whatever the verb
 * - help     part of a sentence, no full stop, no `|` (it stands in a Markdown table)
 *
 * Rows of one section stand together, because `tally config print` writes sections.
 */
#pragma once

/* PROPOSAL(...) rows are counting rules: "not given" changes nothing in a journal that exists, so it is not the same as the
 * default, which is what a new journal takes. */
#define CONFIG_TABLE(X, PROPOSAL)                                                                                           \
    X(data_directory, TEXT, "data.directory", "data", NULL, ANY, CONFIG_FOR_SERVE | CONFIG_FOR_EXPORT | CONFIG_FOR_DEMO,    \
      "the directory that holds the journal and everything made from it; serve needs it")                                   \
    X(http_listen, ADDRESS, "http.listen", "listen", "127.0.0.1:8080", ANY, CONFIG_FOR_SERVE | CONFIG_FOR_DEMO,             \
      "where to take requests, HOST:PORT; port 0 is any free one")                                                          \
    X(http_threads, COUNT, "http.threads", "http-threads", "4", RANGE(1, 64), CONFIG_FOR_SERVE,                             \
      "threads that read requests and decode clicks")                                                                       \
    X(http_connections, COUNT, "http.connections", "http-connections", "4096", RANGE(1, 65536), CONFIG_FOR_SERVE,           \
      "connections open at once; more are turned away")                                                                     \
    X(http_idle_timeout_ms, DURATION, "http.idle_timeout", "http-idle-timeout", "60s", RANGE(1000, 3600000),                \
      CONFIG_FOR_SERVE, "how long a connection may be silent before it is closed")                                          \
    PROPOSAL(time_delay_ms, DURATION, "time.delay", "delay", "15s", RANGE(0, CONFIG_SPAN_MAX_MS), CONFIG_FOR_NODE,          \
             "how far the watermark stays behind the newest click; a minute closes when it passes the minute's end")        \
    PROPOSAL(time_lateness_ms, DURATION, "time.lateness", "lateness", "24h",                                                \
             RANGE(0, CONFIG_SPAN_MAX_MS - CONFIG_HORIZON_SLACK_MS), CONFIG_FOR_NODE,                                       \
             "how late behind the watermark a click may come and still amend its minute")                                   \
    PROPOSAL(time_horizon_ms, DURATION, "time.horizon", "horizon", NULL,                                                    \
             RANGE(CONFIG_HORIZON_SLACK_MS, CONFIG_SPAN_MAX_MS), CONFIG_FOR_NODE,                                           \
             "how long a click is remembered so that its copies are known; at least lateness + 1m, which holds if not "     \
             "given (or the journal's, if larger)")                                                                         \
    PROPOSAL(time_max_skew_ms, DURATION, "time.max_skew", "max-skew", "60s", RANGE(1000, CONFIG_SPAN_MAX_MS),               \
             CONFIG_FOR_NODE, "how far in the future a click's time may lie; later ones are rejected")                      \
    PROPOSAL(journal_partitions, COUNT, "journal.partitions", "partitions", "4", RANGE(1, PARTITIONS_MAX), CONFIG_FOR_NODE, \
             "partitions of the journal, each with a thread of its own; fixed once the journal exists")                     \
    X(journal_segment_size_bytes, SIZE, "journal.segment_size", "segment-size", "256MiB",                                   \
      RANGE(64 * KIBIBYTE, 64 * GIBIBYTE), CONFIG_FOR_SERVE, "size at which a new file of the journal begins")              \
    PROPOSAL(identity_without_event_id, CHOICE, "identity.without_event_id", "without-event-id", "content",                 \
             CHOICES("content|reject"), CONFIG_FOR_NODE,                                                                    \
             "a click without event_id: known by its content (the same five fields are one click), or rejected")            \
    X(dedup_memory_bytes, SIZE, "dedup.memory", "dedup-memory", "2GiB", RANGE(MEBIBYTE, TEBIBYTE), CONFIG_FOR_NODE,         \
      "memory for remembering clicks; when it is full, new ones are answered 503 until the horizon frees some")             \
    X(intake_pending_clicks, COUNT, "intake.pending_clicks", "pending-clicks", "1000000", RANGE(10000, 1000000000),         \
      CONFIG_FOR_NODE, "clicks taken but not yet counted, at most; beyond, new ones are answered 503")                      \
    X(store_cache_bytes, SIZE, "store.cache", "store-cache", "256MiB", RANGE(8 * MEBIBYTE, TEBIBYTE), CONFIG_FOR_NODE,      \
      "memory for reading counts of the past")                                                                              \
    X(store_checkpoint_interval_ms, DURATION, "store.checkpoint_interval", "checkpoint-interval", "30s",                    \
      RANGE(100, 3600000), CONFIG_FOR_SERVE, "time after which open minutes go to the store")                               \
    X(store_checkpoint_clicks, COUNT, "store.checkpoint_clicks", "checkpoint-clicks", "5000000", RANGE(1000, 1000000000),   \
      CONFIG_FOR_SERVE, "clicks after which they go there, if that comes first")                                            \
    X(store_flush_interval_ms, DURATION, "store.flush_interval", "flush-interval", "60s", RANGE(100, 3600000),              \
      CONFIG_FOR_SERVE, "time after which the store is synced to disk")                                                     \
    X(window_memory_bytes, SIZE, "window.memory", "window-memory", "4GiB", RANGE(MEBIBYTE, TEBIBYTE), CONFIG_FOR_NODE,      \
      "memory for the last 25 hours by ad, which answers at once; what does not fit is answered from the store")            \
    X(slices_memory_bytes, SIZE, "window.filter_memory", "filter-memory", "4GiB", RANGE(MEBIBYTE, TEBIBYTE),                \
      CONFIG_FOR_NODE,                                                                                                      \
      "memory for the last 25 hours by country, address and user, which answers filtered questions at once; a sixteenth "   \
      "of it is for recalculations")                                                                                        \
    X(ranking_cells_max, COUNT, "query.ranking_cells_max", "ranking-cells-max", "100000000", RANGE(1000, 1000000000000),    \
      CONFIG_FOR_NODE, "a filtered ranking that would read more cells than these is refused with the estimate")             \
    X(filters_file, TEXT, "filters.file", "filters", NULL, ANY, CONFIG_FOR_SERVE,                                           \
      "a CSV or JSON file of filters that stand once the server is ready; nothing of it is taken if one of them cannot be") \
    X(filters_max, COUNT, "filters.max", "filters-max", "100000", RANGE(0, 10000000), CONFIG_FOR_NODE,                      \
      "filters that may stand at once; beyond, new ones are answered 507")                                                  \
    X(atoms_max, COUNT, "filters.atoms_max", "atoms-max", "200000", RANGE(0, 16000000), CONFIG_FOR_NODE,                    \
      "addresses, blocks, users and pairs of them that filters may name at once; beyond, new filters are answered 507")     \
    X(log_format, CHOICE, "log.format", "log-format", "auto", CHOICES("auto|logfmt|json"), CONFIG_FOR_SERVE,                \
      "how the server writes its log on stderr; auto: logfmt on a terminal, else JSON")                                     \
    X(log_level, CHOICE, "log.level", "log-level", "info", CHOICES("debug|info|warn|error"), CONFIG_FOR_SERVE,              \
      "the least level that is written there")                                                                              \
    X(client_url, URL, "client.url", "url", "http://127.0.0.1:8080", ANY, CONFIG_FOR_CLIENT, "the server to talk to")
