#include "store/history_internal.h"

/* ---- counters ---- */

const int64_t delivery_buckets_ms[DELIVERY_BUCKETS] = {
    50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 1800000, 7200000, 43200000};

bool history_counters(struct history *history,
                      bool (*show)(void *context, const struct counter_record *record),
                      void *context, struct error *error)
{
    struct arena arena = {0};
    struct counter_record *records = NULL;
    size_t count = 0;
    if (!history_begin(history, error))
        return false;
    struct rows rows = database_query(history->database,
                                      "SELECT name, integration, detail, value FROM counter"
                                      " ORDER BY name, integration, detail",
                                      "");
    while (!arena.failed && rows_next(&rows)) {
        records = history_grow(&arena, records, count, sizeof *records);
        if (records)
            records[count++] = (struct counter_record){arena_string(&arena, rows_text(&rows, 0)),
                                                       arena_string(&arena, rows_text(&rows, 1)),
                                                       arena_string(&arena, rows_text(&rows, 2)),
                                                       rows_number(&rows, 3)};
    }
    rows_end(&rows);
    bool is_read = history_end(history, error) && (!arena.failed || error_out_of_memory(error));
    for (size_t i = 0; i < count && is_read && show(context, &records[i]); i++)
        ;
    arena_clear(&arena);
    return is_read;
}

/* ---- subscriptions ---- */

const char *const subscription_state_names[SUBSCRIPTION_STATE_COUNT] = {
    [SUBSCRIPTION_CONFIRMED] = "confirmed",
    [SUBSCRIPTION_REMOVED] = "removed",
    [SUBSCRIPTION_WAITING] = "waiting",
    [SUBSCRIPTION_GIVEN_UP] = "given_up",
};

/* What waits or was given up is told of those that nothing was heard of since. */
static const char select_subscriptions[] =
    "SELECT topic, integration, state, changed_ms FROM subscription WHERE NOT EXISTS"
    " (SELECT 1 FROM confirmation AS c WHERE c.topic = subscription.topic"
    " AND c.integration = subscription.integration"
    " AND c.state IN (0, 2) AND c.received_ms > subscription.changed_ms)"
    " UNION ALL SELECT topic, integration, min(CASE state WHEN 0 THEN 2 ELSE 3 END),"
    " max(received_ms) FROM confirmation AS c WHERE state IN (0, 2) AND NOT EXISTS"
    " (SELECT 1 FROM subscription AS s WHERE s.topic = c.topic AND s.integration = c.integration"
    " AND s.changed_ms >= c.received_ms) GROUP BY topic, integration"
    " ORDER BY integration, topic";

bool history_subscriptions(struct history *history,
                           bool (*show)(void *context, const struct subscription_record *record),
                           void *context, struct error *error)
{
    struct arena arena = {0};
    struct subscription_record *records = NULL;
    size_t count = 0;
    if (!history_begin(history, error))
        return false;
    struct rows rows = database_query(history->database, select_subscriptions, "");
    while (!arena.failed && rows_next(&rows)) {
        records = history_grow(&arena, records, count, sizeof *records);
        if (records)
            records[count++] = (struct subscription_record){
                .topic = arena_string(&arena, rows_text(&rows, 0)),
                .integration = arena_string(&arena, rows_text(&rows, 1)),
                .state = (enum subscription_state)rows_number(&rows, 2),
                .changed_ms = rows_number(&rows, 3),
            };
    }
    rows_end(&rows);
    bool is_read = history_end(history, error) && (!arena.failed || error_out_of_memory(error));
    for (size_t i = 0; i < count && is_read && show(context, &records[i]); i++)
        ;
    arena_clear(&arena);
    return is_read;
}
