#include "routing/routes.h"

#include <string.h>

struct choosing {
    const struct alert *alert;
    const struct routing_observer *observer;
    struct destination *destinations;
    struct choice choice;
};

static void tell(const struct choosing *choosing, struct routing_step step)
{
    if (choosing->observer)
        choosing->observer->step(choosing->observer->context, &step);
}

static bool filter_holds(struct choosing *choosing, const struct route *route,
                         const struct filter *filter)
{
    bool holds = true;
    for (size_t i = 0; i < filter->count && holds; i++) {
        const struct condition *condition = &filter->conditions[i];
        struct judgement judgement = condition_judge(condition, choosing->alert);
        holds = judgement.holds;
        if (judgement.is_limited && !choosing->choice.limited)
            choosing->choice.limited = condition;
        tell(choosing, (struct routing_step){.kind = STEP_CONDITION,
                                             .route = route,
                                             .filter = filter,
                                             .condition = condition,
                                             .seen = judgement.seen,
                                             .holds = holds,
                                             .is_limited = judgement.is_limited});
    }
    tell(choosing, (struct routing_step){
                       .kind = STEP_FILTER, .route = route, .filter = filter, .holds = holds});
    return holds;
}

static bool filters_hold(struct choosing *choosing, const struct route *route)
{
    bool holds = route->filter_count == 0;
    for (size_t i = 0; i < route->filter_count && !holds; i++)
        holds = filter_holds(choosing, route, &route->filters[i]);
    return holds;
}

static const struct destination *map_label(struct choosing *choosing, const struct route *route)
{
    const char *value = alert_label(choosing->alert, route->by_label);
    const struct destination *found = NULL;
    for (size_t i = 0; i < route->row_count && value && !found; i++) {
        if (!strcmp(route->rows[i].value, value))
            found = &route->rows[i].destination;
    }
    tell(choosing, (struct routing_step){
                       .kind = STEP_LABEL, .route = route, .seen = value, .destination = found});
    return found;
}

static void add(struct choosing *choosing, const struct destination *destination)
{
    for (size_t i = 0; i < choosing->choice.count; i++) {
        if (!strcmp(choosing->destinations[i].flashduty_key, destination->flashduty_key))
            return;
    }
    choosing->destinations[choosing->choice.count++] = *destination;
}

/* Returns whether the next route is looked at. */
static bool try_route(struct choosing *choosing, const struct route *route)
{
    const struct destination *destination = NULL;
    tell(choosing, (struct routing_step){.kind = STEP_ROUTE, .route = route});
    if (filters_hold(choosing, route))
        destination = route->by_label ? map_label(choosing, route) : &route->destination;
    if (destination)
        add(choosing, destination);
    tell(choosing, (struct routing_step){.kind = STEP_DECISION,
                                         .route = route,
                                         .holds = destination,
                                         .destination = destination});
    return !destination || route->goes_on;
}

struct choice routing_choose(const struct routing *routing, const struct alert *alert,
                             struct arena *arena, const struct routing_observer *observer)
{
    struct choosing choosing = {.alert = alert, .observer = observer};
    choosing.destinations =
        arena_alloc(arena, (routing->count + 1) * sizeof *choosing.destinations);
    choosing.choice.destinations = choosing.destinations;
    if (!choosing.destinations)
        return choosing.choice;
    bool goes_on = true;
    for (size_t i = 0; i < routing->count && goes_on; i++)
        goes_on = try_route(&choosing, &routing->routes[i]);
    if (choosing.choice.count > 0)
        return choosing.choice;
    const struct destination *fallback =
        routing->fallback.flashduty_key ? &routing->fallback : NULL;
    if (fallback)
        add(&choosing, fallback);
    tell(&choosing, (struct routing_step){.kind = STEP_FALLBACK, .destination = fallback});
    return choosing.choice;
}

static bool filter_takes_all(const struct filter *filter)
{
    for (size_t i = 0; i < filter->count; i++) {
        const struct condition *condition = &filter->conditions[i];
        bool is_open = false;
        for (size_t j = 0; j < condition->value_count; j++)
            is_open = is_open || value_takes_anything(&condition->values[j]);
        /* A severity every alert has; anything else may be missing. */
        if (!is_open || condition->is_negated || condition->field != FIELD_SEVERITY)
            return false;
    }
    return true;
}

bool route_takes_all(const struct route *route)
{
    bool takes_all = route->filter_count == 0;
    for (size_t i = 0; i < route->filter_count; i++)
        takes_all = takes_all || filter_takes_all(&route->filters[i]);
    return takes_all && !route->by_label && !route->goes_on;
}
