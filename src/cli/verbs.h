/* verbs.h: what `tally` can do. One row a verb, in the order in which `tally --help` lists them; main.c makes its table of
 * this. A new verb is a row here and a file src/cli/verb_NAME.c.
 *
 * A verb's argv[0] is its own name. It returns an exit code of cli.h and lets main flush and check stdout. */
#pragma once

#define VERB_TABLE(X)                                                                                                       \
    X(serve, "count clicks: take them over HTTP, keep them, answer questions")                                              \
    X(send, "send files of clicks to a server; sending a file again is always safe")                                        \
    X(count, "ask for the count of one ad")                                                                                 \
    X(top, "ask for the ads with the most clicks")                                                                          \
    X(filter, "make, list, explain and delete stored filters, which pick clicks by region, ip and user")                    \
    X(recalculate, "let a filter cover the time before it was made, too")                                                   \
    X(status, "ask a server how it is and what it has counted")                                                             \
    X(demo, "watch it work: a server with a stream of made-up clicks")                                                      \
    X(bench, "measure this machine: clicks a second, cost of a click, freshness")                                           \
    X(export, "write the counts as CSV, the same bytes for the same journal")                                               \
    X(repair, "examine a stopped server's data directory, show what is damaged, and mend what can be")                      \
    X(config, "check or print the configuration, each value with where it comes from")                                      \
    X(errors, "explain a code of an answer, with an example and what to do")                                                \
    X(completion, "print what makes bash or zsh complete verbs and flags")                                                  \
    X(version, "print the version")

#define X(name, text) int verb_##name(int argc, char **argv);
VERB_TABLE(X)
#undef X
