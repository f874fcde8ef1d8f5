#include "status/timeline.h"

#include <string.h>

/* Durations are counted in cells that each span a tenth or less: eight in an octave, up to 72 h. */
#define CELLS_IN_OCTAVE 8
#define OCTAVES 30
#define CELLS ((size_t)CELLS_IN_OCTAVE * OCTAVES)

#define MINUTE_MS ((int64_t)60 * 1000)

const char *const timeline_span_names[SPAN_COUNT] = {"hour", "day", "week"};

static const struct {
    int64_t step_ms;
    size_t steps;
} spans[SPAN_COUNT] = {
    [SPAN_HOUR] = {MINUTE_MS, 60},
    [SPAN_DAY] = {15 * MINUTE_MS, 96},
    [SPAN_WEEK] = {120 * MINUTE_MS, 84},
};

struct timeline {
    int64_t from_ms, step_ms;
    size_t count;
    struct timeline_step steps[TIMELINE_STEPS_MAX];
    int64_t change[TIMELINE_STEPS_MAX]; /* of the depth, within a step */
    int64_t depth;                      /* at the beginning */
    uint32_t took[TIMELINE_STEPS_MAX][CELLS];
};

struct timeline *timeline_new(struct arena *arena, enum timeline_span span, int64_t now_ms)
{
    struct timeline *timeline = arena_alloc(arena, sizeof *timeline);
    if (!timeline)
        return NULL;
    timeline->step_ms = spans[span].step_ms;
    timeline->count = spans[span].steps;
    int64_t end_ms = (now_ms / timeline->step_ms + 1) * timeline->step_ms;
    timeline->from_ms = end_ms - (int64_t)timeline->count * timeline->step_ms;
    return timeline;
}

int64_t timeline_from_ms(const struct timeline *timeline)
{
    return timeline->from_ms;
}

int64_t timeline_step_ms(const struct timeline *timeline)
{
    return timeline->step_ms;
}

/* The step of a moment: -1 before the first; a clock that was set back does not lead beyond the
 * last. */
static int64_t step_of(const struct timeline *timeline, int64_t ms)
{
    if (ms < timeline->from_ms)
        return -1;
    int64_t step = (ms - timeline->from_ms) / timeline->step_ms;
    int64_t last = (int64_t)timeline->count - 1;
    return step < last ? step : last;
}

void timeline_add_alert(struct timeline *timeline, const struct alert_moment *moment)
{
    int64_t step = step_of(timeline, moment->received_ms);
    if (step >= 0 && (unsigned)moment->severity < SEVERITY_COUNT)
        timeline->steps[step].received[moment->severity]++;
}

/* ---- durations ---- */

static size_t cell_of(int64_t ms)
{
    size_t octave = 0;
    if (ms < CELLS_IN_OCTAVE)
        return ms > 0 ? (size_t)ms : 0;
    while (ms >> octave >= (int64_t)2 * CELLS_IN_OCTAVE)
        octave++;
    size_t cell = (octave + 1) * CELLS_IN_OCTAVE + (size_t)(ms >> octave) - CELLS_IN_OCTAVE;
    return cell < CELLS ? cell : CELLS - 1;
}

/* The middle of a cell. */
static int64_t duration_of(size_t cell)
{
    if (cell < CELLS_IN_OCTAVE)
        return (int64_t)cell;
    size_t octave = cell / CELLS_IN_OCTAVE - 1;
    int64_t low = (int64_t)(cell % CELLS_IN_OCTAVE + CELLS_IN_OCTAVE) << octave;
    return low + ((int64_t)1 << octave) / 2;
}

/* The duration that so many of a hundred do not exceed; -1: there is none. */
static int64_t percentile(const uint32_t cells[static CELLS], int64_t percent)
{
    int64_t count = 0, seen = 0;
    for (size_t i = 0; i < CELLS; i++)
        count += cells[i];
    for (size_t i = 0; i < CELLS; i++) {
        seen += cells[i];
        if (seen > 0 && seen * 100 >= count * percent)
            return duration_of(i);
    }
    return -1;
}

/* ---- deliveries ---- */

static void add_depth(struct timeline *timeline, const struct delivery_moment *moment)
{
    int64_t begin = step_of(timeline, moment->created_ms),
            end = step_of(timeline, moment->finished_ms);
    if (begin < 0)
        timeline->depth++;
    else
        timeline->change[begin]++;
    if (moment->state >= DELIVERY_REJECTED && end >= 0)
        timeline->change[end]--;
}

void timeline_add_delivery(struct timeline *timeline, const struct delivery_moment *moment)
{
    int64_t step = step_of(timeline, moment->finished_ms);
    bool is_delivered = moment->state == DELIVERY_DELIVERED;
    if (moment->state >= DELIVERY_REJECTED && step < 0)
        return;
    add_depth(timeline, moment);
    if (!is_delivered || (unsigned)moment->severity >= SEVERITY_COUNT)
        return;
    timeline->steps[step].delivered[moment->severity]++;
    timeline->took[step][cell_of(moment->finished_ms - moment->received_ms)]++;
}

const struct timeline_step *timeline_steps(struct timeline *timeline, size_t *count)
{
    int64_t depth = timeline->depth;
    for (size_t i = 0; i < timeline->count; i++) {
        struct timeline_step *step = &timeline->steps[i];
        depth += timeline->change[i];
        step->depth = depth;
        step->median_ms = percentile(timeline->took[i], 50);
        step->p99_ms = percentile(timeline->took[i], 99);
    }
    *count = timeline->count;
    return timeline->steps;
}
