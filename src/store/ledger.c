#include "store/internal.h"

static void add(struct database *database, const char *integration, const char *place,
                int64_t count)
{
    database_run(database,
                 "INSERT INTO ledger VALUES (?1, ?2, ?3)"
                 " ON CONFLICT (integration, place) DO UPDATE SET count = ledger.count + ?3",
                 "tti", integration, place, count);
}

void ledger_receive(struct database *database, const char *integration, enum outcome outcome,
                    int64_t count)
{
    add(database, integration, "received", count);
    add(database, integration, outcome_names[outcome], count);
}

void ledger_move(struct database *database, const char *integration, enum outcome from,
                 enum outcome to)
{
    if (from == to)
        return;
    add(database, integration, outcome_names[from], -1);
    add(database, integration, outcome_names[to], 1);
}
