#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "store/history.h"
#include "store/internal.h"
#include "store/mend.h"

#define SECOND_MS ((int64_t)1000)
#define MINUTE_MS (60 * SECOND_MS)

/* How long after its n-th round a delivery is tried again; the last one goes on. */
static const int64_t schedule_ms[] = {5 * SECOND_MS,  30 * SECOND_MS, 2 * MINUTE_MS, 10 * MINUTE_MS,
                                      30 * MINUTE_MS, 1 * HOUR_MS,    2 * HOUR_MS,   4 * HOUR_MS};

int64_t schedule_after(int64_t rounds)
{
    size_t count = sizeof schedule_ms / sizeof *schedule_ms;
    size_t row = rounds < 1 ? 0 : (size_t)rounds - 1;
    return schedule_ms[row < count ? row : count - 1];
}

/* ---- what is known of a key ---- */

/* It can be reached: what failed while it could not follows at once. */
static void destination_reached(struct database *database, const char *key)
{
    int64_t now_ms = database_wall_ms(database);
    database_run(database,
                 "UPDATE destination SET failures = 0, probe_steady_ms = 0"
                 " WHERE flashduty_key = ?1",
                 "t", key);
    database_run(database,
                 "UPDATE delivery SET due_ms = ?1, scheduled_ms = ?1 WHERE flashduty_key = ?2"
                 " AND state = 0 AND after = 0 AND due_ms > ?1",
                 "it", now_ms, key);
}

void destination_accepted(struct database *database, const char *key)
{
    struct destination_state before = destination_read(database, key);
    int64_t now_ms = database_wall_ms(database);
    if (before.failures > 0)
        destination_reached(database, key);
    /* It is written once an hour, not with every delivery. */
    if (before.accepted_ms <= now_ms && now_ms - before.accepted_ms < HOUR_MS)
        return;
    database_run(database,
                 "INSERT INTO destination VALUES (?1, 0, 0, 0, ?2)"
                 " ON CONFLICT (flashduty_key) DO UPDATE SET accepted_ms = ?2",
                 "ti", key, now_ms);
}

/* It has answered, and the answer says nothing of other events. */
static void destination_rejected(struct database *database, const char *key)
{
    if (destination_read(database, key).failures > 0)
        destination_reached(database, key);
}

/* Whether it took something while a try waited for it. */
static bool has_accepted_since(struct database *database, const char *key, int64_t since_ms)
{
    return database_number(database, 0,
                           "SELECT 1 FROM delivery WHERE state > 1 AND state = 5"
                           " AND finished_ms >= ?1 AND flashduty_key = ?2 LIMIT 1",
                           "it", since_ms, key) != 0;
}

/* How many failures it counts for. While a destination hangs, each try costs a request its
 * deadline: one is enough, unless the destination has answered others meanwhile. */
static int64_t weight_of(struct database *database, const char *key, const struct store_try *one)
{
    int64_t since_ms = database_wall_ms(database) - one->took_ms;
    bool hangs = one->took_ms >= LONG_FAILURE_MS && !has_accepted_since(database, key, since_ms);
    return hangs ? FAILURES_MAX : 1;
}

void destination_failed(struct database *database, const char *key, const struct store_try *one)
{
    struct destination_state before = destination_read(database, key);
    int64_t now_ms = database_steady_ms(database);
    long pause_s = one->retry_after_s > RETRY_AFTER_S_MAX ? RETRY_AFTER_S_MAX : one->retry_after_s;
    int64_t hold_ms = pause_s > 0 ? now_ms + pause_s * SECOND_MS : 0;
    if (hold_ms < before.hold_steady_ms)
        hold_ms = before.hold_steady_ms;
    database_run(database,
                 "INSERT INTO destination VALUES (?1, ?2, ?3, ?4, 0)"
                 " ON CONFLICT (flashduty_key) DO UPDATE SET failures = destination.failures + ?2,"
                 " probe_steady_ms = ?3, hold_steady_ms = ?4",
                 "tiii", key, weight_of(database, key, one), now_ms + PROBE_MS, hold_ms);
}

/* ---- one try ---- */

struct report {
    struct database *database;
    const struct store_limits *limits;
    struct store_try *one;
    struct delivery_row row;
    int64_t now_ms;
    bool *is_durable;
};

static void record(const struct report *report)
{
    char answer[64];
    const struct store_try *one = report->one;
    int64_t number = report->row.tries + 1;
    database_run(report->database,
                 "INSERT INTO try VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
                 " ON CONFLICT (delivery_id, number) DO NOTHING",
                 "iiiiiittt", report->row.id, number, one->started_ms, one->took_ms,
                 (int64_t)one->status, (int64_t)one->verdict, one->code, one->message,
                 one->request_id);
    database_run(report->database, "UPDATE delivery SET tries = ?1 WHERE id = ?2", "ii", number,
                 report->row.id);
    (void)snprintf(answer, sizeof answer, "%ld %s", one->status, one->kind);
    counter_add(report->database, COUNTER_ANSWERS, "", answer, 1);
}

/* How long it took from when it was taken, or retried by a person. */
static void count_time(const struct report *report)
{
    char bucket[24];
    size_t row = 0;
    int64_t took_ms = report->now_ms - report->row.created_ms;
    took_ms = took_ms > 0 ? took_ms : 0;
    while (row < DELIVERY_BUCKETS && took_ms > delivery_buckets_ms[row])
        row++;
    (void)snprintf(bucket, sizeof bucket, "%zu", row);
    counter_add(report->database, COUNTER_TOOK, report->row.integration, bucket, 1);
    counter_add(report->database, COUNTER_TOOK_MS, report->row.integration, "", took_ms);
}

/* Another send at once, if the key has one to give: a request goes on trying although its
 * destination keeps failing, and is the first to see that it does no more. */
static bool send_again(const struct report *report)
{
    struct destination_state destination =
        destination_read(report->database, report->row.flashduty_key);
    if (!report->one->wants_again || report->one->retry_after_s > 0 || destination.hold_steady_ms ||
        pace_free(report->database, report->limits, report->row.flashduty_key) < 1)
        return false;
    pace_take(report->database, report->limits, report->row.flashduty_key);
    report->one->lease = database_steady_ms(report->database) + report->one->lease_ms;
    database_run(report->database,
                 "UPDATE delivery SET lease_steady_ms = ?1, code = ?2, message = ?3 WHERE id = ?4",
                 "itti", report->one->lease, report->one->code, report->one->message,
                 report->row.id);
    return true;
}

/* What was answered 2xx stays, however full the outbox is. */
static bool may_wait(const struct report *report)
{
    return database_number(report->database, 1, "SELECT is_promised FROM alert WHERE id = ?1", "i",
                           report->row.alert_id) != 0 ||
           volume_has_room(report->database, report->limits, report->row.scope, 1);
}

static void wait_in_outbox(const struct report *report, int64_t due_ms)
{
    database_run(report->database,
                 "UPDATE delivery SET state = 0, due_ms = ?1, scheduled_ms = ?2, code = ?3,"
                 " message = ?4, rounds = rounds + ?5,"
                 " lease_steady_ms = CASE WHEN ?5 = 1 THEN 0 ELSE lease_steady_ms END"
                 " WHERE id = ?6",
                 "iittii", due_ms, report->now_ms, report->one->code, report->one->message,
                 (int64_t)(report->one->verdict == TRY_FAILED), report->row.id);
    alert_promise(report->database, report->row.alert_id, report->row.integration);
    report->one->state = DELIVERY_WAITING;
    *report->is_durable = true;
}

static void keep(const struct report *report, int64_t due_ms)
{
    if (may_wait(report)) {
        wait_in_outbox(report, due_ms);
    } else {
        delivery_refuse(report->database, &report->row);
        report->one->state = DELIVERY_REFUSED;
    }
}

static void fail(const struct report *report)
{
    struct store_try *one = report->one;
    destination_failed(report->database, report->row.flashduty_key, one);
    if (send_again(report)) {
        one->state = DELIVERY_SENDING;
        return;
    }
    if (report->now_ms - report->row.created_ms >= EXPIRY_HOURS * HOUR_MS) {
        one->lets_go = delivery_finish(report->database, &report->row, DELIVERY_EXPIRED, one->code,
                                       one->message);
        one->state = DELIVERY_EXPIRED;
        *report->is_durable = true;
        return;
    }
    keep(report, report->now_ms + schedule_after(report->row.rounds + 1));
}

/* Flashduty's word counts whoever had the lease; what failed under another's may be sent now. */
static bool is_open(const struct delivery_row *row, const struct store_try *one)
{
    if (one->verdict == TRY_ACCEPTED)
        return row->state != DELIVERY_DELIVERED;
    return row->state == DELIVERY_SENDING && (one->lease == 0 || one->lease == row->lease);
}

static void decide(const struct report *report)
{
    struct store_try *one = report->one;
    switch (one->verdict) {
    case TRY_ACCEPTED:
        one->lets_go = delivery_finish(report->database, &report->row, DELIVERY_DELIVERED, "", "");
        one->state = DELIVERY_DELIVERED;
        count_time(report);
        break;
    case TRY_REJECTED:
        destination_rejected(report->database, report->row.flashduty_key);
        one->lets_go = delivery_finish(report->database, &report->row, DELIVERY_REJECTED, one->code,
                                       one->message);
        one->state = DELIVERY_REJECTED;
        *report->is_durable = true;
        break;
    case TRY_FAILED:
        fail(report);
        break;
    case TRY_NONE:
        keep(report, report->now_ms);
        break;
    }
}

/* What is not in a spool any more has moved: its lease had ended, and it is sent from elsewhere.
 * Its id may be another's by now. */
void try_apply(struct database *database, const struct store_limits *limits, struct arena *arena,
               struct store_try *one, bool *is_durable)
{
    struct report report = {.database = database,
                            .limits = limits,
                            .one = one,
                            .now_ms = database_wall_ms(database),
                            .is_durable = is_durable};
    one->state = DELIVERY_REFUSED;
    one->lets_go = false;
    if (!delivery_read(database, one->delivery_id, arena, &report.row) ||
        (limits->is_spool && one->lease && one->lease != report.row.lease)) {
        if (limits->is_spool)
            one->state = one->verdict == TRY_ACCEPTED ? DELIVERY_DELIVERED : DELIVERY_WAITING;
        return;
    }
    one->state = report.row.state;
    if (one->verdict != TRY_NONE)
        record(&report);
    if (one->verdict == TRY_ACCEPTED)
        destination_accepted(database, report.row.flashduty_key);
    if (is_open(&report.row, one))
        decide(&report);
    /* What came after it may have been sent already: then it has come after that. */
    if (one->verdict == TRY_ACCEPTED && report.row.state > DELIVERY_SENDING)
        one->lets_go |= mend_after_late(database, limits, arena, report.row.id);
}

/* ---- the jobs ---- */

struct report_job {
    struct job job;
    struct store_try *tries;
    size_t count;
    struct store_event event; /* of a key that was unknown */
};

static void run_report(struct job *job, struct database *database,
                       const struct store_limits *limits)
{
    struct report_job *report = (struct report_job *)job;
    for (size_t i = 0; i < report->count; i++)
        try_apply(database, limits, &job->arena, &report->tries[i], &job->is_durable);
}

static void copy_try(struct arena *arena, struct store_try *copy, const struct store_try *one)
{
    *copy = *one;
    copy->code = arena_string(arena, one->code);
    copy->message = arena_string(arena, one->message);
    copy->request_id = arena_string(arena, one->request_id);
    copy->kind = arena_string(arena, one->kind);
}

static bool is_for(const struct store_try *one, bool is_spool)
{
    return (one->delivery_id < 0) == is_spool;
}

bool report_here(struct store *store, struct store_try *tries, size_t count, bool is_spool)
{
    struct report_job *report = job_new(sizeof *report, run_report);
    if (!report)
        return false;
    report->tries = arena_alloc(&report->job.arena, (count + 1) * sizeof *report->tries);
    for (size_t i = 0; i < count && report->tries; i++) {
        if (!is_for(&tries[i], is_spool))
            continue;
        struct store_try *copy = &report->tries[report->count++];
        copy_try(&report->job.arena, copy, &tries[i]);
        copy->delivery_id = is_spool ? -copy->delivery_id : copy->delivery_id;
        /* Or it would be sent a second time. */
        report->job.must_stay |= copy->verdict == TRY_ACCEPTED;
    }
    bool has_worked = (report->count == 0 && report->tries) || job_run(store, &report->job);
    size_t place = 0;
    for (size_t i = 0; i < count && has_worked; i++) {
        if (!is_for(&tries[i], is_spool))
            continue;
        const struct store_try *applied = &report->tries[place++];
        tries[i].state = applied->state;
        tries[i].lease = applied->lease;
        tries[i].lets_go = applied->lets_go;
    }
    job_free(store, &report->job);
    return has_worked;
}

static void run_accept(struct job *job, struct database *database,
                       const struct store_limits *limits)
{
    struct report_job *report = (struct report_job *)job;
    struct store_event event = report->event;
    size_t sends_left = 1;
    bool is_durable = false;
    destination_accepted(database, event.destinations[0].flashduty_key);
    event_take(database, limits, &job->arena, &event, 0, &sends_left, &is_durable);
    for (size_t i = 0; i < event.delivery_count; i++) {
        struct store_try one = report->tries[0];
        one.delivery_id = event.deliveries[i].id;
        try_apply(database, limits, &job->arena, &one, &is_durable);
    }
}

bool accept_here(struct store *store, const struct store_event *event, const struct store_try *one)
{
    struct report_job *report = job_new(sizeof *report, run_accept);
    if (!report)
        return false;
    report->tries = arena_alloc(&report->job.arena, sizeof *report->tries);
    event_copy(&report->job.arena, &report->event, event);
    if (report->tries)
        copy_try(&report->job.arena, &report->tries[0], one);
    bool has_worked = job_run(store, &report->job);
    job_free(store, &report->job);
    return has_worked;
}
