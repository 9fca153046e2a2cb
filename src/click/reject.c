#include "click/reject.h"

#include "base/check.h"

const char *reject_code(enum reject reject) {
    static const char *const codes[REJECT_CODES] = {
#define X(name, code, text) code,
        REJECT_TABLE(X)
#undef X
    };
    CHECK((unsigned)reject < REJECT_CODES);
    return codes[reject];
}

const char *reject_text(enum reject reject) {
    static const char *const texts[REJECT_CODES] = {
#define X(name, code, text) text,
        REJECT_TABLE(X)
#undef X
    };
    CHECK((unsigned)reject < REJECT_CODES);
    return texts[reject];
}
