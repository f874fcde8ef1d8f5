#include <string.h>

#include "base/limits.h"
#include "store/history_internal.h"
#include "store/internal.h"

_Static_assert((int)OUTCOME_QUEUED == 0 && (int)OUTCOME_REJECTED == 2 &&
                   (int)OUTCOME_EXPIRED == 3 && (int)OUTCOME_DROPPED == 4 &&
                   (int)OUTCOME_DELIVERED == 5 && (int)OUTCOME_REFUSED == 11,
               "SQL compares with them");

/* ---- the ledger ---- */

static int64_t *count_of(struct ledger_record *record, const char *place)
{
    for (int i = 0; i < OUTCOME_COUNT; i++) {
        if (!strcmp(place, outcome_names[i]))
            return &record->counts[i];
    }
    return !strcmp(place, "received") ? &record->received : NULL;
}

/* Rows come integration by integration. */
static struct ledger_record *read_ledger(struct history *history, struct arena *arena,
                                         size_t *count)
{
    struct ledger_record *records = NULL;
    struct rows rows = database_query(history->database,
                                      "SELECT integration, place, count FROM ledger"
                                      " ORDER BY integration, place",
                                      "");
    while (!arena->failed && rows_next(&rows)) {
        const char *integration = rows_text(&rows, 0);
        if (*count == 0 || strcmp(records[*count - 1].integration, integration)) {
            records = history_grow(arena, records, *count, sizeof *records);
            if (!records)
                break;
            records[(*count)++] =
                (struct ledger_record){.integration = arena_string(arena, integration)};
        }
        int64_t *place = count_of(&records[*count - 1], rows_text(&rows, 1));
        if (place)
            *place = rows_number(&rows, 2);
    }
    rows_end(&rows);
    return records;
}

bool history_ledger(struct history *history,
                    bool (*show)(void *context, const struct ledger_record *record), void *context,
                    struct error *error)
{
    struct arena arena = {0};
    size_t count = 0;
    if (!history_begin(history, error))
        return false;
    struct ledger_record *records = read_ledger(history, &arena, &count);
    bool is_read = history_end(history, error) && (!arena.failed || error_out_of_memory(error));
    for (size_t i = 0; i < count && is_read && show(context, &records[i]); i++)
        ;
    arena_clear(&arena);
    return is_read;
}

/* ---- the outbox ---- */

bool history_figures(struct history *history, struct outbox_figures *figures, struct error *error)
{
    const struct {
        int64_t *figure;
        const char *sql;
    } table[] = {
        {&figures->waiting, "SELECT count(*) FROM delivery WHERE state = 0"},
        {&figures->sending, "SELECT count(*) FROM delivery WHERE state = 1"},
        {&figures->rejected, "SELECT count(*) FROM delivery WHERE state < 4 AND state = 2"},
        {&figures->expired, "SELECT count(*) FROM delivery WHERE state < 4 AND state = 3"},
        {&figures->kept, "SELECT kept FROM volume WHERE scope = ''"},
        {&figures->oldest_waiting_ms, "SELECT min(created_ms) FROM delivery WHERE state = 0"},
        {&figures->confirmations, "SELECT count(*) FROM confirmation WHERE state = 0"},
        {&figures->drained_ms, "SELECT value FROM fact WHERE name = 'drained_ms'"},
    };
    if (!history_begin(history, error))
        return false;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        *table[i].figure = database_number(history->database, 0, table[i].sql, "");
    figures->failing_keys = database_number(history->database, 0,
                                            "SELECT count(*) FROM destination WHERE failures >= ?1",
                                            "i", (int64_t)FAILURES_MAX);
    return history_end(history, error);
}

int64_t alerts_count(struct database *database)
{
    return database_number(database, 0, "SELECT count(*) FROM alert", "");
}

bool history_count(struct history *history, int64_t *alerts, struct error *error)
{
    *alerts = 0;
    if (!history_begin(history, error))
        return false;
    *alerts = alerts_count(history->database);
    return history_end(history, error);
}

/* ---- the audit ---- */

static void audit_sums(struct database *database, struct text *problems)
{
    struct rows rows = database_query(
        database,
        "SELECT integration, sum(CASE WHEN place = 'received' THEN count ELSE 0 END),"
        " sum(CASE WHEN place = 'received' THEN 0 ELSE count END) FROM ledger"
        " GROUP BY integration ORDER BY integration",
        "");
    while (rows_next(&rows)) {
        if (rows_number(&rows, 1) != rows_number(&rows, 2))
            text_printf(problems, "%s: %lld received, and %lld in all places together\n",
                        rows_text(&rows, 0), (long long)rows_number(&rows, 1),
                        (long long)rows_number(&rows, 2));
    }
    rows = database_query(database,
                          "SELECT integration, place, count FROM ledger WHERE count < 0"
                          " ORDER BY integration, place",
                          "");
    while (rows_next(&rows))
        text_printf(problems, "%s: %lld %s\n", rows_text(&rows, 0),
                    (long long)rows_number(&rows, 2), rows_text(&rows, 1));
}

/* What is over is kept for a while only, and counted for good; what is not over is all there. */
static void audit_places(struct database *database, struct text *problems)
{
    struct rows rows = database_query(
        database,
        "SELECT integration, place, sum(counted), sum(there) FROM ("
        "SELECT integration, place, count AS counted, 0 AS there FROM ledger"
        " WHERE place <> 'received'"
        " UNION ALL SELECT integration, CASE outcome WHEN 0 THEN 'queued' WHEN 2 THEN 'rejected'"
        " WHEN 3 THEN 'expired' WHEN 4 THEN 'dropped' WHEN 5 THEN 'delivered' WHEN 11 THEN"
        " 'refused' ELSE 'unknown' END, 0, count(*) FROM alert GROUP BY integration, outcome"
        " UNION ALL SELECT integration, CASE state WHEN 0 THEN 'confirming' WHEN 1 THEN"
        " 'confirmed' ELSE 'expired' END, 0, count(*) FROM confirmation"
        " GROUP BY integration, state) AS sides GROUP BY integration, place"
        " HAVING sum(counted) < sum(there)"
        " OR (place IN ('queued', 'confirming') AND sum(counted) <> sum(there))"
        " ORDER BY integration, place",
        "");
    while (rows_next(&rows))
        text_printf(problems, "%s: %lld %s by the ledger, and %lld kept\n", rows_text(&rows, 0),
                    (long long)rows_number(&rows, 2), rows_text(&rows, 1),
                    (long long)rows_number(&rows, 3));
}

/* What there must be none of. */
static const struct {
    const char *sql, *words;
} never[] = {
    {"SELECT count(*) FROM alert AS a WHERE a.outcome = 0 AND NOT EXISTS (SELECT 1 FROM delivery"
     " AS d WHERE d.alert_id = a.id AND d.state < 2)",
     "alerts are queued without a delivery that waits"},
    {"SELECT count(*) FROM delivery AS d JOIN alert AS a ON a.id = d.alert_id WHERE d.state < 2"
     " AND a.outcome <> 0 AND a.outcome <> 11",
     "deliveries wait whose alert is not queued"},
    {"SELECT count(*) FROM delivery AS d WHERE NOT EXISTS (SELECT 1 FROM alert AS a"
     " WHERE a.id = d.alert_id)",
     "deliveries are of no alert"},
    {"SELECT count(*) FROM delivery AS d WHERE d.after > 0 AND NOT EXISTS (SELECT 1 FROM delivery"
     " AS e WHERE e.id = d.after AND e.state < 2)",
     "deliveries wait behind one that is over"},
    {"SELECT count(*) - coalesce((SELECT kept FROM volume WHERE scope = ''), 0) FROM delivery",
     "deliveries are kept beyond those counted"},
};

bool history_audit(struct history *history, struct text *problems, struct error *error)
{
    size_t before = problems->length;
    if (!history_begin(history, error))
        return false;
    audit_sums(history->database, problems);
    audit_places(history->database, problems);
    for (size_t i = 0; i < sizeof never / sizeof *never; i++) {
        int64_t count = database_number(history->database, 0, never[i].sql, "");
        if (count)
            text_printf(problems, "%lld %s\n", (long long)count, never[i].words);
    }
    return history_end(history, error) && (!problems->failed || error_out_of_memory(error)) &&
           problems->length == before;
}
