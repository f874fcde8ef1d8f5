#include <string.h>

#include "base/digest.h"
#include "base/limits.h"
#include "store/history.h"
#include "store/intake.h"

/* ---- repeats and late events ---- */

/* Whether the message was taken before. What is answered to a repeat is a promise, too. */
static bool is_repeat(struct intake *in, bool *is_durable)
{
    const struct store_event *event = in->event;
    if (!*event->message_id)
        return false;
    int64_t added = database_change(in->database,
                                    "INSERT INTO seen VALUES (?1, ?2, 0, ?3)"
                                    " ON CONFLICT (message_id, scope) DO NOTHING",
                                    "tti", event->message_id, event->scope, in->now_ms);
    if (added > 0 || database_failed(in->database))
        return false;
    int64_t waiting =
        database_number(in->database, 0,
                        "SELECT id FROM alert WHERE outcome = 0 AND id ="
                        " (SELECT alert_id FROM seen WHERE message_id = ?1 AND scope = ?2)",
                        "tt", event->message_id, event->scope);
    if (waiting)
        alert_promise(in->database, waiting, event->integration);
    *is_durable |= waiting > 0;
    return true;
}

static int64_t comparable_time(const struct store_event *event, int64_t now_ms)
{
    return event->time_s <= now_ms / 1000 + CLOCK_TOLERANCE_S ? event->time_s : 0;
}

bool intake_is_stale(const struct intake *in)
{
    int64_t newest_s = database_number(
        in->database, 0, "SELECT newest_s FROM memory WHERE alert_key = ?1 AND scope = ?2", "tt",
        in->event->alert_key, in->event->scope);
    return in->time_s > 0 && in->time_s < newest_s;
}

/* ---- where it goes ---- */

static void add_delivery(struct intake *in, const char *route, const char *key)
{
    struct store_event *event = in->event;
    struct store_delivery *longer =
        arena_alloc(in->arena, (event->delivery_count + 1) * sizeof *longer);
    for (size_t i = 0; i < event->delivery_count; i++) {
        if (!strcmp(event->deliveries[i].flashduty_key, key))
            return;
    }
    if (!longer)
        return;
    if (event->delivery_count > 0)
        memcpy(longer, event->deliveries, event->delivery_count * sizeof *longer);
    longer[event->delivery_count++] = (struct store_delivery){0, 0, route, key, DELIVERY_WAITING};
    event->deliveries = longer;
}

static const char *present_key(const struct store_event *event, const char *route,
                               const char *remembered)
{
    for (size_t i = 0; i < event->route_count; i++) {
        if (!strcmp(event->routes[i].name, route))
            return event->routes[i].flashduty_key;
    }
    return remembered;
}

void intake_choose_destinations(struct intake *in)
{
    struct store_event *event = in->event;
    struct rows rows = {in->database, NULL};
    event->deliveries = NULL;
    event->delivery_count = 0;
    if (event->severity == SEVERITY_OK)
        rows = database_query(in->database,
                              "SELECT route, flashduty_key FROM memory_destination"
                              " WHERE alert_key = ?1 AND scope = ?2",
                              "tt", event->alert_key, event->scope);
    while (rows_next(&rows)) {
        const char *route = arena_string(in->arena, rows_text(&rows, 0));
        const char *key = arena_string(in->arena, rows_text(&rows, 1));
        add_delivery(in, route, present_key(event, route, key));
    }
    bool is_remembered = event->delivery_count > 0;
    for (size_t i = 0; i < event->destination_count && !is_remembered; i++)
        add_delivery(in, event->destinations[i].name, event->destinations[i].flashduty_key);
}

/* ---- what is remembered ---- */

static void remember_alert(struct intake *in)
{
    const struct store_event *event = in->event;
    in->alert_id = database_add(
        in->database, "alert",
        "INSERT INTO alert (id, scope, integration, request_id, message_id, alert_key, severity,"
        " title, event, time_s, received_ms, outcome)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 0)",
        "tttttittii", event->scope, event->integration, event->request_id, event->message_id,
        event->alert_key, (int64_t)event->severity, event->title, event->json, in->time_s,
        in->now_ms);
    if (*event->message_id)
        database_run(in->database,
                     "UPDATE seen SET alert_id = ?1 WHERE message_id = ?2 AND scope = ?3", "itt",
                     in->alert_id, event->message_id, event->scope);
}

void intake_remember_state(struct intake *in)
{
    const struct store_event *event = in->event;
    bool is_trigger = event->severity != SEVERITY_OK;
    if (is_trigger)
        database_run(in->database,
                     "DELETE FROM memory_destination WHERE alert_key = ?1 AND scope = ?2 AND EXISTS"
                     " (SELECT 1 FROM memory WHERE alert_key = ?1 AND scope = ?2 AND is_open = 0)",
                     "tt", event->alert_key, event->scope);
    database_run(
        in->database,
        "INSERT INTO memory VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
        " ON CONFLICT (alert_key, scope) DO UPDATE SET"
        " newest_s = CASE WHEN ?3 > memory.newest_s THEN ?3 ELSE memory.newest_s END, is_open = ?4,"
        " severity = CASE WHEN ?4 = 1 THEN ?5 ELSE memory.severity END, changed_ms = ?6",
        "ttiiii", event->alert_key, event->scope, in->time_s, (int64_t)is_trigger,
        (int64_t)event->severity, in->now_ms);
    for (size_t i = 0; i < event->delivery_count && is_trigger; i++)
        database_run(in->database,
                     "INSERT INTO memory_destination VALUES (?1, ?2, ?3, ?4)"
                     " ON CONFLICT (alert_key, scope, route, flashduty_key) DO NOTHING",
                     "tttt", event->alert_key, event->scope, event->deliveries[i].route,
                     event->deliveries[i].flashduty_key);
}

int64_t intake_rank(const struct intake *in)
{
    if (in->event->severity != SEVERITY_OK)
        return (int64_t)in->event->severity;
    int64_t of_trigger =
        database_number(in->database, SEVERITY_INFO,
                        "SELECT severity FROM memory WHERE alert_key = ?1 AND scope = ?2", "tt",
                        in->event->alert_key, in->event->scope);
    return SEVERITY_OK + (of_trigger < SEVERITY_OK ? of_trigger : SEVERITY_INFO);
}

/* ---- now or later ---- */

int64_t intake_predecessor(const struct intake *in, const struct store_delivery *delivery)
{
    if (in->limits->is_spool && in->event->severity == SEVERITY_OK)
        return AFTER_HELD;
    return database_number(in->database, 0,
                           "SELECT max(id) FROM delivery WHERE alert_key = ?1 AND scope = ?2"
                           " AND state < 2 AND after <> -1 AND (route = ?3 OR flashduty_key = ?4)",
                           "tttt", in->event->alert_key, in->event->scope, delivery->route,
                           delivery->flashduty_key);
}

void intake_raise_rank(const struct intake *in, const struct store_delivery *delivery)
{
    database_run(in->database,
                 "UPDATE delivery SET rank = ?1 WHERE alert_key = ?2 AND scope = ?3 AND state < 2"
                 " AND rank > ?1 AND (route = ?4 OR flashduty_key = ?5)",
                 "itttt", in->rank, in->event->alert_key, in->event->scope, delivery->route,
                 delivery->flashduty_key);
}

/* Whether a send may begin: none is taken that something waiting of the same or a higher rank could
 * use. */
static bool is_send_free(const struct intake *in, const char *key)
{
    struct destination_state destination = destination_read(in->database, key);
    if (destination.is_failing || destination.hold_steady_ms)
        return false;
    int64_t is_free = pace_free(in->database, in->limits, key);
    if (is_free == INT64_MAX)
        return true;
    /* The plus as in claim.c: what is of a lower rank is not looked at. */
    int64_t claims = database_number(
        in->database, 0,
        "SELECT count(*) FROM (SELECT 1 FROM delivery WHERE flashduty_key = ?1 AND rank <= ?2"
        " AND state = 0 AND after = 0 AND +due_ms <= ?3 LIMIT ?4) AS claims",
        "tiii", key, in->rank, in->now_ms, is_free);
    return claims < is_free;
}

static const char *share_of(const struct store_event *event)
{
    return event->needs_acceptance ? event->scope : NULL;
}

/* False: it would have to wait, and there is no room. */
static bool begin_delivery(struct intake *in, struct store_delivery *delivery)
{
    const struct store_event *event = in->event;
    int64_t after = intake_predecessor(in, delivery);
    bool is_sent = after == 0 && *in->sends_left > 0 && is_send_free(in, delivery->flashduty_key);
    bool has_room = volume_has_room(in->database, in->limits, event->scope, 0);
    if (!is_sent && !has_room)
        return false;
    if (after > 0)
        intake_raise_rank(in, delivery);
    if (is_sent) {
        pace_take(in->database, in->limits, delivery->flashduty_key);
        --*in->sends_left;
    }
    delivery->state = is_sent ? DELIVERY_SENDING : DELIVERY_WAITING;
    delivery->lease = is_sent ? database_steady_ms(in->database) + in->lease_ms : 0;
    const struct new_delivery row = {
        .alert_id = in->alert_id,
        .rank = in->rank,
        .after = after,
        .due_ms = in->now_ms,
        .lease = delivery->lease,
        .created_ms = in->now_ms,
        .state = delivery->state,
        .scope = event->scope,
        .alert_key = event->alert_key,
        .route = delivery->route,
        .flashduty_key = delivery->flashduty_key,
        .code = "",
        .message = "",
    };
    delivery->id = delivery_add(in->database, &row, share_of(event));
    return true;
}

/* ---- one event ---- */

static bool is_known(const struct intake *in)
{
    for (size_t i = 0; i < in->event->destination_count; i++) {
        if (!destination_is_known(in->database, in->event->destinations[i].flashduty_key,
                                  in->now_ms))
            return false;
    }
    return true;
}

/* QUEUED means taken: what is sent now counts as on its way. */
static enum outcome take(struct intake *in, bool *is_durable)
{
    struct store_event *event = in->event;
    bool is_waiting = false;
    if (is_repeat(in, is_durable))
        return OUTCOME_DUPLICATE;
    if (intake_is_stale(in))
        return OUTCOME_STALE;
    intake_choose_destinations(in);
    if (event->delivery_count == 0)
        return OUTCOME_UNROUTED;
    in->rank = intake_rank(in);
    remember_alert(in);
    intake_remember_state(in);
    for (size_t i = 0; i < event->delivery_count; i++) {
        if (!begin_delivery(in, &event->deliveries[i]))
            return OUTCOME_REFUSED;
        is_waiting |= event->deliveries[i].state == DELIVERY_WAITING;
    }
    if (is_waiting)
        alert_promise(in->database, in->alert_id, event->integration);
    *is_durable |= is_waiting;
    return OUTCOME_QUEUED;
}

void event_take(struct database *database, const struct store_limits *limits, struct arena *arena,
                struct store_event *event, int64_t lease_ms, size_t *sends_left, bool *is_durable)
{
    struct intake in = {.database = database,
                        .limits = limits,
                        .arena = arena,
                        .event = event,
                        .now_ms = database_wall_ms(database),
                        .lease_ms = lease_ms,
                        .sends_left = sends_left};
    in.time_s = comparable_time(event, in.now_ms);
    event->reason = "";
    event->delivery_count = 0;
    event->is_unknown = event->needs_acceptance && !is_known(&in);
    if (event->is_unknown)
        return;
    /* Only where it may have to be taken back: each page that is touched is copied then. */
    bool may_be_refused = !volume_is_ample(database, limits, event->scope);
    if (may_be_refused)
        database_save(database);
    event->outcome = take(&in, is_durable);
    if (event->outcome == OUTCOME_REFUSED) {
        event->reason = "the outbox is full, and it cannot be sent at once";
        event->delivery_count = 0;
    }
    if (may_be_refused && event->outcome == OUTCOME_REFUSED && !database_failed(database))
        database_take_back(database);
    else if (may_be_refused)
        (void)database_release(database);
    if (event->outcome == OUTCOME_REFUSED)
        ledger_refuse(database, event->integration, REFUSAL_FULL, 1);
    else
        ledger_receive(database, event->integration, event->outcome, 1);
    counter_add(database, COUNTER_MAPPED, event->integration, severity_names[event->severity], 1);
    counter_set(database, COUNTER_ALERT_MS, event->integration, in.now_ms);
}

/* ---- the job ---- */

struct receive_job {
    struct job job;
    struct store_event *events;
    size_t count;
    struct receiving how;
};

static bool is_held(struct database *database, const struct store_event *event)
{
    return database_number(database, 0,
                           "SELECT 1 FROM alert WHERE alert_key = ?1 AND scope = ?2 LIMIT 1", "tt",
                           event->alert_key, event->scope) != 0;
}

static void run_receive(struct job *job, struct database *database,
                        const struct store_limits *limits)
{
    struct receive_job *receive = (struct receive_job *)job;
    struct receiving *how = &receive->how;
    size_t sends_left = SENDS_OF_A_REQUEST_MAX;
    how->is_empty =
        how->only_held &&
        database_number(database, 0, "SELECT 1 FROM alert WHERE id > 0 LIMIT 1", "") == 0;
    for (size_t i = 0; i < receive->count; i++) {
        struct store_event *event = &receive->events[i];
        event->delivery_count = 0;
        event->is_spooled = how->only_held && !how->is_empty && is_held(database, event);
        if (!how->only_held || event->is_spooled)
            event_take(database, limits, &job->arena, event, how->lease_ms, &sends_left,
                       &job->is_durable);
    }
}

/* Nobody sends what was taken in too late: it went out without the store, or was answered 503. */
static void withdraw_receive(struct job *job, struct database *database)
{
    struct receive_job *receive = (struct receive_job *)job;
    struct delivery_row row;
    for (size_t i = 0; i < receive->count; i++) {
        for (size_t k = 0; k < receive->events[i].delivery_count; k++) {
            const struct store_delivery *taken = &receive->events[i].deliveries[k];
            /* Nor has anybody else begun to. */
            if (delivery_read(database, taken->id, &job->arena, &row) && row.tries == 0 &&
                row.state <= DELIVERY_SENDING && row.lease == taken->lease)
                delivery_refuse(database, &row);
        }
    }
}

static const struct destination *copy_routes(struct arena *arena, const struct destination *routes,
                                             size_t count)
{
    struct destination *copies = arena_alloc(arena, (count + 1) * sizeof *copies);
    for (size_t i = 0; i < count && copies; i++)
        copies[i] = (struct destination){arena_string(arena, routes[i].name),
                                         arena_string(arena, routes[i].flashduty_key)};
    return copies;
}

/* An id of any length would fit into no index. */
static const char *keep_id(struct arena *arena, const char *id)
{
    char digest[SHA256_HEX_SIZE];
    if (strlen(id) <= MESSAGE_ID_BYTES_MAX)
        return arena_string(arena, id);
    bool is_digested = sha256_hex(id, strlen(id), digest);
    return is_digested ? arena_printf(arena, "sha256:%s", digest)
                       : arena_copy(arena, id, MESSAGE_ID_BYTES_MAX);
}

void event_copy(struct arena *arena, struct store_event *copy, const struct store_event *event)
{
    *copy = *event;
    copy->scope = arena_string(arena, event->scope);
    copy->integration = arena_string(arena, event->integration);
    copy->request_id = arena_string(arena, event->request_id);
    copy->message_id = keep_id(arena, event->message_id);
    copy->alert_key = arena_string(arena, event->alert_key);
    copy->title = arena_string(arena, event->title);
    copy->json = arena_string(arena, event->json);
    copy->destinations = copy_routes(arena, event->destinations, event->destination_count);
    copy->routes = copy_routes(arena, event->routes, event->route_count);
    copy->deliveries = NULL;
    copy->delivery_count = 0;
    copy->is_behind = false;
}

/* What was decided, in the caller's memory. */
static void copy_decision(struct arena *arena, struct store_event *event,
                          const struct store_event *taken)
{
    event->outcome = taken->outcome;
    event->is_unknown = taken->is_unknown;
    event->reason = arena_string(arena, taken->reason);
    event->delivery_count = 0;
    event->deliveries = arena_alloc(arena, (taken->delivery_count + 1) * sizeof *event->deliveries);
    for (size_t i = 0; i < taken->delivery_count && event->deliveries; i++) {
        struct store_delivery *delivery = &event->deliveries[event->delivery_count++];
        *delivery = taken->deliveries[i];
        delivery->route = arena_string(arena, delivery->route);
        delivery->flashduty_key = arena_string(arena, delivery->flashduty_key);
    }
}

/* What cannot be written may be there to read. */
void look_behind(struct store *store, struct store_event *events, size_t count)
{
    struct error ignored = {0};
    struct database *reader =
        store_may_be_read(store) ? database_open(store_path(store), DATABASE_READ, &ignored) : NULL;
    bool is_reading = reader && database_begin_reading(reader);
    for (size_t i = 0; i < count && is_reading; i++)
        events[i].is_behind =
            database_number(reader, 0,
                            "SELECT 1 FROM delivery WHERE alert_key = ?1 AND scope = ?2"
                            " AND state < 2 LIMIT 1",
                            "tt", events[i].alert_key, events[i].scope) != 0;
    if (is_reading)
        database_rollback(reader);
    database_close(reader);
}

bool receive_here(struct store *store, struct store_event *events, size_t count,
                  struct receiving *how, struct arena *arena)
{
    struct receive_job *receive = job_new(sizeof *receive, run_receive);
    if (!receive)
        return false;
    receive->job.withdraw = withdraw_receive;
    receive->how = *how;
    receive->events = arena_alloc(&receive->job.arena, (count + 1) * sizeof *receive->events);
    for (size_t i = 0; i < count && receive->events; i++) {
        if (!events[i].is_spooled)
            event_copy(&receive->job.arena, &receive->events[receive->count++], &events[i]);
    }
    bool has_worked = job_run(store, &receive->job);
    size_t place = 0;
    for (size_t i = 0; i < count && has_worked; i++) {
        if (events[i].is_spooled)
            continue;
        const struct store_event *taken = &receive->events[place++];
        if (!how->only_held || taken->is_spooled)
            copy_decision(arena, &events[i], taken);
        events[i].is_spooled = taken->is_spooled;
    }
    if (has_worked)
        how->is_empty = receive->how.is_empty;
    job_free(store, &receive->job);
    return has_worked;
}
