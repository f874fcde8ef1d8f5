#include "config/keys.h"

#include "store/watch.h"

/* Its alarms go to one key, or to that of the integration they are about. */
static void add_watchdog(const struct watchdog_settings *watchdog, struct present_key *keys,
                         size_t *count)
{
    if (watchdog->flashduty_key)
        keys[(*count)++] = (struct present_key){WATCHDOG_SCOPE, "", watchdog->flashduty_key};
    for (size_t i = 0; i < watchdog->count && !watchdog->flashduty_key; i++) {
        const struct watched *watched = &watchdog->watched[i];
        if (watched->destination.flashduty_key)
            keys[(*count)++] = (struct present_key){WATCHDOG_SCOPE, watched->name,
                                                    watched->destination.flashduty_key};
    }
}

const struct present_key *config_keys(const struct config *config, struct arena *arena,
                                      size_t *count)
{
    size_t total = 1 + config->watchdog.count;
    for (size_t i = 0; i < config->integration_count; i++)
        total += config->integrations[i].destination_count;
    struct present_key *keys = arena_alloc(arena, (total + 1) * sizeof *keys);
    *count = 0;
    for (size_t i = 0; i < config->integration_count && keys; i++) {
        const struct integration *integration = &config->integrations[i];
        for (size_t j = 0; j < integration->destination_count; j++)
            keys[(*count)++] =
                (struct present_key){integration->name, integration->destinations[j].name,
                                     integration->destinations[j].flashduty_key};
    }
    if (keys)
        add_watchdog(&config->watchdog, keys, count);
    return keys;
}

void config_update_store(const struct config *config, struct store *store)
{
    struct arena arena = {0};
    size_t count = 0;
    const struct present_key *keys = config_keys(config, &arena, &count);
    bool is_usable = true;
    for (size_t i = 0; i < count && is_usable; i++) {
        const struct destination route = {keys[i].route, keys[i].flashduty_key};
        is_usable = store_set_key(store, keys[i].scope, &route);
    }
    arena_clear(&arena);
}
