#include <stdio.h>

#include "base/limits.h"
#include "store/internal.h"

/* What one transaction removes: others wait for it. */
#define TIDY_AT_ONCE 200
/* An alert that was never closed is remembered for so long: its recovery may still come. */
#define OPEN_DAYS 400

struct tidy_job {
    struct job job;
    bool more;
};

static bool forget_finished(struct database *database, int64_t before_ms)
{
    struct {
        int64_t id, alert_id;
        char scope[512];
    } old[TIDY_AT_ONCE];
    size_t count = 0;
    struct rows rows = database_query(database,
                                      "SELECT id, alert_id, scope FROM delivery WHERE state > 1"
                                      " AND finished_ms < ?1 ORDER BY finished_ms LIMIT ?2",
                                      "ii", before_ms, (int64_t)TIDY_AT_ONCE);
    while (rows_next(&rows)) {
        old[count].id = rows_number(&rows, 0);
        old[count].alert_id = rows_number(&rows, 1);
        (void)snprintf(old[count].scope, sizeof old[count].scope, "%s", rows_text(&rows, 2));
        count++;
    }
    for (size_t i = 0; i < count; i++)
        delivery_forget(database, old[i].id, old[i].alert_id, old[i].scope);
    return count == TIDY_AT_ONCE;
}

static bool expire(struct database *database, struct arena *arena, int64_t before_ms,
                   bool *is_durable)
{
    int64_t ids[TIDY_AT_ONCE];
    size_t count = 0;
    struct rows rows = database_query(
        database, "SELECT id FROM delivery WHERE state = 0 AND created_ms < ?1 LIMIT ?2", "ii",
        before_ms, (int64_t)TIDY_AT_ONCE);
    while (rows_next(&rows))
        ids[count++] = rows_number(&rows, 0);
    for (size_t i = 0; i < count; i++) {
        struct delivery_row row;
        if (delivery_read(database, ids[i], arena, &row))
            (void)delivery_finish(database, &row, DELIVERY_EXPIRED, "",
                                  "it was not accepted in 72 hours");
        *is_durable = true;
    }
    return count == TIDY_AT_ONCE;
}

static void run_tidy(struct job *job, struct database *database, const struct store_limits *limits)
{
    struct tidy_job *tidy = (struct tidy_job *)job;
    int64_t now_ms = database_wall_ms(database);
    int64_t keep_ms = now_ms - limits->keep_days * DAY_MS;
    tidy->more = expire(database, &job->arena, now_ms - EXPIRY_HOURS * HOUR_MS, &job->is_durable);
    if (!limits->is_spool)
        tidy->more |= forget_finished(database, keep_ms);
    tidy->more |=
        database_change(database,
                        "DELETE FROM seen WHERE (message_id, scope) IN (SELECT message_id,"
                        " scope FROM seen WHERE seen_ms < ?1 ORDER BY seen_ms LIMIT ?2)",
                        "ii", now_ms - SEEN_HOURS * HOUR_MS, (int64_t)TIDY_AT_ONCE) == TIDY_AT_ONCE;
    database_run(database,
                 "DELETE FROM memory_destination WHERE (alert_key, scope) IN (SELECT alert_key,"
                 " scope FROM memory WHERE is_open = 0 AND changed_ms < ?1 ORDER BY changed_ms"
                 " LIMIT ?2)",
                 "ii", keep_ms, (int64_t)TIDY_AT_ONCE);
    tidy->more |=
        database_change(database,
                        "DELETE FROM memory WHERE (alert_key, scope) IN (SELECT alert_key,"
                        " scope FROM memory WHERE is_open = 0 AND changed_ms < ?1 ORDER BY"
                        " changed_ms LIMIT ?2)",
                        "ii", keep_ms, (int64_t)TIDY_AT_ONCE) == TIDY_AT_ONCE;
    tidy->more |=
        database_change(database,
                        "DELETE FROM moved WHERE token IN (SELECT token FROM moved"
                        " WHERE moved_ms < ?1 ORDER BY moved_ms LIMIT ?2)",
                        "ii", now_ms - SEEN_HOURS * HOUR_MS, (int64_t)TIDY_AT_ONCE) == TIDY_AT_ONCE;
    database_run(
        database,
        "UPDATE memory SET is_open = 0 WHERE (alert_key, scope) IN (SELECT alert_key, scope"
        " FROM memory WHERE is_open = 1 AND changed_ms < ?1 ORDER BY changed_ms LIMIT ?2)",
        "ii", now_ms - OPEN_DAYS * DAY_MS, (int64_t)TIDY_AT_ONCE);
    database_run(database, "DELETE FROM node WHERE seen_ms < ?1", "i", now_ms - DAY_MS);
    database_run(database, "DELETE FROM confirmation WHERE state > 0 AND due_ms < ?1", "i",
                 keep_ms);
    /* A spool that is not written to is known to be empty. */
    if (limits->is_spool)
        return;
    database_run(database,
                 "INSERT INTO fact VALUES ('drained_ms', ?1) ON CONFLICT (name) DO UPDATE"
                 " SET value = ?1",
                 "i", now_ms);
}

bool tidy_here(struct store *store, bool *more)
{
    struct tidy_job *tidy = job_new(sizeof *tidy, run_tidy);
    *more = false;
    if (!tidy)
        return false;
    bool has_worked = job_run(store, &tidy->job);
    *more = has_worked && tidy->more;
    job_free(store, &tidy->job);
    return has_worked;
}
