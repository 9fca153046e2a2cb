#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

_Noreturn void check_failed(const char *file, int line, const char *condition, const char *format, ...) {
    va_list arguments;
    (void)fprintf(stderr, "tally: %s:%d: check failed: %s ", file, line, condition);
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fputc('\n', stderr);
    (void)fflush(stderr);
    abort();
}
