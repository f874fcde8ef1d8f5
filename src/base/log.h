/*
 * The log: logfmt, one line a record, on stderr, where every web server picks it up.
 * A record is written by one write(2), cut at LOG_LINE_MAX; values are escaped, so that no input
 * can forge a line. Never hand a key, a URL with a key, or a body to it.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR, LOG_LEVEL_COUNT };

/* "debug", "info", "warning", "error". */
extern const char *const log_level_names[LOG_LEVEL_COUNT];

/* Records below level are left out. Default: info. */
void log_set_level(enum log_level level);

/* Where records go instead of descriptor 2; -1: back to it. For tests. */
void log_set_descriptor(int descriptor);

/* One record: message, then pairs of name and value (const char *), ended by NULL. A pair whose
 * value is NULL or "" is left out: log_event(LOG_INFO, "started", "vendor", "ces", NULL). */
void log_event(enum log_level level, const char *message, ...)
    __attribute__((nonnull(2), sentinel));

#endif
