#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "store/history.h"
#include "store/internal.h"

/* What is in the outbox, and how it ends. */

/* Far more destinations than any alert has. */
#define AMPLE 4096

_Static_assert((int)DELIVERY_REJECTED == 2 && (int)DELIVERY_DELIVERED == 5,
               "states are stored, and SQL compares with them");
_Static_assert((int)OUTCOME_QUEUED == 0 && (int)SEVERITY_OK == 3, "SQL compares with them");

/* In the order of what is least finished, as states are. */
static enum outcome outcome_of(int64_t state)
{
    static const enum outcome outcomes[] = {
        [DELIVERY_WAITING] = OUTCOME_QUEUED,    [DELIVERY_SENDING] = OUTCOME_QUEUED,
        [DELIVERY_REJECTED] = OUTCOME_REJECTED, [DELIVERY_EXPIRED] = OUTCOME_EXPIRED,
        [DELIVERY_DROPPED] = OUTCOME_DROPPED,   [DELIVERY_DELIVERED] = OUTCOME_DELIVERED,
    };
    bool is_known = state >= 0 && state <= DELIVERY_DELIVERED;
    return is_known ? outcomes[state] : OUTCOME_QUEUED;
}

bool delivery_read(struct database *database, int64_t id, struct arena *arena,
                   struct delivery_row *row)
{
    struct rows rows =
        database_query(database,
                       "SELECT alert_id, tries, created_ms, state, scope, flashduty_key, rounds,"
                       " lease_steady_ms, (SELECT integration FROM alert WHERE id = alert_id)"
                       " FROM delivery WHERE id = ?1",
                       "i", id);
    bool is_there = rows_next(&rows);
    if (is_there)
        *row = (struct delivery_row){
            .id = id,
            .alert_id = rows_number(&rows, 0),
            .tries = rows_number(&rows, 1),
            .created_ms = rows_number(&rows, 2),
            .state = (enum delivery_state)rows_number(&rows, 3),
            .scope = arena_string(arena, rows_text(&rows, 4)),
            .flashduty_key = arena_string(arena, rows_text(&rows, 5)),
            .rounds = rows_number(&rows, 6),
            .lease = rows_number(&rows, 7),
            .integration = arena_string(arena, rows_text(&rows, 8)),
        };
    rows_end(&rows);
    return is_there;
}

int64_t delivery_add(struct database *database, const struct new_delivery *delivery,
                     const char *share)
{
    volume_add(database, share, 1);
    return database_add(
        database, "delivery",
        "INSERT INTO delivery (id, alert_id, scope, alert_key, route, flashduty_key, state, rank,"
        " after, due_ms, scheduled_ms, lease_steady_ms, tries, rounds, created_ms, finished_ms,"
        " code, message) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10, ?11, ?12, ?13, ?14,"
        " ?15, ?16, ?17)",
        "ittttiiiiiiiiitt", delivery->alert_id, delivery->scope, delivery->alert_key,
        delivery->route, delivery->flashduty_key, (int64_t)delivery->state, delivery->rank,
        delivery->after, delivery->due_ms, delivery->lease, delivery->tries, delivery->rounds,
        delivery->created_ms, delivery->finished_ms, delivery->code, delivery->message);
}

/* An alert stands where its least finished delivery does. */
void alert_settle(struct database *database, int64_t alert_id)
{
    char integration[256] = "";
    int64_t before = OUTCOME_REFUSED, least = DELIVERY_WAITING;
    struct rows rows =
        database_query(database,
                       "SELECT outcome, integration, coalesce((SELECT min(state) FROM delivery"
                       " WHERE alert_id = ?1), 0) FROM alert WHERE id = ?1",
                       "i", alert_id);
    if (rows_next(&rows)) {
        before = rows_number(&rows, 0);
        (void)snprintf(integration, sizeof integration, "%s", rows_text(&rows, 1));
        least = rows_number(&rows, 2);
    }
    rows_end(&rows);
    if (before == OUTCOME_REFUSED)
        return;
    enum outcome now = outcome_of(least);
    if ((int64_t)now == before)
        return;
    database_run(database, "UPDATE alert SET outcome = ?1 WHERE id = ?2", "ii", (int64_t)now,
                 alert_id);
    ledger_move(database, integration, (enum outcome)before, now);
}

void alert_promise(struct database *database, int64_t alert_id, const char *integration)
{
    int64_t changed = database_change(database,
                                      "UPDATE alert SET is_promised = 1 WHERE id = ?1"
                                      " AND is_promised = 0",
                                      "i", alert_id);
    if (changed > 0)
        counter_add(database, COUNTER_QUEUED, integration, "", 1);
}

/* What waited behind a delivery waits behind the one before it, if that is not over either. */
static bool let_followers_go(struct database *database, int64_t id)
{
    /* Mostly nothing waits, and SQLite makes a table of its own for what the change would touch. */
    if (!database_number(database, 0,
                         "SELECT 1 FROM delivery WHERE after = ?1 AND after > 0 LIMIT 1", "i", id))
        return false;
    int64_t count = database_change(
        database,
        "UPDATE delivery SET after = coalesce((SELECT max(d.id) FROM delivery AS d"
        " WHERE d.alert_key = delivery.alert_key AND d.scope = delivery.scope AND d.state < 2"
        " AND d.after <> -1 AND d.id < delivery.id AND d.id <> ?1 AND (d.route = delivery.route"
        " OR d.flashduty_key = delivery.flashduty_key)), 0) WHERE after = ?1 AND after > 0",
        "i", id);
    return count > 0;
}

bool delivery_end(struct database *database, const struct delivery_row *row,
                  enum delivery_state state, const char *code, const char *message)
{
    database_run(database,
                 "UPDATE delivery SET state = ?1, finished_ms = ?2, code = ?3, message = ?4,"
                 " after = 0 WHERE id = ?5",
                 "iitti", (int64_t)state, database_wall_ms(database), code, message, row->id);
    bool lets_go = let_followers_go(database, row->id);
    alert_settle(database, row->alert_id);
    return lets_go;
}

bool delivery_finish(struct database *database, const struct delivery_row *row,
                     enum delivery_state state, const char *code, const char *message)
{
    bool lets_go = delivery_end(database, row, state, code, message);
    counter_add(database, COUNTER_FINISHED, row->integration, delivery_state_names[state], 1);
    return lets_go;
}

/* ---- how much is kept ---- */

static const char add_volume[] = "INSERT INTO volume VALUES (?1, ?2)"
                                 " ON CONFLICT (scope) DO UPDATE SET kept = volume.kept + ?2";

static int64_t kept(struct database *database, const char *scope)
{
    return database_number_once(database, "SELECT kept FROM volume WHERE scope = ?1", scope) +
           database_summed(database, add_volume, scope);
}

void volume_add(struct database *database, const char *scope, int64_t count)
{
    const char *scopes[] = {"", scope};
    for (size_t i = 0; i < (scope ? 2 : 1); i++)
        database_sum(database, add_volume, "ti", scopes[i], count);
}

void delivery_forget(struct database *database, int64_t id, int64_t alert_id, const char *scope)
{
    bool has_share = kept(database, scope) > 0;
    database_run(database, "DELETE FROM try WHERE delivery_id = ?1", "i", id);
    int64_t gone = database_change(database, "DELETE FROM delivery WHERE id = ?1", "i", id);
    database_run(database,
                 "DELETE FROM alert WHERE id = ?1 AND NOT EXISTS"
                 " (SELECT 1 FROM delivery WHERE alert_id = ?1)",
                 "i", alert_id);
    if (gone > 0)
        volume_add(database, has_share ? scope : NULL, -gone);
}

void delivery_hold_again(struct database *database, int64_t id)
{
    database_run(database, "UPDATE delivery SET after = ?1 WHERE id = ?2", "ii",
                 (int64_t)AFTER_HELD, id);
    (void)let_followers_go(database, id);
}

void delivery_remove(struct database *database, int64_t id, int64_t alert_id, const char *scope)
{
    delivery_forget(database, id, alert_id, scope);
    (void)let_followers_go(database, id);
}

/* The oldest finished one; false if there is none. scope: of this one, or NULL. */
static bool forget_oldest(struct database *database, const char *scope)
{
    int64_t id = 0, alert_id = 0;
    char of[512] = "";
    struct rows rows =
        scope ? database_query(database,
                               "SELECT id, alert_id, scope FROM delivery WHERE scope = ?1"
                               " AND state > 1 ORDER BY finished_ms LIMIT 1",
                               "t", scope)
              : database_query(database,
                               "SELECT id, alert_id, scope FROM delivery WHERE state > 1"
                               " ORDER BY finished_ms LIMIT 1",
                               "");
    if (rows_next(&rows)) {
        id = rows_number(&rows, 0);
        alert_id = rows_number(&rows, 1);
        (void)snprintf(of, sizeof of, "%s", rows_text(&rows, 2));
    }
    rows_end(&rows);
    if (id)
        delivery_forget(database, id, alert_id, of);
    return id != 0;
}

int64_t key_share(const struct store_limits *limits)
{
    int64_t share = limits->outbox_limit / KEY_SHARE;
    return share > 0 ? share : 1;
}

bool volume_is_ample(struct database *database, const struct store_limits *limits,
                     const char *scope)
{
    int64_t of_scope = kept(database, scope);
    return (of_scope == 0 || of_scope + AMPLE < key_share(limits)) &&
           kept(database, "") + AMPLE < limits->outbox_limit;
}

/* What is over waits there to be moved and stays, however much it is: only what waits fills a
 * spool. It is counted where it matters. */
static bool spool_has_room(struct database *database, const struct store_limits *limits,
                           const char *scope, int64_t own)
{
    int64_t of_scope = kept(database, scope);
    if (of_scope - own >= key_share(limits))
        of_scope = database_number(database, 0,
                                   "SELECT count(*) FROM delivery WHERE scope = ?1 AND state = 0",
                                   "t", scope);
    if (of_scope - own >= key_share(limits))
        return false;
    int64_t of_all = kept(database, "");
    if (of_all - own >= limits->outbox_limit)
        of_all = database_number(
            database, 0, "SELECT count(*) FROM delivery WHERE state = 0 AND created_ms > 0", "");
    return of_all - own < limits->outbox_limit && !database_failed(database);
}

bool volume_has_room(struct database *database, const struct store_limits *limits,
                     const char *scope, int64_t own)
{
    if (limits->is_spool)
        return spool_has_room(database, limits, scope, own);
    bool has_share = kept(database, scope) > 0;
    while (has_share && kept(database, scope) - own >= key_share(limits)) {
        if (!forget_oldest(database, scope))
            return false;
    }
    while (kept(database, "") - own >= limits->outbox_limit) {
        if (!forget_oldest(database, NULL))
            return false;
    }
    return !database_failed(database);
}

void delivery_refuse(struct database *database, const struct delivery_row *row)
{
    char integration[256] = "", message_id[512] = "", alert_key[1100] = "";
    int64_t before = OUTCOME_REFUSED, severity = SEVERITY_INFO;
    struct rows rows = database_query(
        database,
        "SELECT outcome, integration, message_id, alert_key, severity FROM alert WHERE id = ?1",
        "i", row->alert_id);
    if (rows_next(&rows)) {
        before = rows_number(&rows, 0);
        (void)snprintf(integration, sizeof integration, "%s", rows_text(&rows, 1));
        (void)snprintf(message_id, sizeof message_id, "%s", rows_text(&rows, 2));
        (void)snprintf(alert_key, sizeof alert_key, "%s", rows_text(&rows, 3));
        severity = rows_number(&rows, 4);
    }
    rows_end(&rows);
    if (before != OUTCOME_REFUSED)
        ledger_move(database, integration, (enum outcome)before, OUTCOME_REFUSED);
    if (before != OUTCOME_REFUSED)
        counter_add(database, COUNTER_REFUSED, integration, refusal_names[REFUSAL_UNKEPT], 1);
    database_run(database, "UPDATE alert SET outcome = ?1 WHERE id = ?2", "ii",
                 (int64_t)OUTCOME_REFUSED, row->alert_id);
    database_run(database,
                 "DELETE FROM seen WHERE message_id = ?1 AND scope = ?2 AND alert_id = ?3", "tti",
                 message_id, row->scope, row->alert_id);
    delivery_remove(database, row->id, row->alert_id, row->scope);
    /* It was not taken: it is not the newest, and a recovery has closed nothing. */
    database_run(database,
                 "UPDATE memory SET newest_s = coalesce((SELECT max(time_s) FROM alert"
                 " WHERE alert_key = ?1 AND scope = ?2 AND outcome <> ?3), 0),"
                 " is_open = CASE WHEN ?4 = 3 THEN 1 ELSE is_open END"
                 " WHERE alert_key = ?1 AND scope = ?2",
                 "ttii", alert_key, row->scope, (int64_t)OUTCOME_REFUSED, severity);
}
