/*
 * Filter conditions: which alerts a route takes. A filter is one string of a configuration's
 * `match`: conditions joined by &&, which must all hold.
 *
 *     severity == Critical|Warning && labels.alarm_name == /cpu/|/io/ && labels.value != num:lt:90
 */
#ifndef ROUTING_FILTER_H
#define ROUTING_FILTER_H

#include <stdbool.h>
#include <stddef.h>

#include "alert/alert.h"
#include "base/arena.h"
#include "routing/syntax.h"
#include "routing/value.h"

enum field { FIELD_SEVERITY, FIELD_TITLE, FIELD_DESCRIPTION, FIELD_LABEL };

struct condition {
    const char *text; /* as it was written */
    enum field field;
    const char *name; /* as it was written: "severity", "labels.team" */
    bool is_negated;  /* !=: none of the values */
    const struct filter_value *values;
    size_t value_count;
};

struct filter {
    const char *text;
    const struct condition *conditions;
    size_t count;
};

/* How a condition stands to an alert. */
struct judgement {
    const char *seen; /* the field's value; NULL: the alert has none */
    bool holds;
    bool is_limited; /* holds, because it would cost too much to know */
};

/* Compiles a filter into the arena. False with a problem; out of memory shows in the arena. */
bool filter_parse(const char *text, struct arena *arena, struct filter *filter,
                  struct syntax_problem *problem) __attribute__((nonnull, warn_unused_result));

struct judgement condition_judge(const struct condition *condition, const struct alert *alert)
    __attribute__((nonnull));

/* Whether text may name a label: [a-zA-Z_][a-zA-Z0-9_]*, at most 128. */
bool filter_is_label(const char *text, size_t length) __attribute__((nonnull));

#endif
