#include "config/sections.h"

static void take_key(struct reader *reader, void *section, const struct texts *texts)
{
    struct config *config = section;
    config->watchdog.flashduty_key =
        config_flashduty_key(reader, texts->items[0], texts->places[0]);
}

static const struct setting watchdog_settings[] = {
    {.name = "flashduty_key", .kind = SETTING_TEXT, .take = take_key},
    {.name = "wait_s",
     .kind = SETTING_NUMBER,
     SETTING_MEMBER(struct config, watchdog.wait_s),
     .minimum = 10,
     .maximum = 259200},
    {.name = "silence_h",
     .kind = SETTING_NUMBER,
     SETTING_MEMBER(struct config, watchdog.silence_h),
     .minimum = 0,
     .maximum = 8760},
    {.name = "url",
     .kind = SETTING_TEXT,
     SETTING_MEMBER(struct config, watchdog.url),
     .check = config_check_post_url},
    {0}};

void config_open_watchdog(struct reader *reader, void *section, const config_setting_t *node,
                          struct place place)
{
    struct config *config = section;
    config->watchdog.is_configured = true;
    reader_section(reader, node, watchdog_settings, config, "watchdog.", place);
    if (*config->watchdog.url && !config->watchdog.flashduty_key)
        reader_warn(reader, place,
                    "has no flashduty_key: what is wrong with Flashduty's integration of an alert "
                    "is told there as well, before url is used");
}

/* ---- who is looked after ---- */

static void find_certificate(struct config *config)
{
    struct watchdog_settings *watchdog = &config->watchdog;
    for (size_t i = 0; i < config->smn.pin_count; i++) {
        const struct smn_pin *pin = &config->smn.pins[i];
        if (pin->ends_s <= watchdog->certificate_ends_s)
            continue;
        watchdog->certificate = pin->file;
        watchdog->certificate_ends_s = pin->ends_s;
    }
}

static void watch_integrations(struct config *config)
{
    struct watched *watched =
        arena_alloc(&config->arena, (config->integration_count + 1) * sizeof *watched);
    bool is_told = false; /* one certificate is told of once */
    for (size_t i = 0; i < config->integration_count && watched; i++) {
        const struct integration *integration = &config->integrations[i];
        bool is_signed = integration->vendor && integration->vendor->has_topics &&
                         config->smn.verify == SMN_VERIFY_PINNED;
        watched[i] = (struct watched){
            .name = integration->name,
            .destination = integration->destination_count > 0 ? integration->destinations[0]
                                                              : (struct destination){"", NULL},
            .needs_certificate = is_signed && !is_told,
            .is_first = i == 0,
        };
        is_told |= is_signed;
    }
    config->watchdog.watched = watched;
    config->watchdog.count = watched ? config->integration_count : 0;
}

/* Whoever posts in pass-through is not told: only the one whose gateway it is. */
static void watch_pass_through(struct reader *reader)
{
    struct config *config = reader->config;
    struct watchdog_settings *watchdog = &config->watchdog;
    if (!watchdog->is_configured)
        return;
    if (!watchdog->flashduty_key)
        reader_complain(reader, (struct place){.name = "watchdog"},
                        "has no flashduty_key, and in pass-through there is no integration whose "
                        "key could take its place; write one");
    struct watched *all = arena_alloc(&config->arena, sizeof *all);
    if (!all)
        return;
    all->name = CONFIG_PASS_THROUGH;
    all->is_first = true;
    watchdog->is_pass_through = true;
    watchdog->watched = all;
    watchdog->count = 1;
}

void config_watch(struct reader *reader)
{
    find_certificate(reader->config);
    if (reader->config->pass_through)
        watch_pass_through(reader);
    else
        watch_integrations(reader->config);
}
