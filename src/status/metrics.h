/*
 * What Prometheus reads: everything that is counted, as text
 * (https://prometheus.io/docs/instrumenting/exposition_formats/). All of it comes from the store,
 * so that every process counts together, and from the configuration.
 *
 * A label has as many values as the configuration has integrations, or this program has words.
 */
#ifndef STATUS_METRICS_H
#define STATUS_METRICS_H

#include "base/text.h"
#include "config/config.h"
#include "store/history.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Appends the whole text. history: an open store, or NULL: there is none, or it cannot be read, and
 * the text says so and holds the rest. spooled: see store_spooled. A failure of memory shows in
 * out. */
void metrics_write(struct history *history, const struct config *config, int64_t spooled,
                   struct text *out) __attribute__((nonnull(2, 4)));

#endif
