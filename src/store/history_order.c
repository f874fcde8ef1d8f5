#include <string.h>

#include "store/history_internal.h"
#include "store/internal.h"

_Static_assert((int)DELIVERY_WAITING == 0 && (int)DELIVERY_SENDING == 1 &&
                   (int)DELIVERY_DELIVERED == 5 && (int)SEVERITY_OK == 3,
               "SQL compares with them");

/* A delivery that an order is given to. */
struct ordered {
    struct database *database;
    const struct order *order;
    struct delivery_row row;
    const char *alert_key, *route, *code, *message;
    const char *key; /* the present one */
    int64_t rank, time_s;
    bool is_recovery;
};

static const char *present_key(const struct order *order, const struct ordered *one)
{
    for (size_t i = 0; i < order->key_count; i++) {
        if (!strcmp(order->keys[i].scope, one->row.scope) &&
            !strcmp(order->keys[i].route, one->route))
            return order->keys[i].flashduty_key;
    }
    return one->row.flashduty_key;
}

static bool read_ordered(struct ordered *one, int64_t id, struct arena *arena)
{
    if (!delivery_read(one->database, id, arena, &one->row))
        return false;
    struct rows rows = database_query(
        one->database,
        "SELECT d.alert_key, d.route, d.code, d.message, d.rank, a.time_s, a.severity"
        " FROM delivery AS d JOIN alert AS a ON a.id = d.alert_id WHERE d.id = ?1",
        "i", id);
    bool is_there = rows_next(&rows);
    if (is_there) {
        one->alert_key = arena_string(arena, rows_text(&rows, 0));
        one->route = arena_string(arena, rows_text(&rows, 1));
        one->code = arena_string(arena, rows_text(&rows, 2));
        one->message = arena_string(arena, rows_text(&rows, 3));
        one->rank = rows_number(&rows, 4);
        one->time_s = rows_number(&rows, 5);
        one->is_recovery = rows_number(&rows, 6) == SEVERITY_OK;
        one->key = present_key(one->order, one);
    }
    rows_end(&rows);
    return is_there;
}

/* ---- retry ---- */

/* Whether something newer of its alert makes it a lie. Where the vendor's times do not tell, what
 * came later is newer; only what turns it round counts then, and only if it goes there, too. */
static bool is_stale(const struct ordered *one)
{
    int64_t newest_s = database_number(
        one->database, 0, "SELECT newest_s FROM memory WHERE alert_key = ?1 AND scope = ?2", "tt",
        one->alert_key, one->row.scope);
    if (one->time_s > 0 && newest_s > one->time_s)
        return true;
    return database_number(one->database, 0,
                           "SELECT 1 FROM alert AS a JOIN delivery AS d ON d.alert_id = a.id"
                           " WHERE a.alert_key = ?1 AND a.scope = ?2 AND a.id > ?3"
                           " AND d.state IN (0, 1, 5) AND (d.route = ?4 OR d.flashduty_key = ?5)"
                           " AND CASE WHEN a.severity = 3 THEN 1 ELSE 0 END <> ?6 LIMIT 1",
                           "ttitti", one->alert_key, one->row.scope, one->row.alert_id, one->route,
                           one->key, (int64_t)one->is_recovery) != 0;
}

/* Events of one alert never overtake each other, and one never waits behind a later one: so there
 * is always one that need not wait. What is on its way already cannot be put behind. */
static bool is_later_one_on_its_way(const struct ordered *one)
{
    return database_number(one->database, 0,
                           "SELECT 1 FROM delivery WHERE alert_key = ?1 AND scope = ?2"
                           " AND state < 2 AND state = 1 AND id > ?3"
                           " AND (route = ?4 OR flashduty_key = ?5) LIMIT 1",
                           "ttitt", one->alert_key, one->row.scope, one->row.id, one->route,
                           one->key) != 0;
}

/* An alert key ranks as its highest waiting event. */
static int64_t share_rank(const struct ordered *one)
{
    int64_t highest = database_number(
        one->database, one->rank,
        "SELECT min(rank) FROM delivery WHERE alert_key = ?1 AND scope = ?2 AND state < 2"
        " AND (route = ?3 OR flashduty_key = ?4)",
        "tttt", one->alert_key, one->row.scope, one->route, one->key);
    if (one->rank < highest)
        highest = one->rank;
    database_run(one->database,
                 "UPDATE delivery SET rank = ?1 WHERE alert_key = ?2 AND scope = ?3 AND state < 2"
                 " AND rank > ?1 AND (route = ?4 OR flashduty_key = ?5)",
                 "itttt", highest, one->alert_key, one->row.scope, one->route, one->key);
    return highest;
}

static void wait_again(const struct ordered *one)
{
    int64_t rank = share_rank(one), now_ms = database_wall_ms(one->database);
    int64_t before =
        database_number(one->database, 0,
                        "SELECT max(id) FROM delivery WHERE alert_key = ?1 AND scope = ?2"
                        " AND state < 2 AND id < ?3 AND (route = ?4 OR flashduty_key = ?5)",
                        "ttitt", one->alert_key, one->row.scope, one->row.id, one->route, one->key);
    database_run(one->database,
                 "UPDATE delivery SET after = ?1 WHERE alert_key = ?2 AND scope = ?3"
                 " AND state < 2 AND state = 0 AND id > ?1 AND after >= 0 AND after < ?1"
                 " AND (route = ?4 OR flashduty_key = ?5)",
                 "itttt", one->row.id, one->alert_key, one->row.scope, one->route, one->key);
    database_run(one->database,
                 "UPDATE delivery SET state = 0, flashduty_key = ?2, rank = ?3, after = ?4,"
                 " due_ms = ?5, scheduled_ms = ?5, created_ms = ?5, finished_ms = 0, rounds = 0"
                 " WHERE id = ?1",
                 "itiii", one->row.id, one->key, rank, before, now_ms);
    /* A person has said so: it is not given up when the outbox is full. */
    alert_promise(one->database, one->row.alert_id, one->row.integration);
    alert_settle(one->database, one->row.alert_id);
}

static enum order_result make_due(const struct ordered *one)
{
    database_run(one->database,
                 "UPDATE delivery SET due_ms = ?1, scheduled_ms = ?1, flashduty_key = ?2"
                 " WHERE id = ?3",
                 "iti", database_wall_ms(one->database), one->key, one->row.id);
    return ORDER_DONE;
}

static enum order_result retry_finished(const struct ordered *one)
{
    if (!one->order->is_forced && is_stale(one))
        return ORDER_STALE;
    if (is_later_one_on_its_way(one))
        return ORDER_BUSY;
    wait_again(one);
    return ORDER_DONE;
}

/* ---- the table of what an order does ---- */

static enum order_result drop(const struct ordered *one)
{
    (void)delivery_finish(one->database, &one->row, DELIVERY_DROPPED, one->code, one->message);
    return ORDER_DONE;
}

static enum order_result nothing_to_do(const struct ordered *one)
{
    (void)one;
    return ORDER_OVER;
}

static enum order_result is_busy(const struct ordered *one)
{
    (void)one;
    return ORDER_BUSY;
}

static enum order_result (*const acts[][DELIVERY_REFUSED])(const struct ordered *one) = {
    [ORDER_RETRY] = {[DELIVERY_WAITING] = make_due,
                     [DELIVERY_SENDING] = is_busy,
                     [DELIVERY_REJECTED] = retry_finished,
                     [DELIVERY_EXPIRED] = retry_finished,
                     [DELIVERY_DROPPED] = retry_finished,
                     [DELIVERY_DELIVERED] = nothing_to_do},
    [ORDER_DROP] = {[DELIVERY_WAITING] = drop,
                    [DELIVERY_SENDING] = is_busy,
                    [DELIVERY_REJECTED] = drop,
                    [DELIVERY_EXPIRED] = drop,
                    [DELIVERY_DROPPED] = nothing_to_do,
                    [DELIVERY_DELIVERED] = nothing_to_do},
};

static enum order_result act(struct database *database, const struct order *order, int64_t id,
                             struct arena *arena)
{
    struct ordered one = {.database = database, .order = order};
    if (!read_ordered(&one, id, arena) || one.row.state >= DELIVERY_REFUSED)
        return ORDER_UNKNOWN;
    return acts[order->kind][one.row.state](&one);
}

bool history_order(struct history *history, const struct order *order, const int64_t *ids,
                   size_t count, enum order_result *results, struct error *error)
{
    struct arena arena = {0};
    if (!history_open_to_write(history, error))
        return false;
    struct database *database = history->database;
    bool is_begun = database_begin(database, HISTORY_PATIENCE_MS);
    for (size_t i = 0; i < count && is_begun; i++)
        results[i] = act(database, order, ids[i], &arena);
    bool is_whole = is_begun && !arena.failed && !database_failed(database);
    bool is_done = is_whole && (order->is_rehearsed || database_commit(database, true));
    if (!is_done)
        error_set(error, ERROR_UNAVAILABLE, "%s: %s", history->name,
                  arena.failed ? "out of memory" : database_failure(database));
    database_rollback(database);
    arena_clear(&arena);
    return is_done;
}
