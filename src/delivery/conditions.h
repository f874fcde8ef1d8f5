/* What the watchdog takes for wrong, told in words. Pure: figures in, words out. */
#ifndef DELIVERY_CONDITIONS_H
#define DELIVERY_CONDITIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "alert/alert.h"
#include "base/text.h"
#include "delivery/watchdog.h"
#include "store/watch.h"

/* What a condition is judged by. */
struct circumstances {
    const struct watchdog_settings *settings;
    const struct watched *watched;
    const struct watch_figures *figures;
    bool is_told; /* it began before, and was not over at the last look */
    int64_t now_ms;
};

struct condition_row {
    const char *name;
    enum severity severity;
    const char *before, *after; /* the title, around the integration's name */
    /* Whether it holds now; what is to be known about it is appended to text. */
    bool (*holds)(const struct circumstances *now, struct text *text);
};

/* All of them, the last with name NULL. */
extern const struct condition_row conditions[];

/* Refused signatures are counted in windows of so long. */
#define FORGED_WINDOW_MS ((int64_t)300 * 1000)
/* So many in one are a burst. */
#define FORGED_BURST 10

#endif
