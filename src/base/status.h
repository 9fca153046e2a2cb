/* status.h: what a fallible function returns. One table for the whole program.
 *
 * Three kinds of trouble are kept apart: bad input is answered and counted, a failing world (disk, network) is retried or
 * stops the node, and "we are wrong" is not a status at all: it is a CHECK (see check.h).
 */
#pragma once

#define STATUS_TABLE(X)                                                                                                     \
    X(OK, "ok")                                                                                                             \
    X(NOT_FOUND, "not found")                                                                                               \
    X(AGAIN, "not now, try again")                                                                                          \
    X(END, "end of input")                                                                                                  \
    X(BAD_INPUT, "bad input")                                                                                               \
    X(BAD_CONFIG, "bad configuration")                                                                                      \
    X(IO_ERROR, "input/output error")                                                                                       \
    X(NO_SPACE, "no space left")                                                                                            \
    X(CORRUPT, "damaged data")                                                                                              \
    X(BUSY, "in use by another process")                                                                                    \
    X(FULL, "full")                                                                                                         \
    X(UNSUPPORTED, "not supported")

enum status {
#define X(name, text) STATUS_##name,
    STATUS_TABLE(X)
#undef X
};

/* English, never NULL, static storage. */
const char *status_text(enum status status);

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_at, first_at) __attribute__((format(printf, format_at, first_at)))

/* A failure with its place and reason in words, for the edge that tells a person. Inner code fills it in; only the edge
 * prints it. The first failure wins: filling a full one changes nothing. */
struct failure {
    enum status status; /* STATUS_OK while nothing failed */
    char text[1024];
};

/* Returns `status`, so that `return failure_set(...)` reads well. `failure` may be NULL. */
enum status failure_set(struct failure *failure, enum status status, const char *format, ...) PRINTF_LIKE(3, 4);
