/* parameters.h: the parameters of one question, read one by one. Internal to query/.
 *
 * Each function returns false after it has put a problem that names the parameter into the reply: then the question is
 * answered and nothing may be added. An absent parameter leaves `*out` as it was, so that it carries the default. */
#pragma once

#include "base/units.h"
#include "reply/reply.h"

struct parameters {
    struct bytes query; /* as on the wire */
    struct reply *reply;
    struct buffer text; /* of the parameter read last; parameters_fini frees it */
};
void parameters_fini(struct parameters *parameters);

/* `accepted` ends with NULL. */
bool parameters_only(struct parameters *parameters, const char *const *accepted);
/* `*given` tells whether it is there at all. */
bool parameters_given(struct parameters *parameters, const char *name, bool *given);
/* Decimal digits, leading zeros accepted. */
bool parameters_number(struct parameters *parameters, const char *name, uint32_t min, uint32_t max, uint32_t *out);
/* Rounded down to its minute. */
bool parameters_minute(struct parameters *parameters, const char *name, struct minute *out);
/* `filter`: at most FILTER_ID_MAX; a larger number is a filter that cannot be there, so its problem is a 404. */
bool parameters_filter(struct parameters *parameters, bool *given, uint32_t *id);
