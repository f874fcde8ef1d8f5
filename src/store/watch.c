#include "store/watch.h"

#include <string.h>

#include "base/limits.h"
#include "store/history_internal.h"
#include "store/internal.h"

#define COUNTER_MARK "forged_mark"
#define COUNTER_MARK_MS "forged_mark_ms"
#define COUNTER_WATCHED_MS "watched_ms"

/* ---- figures ---- */

static struct watch_figures *figures_of(struct watch_figures *figures, size_t count,
                                        const char *integration)
{
    for (size_t i = 0; i < count; i++) {
        if (!strcmp(figures[i].integration, integration))
            return &figures[i];
    }
    return NULL;
}

/* What is being sent right now has not ended its waiting. */
static void read_waiting(struct database *database, const struct watch_limits *limits,
                         struct watch_figures *figures, size_t count)
{
    struct rows rows = database_query(
        database,
        "SELECT a.integration, count(*), min(late.created_ms) FROM (SELECT alert_id, flashduty_key,"
        " created_ms FROM delivery WHERE state = 0 AND created_ms < ?1 UNION ALL SELECT alert_id,"
        " flashduty_key, created_ms FROM delivery WHERE state = 1 AND created_ms < ?1) AS late"
        " JOIN alert AS a ON a.id = late.alert_id WHERE ?2 = 0 OR EXISTS (SELECT 1 FROM destination"
        " AS t WHERE t.flashduty_key = late.flashduty_key AND t.failures >= ?3)"
        " GROUP BY a.integration",
        "iii", limits->now_ms - limits->waited_ms, (int64_t)limits->only_failing,
        (int64_t)FAILURES_MAX);
    while (rows_next(&rows)) {
        struct watch_figures *found = figures_of(figures, count, rows_text(&rows, 0));
        if (!found)
            continue;
        found->waiting = rows_number(&rows, 1);
        found->waiting_since_ms = rows_number(&rows, 2);
    }
}

/* In pass-through a key that is wrong is its owner's affair. */
static void read_unaccepted(struct database *database, const struct watch_limits *limits,
                            struct watch_figures *figures, size_t count, struct arena *arena)
{
    if (limits->only_failing)
        return;
    struct rows rows = database_query(
        database,
        "SELECT a.integration, count(*), min(CASE d.code WHEN '' THEN d.message ELSE d.code END)"
        " FROM delivery AS d JOIN alert AS a ON a.id = d.alert_id"
        " WHERE d.state < 4 AND d.state IN (2, 3) AND d.finished_ms < ?1 GROUP BY a.integration",
        "i", limits->now_ms - limits->settled_ms);
    while (rows_next(&rows)) {
        struct watch_figures *found = figures_of(figures, count, rows_text(&rows, 0));
        if (!found)
            continue;
        found->unaccepted = rows_number(&rows, 1);
        found->reason = arena_string(arena, rows_text(&rows, 2));
    }
}

static void take_subscriptions(struct rows rows, bool is_removal, struct watch_figures *figures,
                               size_t count, struct arena *arena)
{
    while (rows_next(&rows)) {
        struct watch_figures *found = figures_of(figures, count, rows_text(&rows, 0));
        if (!found)
            continue;
        *(is_removal ? &found->removed : &found->unconfirmed) = rows_number(&rows, 1);
        found->topic = arena_string(arena, rows_text(&rows, 2));
    }
}

static void read_subscriptions(struct database *database, const struct watch_limits *limits,
                               struct watch_figures *figures, size_t count, struct arena *arena)
{
    struct rows unconfirmed = database_query(
        database,
        "SELECT integration, count(*), min(topic) FROM confirmation AS c WHERE ((state = 0 AND"
        " received_ms < ?1) OR (state = 2 AND received_ms > ?2)) AND NOT EXISTS (SELECT 1 FROM"
        " subscription AS s WHERE s.topic = c.topic AND s.integration = c.integration"
        " AND s.changed_ms >= c.received_ms) GROUP BY integration",
        "ii", limits->now_ms - limits->waited_ms,
        limits->now_ms - limits->removed_ms - CONFIRMATION_HOURS * HOUR_MS);
    take_subscriptions(unconfirmed, false, figures, count, arena);
    struct rows removed = database_query(
        database,
        "SELECT integration, count(*), min(topic) FROM subscription WHERE state = 1"
        " AND changed_ms < ?1 AND changed_ms > ?2 GROUP BY integration",
        "ii", limits->now_ms - limits->settled_ms, limits->now_ms - limits->removed_ms);
    take_subscriptions(removed, true, figures, count, arena);
}

static void read_counters(struct database *database, struct watch_figures *figures)
{
    const char *of = figures->integration;
    figures->forged = counter_read(database, COUNTER_REFUSED, of, refusal_names[REFUSAL_SIGNATURE]);
    figures->forged_mark = counter_read(database, COUNTER_MARK, of, "");
    figures->forged_mark_ms = counter_read(database, COUNTER_MARK_MS, of, "");
    figures->alert_ms = counter_read(database, COUNTER_ALERT_MS, of, "");
    figures->watched_ms = counter_read(database, COUNTER_WATCHED_MS, of, "");
}

bool history_watch(struct history *history, const struct watch_limits *limits,
                   struct watch_figures *figures, size_t count, struct arena *arena,
                   struct error *error)
{
    if (!history_begin(history, error))
        return false;
    for (size_t i = 0; i < count; i++) {
        figures[i] = (struct watch_figures){
            .integration = figures[i].integration, .reason = "", .topic = ""};
        read_counters(history->database, &figures[i]);
    }
    read_waiting(history->database, limits, figures, count);
    read_unaccepted(history->database, limits, figures, count, arena);
    read_subscriptions(history->database, limits, figures, count, arena);
    return history_end(history, error) && (!arena->failed || error_out_of_memory(error));
}

/* ---- alarms ---- */

bool history_alarms(struct history *history,
                    bool (*show)(void *context, const struct alarm_record *record), void *context,
                    struct error *error)
{
    struct arena arena = {0};
    struct alarm_record *records = NULL;
    size_t count = 0;
    if (!history_begin(history, error))
        return false;
    struct rows rows = database_query(
        history->database,
        "SELECT condition, integration, title, text, is_over, changed_ms, delivery_id,"
        " coalesce((SELECT state FROM delivery WHERE id = delivery_id), ?1), posted_ms, was_posted"
        " FROM alarm ORDER BY condition, integration",
        "i", (int64_t)DELIVERY_REFUSED);
    while (!arena.failed && rows_next(&rows)) {
        int64_t state = rows_number(&rows, 7);
        records = history_grow(&arena, records, count, sizeof *records);
        if (records)
            records[count++] = (struct alarm_record){
                .condition = arena_string(&arena, rows_text(&rows, 0)),
                .integration = arena_string(&arena, rows_text(&rows, 1)),
                .title = arena_string(&arena, rows_text(&rows, 2)),
                .text = arena_string(&arena, rows_text(&rows, 3)),
                .is_over = rows_number(&rows, 4) != 0,
                .changed_ms = rows_number(&rows, 5),
                .has_event = rows_number(&rows, 6) != 0,
                .is_delivered = state == DELIVERY_DELIVERED,
                .is_waiting = state <= DELIVERY_SENDING,
                .posted_ms = rows_number(&rows, 8),
                .was_posted = rows_number(&rows, 9) != 0,
            };
    }
    rows_end(&rows);
    bool is_read = history_end(history, error) && (!arena.failed || error_out_of_memory(error));
    for (size_t i = 0; i < count && is_read && show(context, &records[i]); i++)
        ;
    arena_clear(&arena);
    return is_read;
}

struct alarm_job {
    struct job job;
    struct alarm_record alarm;
    struct store_event event;
    bool has_event;
};

static struct alarm_job *alarm_job_new(void (*run)(struct job *, struct database *,
                                                   const struct store_limits *),
                                       const struct alarm_record *alarm)
{
    struct alarm_job *job = job_new(sizeof *job, run);
    if (!job)
        return NULL;
    job->alarm = *alarm;
    job->alarm.condition = arena_string(&job->job.arena, alarm->condition);
    job->alarm.integration = arena_string(&job->job.arena, alarm->integration);
    job->alarm.title = arena_string(&job->job.arena, alarm->title);
    job->alarm.text = arena_string(&job->job.arena, alarm->text);
    return job;
}

static bool run_alarm_job(struct store *store, struct alarm_job *job)
{
    bool has_worked = job && job_run(store, &job->job);
    job_free(store, job ? &job->job : NULL);
    return has_worked;
}

/* Takes the event in to wait: nobody is there to send it. Its delivery; 0: it was not taken. */
static int64_t take_event(struct alarm_job *alarm, struct database *database,
                          const struct store_limits *limits)
{
    struct store_event event = alarm->event;
    size_t sends_left = 0;
    if (!alarm->has_event)
        return 0;
    event_take(database, limits, &alarm->job.arena, &event, 0, &sends_left, &alarm->job.is_durable);
    return event.delivery_count > 0 ? event.deliveries[0].id : 0;
}

static void run_alarm(struct job *job, struct database *database, const struct store_limits *limits)
{
    struct alarm_job *change = (struct alarm_job *)job;
    const struct alarm_record *alarm = &change->alarm;
    int64_t before =
        database_number(database, -1,
                        "SELECT delivery_id FROM alarm WHERE condition = ?1"
                        " AND integration = ?2 AND is_over = ?3",
                        "tti", alarm->condition, alarm->integration, (int64_t)alarm->is_over);
    if (before > 0)
        return;
    int64_t delivery = take_event(change, database, limits);
    if (before == 0)
        database_run(database,
                     "UPDATE alarm SET delivery_id = ?1 WHERE condition = ?2 AND integration = ?3",
                     "itt", delivery, alarm->condition, alarm->integration);
    else
        database_run(database,
                     "INSERT INTO alarm VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, 0)"
                     " ON CONFLICT (condition, integration) DO UPDATE SET is_over = ?3,"
                     " changed_ms = ?4, delivery_id = ?5, title = ?6, text = ?7, posted_ms = 0,"
                     " was_posted = CASE WHEN ?3 = 1 AND alarm.posted_ms > 0 THEN 1 ELSE 0 END",
                     "ttiiitt", alarm->condition, alarm->integration, (int64_t)alarm->is_over,
                     database_wall_ms(database), delivery, alarm->title, alarm->text);
}

bool store_alarm(struct store *store, const struct alarm_record *alarm,
                 const struct store_event *event)
{
    struct alarm_job *job = alarm_job_new(run_alarm, alarm);
    if (job && event) {
        event_copy(&job->job.arena, &job->event, event);
        job->has_event = true;
    }
    return run_alarm_job(store, job);
}

static void run_posted(struct job *job, struct database *database,
                       const struct store_limits *limits)
{
    const struct alarm_record *alarm = &((struct alarm_job *)job)->alarm;
    (void)limits;
    database_run(database,
                 "UPDATE alarm SET posted_ms = ?1 WHERE condition = ?2 AND integration = ?3"
                 " AND is_over = ?4",
                 "itti", database_wall_ms(database), alarm->condition, alarm->integration,
                 (int64_t)alarm->is_over);
}

bool store_alarm_posted(struct store *store, const struct alarm_record *alarm)
{
    return run_alarm_job(store, alarm_job_new(run_posted, alarm));
}

static void run_forget(struct job *job, struct database *database,
                       const struct store_limits *limits)
{
    const struct alarm_record *alarm = &((struct alarm_job *)job)->alarm;
    (void)limits;
    database_run(database,
                 "DELETE FROM alarm WHERE condition = ?1 AND integration = ?2 AND is_over = 1",
                 "tt", alarm->condition, alarm->integration);
}

bool store_alarm_forget(struct store *store, const struct alarm_record *alarm)
{
    return run_alarm_job(store, alarm_job_new(run_forget, alarm));
}

/* ---- marks ---- */

struct mark_job {
    struct job job;
    struct watch_figures *figures;
    size_t count;
};

static void run_mark(struct job *job, struct database *database, const struct store_limits *limits)
{
    const struct mark_job *mark = (struct mark_job *)job;
    int64_t now_ms = database_wall_ms(database);
    (void)limits;
    for (size_t i = 0; i < mark->count; i++) {
        const struct watch_figures *of = &mark->figures[i];
        counter_set(database, COUNTER_MARK, of->integration, of->forged);
        counter_set(database, COUNTER_MARK_MS, of->integration, now_ms);
        if (!of->watched_ms)
            counter_set(database, COUNTER_WATCHED_MS, of->integration, now_ms);
    }
}

bool store_watch_mark(struct store *store, const struct watch_figures *figures, size_t count)
{
    struct mark_job *mark = job_new(sizeof *mark, run_mark);
    if (!mark)
        return false;
    mark->figures = arena_alloc(&mark->job.arena, (count + 1) * sizeof *mark->figures);
    mark->count = mark->figures ? count : 0;
    for (size_t i = 0; i < mark->count; i++) {
        mark->figures[i] = figures[i];
        mark->figures[i].integration = arena_string(&mark->job.arena, figures[i].integration);
    }
    bool has_worked = job_run(store, &mark->job);
    job_free(store, &mark->job);
    return has_worked;
}

struct canary_job {
    struct job job;
    const char *integration;
};

static void run_canary(struct job *job, struct database *database,
                       const struct store_limits *limits)
{
    (void)limits;
    counter_set(database, COUNTER_CANARY_MS, ((struct canary_job *)job)->integration,
                database_wall_ms(database));
}

bool store_canary(struct store *store, const char *integration)
{
    struct canary_job *canary = job_new(sizeof *canary, run_canary);
    if (!canary)
        return false;
    canary->integration = arena_string(&canary->job.arena, integration);
    bool has_worked = job_run(store, &canary->job);
    job_free(store, &canary->job);
    return has_worked;
}
