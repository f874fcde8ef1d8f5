/*
 * Routes: which destinations an alert has. Pure: an alert and routes in, destinations out.
 */
#ifndef ROUTING_ROUTES_H
#define ROUTING_ROUTES_H

#include <stdbool.h>
#include <stddef.h>

#include "alert/alert.h"
#include "alert/destination.h"
#include "base/arena.h"
#include "routing/filter.h"

/* A row of a name mapping. */
struct route_row {
    const char *value; /* of the label */
    struct destination destination;
};

struct route {
    const char *name;
    unsigned line;                /* of the configuration */
    const struct filter *filters; /* one of them must hold; none: it takes every alert */
    size_t filter_count;
    struct destination destination; /* unless by_label */
    const char *by_label;           /* name mapping: the label that picks a row; NULL: none */
    const struct route_row *rows;
    size_t row_count;
    bool goes_on; /* to the next route after a hit */
};

struct routing {
    const struct route *routes; /* in order */
    size_t count;
    struct destination fallback; /* takes what no route took; key NULL: there is none */
};

/* What was found on the way to a decision, in its order. What decided nothing is not looked at. */
struct routing_step {
    enum { STEP_ROUTE, STEP_CONDITION, STEP_FILTER, STEP_LABEL, STEP_DECISION, STEP_FALLBACK } kind;
    const struct route *route;             /* NULL for FALLBACK */
    const struct filter *filter;           /* CONDITION, FILTER */
    const struct condition *condition;     /* CONDITION */
    const char *seen;                      /* CONDITION, LABEL: the value; NULL: there is none */
    bool holds;                            /* CONDITION, FILTER; DECISION: the route takes it */
    bool is_limited;                       /* CONDITION */
    const struct destination *destination; /* LABEL, DECISION, FALLBACK: where it goes, or NULL */
};

struct routing_observer {
    void (*step)(void *context, const struct routing_step *step);
    void *context;
};

struct choice {
    const struct destination *destinations; /* each key once; none: it is unrouted */
    size_t count;
    const struct condition *limited; /* one that would have cost too much to judge, or NULL */
};

/* Chooses; the list lives in the arena. observer may be NULL. */
struct choice routing_choose(const struct routing *routing, const struct alert *alert,
                             struct arena *arena, const struct routing_observer *observer)
    __attribute__((nonnull(1, 2, 3)));

/* Whether nothing that comes to this route ever goes on to the next. */
bool route_takes_all(const struct route *route) __attribute__((nonnull));

#endif
