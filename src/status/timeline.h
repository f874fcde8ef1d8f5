/*
 * What happened over an hour, a day or a week, in equal steps: what came and went by severity, how
 * long deliveries took, how many were in the outbox. It counts what it is told, in any order.
 */
#ifndef STATUS_TIMELINE_H
#define STATUS_TIMELINE_H

#include <stddef.h>
#include <stdint.h>

#include "store/history.h"

#define TIMELINE_STEPS_MAX 96

enum timeline_span { SPAN_HOUR, SPAN_DAY, SPAN_WEEK, SPAN_COUNT };

/* "hour", "day", "week". */
extern const char *const timeline_span_names[SPAN_COUNT];

struct timeline_step {
    int64_t received[SEVERITY_COUNT], delivered[SEVERITY_COUNT];
    int64_t median_ms, p99_ms; /* from received to accepted, to within a tenth; -1: none was */
    int64_t depth;             /* in the outbox at its end */
};

struct timeline; /* while it counts */

/* A timeline of a span that ends at now_ms, or, so that steps stay where they are, a little later.
 * NULL when out of memory. It lives in the arena. */
struct timeline *timeline_new(struct arena *arena, enum timeline_span span, int64_t now_ms)
    __attribute__((nonnull));

/* When it begins. */
int64_t timeline_from_ms(const struct timeline *timeline) __attribute__((nonnull));
int64_t timeline_step_ms(const struct timeline *timeline) __attribute__((nonnull));

void timeline_add_alert(struct timeline *timeline, const struct alert_moment *moment)
    __attribute__((nonnull));
void timeline_add_delivery(struct timeline *timeline, const struct delivery_moment *moment)
    __attribute__((nonnull));

/* The steps, the oldest first, with all that was added. Borrowed. */
const struct timeline_step *timeline_steps(struct timeline *timeline, size_t *count)
    __attribute__((nonnull));

#endif
