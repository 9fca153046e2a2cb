/* bench_made.h: what the generator made, counted by itself for the most clicked ads: what a server must answer. */
#pragma once

#include "base/units.h"
#include "workload/workload.h"

enum { MADE_ADS = 1000, MADE_MINUTES_BEFORE = 26 * 60 };

struct made {
    int64_t begin_minute, minutes; /* since 1970, and how many */
    uint32_t *counts;              /* MADE_ADS rows of `minutes`; duplicates are not in it */
};

/* For clicks from MADE_MINUTES_BEFORE `now` to `minutes_after` it. */
struct made *made_create(struct wall_time now, int64_t minutes_after);
void made_destroy(struct made *made);
/* For feed.made_line and history.made_line; `self` is a struct made. */
void made_note(void *self, struct workload_click click);
/* Clicks of ad 1..MADE_ADS in the minutes [from, to) since 1970. */
uint64_t made_count(const struct made *made, uint32_t ad, int64_t from_minute, int64_t to_minute);
