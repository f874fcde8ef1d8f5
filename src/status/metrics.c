#include "status/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "store/watch.h"

#define PREFIX "flashduty_gateway_"
/* The ledger's name for who posts without a key that is known. */
#define NOBODY "(none)"

/* What is counted, read at one moment. */
struct reading {
    struct arena arena;
    int64_t now_ms;
    const char **integrations; /* those configured, and all that was counted for */
    size_t integration_count;
    struct counter_record *counters; /* by name, integration, detail */
    size_t counter_count;
    struct ledger_record *ledger;
    size_t ledger_count;
    struct outbox_figures outbox;
    struct subscription_count {
        const char *integration;
        int64_t counts[SUBSCRIPTION_STATE_COUNT];
    } * subscriptions;
    size_t subscription_count;
    struct alarm_record *alarms;
    size_t alarm_count;
    struct node_record *nodes;
    size_t node_count;
};

/* ---- reading ---- */

/* items with room for one more. */
static void *grow(struct arena *arena, void *items, size_t count, size_t size)
{
    if (count > 0 && (count & (count - 1)) != 0)
        return items;
    void *longer = arena_alloc(arena, (count ? 2 * count : 1) * size);
    if (longer && count > 0)
        memcpy(longer, items, count * size);
    return longer;
}

static void add_integration(struct reading *reading, const char *name)
{
    for (size_t i = 0; i < reading->integration_count; i++) {
        if (!strcmp(reading->integrations[i], name))
            return;
    }
    reading->integrations = grow(&reading->arena, reading->integrations, reading->integration_count,
                                 sizeof *reading->integrations);
    if (reading->integrations)
        reading->integrations[reading->integration_count++] = arena_string(&reading->arena, name);
}

static bool take_counter(void *context, const struct counter_record *record)
{
    struct reading *reading = context;
    reading->counters =
        grow(&reading->arena, reading->counters, reading->counter_count, sizeof *reading->counters);
    if (!reading->counters)
        return false;
    reading->counters[reading->counter_count++] =
        (struct counter_record){arena_string(&reading->arena, record->name),
                                arena_string(&reading->arena, record->integration),
                                arena_string(&reading->arena, record->detail), record->value};
    if (*record->integration)
        add_integration(reading, record->integration);
    return true;
}

static bool take_ledger(void *context, const struct ledger_record *record)
{
    struct reading *reading = context;
    reading->ledger =
        grow(&reading->arena, reading->ledger, reading->ledger_count, sizeof *reading->ledger);
    if (!reading->ledger)
        return false;
    struct ledger_record *copy = &reading->ledger[reading->ledger_count++];
    *copy = *record;
    copy->integration = arena_string(&reading->arena, record->integration);
    add_integration(reading, record->integration);
    return true;
}

static bool take_subscription(void *context, const struct subscription_record *record)
{
    struct reading *reading = context;
    size_t place = 0;
    while (place < reading->subscription_count &&
           strcmp(reading->subscriptions[place].integration, record->integration))
        place++;
    if (place == reading->subscription_count) {
        reading->subscriptions =
            grow(&reading->arena, reading->subscriptions, place, sizeof *reading->subscriptions);
        if (!reading->subscriptions)
            return false;
        reading->subscriptions[reading->subscription_count++] = (struct subscription_count){
            .integration = arena_string(&reading->arena, record->integration)};
    }
    reading->subscriptions[place].counts[record->state]++;
    return true;
}

static bool take_alarm(void *context, const struct alarm_record *record)
{
    struct reading *reading = context;
    reading->alarms =
        grow(&reading->arena, reading->alarms, reading->alarm_count, sizeof *reading->alarms);
    if (!reading->alarms)
        return false;
    reading->alarms[reading->alarm_count++] =
        (struct alarm_record){.condition = arena_string(&reading->arena, record->condition),
                              .integration = arena_string(&reading->arena, record->integration),
                              .is_over = record->is_over};
    return true;
}

static bool take_node(void *context, const struct node_record *record)
{
    struct reading *reading = context;
    reading->nodes =
        grow(&reading->arena, reading->nodes, reading->node_count, sizeof *reading->nodes);
    if (!reading->nodes)
        return false;
    struct node_record *copy = &reading->nodes[reading->node_count++];
    *copy = *record;
    copy->node = arena_string(&reading->arena, record->node);
    copy->host = arena_string(&reading->arena, record->host);
    copy->program = arena_string(&reading->arena, record->program);
    copy->version = arena_string(&reading->arena, record->version);
    return true;
}

static bool read_store(struct reading *reading, struct history *history)
{
    struct error ignored = {0};
    return history_counters(history, take_counter, reading, &ignored) &&
           history_ledger(history, take_ledger, reading, &ignored) &&
           history_figures(history, &reading->outbox, &ignored) &&
           history_subscriptions(history, take_subscription, reading, &ignored) &&
           history_alarms(history, take_alarm, reading, &ignored) &&
           history_nodes(history, take_node, reading, &ignored) && !reading->arena.failed;
}

/* ---- looking up ---- */

static int compare_counters(const void *a, const void *b)
{
    const struct counter_record *first = a, *second = b;
    int order = strcmp(first->name, second->name);
    order = order ? order : strcmp(first->integration, second->integration);
    return order ? order : strcmp(first->detail, second->detail);
}

static int64_t counted(const struct reading *reading, const char *name, const char *integration,
                       const char *detail)
{
    const struct counter_record key = {name, integration, detail, 0};
    const struct counter_record *found =
        reading->counter_count > 0
            ? bsearch(&key, reading->counters, reading->counter_count, sizeof key, compare_counters)
            : NULL;
    return found ? found->value : 0;
}

static const struct ledger_record *ledger_of(const struct reading *reading, const char *integration)
{
    static const struct ledger_record nothing;
    for (size_t i = 0; i < reading->ledger_count; i++) {
        if (!strcmp(reading->ledger[i].integration, integration))
            return &reading->ledger[i];
    }
    return &nothing;
}

/* ---- writing ---- */

enum type { COUNTER, GAUGE, HISTOGRAM };

static void put_head(struct text *out, const char *name, enum type type, const char *help)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    text_printf(out, "# HELP " PREFIX "%s %s\n# TYPE " PREFIX "%s %s\n", name, help, name,
                types[type]);
}

static void put_label(struct text *out, const char *name, const char *value)
{
    bool is_first = out->length > 0 && out->data && out->data[out->length - 1] != '"';
    text_printf(out, "%c%s=\"", is_first ? '{' : ',', name);
    for (; *value; value++) {
        if (*value == '\\' || *value == '"')
            text_putc(out, '\\');
        if (*value == '\n')
            text_puts(out, "\\n");
        else
            text_putc(out, *value);
    }
    text_putc(out, '"');
}

static void put_name(struct text *out, const char *name)
{
    text_printf(out, PREFIX "%s", name);
}

static void put_number(struct text *out, int64_t value)
{
    bool has_labels = out->length > 0 && out->data && out->data[out->length - 1] == '"';
    text_printf(out, "%s %lld\n", has_labels ? "}" : "", (long long)value);
}

static void put_seconds(struct text *out, int64_t ms)
{
    bool has_labels = out->length > 0 && out->data && out->data[out->length - 1] == '"';
    text_printf(out, "%s %lld.%03d\n", has_labels ? "}" : "", (long long)(ms / 1000),
                (int)(ms % 1000));
}

static void put_gauge(struct text *out, const char *name, const char *help, int64_t value)
{
    put_head(out, name, GAUGE, help);
    put_name(out, name);
    put_number(out, value);
}

/* ---- the ledger's, which never fall ---- */

static const struct {
    const char *name, *help;
    enum outcome outcome; /* COUNT: all that was received */
} from_ledger[] = {
    {"received_total", "Messages that came in.", OUTCOME_COUNT},
    {"duplicate_total", "Repeats of messages that were taken before.", OUTCOME_DUPLICATE},
    {"stale_total", "Events older than what was taken for their alert before.", OUTCOME_STALE},
    {"unrouted_total", "Alerts that no route wants.", OUTCOME_UNROUTED},
    {"ignored_total", "Messages acknowledged without an alert in them.", OUTCOME_IGNORED},
};

static void put_from_ledger(struct text *out, const struct reading *reading)
{
    for (size_t i = 0; i < sizeof from_ledger / sizeof *from_ledger; i++) {
        put_head(out, from_ledger[i].name, COUNTER, from_ledger[i].help);
        for (size_t k = 0; k < reading->integration_count; k++) {
            const struct ledger_record *record = ledger_of(reading, reading->integrations[k]);
            put_name(out, from_ledger[i].name);
            put_label(out, "integration", reading->integrations[k]);
            put_number(out, from_ledger[i].outcome == OUTCOME_COUNT
                                ? record->received
                                : record->counts[from_ledger[i].outcome]);
        }
    }
}

/* Where everything is now. */
static void put_places(struct text *out, const struct reading *reading)
{
    put_head(out, "messages", GAUGE, "Messages by where they are now; their sum is what came in.");
    for (size_t i = 0; i < reading->ledger_count; i++) {
        for (int k = 0; k < OUTCOME_COUNT; k++) {
            put_name(out, "messages");
            put_label(out, "integration", reading->ledger[i].integration);
            put_label(out, "place", outcome_names[k]);
            put_number(out, reading->ledger[i].counts[k]);
        }
    }
}

/* ---- counters ---- */

static const struct family {
    const char *name, *help;
    const char *counter;
    const char *detail; /* of all rows; NULL: one row for each of details */
    const char *label;  /* that tells the details */
    const char *const *details;
    int detail_count;
} families[] = {
    {"verified_total", "Messages whose key, and signature where there is one, were right.",
     COUNTER_VERIFIED, "", NULL, NULL, 0},
    {"refused_total", "Messages answered with an error, by reason.", COUNTER_REFUSED, NULL,
     "reason", refusal_names, REFUSAL_COUNT},
    {"mapped_total", "Alerts that messages became, by severity.", COUNTER_MAPPED, NULL, "severity",
     severity_names, SEVERITY_COUNT},
    {"queued_total", "Alerts kept in the outbox because Flashduty did not accept them in time.",
     COUNTER_QUEUED, "", NULL, NULL, 0},
    {"unrecorded_total", "Alerts sent without the store, which could not be used.",
     COUNTER_UNRECORDED, "", NULL, NULL, 0},
    {"delivered_total", "Deliveries that Flashduty accepted.", COUNTER_FINISHED, "delivered", NULL,
     NULL, 0},
    {"rejected_total", "Deliveries that Flashduty refused for good.", COUNTER_FINISHED, "rejected",
     NULL, NULL, 0},
    {"expired_total", "Deliveries that were not accepted for 72 hours.", COUNTER_FINISHED,
     "expired", NULL, NULL, 0},
    {"dropped_total", "Deliveries that a person took out of the outbox.", COUNTER_FINISHED,
     "dropped", NULL, NULL, 0},
};

static void put_family(struct text *out, const struct reading *reading, const struct family *family)
{
    put_head(out, family->name, COUNTER, family->help);
    for (size_t i = 0; i < reading->integration_count; i++) {
        const char *integration = reading->integrations[i];
        for (int k = 0; k < (family->detail ? 1 : family->detail_count); k++) {
            const char *detail = family->detail ? family->detail : family->details[k];
            put_name(out, family->name);
            put_label(out, "integration", integration);
            if (family->label)
                put_label(out, family->label, detail);
            put_number(out, counted(reading, family->counter, integration, detail));
        }
    }
}

/* Counted as "STATUS CODE"; "0 " where there was no answer. */
static void put_answers(struct text *out, const struct reading *reading)
{
    static const char name[] = "upstream_answers_total";
    put_head(out, name, COUNTER,
             "Flashduty's answers by HTTP status (none: no answer) and error code.");
    for (size_t i = 0; i < reading->counter_count; i++) {
        const struct counter_record *counter = &reading->counters[i];
        size_t length = strcspn(counter->detail, " ");
        if (strcmp(counter->name, COUNTER_ANSWERS) || !counter->detail[length])
            continue;
        put_name(out, name);
        if (!strcmp(counter->detail, "0 "))
            text_puts(out, "{status=\"none\"");
        else
            text_printf(out, "{status=\"%.*s\"", (int)length, counter->detail);
        put_label(out, "code", counter->detail + length + 1);
        put_number(out, counter->value);
    }
}

static void put_times_of(struct text *out, const struct reading *reading, const char *integration)
{
    static const char name[] = "delivery_seconds";
    int64_t count = 0;
    for (size_t i = 0; i <= DELIVERY_BUCKETS; i++) {
        char row[24], bound[24] = "+Inf";
        (void)snprintf(row, sizeof row, "%zu", i);
        if (i < DELIVERY_BUCKETS)
            (void)snprintf(bound, sizeof bound, "%g", (double)delivery_buckets_ms[i] / 1000);
        count += counted(reading, COUNTER_TOOK, integration, row);
        text_printf(out, PREFIX "%s_bucket", name);
        put_label(out, "integration", integration);
        put_label(out, "le", bound);
        put_number(out, count);
    }
    text_printf(out, PREFIX "%s_sum", name);
    put_label(out, "integration", integration);
    put_seconds(out, counted(reading, COUNTER_TOOK_MS, integration, ""));
    text_printf(out, PREFIX "%s_count", name);
    put_label(out, "integration", integration);
    put_number(out, count);
}

static void put_times(struct text *out, const struct reading *reading)
{
    put_head(out, "delivery_seconds", HISTOGRAM,
             "From a message's arrival, or a person's retry, to Flashduty's acceptance.");
    for (size_t i = 0; i < reading->integration_count; i++) {
        if (strcmp(reading->integrations[i], NOBODY))
            put_times_of(out, reading, reading->integrations[i]);
    }
}

/* ---- states ---- */

/* Times of each integration that has one. */
static void put_moments(struct text *out, const struct reading *reading, const char *name,
                        const char *help, const char *counter)
{
    put_head(out, name, GAUGE, help);
    for (size_t i = 0; i < reading->integration_count; i++) {
        int64_t ms = counted(reading, counter, reading->integrations[i], "");
        if (!ms)
            continue;
        put_name(out, name);
        put_label(out, "integration", reading->integrations[i]);
        put_seconds(out, ms);
    }
}

static void put_outbox(struct text *out, const struct reading *reading, const struct config *config)
{
    const struct outbox_figures *outbox = &reading->outbox;
    const struct {
        const char *state;
        int64_t count;
    } states[] = {
        {"waiting", outbox->waiting},
        {"sending", outbox->sending},
        {"rejected", outbox->rejected},
        {"expired", outbox->expired},
    };
    int64_t age_ms = outbox->oldest_waiting_ms ? reading->now_ms - outbox->oldest_waiting_ms : 0;
    put_head(out, "outbox_deliveries", GAUGE, "Deliveries in the outbox by state.");
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        put_name(out, "outbox_deliveries");
        put_label(out, "state", states[i].state);
        put_number(out, states[i].count);
    }
    put_head(out, "outbox_oldest_age_seconds", GAUGE,
             "How long the oldest delivery has waited; 0 if none waits.");
    put_name(out, "outbox_oldest_age_seconds");
    put_seconds(out, age_ms > 0 ? age_ms : 0);
    put_gauge(out, "kept_deliveries", "Deliveries kept, finished ones included.", outbox->kept);
    put_gauge(out, "kept_deliveries_limit", "The most that are kept (outbox_limit).",
              config->limits.outbox_limit);
    put_gauge(out, "failing_destinations", "Flashduty keys that keep failing.",
              outbox->failing_keys);
}

static void put_subscriptions(struct text *out, const struct reading *reading)
{
    put_head(out, "subscriptions", GAUGE, "Topics by what was heard of their subscription last.");
    for (size_t i = 0; i < reading->subscription_count; i++) {
        for (int k = 0; k < SUBSCRIPTION_STATE_COUNT; k++) {
            put_name(out, "subscriptions");
            put_label(out, "integration", reading->subscriptions[i].integration);
            put_label(out, "state", subscription_state_names[k]);
            put_number(out, reading->subscriptions[i].counts[k]);
        }
    }
}

static void put_alarms(struct text *out, const struct reading *reading)
{
    put_head(out, "watchdog_alarm", GAUGE,
             "1 while the gateway's watchdog sees something wrong, 0 when it is over.");
    for (size_t i = 0; i < reading->alarm_count; i++) {
        put_name(out, "watchdog_alarm");
        put_label(out, "condition", reading->alarms[i].condition);
        put_label(out, "integration", reading->alarms[i].integration);
        put_number(out, !reading->alarms[i].is_over);
    }
}

static void put_node_labels(struct text *out, const struct node_record *node)
{
    put_label(out, "node", node->node);
    put_label(out, "host", node->host);
    put_label(out, "program", node->program);
}

/* Where one machine has the store there are none. */
static void put_nodes(struct text *out, const struct reading *reading)
{
    static const char seen[] = "node_last_seen_timestamp_seconds", spooled[] = "node_spool_alerts";
    put_head(out, seen, GAUGE,
             "When a process of a node that shares the store gave a sign of life.");
    for (size_t i = 0; i < reading->node_count; i++) {
        put_name(out, seen);
        put_node_labels(out, &reading->nodes[i]);
        put_seconds(out, reading->nodes[i].seen_ms);
    }
    put_head(out, spooled, GAUGE,
             "Alerts in a node's spool, which wait for the store, at its last sign of life.");
    for (size_t i = 0; i < reading->node_count; i++) {
        if (reading->nodes[i].spooled < 0)
            continue;
        put_name(out, spooled);
        put_node_labels(out, &reading->nodes[i]);
        put_number(out, reading->nodes[i].spooled);
    }
}

static void put_drain(struct text *out, const struct reading *reading)
{
    put_head(out, "last_drain_timestamp_seconds", GAUGE, "When the outbox was looked at last.");
    if (!reading->outbox.drained_ms)
        return;
    put_name(out, "last_drain_timestamp_seconds");
    put_seconds(out, reading->outbox.drained_ms);
}

static void put_store(struct text *out, const struct reading *reading, const struct config *config)
{
    put_from_ledger(out, reading);
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        put_family(out, reading, &families[i]);
    put_answers(out, reading);
    put_times(out, reading);
    put_places(out, reading);
    put_outbox(out, reading, config);
    put_subscriptions(out, reading);
    put_moments(out, reading, "last_alert_timestamp_seconds", "When the latest alert came.",
                COUNTER_ALERT_MS);
    put_moments(out, reading, "last_canary_timestamp_seconds",
                "When a canary went the whole way last.", COUNTER_CANARY_MS);
    put_drain(out, reading);
    put_alarms(out, reading);
    put_nodes(out, reading);
}

/* ---- the configuration's ---- */

static void put_certificates(struct text *out, const struct config *config)
{
    static const char name[] = "certificate_expiry_timestamp_seconds";
    put_head(out, name, GAUGE, "When a pinned certificate of SMN ends.");
    for (size_t i = 0; i < config->smn.pin_count; i++) {
        put_name(out, name);
        put_label(out, "certificate", config->smn.pins[i].file);
        put_number(out, config->smn.pins[i].ends_s);
    }
}

void metrics_write(struct history *history, const struct config *config, int64_t spooled,
                   struct text *out)
{
    struct reading reading = {.now_ms = history ? history_now_ms(history) : 0};
    for (size_t i = 0; i < config->integration_count; i++)
        add_integration(&reading, config->integrations[i].name);
    bool is_read = history && read_store(&reading, history);
    put_head(out, "build_info", GAUGE, "The version that answers.");
    text_puts(out, PREFIX "build_info{version=\"" VERSION "\"} 1\n");
    put_gauge(out, "store_up", "Whether the store can be read; without it nothing is counted.",
              is_read);
    put_gauge(out, "pass_through", "Whether whoever knows a Flashduty key may post.",
              config->pass_through);
    put_gauge(out, "configuration_valid", "0: it is refused, and the last valid one is in force.",
              !config->refusal);
    if (spooled >= 0)
        put_gauge(out, "spool_alerts",
                  "Alerts that this node took while the store was out of reach, not moved yet.",
                  spooled);
    put_certificates(out, config);
    if (is_read)
        put_store(out, &reading, config);
    arena_clear(&reading.arena);
}
