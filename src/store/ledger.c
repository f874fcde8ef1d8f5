#include "store/history.h"
#include "store/internal.h"

/* ---- counters ---- */

void counter_add(struct database *database, const char *name, const char *integration,
                 const char *detail, int64_t count)
{
    database_sum(database,
                 "INSERT INTO counter VALUES (?1, ?2, ?3, ?4)"
                 " ON CONFLICT (name, integration, detail) DO UPDATE SET value ="
                 " counter.value + ?4",
                 "ttti", name, integration, detail, count);
}

void counter_set(struct database *database, const char *name, const char *integration,
                 int64_t value)
{
    database_last(database,
                  "INSERT INTO counter VALUES (?1, ?2, '', ?3)"
                  " ON CONFLICT (name, integration, detail) DO UPDATE SET value = ?3",
                  "tti", name, integration, value);
}

int64_t counter_read(struct database *database, const char *name, const char *integration,
                     const char *detail)
{
    return database_number(database, 0,
                           "SELECT value FROM counter WHERE name = ?1 AND integration = ?2"
                           " AND detail = ?3",
                           "ttt", name, integration, detail);
}

/* ---- the ledger ---- */

void ledger_add(struct database *database, const char *integration, const char *place,
                int64_t count)
{
    database_sum(database,
                 "INSERT INTO ledger VALUES (?1, ?2, ?3)"
                 " ON CONFLICT (integration, place) DO UPDATE SET count = ledger.count + ?3",
                 "tti", integration, place, count);
}

void ledger_receive(struct database *database, const char *integration, enum outcome outcome,
                    int64_t count)
{
    ledger_add(database, integration, "received", count);
    ledger_add(database, integration, outcome_names[outcome], count);
    counter_add(database, COUNTER_VERIFIED, integration, "", count);
}

void ledger_refuse(struct database *database, const char *integration, enum refusal refusal,
                   int64_t count)
{
    ledger_add(database, integration, "received", count);
    ledger_add(database, integration, outcome_names[OUTCOME_REFUSED], count);
    counter_add(database, COUNTER_REFUSED, integration, refusal_names[refusal], count);
    if (refusal >= REFUSAL_FULL)
        counter_add(database, COUNTER_VERIFIED, integration, "", count);
}

void ledger_enter(struct database *database, const char *integration, enum outcome outcome)
{
    ledger_add(database, integration, "received", 1);
    ledger_add(database, integration, outcome_names[outcome], 1);
}

void ledger_leave(struct database *database, const char *integration, enum outcome outcome)
{
    ledger_add(database, integration, "received", -1);
    ledger_add(database, integration, outcome_names[outcome], -1);
}

void ledger_move(struct database *database, const char *integration, enum outcome from,
                 enum outcome to)
{
    if (from == to)
        return;
    ledger_add(database, integration, outcome_names[from], -1);
    ledger_add(database, integration, outcome_names[to], 1);
}
