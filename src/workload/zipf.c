#include "workload/zipf.h"

#include <math.h>

#include "base/check.h"

void zipf_init(struct zipf *zipf, uint32_t count) {
    CHECK(count >= 1);
    zipf->count = count;
    zipf->area_low = log(1.5) - 1.0;
    zipf->area_high = log((double)count + 0.5);
    zipf->sure = 2.0 - exp(log(2.5) - 0.5);
    CHECK(zipf->area_low < zipf->area_high);
}

/* The integral of 1/x is ln x, so a uniform area turned back by exp() falls near rank k with about the wanted weight; the
 * little that the integral gives too much is rejected. */
uint32_t zipf_next(const struct zipf *zipf, struct random_sequence *sequence) {
    for (;;) {
        double uniform = (double)(random_sequence_next(sequence) >> 11) * 0x1.0p-53;
        double area = zipf->area_high + uniform * (zipf->area_low - zipf->area_high);
        double point = exp(area);
        double rank = floor(point + 0.5);
        if (rank < 1.0) rank = 1.0;
        if (rank > (double)zipf->count) rank = (double)zipf->count;
        if (rank - point <= zipf->sure || area >= log(rank + 0.5) - 1.0 / rank) return (uint32_t)rank;
    }
}
