#include "config/sections.h"

#include <limits.h>
#include <string.h>

#include "base/limits.h"

/* Whose push key it is already; both count from 0. */
struct key_owner {
    size_t integration, key;
};

static void take_name(struct reader *reader, void *section, const struct texts *texts)
{
    struct integration *integration = section;
    for (const struct integration *other = reader->integrations; other < integration; other++) {
        if (other->name && !strcmp(other->name, texts->items[0]))
            reader_complain(reader, texts->places[0],
                            "is the name of integration %td too; give each its own",
                            other - reader->integrations + 1);
    }
    integration->name = texts->items[0];
}

static void take_vendor(struct reader *reader, void *section, const struct texts *texts)
{
    struct integration *integration = section;
    integration->vendor = vendor_find(texts->items[0]);
    if (integration->vendor)
        return;
    struct text known = {0};
    for (const struct vendor *const *vendor = vendors; *vendor; vendor++)
        text_printf(&known, "%s\"%s\"", vendor == vendors ? "" : ", ", (*vendor)->name);
    reader_complain(reader, texts->places[0], "is no vendor; one of %s is right",
                    text_string(&known));
    text_clear(&known);
}

static bool find_push_key(const struct reader *reader, const struct integration *last,
                          const char *key, struct key_owner *owner)
{
    for (const struct integration *other = reader->integrations; other <= last; other++) {
        for (size_t i = 0; i < other->push_key_count; i++) {
            if (strcmp(other->push_keys[i], key))
                continue;
            *owner = (struct key_owner){(size_t)(other - reader->integrations), i};
            return true;
        }
    }
    return false;
}

static void take_push_keys(struct reader *reader, void *section, const struct texts *texts)
{
    struct integration *integration = section;
    struct key_owner owner;
    for (size_t i = 0; i < texts->count; i++) {
        if (find_push_key(reader, integration, texts->items[i], &owner))
            reader_complain(reader, texts->places[i],
                            "is push key %zu of integration %zu too; every push key stands once",
                            owner.key + 1, owner.integration + 1);
        else
            integration->push_keys[integration->push_key_count++] = texts->items[i];
    }
}

static void take_flashduty_key(struct reader *reader, void *section, const struct texts *texts)
{
    struct integration *integration = section;
    integration->routing.fallback =
        (struct destination){"", config_flashduty_key(reader, texts->items[0], texts->places[0])};
}

static void take_topics(struct reader *reader, void *section, const struct texts *texts)
{
    struct integration *integration = section;
    (void)reader;
    integration->topic_urns = texts->items;
    integration->topic_urn_count = texts->count;
}

/* The row that configuration and labels call by this word. */
static const char *row_of(const struct integration *integration, const char *word)
{
    const struct level *level =
        integration->vendor ? vendor_level(integration->vendor, word) : NULL;
    return level ? level->row : word;
}

static bool has_override(const struct integration *integration, const char *row)
{
    for (size_t i = 0; i < integration->override_count; i++) {
        if (text_equal_ignoring_case(integration->overrides[i].row, row))
            return true;
    }
    return false;
}

static void take_severities(struct reader *reader, void *section, const struct texts *texts)
{
    struct integration *integration = section;
    struct arena *arena = &reader->config->arena;
    struct severity_override *overrides = arena_alloc(arena, texts->count * sizeof *overrides);
    if (!overrides)
        return;
    integration->overrides = overrides;
    for (size_t i = 0; i < texts->count; i++) {
        const char *word, *name;
        struct severity_override override;
        if (!reader_split(reader, texts->items[i], &word, &name) || !*word ||
            !severity_from_name(name, &override.severity)) {
            reader_complain(reader, texts->places[i],
                            "is no override; WORD=SEVERITY is one, with Critical, Warning, Info "
                            "or Ok");
            continue;
        }
        override.row = row_of(integration, word);
        if (has_override(integration, override.row))
            reader_complain(reader, texts->places[i],
                            "is about a level that stands in this array already; keep one");
        else
            overrides[integration->override_count++] = override;
    }
}

static bool has_label(const struct integration *integration, const char *name)
{
    for (size_t i = 0; i < integration->label_count; i++) {
        if (!strcmp(integration->labels[i].name, name))
            return true;
    }
    return false;
}

static const char *label_problem(const struct integration *integration, const struct label *label)
{
    const char *problem = config_check_label_name(label->name);
    if (!problem)
        problem = config_check_label_value(label->value);
    if (!problem && has_label(integration, label->name))
        problem = "is a label that stands in this array already; keep one";
    return problem;
}

static void take_labels(struct reader *reader, void *section, const struct texts *texts)
{
    struct integration *integration = section;
    struct arena *arena = &reader->config->arena;
    struct label *labels = arena_alloc(arena, texts->count * sizeof *labels);
    if (!labels)
        return;
    integration->labels = labels;
    for (size_t i = 0; i < texts->count; i++) {
        struct label label;
        const char *problem = "is no label; NAME=VALUE is one";
        if (reader_split(reader, texts->items[i], &label.name, &label.value))
            problem = label_problem(integration, &label);
        if (problem)
            reader_complain(reader, texts->places[i], "%s", problem);
        else
            labels[integration->label_count++] = label;
    }
}

static const char *const unmatched_names[] = {
    [UNMATCHED_DEFAULT] = "default",
    [UNMATCHED_DROP] = "drop",
};

/* In the order in which they are read: severity needs the vendor. */
static const struct setting integration_settings[] = {
    {.name = "name",
     .kind = SETTING_TEXT,
     .is_required = true,
     .check = config_check_name,
     .take = take_name},
    {.name = "vendor", .kind = SETTING_TEXT, .is_required = true, .take = take_vendor},
    {.name = "push_key",
     .kind = SETTING_TEXT_OR_TEXTS,
     .is_required = true,
     .minimum = 1,
     .maximum = 2,
     .check = config_check_push_key,
     .take = take_push_keys},
    {.name = "flashduty_key", .kind = SETTING_TEXT, .take = take_flashduty_key},
    {.name = "unmatched",
     .kind = SETTING_CHOICE,
     SETTING_MEMBER(struct integration, unmatched),
     .choices = unmatched_names,
     .maximum = sizeof unmatched_names / sizeof *unmatched_names},
    {.name = "topic_urn",
     .kind = SETTING_TEXTS,
     .maximum = INT_MAX,
     .check = config_check_topic,
     .take = take_topics},
    {.name = "severity", .kind = SETTING_TEXTS, .maximum = INT_MAX, .take = take_severities},
    {.name = "labels", .kind = SETTING_TEXTS, .maximum = ALERT_LABELS_MAX, .take = take_labels},
    {.name = "routes", .kind = SETTING_LIST, .open = config_open_routes},
    {0}};

static void check_topics(struct reader *reader, const config_setting_t *node,
                         const struct integration *integration, const char *prefix,
                         struct place place)
{
    const config_setting_t *topics = config_setting_get_member(node, "topic_urn");
    if (topics && !integration->vendor->has_topics)
        reader_complain(reader, reader_place(reader, topics, prefix, "topic_urn"),
                        "means nothing to the vendor %s; leave it out", integration->vendor->name);
    else if (integration->vendor->has_topics && integration->topic_urn_count == 0)
        reader_warn(reader, place,
                    "has no topic_urn: any Huawei customer who knows the push URL may page; list "
                    "your topics");
}

static void read_integration(struct reader *reader, const config_setting_t *node, size_t index)
{
    struct integration *integration = &reader->integrations[index];
    struct place place = {arena_printf(&reader->scratch, "integration %zu", index + 1),
                          config_setting_source_line(node)};
    const char *prefix = arena_printf(&reader->scratch, "%s: ", place.name);
    if (!reader_is(reader, node, SETTING_GROUP, place))
        return;
    reader_section(reader, node, integration_settings, integration, prefix, place);
    if (integration->vendor)
        check_topics(reader, node, integration, prefix, place);
    config_check_routes(reader, node, integration, prefix, place);
}

void config_open_integrations(struct reader *reader, void *section, const config_setting_t *node,
                              struct place place)
{
    struct config *config = section;
    size_t count = (size_t)config_setting_length(node);
    (void)place;
    reader->integrations = arena_alloc(&config->arena, (count + 1) * sizeof *reader->integrations);
    if (!reader->integrations)
        return;
    for (size_t i = 0; i < count; i++)
        read_integration(reader, config_setting_get_elem(node, (unsigned)i), i);
    config->integrations = reader->integrations;
    config->integration_count = count;
    config_check_shared_keys(reader, node);
}
