/* log_events.h: every event that the server can log, one row each. The names are stable: alerts and searches rely on them.
 * docs/operations.md holds this table; a unit test compares.
 *
 * X(event, name, level, fields, means)
 * - fields  that the event has beside time, level, event and message, as the document shows them
 * - means   what happened, and what is to be done if anything is; no `|` (it stands in a Markdown table)
 */
#pragma once

#define LOG_EVENT_TABLE(X)                                                                                                  \
    X(STARTING, "starting", INFO, "version, data, listen, pid", "The process has begun.")                                   \
    X(OPENED, "opened", INFO, "dedup_memory_bytes, dedup_entries_max, window_memory_bytes",                                 \
      "Journal and store are open. dedup_entries_max: clicks that surely fit into the memory for identities.")              \
    X(LISTENING, "listening", INFO, "url", "Requests are taken; questions and clicks get 503 until `ready`.")               \
    X(REPLAYING, "replaying", INFO, "clicks, records", "Once a second while the journal is read back.")                     \
    X(RESTORED, "restored", INFO, "partitions, identities, segments",                                                       \
      "Partitions that go on from their files of identities; segments of the journal that need not be read for it.")        \
    X(REBUILT, "rebuilt", WARN, "partitions, reason",                                                                       \
      "Files of identities in `dedup/` were of no use; they are made anew, for which the whole journal is read.")           \
    X(TORN_TAIL, "torn_tail", WARN, "file, bytes",                                                                          \
      "The last write before a crash was cut short. It was never acknowledged; its bytes are kept in the file.")            \
    X(STORE_DAMAGED, "store_damaged", WARN, "moved_to, reason",                                                             \
      "The store was damaged. It was moved aside, and this start or the next builds it anew from the journal: no count is " \
      "lost. Delete what was moved when nobody wants to look at it.")                                                       \
    X(RULES, "rules", INFO, "number, partitions, delay_ms, lateness_ms, horizon_ms, max_skew_ms, without_event_id",         \
      "The counting rules in force, from the journal.")                                                                     \
    X(READY, "ready", INFO, "url, clicks, seconds", "Clicks are taken and questions answered.")                             \
    X(CHECKPOINT, "checkpoint", DEBUG, "checkpoints", "Counts went to the store; how many times since the start.")          \
    X(SLOW_COMMIT, "slow_commit", WARN, "commits, slowest_ms",                                                              \
      "Commits took longer than a second since the line before: the disk is slow, and so is every answer to clicks.")       \
    X(CLOCK_UNTRUSTED, "clock_untrusted", ERROR, "",                                                                        \
      "The machine's clock stands behind the journal's last arrival or was stepped. Clicks get 503 until it is right.")     \
    X(CLOCK_TRUSTED, "clock_trusted", INFO, "seconds", "The clock is right again.")                                         \
    X(REFUSING, "refusing", WARN, "reason", "Clicks get 503 with this reason.")                                             \
    X(ACCEPTING, "accepting", INFO, "refused, seconds", "Clicks are taken again; how many requests got 503 meanwhile.")     \
    X(DEDUP_MEMORY_LOW, "dedup_memory_low", WARN, "entries, entries_max",                                                   \
      "Identities take four fifths of what surely fits into their memory. Raise --dedup-memory at the next restart, "       \
      "before "                                                                                                             \
      "clicks get 503. Again when it was below three quarters in between.")                                                 \
    X(CONNECTIONS_CUT, "connections_cut", WARN, "reason, connections",                                                      \
      "Connections were ended by the server since the line before, at most one line in 10 s for each reason.")              \
    X(STOPPING, "stopping", INFO, "signal",                                                                                 \
      "A signal was received: what was accepted is counted, then the journal sealed.")                                      \
    X(STOPPED, "stopped", INFO, "seconds", "The process ends with exit code 0.")                                            \
    X(FAILED, "failed", ERROR, "reason, advice",                                                                            \
      "The process ends with exit code 1, or 2 for a bad configuration. The message names the file.")
