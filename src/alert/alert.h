/*
 * The alert: what every vendor's payload is mapped to, within the limits of Flashduty's standard
 * event. The setters keep those limits, so that an alert is always fit to be sent: texts are cut
 * on characters with an ellipsis, control characters are gone, and vendor text never acts as a
 * template of Flashduty's.
 *
 * All strings live in the arena of whoever owns the alert.
 */
#ifndef ALERT_ALERT_H
#define ALERT_ALERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/limits.h"

enum severity { SEVERITY_CRITICAL, SEVERITY_WARNING, SEVERITY_INFO, SEVERITY_OK, SEVERITY_COUNT };

/* Flashduty's event_status: "Critical", "Warning", "Info", "Ok". */
extern const char *const severity_names[SEVERITY_COUNT];

/* The severity of a name, without case. */
bool severity_from_name(const char *name, enum severity *severity) __attribute__((nonnull));

struct label {
    const char *name, *value;
};

struct alert {
    enum severity severity;
    const char *level; /* the row of the vendor's severity table, or its unknown word; NULL when
                          the alarm is over or the payload has no level at all */
    const char *key;
    int64_t time_s; /* the vendor's time of this event, in seconds since 1970: which of two events
                       of one key is newer. It may lie far ahead of our clock; 0: unknown */
    const char *title;
    const char *description;
    struct label labels[ALERT_LABELS_MAX];
    size_t label_count;
};

/* White space folded to one line; "" leaves the title unset. */
void alert_set_title(struct alert *alert, struct arena *arena, const char *text)
    __attribute__((nonnull));

/* text, then lines (which survive any cut): each of at most a few hundred characters. */
void alert_set_description(struct alert *alert, struct arena *arena, const char *text,
                           const char *lines) __attribute__((nonnull));

/* Adds a label unless value is NULL or empty, the name is taken, or 50 are there. The name is
 * made valid (`[a-zA-Z_][a-zA-Z0-9_]*`, at most 128). Returns whether it was added. */
bool alert_add_label(struct alert *alert, struct arena *arena, const char *name, const char *value)
    __attribute__((nonnull(1, 2, 3)));

/* As alert_add_label, but wins over a label of that name and, when 50 are there, over the last. */
void alert_force_label(struct alert *alert, struct arena *arena, const char *name,
                       const char *value) __attribute__((nonnull));

/* The value of a label, or NULL. */
const char *alert_label(const struct alert *alert, const char *name) __attribute__((nonnull));

void alert_remove_label(struct alert *alert, const char *name) __attribute__((nonnull));

/* A valid label name for any text: other characters become _, a leading digit gets one before it;
 * a name without any ASCII letter or digit is tag_ and 8 hex digits of its SHA-256. */
const char *alert_label_name(struct arena *arena, const char *text) __attribute__((nonnull));

#endif
