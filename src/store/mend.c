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
        "SELECT d.id, d.lease_steady_ms FROM delivery AS d JOIN alert AS a ON a.id = d.alert_id"
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

void mend_close_again(const struct intake *in, const struct store_delivery *delivery,
                      const struct mend_time *at)
{
    struct delivery_row row;
    int64_t id = 0, finished_ms = 0;
    struct rows rows = database_query(
        in->database,
        "SELECT d.id, d.finished_ms FROM alert AS a JOIN delivery AS d ON d.alert_id = a.id"
        " WHERE a.alert_key = ?1 AND a.scope = ?2 AND a.severity = 3 AND d.flashduty_key = ?3"
        " AND d.state = 5 AND EXISTS (SELECT 1 FROM memory AS m WHERE m.alert_key = ?1"
        " AND m.scope = ?2 AND m.is_open = 0) ORDER BY d.finished_ms DESC LIMIT 1",
        "ttt", in->event->alert_key, in->event->scope, delivery->flashduty_key);
    if (rows_next(&rows)) {
        id = rows_number(&rows, 0);
        finished_ms = rows_number(&rows, 1);
    }
    rows_end(&rows);
    if (!id || finished_ms > at->latest_ms)
        return;
    /* What is newer, and on its way, sets it right by itself; and what is newer must not wait for
     * what waits for it. */
    int64_t before = intake_predecessor(in, delivery);
    if (before > id || !delivery_read(in->database, id, in->arena, &row))
        return;
    database_run(in->database,
                 "UPDATE delivery SET state = 0, after = ?1, due_ms = ?2, scheduled_ms = ?2,"
                 " rounds = 0, finished_ms = 0 WHERE id = ?3",
                 "iii", before, in->now_ms, id);
    alert_settle(in->database, row.alert_id);
}
