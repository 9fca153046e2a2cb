#include "sim/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[EVENTS] = {
#define X(name) #name,
    EVENT_TABLE(X)
#undef X
};
_Static_assert(EVENTS <= 64, "a bit for each");

const char *event_name(enum event event) {
    return names[event];
}

bool plan_skips(const struct plan *plan, unsigned step) {
    for (size_t i = 0; i < plan->skip_count; i++)
        if (step >= plan->skips[i].from && step < plan->skips[i].to) return true;
    return false;
}

bool plan_parse_without(struct plan *plan, const char *text) {
    while (*text != '\0') {
        size_t len = strcspn(text, ",");
        int event = 0;
        while (event < EVENTS && (strlen(names[event]) != len || strncmp(names[event], text, len) != 0)) event++;
        if (event == EVENTS) return false;
        plan->without |= UINT64_C(1) << event;
        text += len;
        text += *text == ',';
    }
    return true;
}

bool plan_parse_skip(struct plan *plan, const char *text) {
    while (*text != '\0') {
        char *end;
        if (plan->skip_count == PLAN_SKIPS_MAX) return false;
        struct plan_skip *skip = &plan->skips[plan->skip_count++];
        skip->from = (unsigned)strtoul(text, &end, 10);
        if (end == text || *end != '-') return false;
        text = end + 1;
        skip->to = (unsigned)strtoul(text, &end, 10);
        if (end == text || (*end != ',' && *end != '\0')) return false;
        text = end + (*end == ',');
    }
    return true;
}

void plan_print(const struct plan *plan, char text[PLAN_TEXT_BYTES]) {
    size_t len = 0;
    text[0] = '\0';
    if (plan->steps != PLAN_STEPS) len += (size_t)snprintf(text, PLAN_TEXT_BYTES, " STEPS=%u", plan->steps);
    const char *before = " WITHOUT=";
    for (int event = 0; event < EVENTS && len < PLAN_TEXT_BYTES; event++) {
        if (plan_allows(plan, (enum event)event)) continue;
        len += (size_t)snprintf(text + len, PLAN_TEXT_BYTES - len, "%s%s", before, names[event]);
        before = ",";
    }
    before = " SKIP=";
    for (size_t i = 0; i < plan->skip_count && len < PLAN_TEXT_BYTES; i++) {
        len +=
            (size_t)snprintf(text + len, PLAN_TEXT_BYTES - len, "%s%u-%u", before, plan->skips[i].from, plan->skips[i].to);
        before = ",";
    }
}
