/* Drawings of a timeline, as SVG within figures: made on the server, read by eye and by ear. */
#ifndef STATUS_CHART_H
#define STATUS_CHART_H

#include "status/page.h"
#include "status/timeline.h"

/* Writes the four figures: received, delivered, how long it took, what waited. */
void chart_put_all(struct page *page, struct timeline *timeline) __attribute__((nonnull));

#endif
