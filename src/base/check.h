/* check.h: invariants, checked in production too.
 *
 * CHECK is for what cannot happen unless we are wrong or memory is damaged: it prints the place and aborts, because a
 * wrong number that is billed costs more than a restart that replays. Never CHECK input. COSTLY_CHECK runs in test
 * builds only (-DTALLY_COSTLY_CHECKS).
 */
#pragma once

#include <stdbool.h>

_Noreturn void check_failed(const char *file, int line, const char *condition, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#define CHECK(condition)                                                                                                    \
    do {                                                                                                                    \
        if (__builtin_expect(!(condition), 0)) check_failed(__FILE__, __LINE__, #condition, "%s", "");                      \
    } while (false)

/* With a message that carries the values. */
#define CHECKF(condition, ...)                                                                                              \
    do {                                                                                                                    \
        if (__builtin_expect(!(condition), 0)) check_failed(__FILE__, __LINE__, #condition, __VA_ARGS__);                   \
    } while (false)

#define CHECK_FAIL(...) check_failed(__FILE__, __LINE__, "unreachable", __VA_ARGS__)

#ifdef TALLY_COSTLY_CHECKS
#define COSTLY_CHECK(condition) CHECK(condition)
#else
#define COSTLY_CHECK(condition) ((void)0)
#endif
