#include "status/summary.h"

#include <string.h>

#define HOUR_MS ((int64_t)3600 * 1000)
#define DAY_MS (24 * HOUR_MS)
#define WEEK_MS (7 * DAY_MS)

/* Integrations that were renamed or taken out are known to the store for long. */
#define ITEMS_MAX 1000

struct reading {
    struct arena *arena;
    const struct config *config;
    struct summary *summary;
    struct timeline *timeline;
    size_t size; /* of the items */
    int64_t now_ms;
};

/* The item of a name, which is made; NULL if there are too many, or no memory. */
static struct integration_summary *item_of(struct reading *reading, const char *name)
{
    struct summary *summary = reading->summary;
    for (size_t i = 0; i < summary->count; i++) {
        if (!strcmp(summary->items[i].name, name))
            return &summary->items[i];
    }
    if (!summary->items || summary->count == reading->size)
        return NULL;
    struct integration_summary *item = &summary->items[summary->count++];
    item->name = arena_string(reading->arena, name);
    item->ledger.integration = item->name;
    return item;
}

static bool add_ledger(void *context, const struct ledger_record *record)
{
    struct integration_summary *item = item_of(context, record->integration);
    if (item) {
        item->ledger = *record;
        item->ledger.integration = item->name;
    }
    return true;
}

static void add_refusals(struct integration_summary *item, const struct counter_record *record)
{
    for (int i = 0; i < REFUSAL_COUNT; i++) {
        if (!strcmp(refusal_names[i], record->detail))
            item->refused[i] = record->value;
    }
}

static bool add_counter(void *context, const struct counter_record *record)
{
    bool is_refusal = !strcmp(record->name, COUNTER_REFUSED),
         is_alert = !strcmp(record->name, COUNTER_ALERT_MS),
         is_canary = !strcmp(record->name, COUNTER_CANARY_MS);
    struct integration_summary *item =
        is_refusal || is_alert || is_canary ? item_of(context, record->integration) : NULL;
    if (item && is_refusal)
        add_refusals(item, record);
    else if (item)
        *(is_alert ? &item->latest_ms : &item->canary_ms) = record->value;
    return true;
}

static void count_recent(struct recent *recent, enum outcome outcome)
{
    recent->received++;
    recent->delivered += outcome == OUTCOME_DELIVERED;
    recent->waiting += outcome == OUTCOME_QUEUED;
    recent->failed += outcome == OUTCOME_REJECTED || outcome == OUTCOME_EXPIRED;
}

static void add_alert(void *context, const struct alert_moment *moment)
{
    struct reading *reading = context;
    struct integration_summary *item = item_of(reading, moment->integration);
    timeline_add_alert(reading->timeline, moment);
    if (!item)
        return;
    if (moment->received_ms > reading->now_ms - HOUR_MS)
        count_recent(&item->hour, moment->outcome);
    if (moment->received_ms > reading->now_ms - DAY_MS)
        count_recent(&item->day, moment->outcome);
    if (moment->severity == SEVERITY_OK)
        item->recoveries++;
    else
        item->triggers++;
    if (moment->received_ms > item->latest_ms)
        item->latest_ms = moment->received_ms;
}

static void add_delivery(void *context, const struct delivery_moment *moment)
{
    struct reading *reading = context;
    timeline_add_delivery(reading->timeline, moment);
}

static bool add_subscription(void *context, const struct subscription_record *record)
{
    struct integration_summary *item = item_of(context, record->integration);
    if (item && (unsigned)record->state < SUBSCRIPTION_STATE_COUNT)
        item->subscriptions[record->state]++;
    return true;
}

static bool add_destination(struct integration_summary *item, struct history *history,
                            const char *flashduty_key, struct error *error)
{
    struct destination_record record;
    if (!history_destination(history, flashduty_key, &record, error))
        return false;
    item->destinations++;
    item->failing += record.is_failing;
    if (record.accepted_ms > item->accepted_ms)
        item->accepted_ms = record.accepted_ms;
    return true;
}

static bool add_configured(struct reading *reading, struct history *history, struct error *error)
{
    for (size_t i = 0; i < reading->config->integration_count; i++) {
        const struct integration *settings = &reading->config->integrations[i];
        struct integration_summary *item = item_of(reading, settings->name);
        if (!item)
            continue;
        item->settings = settings;
        for (size_t j = 0; j < settings->destination_count; j++) {
            if (!add_destination(item, history, settings->destinations[j].flashduty_key, error))
                return false;
        }
    }
    return true;
}

static bool read_lately(struct reading *reading, struct history *history, struct error *error)
{
    return history_alerts_since(history, reading->now_ms - WEEK_MS, add_alert, reading, error) &&
           history_deliveries_since(history, timeline_from_ms(reading->timeline), add_delivery,
                                    reading, error);
}

bool summary_read(struct history *history, const struct config *config, int64_t now_ms,
                  struct arena *arena, struct timeline *timeline, struct summary *summary,
                  struct error *error)
{
    struct reading reading = {.arena = arena,
                              .config = config,
                              .summary = summary,
                              .timeline = timeline,
                              .size = config->integration_count + ITEMS_MAX,
                              .now_ms = now_ms};
    *summary = (struct summary){.items = arena_alloc(arena, reading.size * sizeof *summary->items)};
    bool is_read = add_configured(&reading, history, error) &&
                   history_figures(history, &summary->figures, error) &&
                   history_ledger(history, add_ledger, &reading, error) &&
                   history_counters(history, add_counter, &reading, error) &&
                   history_subscriptions(history, add_subscription, &reading, error) &&
                   (!timeline || read_lately(&reading, history, error));
    return is_read && (!arena->failed || error_out_of_memory(error));
}
