#include "store/mend.h"

/* More recoveries of one alert do not wait. */
#define RECOVERIES_MAX 16

_Static_assert((int)SEVERITY_OK == 3 && (int)DELIVERY_WAITING == 0 && (int)DELIVERY_SENDING == 1 &&
                   (int)DELIVERY_DELIVERED == 5,
               "SQL compares with them");

/* Whether any of them may have been sent all the same, by somebody who died over it. */
static bool give_up_recoveries(const struct intake *in, const struct store_delivery *delivery)
{
    int64_t ids[RECOVERIES_MAX];
    size_t count = 0;
    bool may_be_sent = false;
    struct rows rows = database_query(
        in->database,
        "SELECT d.id, d.lease_steady_ms + d.tries FROM delivery AS d JOIN alert AS a ON a.id = "
        "d.alert_id"
        " WHERE d.alert_key = ?1 AND d.scope = ?2 AND d.state < 2 AND d.state = 0 AND a.severity = "
        "3"
        " AND (d.route = ?3 OR d.flashduty_key = ?4) ORDER BY d.id",
        "tttt", in->event->alert_key, in->event->scope, delivery->route, delivery->flashduty_key);
    while (count < RECOVERIES_MAX && rows_next(&rows)) {
        ids[count++] = rows_number(&rows, 0);
        may_be_sent |= rows_number(&rows, 1) > 0;
    }
    rows_end(&rows);
    for (size_t i = 0; i < count; i++) {
        struct delivery_row row;
        if (delivery_read(in->database, ids[i], in->arena, &row))
            (void)delivery_finish(in->database, &row, DELIVERY_DROPPED, "",
                                  "something newer of its alert was delivered meanwhile");
    }
    return may_be_sent;
}

bool mend_is_closed(const struct intake *in, const struct store_delivery *delivery,
                    const struct mend_time *at)
{
    if (give_up_recoveries(in, delivery))
        return true;
    return database_number(in->database, 0,
                           "SELECT 1 FROM alert AS a JOIN delivery AS d ON d.alert_id = a.id"
                           " WHERE a.alert_key = ?1 AND a.scope = ?2 AND a.severity = 3"
                           " AND (d.route = ?3 OR d.flashduty_key = ?4)"
                           " AND (d.state = 1 OR (d.state = 5 AND d.finished_ms >= ?5)) LIMIT 1",
                           "tttti", in->event->alert_key, in->event->scope, delivery->route,
                           delivery->flashduty_key, at->earliest_ms) != 0;
}

/* The newest of what has gone to a destination, or is going there, of an alert. */
struct newest {
    int64_t id, created_ms;
    bool is_sending;
    struct store_delivery delivery;
};

static struct newest read_newest(const struct intake *in, const char *key, bool of_recoveries)
{
    struct newest newest = {0};
    struct rows rows =
        database_query(in->database,
                       "SELECT d.id, d.created_ms, d.state, d.route FROM alert AS a"
                       " JOIN delivery AS d ON d.alert_id = a.id"
                       " WHERE a.alert_key = ?1 AND a.scope = ?2 AND (a.severity = 3) = (?3 = 1)"
                       " AND d.flashduty_key = ?4 AND d.state IN (1, 5) ORDER BY d.id DESC LIMIT 1",
                       "ttit", in->event->alert_key, in->event->scope, (int64_t)of_recoveries, key);
    if (rows_next(&rows))
        newest = (struct newest){.id = rows_number(&rows, 0),
                                 .created_ms = rows_number(&rows, 1),
                                 .is_sending = rows_number(&rows, 2) == DELIVERY_SENDING,
                                 .delivery = {.route = arena_string(in->arena, rows_text(&rows, 3)),
                                              .flashduty_key = key}};
    rows_end(&rows);
    return newest;
}

/* It is under way, and may have come too early all the same: another send follows it. */
static void repeat(const struct intake *in, const struct newest *newest,
                   const struct delivery_row *row, int64_t before)
{
    bool has_share = database_number(in->database, 0, "SELECT kept FROM volume WHERE scope = ?1",
                                     "t", row->scope) > 0;
    int64_t rank = database_number(in->database, 0, "SELECT rank FROM delivery WHERE id = ?1", "i",
                                   newest->id);
    const struct new_delivery again = {
        .alert_id = row->alert_id,
        .rank = rank,
        .after = before,
        .due_ms = in->now_ms,
        .created_ms = in->now_ms,
        .state = DELIVERY_WAITING,
        .scope = row->scope,
        .alert_key = in->event->alert_key,
        .route = newest->delivery.route,
        .flashduty_key = newest->delivery.flashduty_key,
        .code = "",
        .message = "",
    };
    (void)delivery_add(in->database, &again, has_share ? row->scope : NULL);
}

/* latest_ms: when what it has to set right may have come. What is newer, and on its way, does so by
 * itself; and what is newer must not wait for what waits for it. */
static bool send_again(const struct intake *in, const struct newest *newest, int64_t latest_ms)
{
    struct delivery_row row;
    int64_t before = newest->id ? intake_predecessor(in, &newest->delivery) : 0;
    if (!newest->id || newest->created_ms > latest_ms || before > newest->id ||
        !delivery_read(in->database, newest->id, in->arena, &row))
        return false;
    if (newest->is_sending) {
        repeat(in, newest, &row, before);
    } else {
        database_run(in->database,
                     "UPDATE delivery SET state = 0, after = ?1, due_ms = ?2, scheduled_ms = ?2,"
                     " rounds = 0, finished_ms = 0 WHERE id = ?3",
                     "iii", before, in->now_ms, newest->id);
        alert_settle(in->database, row.alert_id);
    }
    alert_promise(in->database, row.alert_id, row.integration);
    return true;
}

/* Whether it is known as open, or closed; -1 if it is not known. */
static int64_t is_open_now(const struct intake *in)
{
    return database_number(in->database, -1,
                           "SELECT is_open FROM memory WHERE alert_key = ?1 AND scope = ?2", "tt",
                           in->event->alert_key, in->event->scope);
}

bool mend_close_again(const struct intake *in, const struct store_delivery *delivery,
                      const struct mend_time *at)
{
    struct newest newest = read_newest(in, delivery->flashduty_key, true);
    return is_open_now(in) == 0 && send_again(in, &newest, at->latest_ms);
}

bool mend_after_late(struct database *database, const struct store_limits *limits,
                     struct arena *arena, int64_t delivery_id)
{
    struct store_event event = {0};
    struct intake in = {.database = database,
                        .limits = limits,
                        .arena = arena,
                        .event = &event,
                        .now_ms = database_wall_ms(database)};
    const char *key = NULL;
    struct rows rows = database_query(database,
                                      "SELECT a.alert_key, a.scope, a.severity, d.flashduty_key"
                                      " FROM delivery AS d JOIN alert AS a ON a.id = d.alert_id"
                                      " WHERE d.id = ?1",
                                      "i", delivery_id);
    if (rows_next(&rows)) {
        event.alert_key = arena_string(arena, rows_text(&rows, 0));
        event.scope = arena_string(arena, rows_text(&rows, 1));
        event.severity = (enum severity)rows_number(&rows, 2);
        key = arena_string(arena, rows_text(&rows, 3));
    }
    rows_end(&rows);
    int64_t is_open = key ? is_open_now(&in) : -1;
    bool is_recovery = event.severity == SEVERITY_OK;
    if (limits->is_spool || is_open < 0 || is_recovery != (is_open == 1))
        return false;
    struct newest newest = read_newest(&in, key, !is_recovery);
    return newest.id > delivery_id && send_again(&in, &newest, in.now_ms);
}
