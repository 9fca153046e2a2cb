#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"

const char *status_text(enum status status) {
    switch (status) {
#define X(name, text)                                                                                                       \
    case STATUS_##name:                                                                                                     \
        return text;
        STATUS_TABLE(X)
#undef X
    }
    CHECK_FAIL("status %d is not in the table", (int)status);
}

enum status failure_set(struct failure *failure, enum status status, const char *format, ...) {
    CHECK(status != STATUS_OK);
    if (failure != NULL && failure->status == STATUS_OK) {
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(failure->text, sizeof failure->text, format, arguments);
        va_end(arguments);
        failure->status = status;
    }
    return status;
}
