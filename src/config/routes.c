#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "config/sections.h"

/* How much of a filter is shown in front of what is wrong. */
#define SHOWN_BEFORE 40

static void take_name(struct reader *reader, void *section, const struct texts *texts)
{
    struct route *route = section;
    for (const struct route *other = reader->routes; other < route; other++) {
        if (other->name && !strcmp(other->name, texts->items[0]))
            reader_complain(reader, texts->places[0],
                            "is the name of route %td too; give each its own",
                            other - reader->routes + 1);
    }
    route->name = texts->items[0];
}

/* ---- match ---- */

static void complain_filter(struct reader *reader, struct place place, const char *text,
                            const struct syntax_problem *problem)
{
    const char *at = text + problem->offset, *shown = at;
    const char *before = arena_copy(&reader->scratch, text, problem->offset);
    while (shown > text && (at - shown < SHOWN_BEFORE || (*shown & 0xc0) == 0x80))
        shown--;
    if (problem->offset == 0)
        reader_complain(reader, place, "at its start: needs %s", problem->expected);
    else
        reader_complain(reader, place, "at character %zu, behind \"%s%.*s\": needs %s",
                        utf8_length(before) + 1, shown > text ? "…" : "", (int)(at - shown), shown,
                        problem->expected);
}

static void warn_about_filter(struct reader *reader, struct place place,
                              const struct filter *filter)
{
    for (size_t i = 0; i < filter->count; i++) {
        const struct condition *condition = &filter->conditions[i];
        for (size_t j = 0; j < condition->value_count; j++) {
            if (condition->values[j].kind == VALUE_EXPRESSION &&
                value_takes_anything(&condition->values[j]))
                reader_warn(reader, place,
                            "\"%s\": the expression is found in every text; \"%s %s *\" says that "
                            "the field exists",
                            condition->text, condition->name, condition->is_negated ? "!=" : "==");
        }
    }
}

static void take_match(struct reader *reader, void *section, const struct texts *texts)
{
    struct route *route = section;
    struct arena *arena = &reader->config->arena;
    struct filter *filters = arena_alloc(arena, texts->count * sizeof *filters);
    route->filters = filters;
    for (size_t i = 0; i < texts->count && filters; i++) {
        struct syntax_problem problem = {0};
        struct filter *filter = &filters[route->filter_count];
        if (!filter_parse(texts->items[i], arena, filter, &problem)) {
            complain_filter(reader, texts->places[i], texts->items[i], &problem);
        } else if (!arena->failed) {
            warn_about_filter(reader, texts->places[i], filter);
            route->filter_count++;
        }
    }
}

/* ---- destinations ---- */

static void take_key(struct reader *reader, void *section, const struct texts *texts)
{
    struct route *route = section;
    route->destination = (struct destination){
        route->name, config_flashduty_key(reader, texts->items[0], texts->places[0])};
}

static void take_label(struct reader *reader, void *section, const struct texts *texts)
{
    struct route *route = section;
    (void)reader;
    route->by_label = texts->items[0];
}

static bool has_row(const struct route *route, const char *value)
{
    for (size_t i = 0; i < route->row_count; i++) {
        if (!strcmp(route->rows[i].value, value))
            return true;
    }
    return false;
}

static void take_rows(struct reader *reader, void *section, const struct texts *texts)
{
    struct route *route = section;
    struct route_row *rows = arena_alloc(&reader->config->arena, texts->count * sizeof *rows);
    route->rows = rows;
    for (size_t i = 0; i < texts->count && rows; i++) {
        struct route_row row = {0};
        const char *key;
        if (!reader_split(reader, texts->items[i], &row.value, &key) || !*row.value) {
            reader_complain(reader, texts->places[i],
                            "is no row; VALUE=KEY is one, with a value of the label");
            continue;
        }
        if (has_row(route, row.value))
            reader_complain(reader, texts->places[i],
                            "is about a value that stands in this array already; keep one");
        row.destination =
            (struct destination){arena_printf(&reader->config->arena, "%s=%s",
                                              route->name ? route->name : "", row.value),
                                 config_flashduty_key(reader, key, texts->places[i])};
        rows[route->row_count++] = row;
    }
}

/* In the order in which they are read: destinations are named after their route. */
static const struct setting route_settings[] = {
    {.name = "name",
     .kind = SETTING_TEXT,
     .is_required = true,
     .check = config_check_route_name,
     .take = take_name},
    {.name = "match",
     .kind = SETTING_TEXT_OR_TEXTS,
     .minimum = 1,
     .maximum = INT_MAX,
     .take = take_match},
    {.name = "flashduty_key", .kind = SETTING_TEXT, .take = take_key},
    {.name = "by_label",
     .kind = SETTING_TEXT,
     .check = config_check_mapping_label,
     .take = take_label},
    {.name = "destination",
     .kind = SETTING_TEXTS,
     .minimum = 1,
     .maximum = INT_MAX,
     .take = take_rows},
    {.name = "continue", .kind = SETTING_BOOLEAN, SETTING_MEMBER(struct route, goes_on)},
    {0}};

static bool has(const config_setting_t *node, const char *name)
{
    return config_setting_get_member(node, name);
}

static void read_route(struct reader *reader, const config_setting_t *node, const char *list,
                       size_t index)
{
    struct route *route = &reader->routes[index];
    struct place place = {arena_printf(&reader->scratch, "%s[%zu]", list, index),
                          config_setting_source_line(node)};
    const char *prefix = arena_printf(&reader->scratch, "%s.", place.name);
    *route = (struct route){.line = place.line, .goes_on = true};
    if (!reader_is(reader, node, SETTING_GROUP, place))
        return;
    reader_section(reader, node, route_settings, route, prefix, place);
    bool is_mapping = has(node, "by_label") || has(node, "destination");
    if (has(node, "flashduty_key") == is_mapping)
        reader_complain(reader, place,
                        "needs one destination: either flashduty_key, or by_label and destination");
    else if (has(node, "by_label") != has(node, "destination"))
        reader_complain(reader, place,
                        "by_label and destination belong together: a label, and for its values "
                        "\"VALUE=KEY\"");
}

void config_open_routes(struct reader *reader, void *section, const config_setting_t *node,
                        struct place place)
{
    struct integration *integration = section;
    size_t count = (size_t)config_setting_length(node);
    reader->routes = arena_alloc(&reader->config->arena, (count + 1) * sizeof *reader->routes);
    for (size_t i = 0; i < count && reader->routes; i++)
        read_route(reader, config_setting_get_elem(node, (unsigned)i), place.name, i);
    integration->routing.routes = reader->routes;
    integration->routing.count = reader->routes ? count : 0;
}

/* ---- all routes of an integration ---- */

static size_t count_destinations(const struct routing *routing)
{
    size_t count = 1;
    for (size_t i = 0; i < routing->count; i++)
        count += 1 + routing->routes[i].row_count;
    return count;
}

static void list_destinations(struct arena *arena, struct integration *integration)
{
    const struct routing *routing = &integration->routing;
    struct destination *all = arena_alloc(arena, count_destinations(routing) * sizeof *all);
    integration->destinations = all;
    if (!all)
        return;
    if (routing->fallback.flashduty_key)
        all[integration->destination_count++] = routing->fallback;
    for (size_t i = 0; i < routing->count; i++) {
        const struct route *route = &routing->routes[i];
        if (!route->by_label)
            all[integration->destination_count++] = route->destination;
        for (size_t j = 0; j < route->row_count; j++)
            all[integration->destination_count++] = route->rows[j].destination;
    }
}

static void warn_about_order(struct reader *reader, const config_setting_t *list,
                             const struct routing *routing, const char *prefix)
{
    const struct route *last = NULL;
    for (size_t i = 0; i < routing->count && !last; i++) {
        if (route_takes_all(&routing->routes[i]))
            last = &routing->routes[i];
    }
    for (const struct route *route = last; route && ++route < routing->routes + routing->count;)
        reader_warn(
            reader,
            reader_place(reader, config_setting_get_elem(list, (unsigned)(route - routing->routes)),
                         prefix,
                         arena_printf(&reader->scratch, "routes[%td]", route - routing->routes)),
            "can never be reached: \"%s\" takes every alert and does not continue", last->name);
}

void config_check_routes(struct reader *reader, const config_setting_t *node,
                         struct integration *integration, const char *prefix, struct place place)
{
    const config_setting_t *unmatched = config_setting_get_member(node, "unmatched");
    const config_setting_t *list = config_setting_get_member(node, "routes");
    bool has_key = has(node, "flashduty_key"), has_routes = list && config_setting_length(list) > 0;
    bool drops = integration->unmatched == UNMATCHED_DROP;
    struct place missing = {arena_printf(&reader->scratch, "%sflashduty_key", prefix), place.line};
    if (has_key && drops)
        reader_complain(reader, reader_place(reader, unmatched, prefix, "unmatched"),
                        "says \"drop\", but flashduty_key is a default route that takes what no "
                        "other does; keep one of them");
    else if (!has_key && !has_routes)
        reader_complain(reader, missing,
                        "is missing; it needs a text in double quotes, or routes beside it");
    else if (!has_key && !drops)
        reader_complain(reader, missing,
                        "is missing: an alert that no route takes would go nowhere; add the "
                        "default route's key, or say unmatched = \"drop\"");
    list_destinations(&reader->config->arena, integration);
    if (has_routes)
        warn_about_order(reader, list, &integration->routing, prefix);
}

/* ---- all integrations ---- */

struct key_of {
    const char *key;
    size_t integration;
};

static int compare_keys(const void *left, const void *right)
{
    const struct key_of *a = left, *b = right;
    int order = strcmp(a->key, b->key);
    return order ? order : (a->integration > b->integration) - (a->integration < b->integration);
}

static size_t collect_keys(struct reader *reader, struct key_of **keys)
{
    const struct config *config = reader->config;
    size_t count = 0, total = 0;
    for (size_t i = 0; i < config->integration_count; i++)
        total += config->integrations[i].destination_count;
    *keys = arena_alloc(&reader->scratch, (total + 1) * sizeof **keys);
    for (size_t i = 0; i < config->integration_count && *keys; i++) {
        const struct integration *integration = &config->integrations[i];
        for (size_t j = 0; j < integration->destination_count; j++) {
            if (integration->destinations[j].flashduty_key)
                (*keys)[count++] = (struct key_of){integration->destinations[j].flashduty_key, i};
        }
    }
    return count;
}

void config_check_shared_keys(struct reader *reader, const config_setting_t *list)
{
    struct key_of *keys;
    size_t count = collect_keys(reader, &keys);
    if (count > 0)
        qsort(keys, count, sizeof *keys, compare_keys);
    for (size_t i = 1; i < count; i++) {
        if (strcmp(keys[i - 1].key, keys[i].key) || keys[i - 1].integration == keys[i].integration)
            continue;
        const config_setting_t *node = config_setting_get_elem(list, (unsigned)keys[i].integration);
        reader_warn(reader,
                    reader_place(
                        reader, node, "",
                        arena_printf(&reader->scratch, "integration %zu", keys[i].integration + 1)),
                    "sends to a Flashduty integration that integration %zu sends to as well; if "
                    "that is not meant, one of the keys was copied",
                    keys[i - 1].integration + 1);
    }
}
