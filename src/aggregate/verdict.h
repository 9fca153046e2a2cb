/* verdict.h: what became of a click. */
#pragma once

#include <stdint.h>

enum verdict { VERDICT_COUNTED, VERDICT_DUPLICATE, VERDICT_CONFLICT, VERDICT_TOO_LATE, VERDICT_INVALID };

/* Of one partition. I4, the partition law: the clicks in the journal are the sum of the first five. */
struct verdict_totals {
    uint64_t counted;
    uint64_t duplicate; /* with duplicate_content */
    uint64_t conflict;
    uint64_t too_late;
    uint64_t invalid;           /* 0 in the embedded journal */
    uint64_t duplicate_content; /* duplicates that were known by their five fields, not by an event id */
    uint64_t late_amended;      /* counted, though their minute was closed already */
};

static inline uint64_t verdict_totals_clicks(const struct verdict_totals *totals) {
    return totals->counted + totals->duplicate + totals->conflict + totals->too_late + totals->invalid;
}
