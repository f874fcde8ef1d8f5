#include "cli/explain.h"

#include <string.h>

#include "cli/looking.h"

/* Values are shown on one line, as far as one needs them. */
#define SEEN_MAX 80
#define CONDITION_COLUMN 44

struct explanation {
    const struct integration *integration;
    const char *path;
    struct arena *arena;
    struct text *out;
    size_t filters_seen, conditions_seen, routes_seen;
};

/* ---- in words ---- */

void put_chosen(struct text *out, const struct destination *destination)
{
    put_safe(out, route_name(destination->name));
    text_puts(out, " (");
    put_key(out, destination->flashduty_key);
    text_putc(out, ')');
}

static void put_seen(struct explanation *to, const char *name, const char *seen)
{
    if (!seen) {
        text_printf(to->out, "there is no %s", name);
        return;
    }
    text_printf(to->out, "%s is \"", name);
    put_safe(to->out, utf8_cut(to->arena, seen, SEEN_MAX));
    text_putc(to->out, '"');
}

static void put_condition(struct explanation *to, const struct condition *condition,
                          const char *verdict)
{
    size_t begin = to->out->length;
    text_printf(to->out, "    %-5s", verdict);
    put_safe(to->out, condition->text);
    do
        text_putc(to->out, ' ');
    while (!to->out->failed && to->out->length < begin + CONDITION_COLUMN);
}

static void say_condition(struct explanation *to, const struct routing_step *step)
{
    if (to->conditions_seen++ == 0)
        text_printf(to->out, "  match[%zu]\n", to->filters_seen);
    put_condition(to, step->condition, step->holds ? "yes" : "no");
    put_seen(to, step->condition->name, step->seen);
    if (step->is_limited)
        text_puts(to->out, "; it would cost too much to judge, which counts as yes");
    text_putc(to->out, '\n');
}

static void say_filter(struct explanation *to, const struct routing_step *step)
{
    const struct filter *filter = step->filter;
    for (size_t i = to->conditions_seen; i < filter->count; i++) {
        put_condition(to, &filter->conditions[i], "-");
        text_puts(to->out, "not looked at\n");
    }
    text_printf(to->out, "    %s\n", step->holds ? "all hold" : "not all hold");
    to->conditions_seen = 0;
    to->filters_seen++;
}

static void say_label(struct explanation *to, const struct routing_step *step)
{
    text_puts(to->out, "  by_label\n    ");
    text_puts(to->out, step->destination ? "yes  " : "no   ");
    put_seen(to, arena_printf(to->arena, "labels.%s", step->route->by_label), step->seen);
    text_puts(to->out, step->destination ? "\n"
                       : step->seen      ? ", for which there is no row\n"
                                         : "\n");
}

static void put_route(struct explanation *to, const struct route *route)
{
    text_puts(to->out, "route \"");
    put_safe(to->out, route->name);
    text_printf(to->out, "\" (%s:%u)", to->path, route->line);
}

static void say_decision(struct explanation *to, const struct routing_step *step)
{
    const struct route *route = step->route;
    if (route->filter_count == 0 && !route->by_label)
        text_puts(to->out, "  without match it takes every alert\n");
    for (size_t i = to->filters_seen; i < route->filter_count; i++) {
        text_printf(to->out, "  match[%zu]\n    -    ", i);
        put_safe(to->out, route->filters[i].text);
        text_puts(to->out, "  not looked at\n");
    }
    text_puts(to->out, step->holds ? "  takes it: " : "  does not take it\n");
    if (step->destination) {
        put_chosen(to->out, step->destination);
        text_puts(to->out, route->goes_on ? ", and the next route is looked at\n"
                                          : ", and no further route is looked at\n");
    }
}

static void say_rest(struct explanation *to)
{
    const struct routing *routing = &to->integration->routing;
    for (size_t i = to->routes_seen; i < routing->count; i++) {
        put_route(to, &routing->routes[i]);
        text_puts(to->out, "\n  not looked at\n");
    }
}

static void say(void *context, const struct routing_step *step)
{
    struct explanation *to = context;
    switch (step->kind) {
    case STEP_ROUTE:
        to->routes_seen++;
        to->filters_seen = 0;
        put_route(to, step->route);
        text_putc(to->out, '\n');
        break;
    case STEP_CONDITION:
        say_condition(to, step);
        break;
    case STEP_FILTER:
        say_filter(to, step);
        break;
    case STEP_LABEL:
        say_label(to, step);
        break;
    case STEP_DECISION:
        say_decision(to, step);
        break;
    case STEP_FALLBACK:
        if (to->integration->routing.count > 0)
            text_puts(to->out, step->destination
                                   ? "no route took it: the default route does\n"
                                   : "no route took it, and unmatched = \"drop\" says so\n");
        break;
    }
}

void explain_in_words(const struct integration *integration, const char *path,
                      const struct alert *alert, struct arena *arena, struct text *out)
{
    struct explanation to = {.integration = integration, .path = path, .arena = arena, .out = out};
    const struct routing_observer observer = {say, &to};
    text_printf(out, "%s \"", severity_names[alert->severity]);
    put_safe(out, alert->title);
    text_puts(out, "\", alert key ");
    put_safe(out, alert->key);
    text_putc(out, '\n');
    if (alert->severity == SEVERITY_OK)
        text_puts(out, "a recovery: it goes where its alert went, and the routes decide only if "
                       "nothing is known of that\n");
    const struct choice choice = routing_choose(&integration->routing, alert, arena, &observer);
    say_rest(&to);
    text_puts(out, "destinations:");
    for (size_t i = 0; i < choice.count; i++) {
        text_puts(out, i ? ", " : " ");
        put_chosen(out, &choice.destinations[i]);
    }
    text_puts(out, choice.count ? "\n" : " none, it is counted as unrouted\n");
}

/* ---- as JSON ---- */

static void put_members(struct text *out, const struct destination *destination)
{
    struct text key = {0};
    json_put_text(out, "route", route_name(destination->name));
    put_key(&key, destination->flashduty_key);
    json_put_text(out, "key", text_string(&key));
    text_clear(&key);
}

void json_put_chosen(struct text *out, const char *name, const struct choice *choice)
{
    json_put_name(out, name);
    text_putc(out, '[');
    for (size_t i = 0; i < choice->count; i++) {
        json_begin(out);
        put_members(out, &choice->destinations[i]);
        text_putc(out, '}');
    }
    text_putc(out, ']');
}

static void close_list(struct explanation *to, size_t *seen)
{
    text_puts(to->out, *seen ? "]" : "");
    *seen = 0;
}

static void write_step(void *context, const struct routing_step *step)
{
    struct explanation *to = context;
    struct text *out = to->out;
    switch (step->kind) {
    case STEP_ROUTE:
        to->filters_seen = 0;
        json_begin(out);
        json_put_text(out, "name", step->route->name);
        json_put_number(out, "line", step->route->line);
        json_put_name(out, "match");
        text_putc(out, '[');
        break;
    case STEP_CONDITION:
        if (to->conditions_seen++ == 0) {
            json_begin(out);
            json_put_text(out, "text", step->filter->text);
            json_put_name(out, "conditions");
            text_putc(out, '[');
        }
        json_begin(out);
        json_put_text(out, "text", step->condition->text);
        json_put_text(out, "field", step->condition->name);
        json_put_text(out, "seen", step->seen);
        json_put_bool(out, "holds", step->holds);
        json_put_bool(out, "too_costly", step->is_limited);
        text_putc(out, '}');
        break;
    case STEP_FILTER:
        close_list(to, &to->conditions_seen);
        json_put_bool(out, "holds", step->holds);
        text_putc(out, '}');
        break;
    case STEP_LABEL:
        text_putc(out, ']');
        to->filters_seen = 1;
        json_put_text(out, "by_label", step->route->by_label);
        json_put_text(out, "seen", step->seen);
        break;
    case STEP_DECISION:
        if (!to->filters_seen)
            text_putc(out, ']');
        json_put_bool(out, "takes_it", step->holds);
        json_put_bool(out, "continues", !step->holds || step->route->goes_on);
        if (step->destination)
            put_members(out, step->destination);
        text_putc(out, '}');
        break;
    case STEP_FALLBACK:
        break;
    }
}

void explain_as_json(const struct integration *integration, const struct alert *alert,
                     struct arena *arena, struct text *out)
{
    struct explanation to = {.integration = integration, .path = "", .arena = arena, .out = out};
    const struct routing_observer observer = {write_step, &to};
    json_begin(out);
    json_put_text(out, "alert_key", alert->key);
    json_put_text(out, "title", alert->title);
    json_put_text(out, "severity", severity_names[alert->severity]);
    json_put_name(out, "routes");
    text_putc(out, '[');
    const struct choice choice = routing_choose(&integration->routing, alert, arena, &observer);
    text_putc(out, ']');
    json_put_chosen(out, "destinations", &choice);
    text_putc(out, '}');
}
