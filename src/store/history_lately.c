#include "base/limits.h"
#include "store/history_internal.h"

/* What happened is read so many rows at once, so that nobody's checkpoint waits for long. */
#define ROWS 2000

_Static_assert((int)DELIVERY_REJECTED == 2 && (int)DELIVERY_DROPPED == 4, "SQL compares with them");

/* ---- alerts ---- */

static struct alert_moment read_alert(const struct rows *rows, struct arena *arena)
{
    return (struct alert_moment){
        .received_ms = rows_number(rows, 1),
        .integration = arena_string(arena, rows_text(rows, 2)),
        .severity = (enum severity)rows_number(rows, 3),
        .outcome = (enum outcome)rows_number(rows, 4),
    };
}

bool history_alerts_since(struct history *history, int64_t since_ms,
                          void (*show)(void *context, const struct alert_moment *moment),
                          void *context, struct error *error)
{
    struct arena arena = {0}, texts = {0};
    struct alert_moment *moments = arena_alloc(&arena, ROWS * sizeof *moments);
    int64_t last_ms = since_ms, last_id = 0;
    size_t count = ROWS;
    bool is_read = history_has_memory(&arena, error);
    while (count == ROWS && is_read) {
        count = 0;
        is_read = history_begin(history, error);
        if (!is_read)
            break;
        struct rows rows =
            database_query(history->database,
                           "SELECT id, received_ms, integration, severity, outcome FROM alert"
                           " WHERE (received_ms, id) > (?1, ?2) ORDER BY received_ms, id LIMIT ?3",
                           "iii", last_ms, last_id, (int64_t)ROWS);
        while (count < ROWS && rows_next(&rows)) {
            last_id = rows_number(&rows, 0);
            moments[count++] = read_alert(&rows, &texts);
        }
        rows_end(&rows);
        is_read = history_end(history, error) && history_has_memory(&texts, error);
        for (size_t i = 0; i < count && is_read; i++)
            show(context, &moments[i]);
        last_ms = count ? moments[count - 1].received_ms : last_ms;
        arena_clear(&texts);
    }
    arena_clear(&arena);
    return is_read;
}

/* ---- deliveries ---- */

#define SELECT_MOMENT                                                              \
    "SELECT d.id, d.state, a.severity, a.received_ms, d.created_ms, d.finished_ms" \
    " FROM delivery AS d JOIN alert AS a ON a.id = d.alert_id"

/* Where a reading of deliveries is. */
struct place {
    const char *sql;
    int64_t last_ms, last_id;
};

static struct delivery_moment read_delivery(const struct rows *rows)
{
    return (struct delivery_moment){
        .state = (enum delivery_state)rows_number(rows, 1),
        .severity = (enum severity)rows_number(rows, 2),
        .received_ms = rows_number(rows, 3),
        .created_ms = rows_number(rows, 4),
        .finished_ms = rows_number(rows, 5),
    };
}

static bool read_all(struct history *history, struct place place,
                     void (*show)(void *context, const struct delivery_moment *moment),
                     void *context, struct error *error)
{
    struct arena arena = {0};
    struct delivery_moment *moments = arena_alloc(&arena, ROWS * sizeof *moments);
    size_t count = ROWS;
    bool is_read = history_has_memory(&arena, error);
    while (count == ROWS && is_read) {
        count = 0;
        is_read = history_begin(history, error);
        if (!is_read)
            break;
        struct rows rows = database_query(history->database, place.sql, "iii", place.last_ms,
                                          place.last_id, (int64_t)ROWS);
        while (count < ROWS && rows_next(&rows)) {
            place.last_id = rows_number(&rows, 0);
            moments[count++] = read_delivery(&rows);
        }
        rows_end(&rows);
        is_read = history_end(history, error);
        for (size_t i = 0; i < count && is_read; i++)
            show(context, &moments[i]);
        place.last_ms = count ? moments[count - 1].finished_ms : place.last_ms;
    }
    arena_clear(&arena);
    return is_read;
}

bool history_deliveries_since(struct history *history, int64_t since_ms,
                              void (*show)(void *context, const struct delivery_moment *moment),
                              void *context, struct error *error)
{
    const struct place ended = {SELECT_MOMENT
                                " WHERE d.state > 1 AND (d.finished_ms, d.id) > (?1, ?2)"
                                " ORDER BY d.finished_ms, d.id LIMIT ?3",
                                since_ms, 0},
                       waiting = {SELECT_MOMENT " WHERE d.state < 4 AND d.state < 2 AND d.id > ?2"
                                                " AND ?1 = ?1 ORDER BY d.id LIMIT ?3",
                                  0, 0};
    return read_all(history, ended, show, context, error) &&
           read_all(history, waiting, show, context, error);
}

/* ---- destinations ---- */

bool history_destination(struct history *history, const char *flashduty_key,
                         struct destination_record *record, struct error *error)
{
    *record = (struct destination_record){0};
    if (!history_begin(history, error))
        return false;
    struct rows rows = database_query(
        history->database, "SELECT failures, accepted_ms FROM destination WHERE flashduty_key = ?1",
        "t", flashduty_key);
    if (rows_next(&rows))
        *record = (struct destination_record){.failures = rows_number(&rows, 0),
                                              .is_failing = rows_number(&rows, 0) >= FAILURES_MAX,
                                              .accepted_ms = rows_number(&rows, 1)};
    rows_end(&rows);
    return history_end(history, error);
}
