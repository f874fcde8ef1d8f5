#include "store/history.h"
#include "store/intake.h"
#include "store/mend.h"
#include "store/move_page.h"

/* A page of a spool is taken into the database. */

/* Two clocks that differ by no more may be the same one, looked at twice. */
#define SAME_CLOCK_MS 2000

struct move_job {
    struct job job;
    struct page page;
};

/* An alert while it is moved. */
struct move {
    struct intake in;
    const struct moving_alert *alert;
    int64_t behind_ms; /* how much later it is by the database's clock than by the spool's */
};

/* A time of the spool's by the database's clock. */
static int64_t time_of(const struct move *move, int64_t ms)
{
    bool is_same = move->behind_ms >= -SAME_CLOCK_MS && move->behind_ms <= SAME_CLOCK_MS;
    int64_t here_ms = is_same ? ms : ms + move->behind_ms;
    return here_ms < move->in.now_ms ? here_ms : move->in.now_ms;
}

/* When it may have been accepted last, by the spool's clock; 0 if it cannot have been. */
static int64_t latest_of(const struct move *move, const struct moving_delivery *was)
{
    /* What was rejected has ended, too, and opened nothing. */
    int64_t latest_ms = was->delivery.state == DELIVERY_DELIVERED ? was->finished_ms : 0;
    for (size_t i = 0; i < was->made_count && !latest_ms; i++) {
        const struct store_try *one = &was->made[was->made_count - 1 - i];
        if (one->verdict != TRY_REJECTED)
            latest_ms = one->started_ms + one->took_ms;
    }
    return was->has_died ? move->in.now_ms - move->behind_ms : latest_ms;
}

/* What was not noticed of the difference is not known better. */
static struct mend_time time_around(const struct move *move, const struct moving_delivery *was)
{
    int64_t sent_ms = was->made_count > 0 ? was->made[was->made_count - 1].started_ms : 0;
    int64_t latest_ms = latest_of(move, was);
    int64_t first_ms = sent_ms > 0 && sent_ms < latest_ms ? sent_ms : latest_ms;
    int64_t apart_ms = move->behind_ms < 0 ? -move->behind_ms : move->behind_ms;
    if (apart_ms > SAME_CLOCK_MS)
        apart_ms = SAME_CLOCK_MS / 2;
    return (struct mend_time){time_of(move, first_ms) - apart_ms,
                              time_of(move, latest_ms) + apart_ms};
}

/* What other nodes have sent meanwhile may have reached Flashduty before it, although it is over.
 */
static void close_again(const struct move *move, const struct moving_delivery *was)
{
    struct mend_time at = time_around(move, was);
    if (move->in.event->severity != SEVERITY_OK && latest_of(move, was))
        (void)mend_close_again(&move->in, &was->delivery, &at);
}

static bool is_moved(struct database *database, const char *token, int64_t *became)
{
    *became =
        database_number(database, -1, "SELECT became FROM moved WHERE token = ?1", "t", token);
    return *became >= 0;
}

static void note_moved(struct database *database, const char *token, int64_t became)
{
    database_run(database, "INSERT INTO moved VALUES (?1, ?2, ?3)", "tii", token, became,
                 database_wall_ms(database));
}

/* The database has the same message: what the spool has delivered of it is not sent again, unless a
 * recovery from before has closed it meanwhile. was_moved: by this spool, which was decided upon
 * all that had been tried by then. */
static void finish_twin(struct move *move, int64_t twin, bool was_moved)
{
    struct database *database = move->in.database;
    bool is_old = intake_is_stale(&move->in);
    bool is_newest = move->in.event->severity != SEVERITY_OK && !is_old;
    for (size_t i = 0; i < move->alert->delivery_count; i++) {
        const struct moving_delivery *was = &move->alert->deliveries[i];
        const struct store_delivery *delivery = &was->delivery;
        struct mend_time at = time_around(move, was);
        struct delivery_row row;
        int64_t id = database_number(database, 0,
                                     "SELECT id FROM delivery WHERE alert_id = ?1"
                                     " AND flashduty_key = ?2 ORDER BY state LIMIT 1",
                                     "it", twin, delivery->flashduty_key);
        bool is_there = id && delivery_read(database, id, move->in.arena, &row);
        if (is_there && was_moved && row.tries >= was->tries)
            continue;
        if (is_old)
            close_again(move, was);
        if (!is_there || row.state > DELIVERY_SENDING || delivery->state != DELIVERY_DELIVERED ||
            (is_newest && mend_is_closed(&move->in, delivery, &at)))
            continue;
        (void)delivery_end(database, &row, DELIVERY_DELIVERED, "", "");
    }
}

/* Whether the message was taken before; a refused one was not. */
static bool is_duplicate(const struct move *move, int64_t *twin)
{
    const struct store_event *event = &move->alert->event;
    if (!*event->message_id || event->outcome == OUTCOME_REFUSED)
        return false;
    int64_t added = database_change(move->in.database,
                                    "INSERT INTO seen VALUES (?1, ?2, 0, ?3)"
                                    " ON CONFLICT (message_id, scope) DO NOTHING",
                                    "tti", event->message_id, event->scope, move->in.now_ms);
    *twin = added > 0 ? 0
                      : database_number(move->in.database, 0,
                                        "SELECT alert_id FROM seen WHERE message_id = ?1"
                                        " AND scope = ?2",
                                        "tt", event->message_id, event->scope);
    return added == 0 && !database_failed(move->in.database);
}

static bool all_wait(const struct moving_alert *alert)
{
    for (size_t i = 0; i < alert->delivery_count; i++) {
        if (alert->deliveries[i].delivery.state != DELIVERY_WAITING)
            return false;
    }
    return true;
}

/* What it is delivered by from now on; of a recovery that was held that is decided only now. */
static void choose_deliveries(struct move *move)
{
    struct store_event *event = move->in.event;
    const struct moving_alert *alert = move->alert;
    if (alert->is_held) {
        intake_choose_destinations(&move->in);
        return;
    }
    event->deliveries =
        arena_alloc(move->in.arena, (alert->delivery_count + 1) * sizeof *event->deliveries);
    event->delivery_count = event->deliveries ? alert->delivery_count : 0;
    for (size_t i = 0; i < event->delivery_count; i++)
        event->deliveries[i] = alert->deliveries[i].delivery;
}

static int64_t add_alert(const struct move *move)
{
    const struct store_event *event = move->in.event;
    int64_t received_ms = time_of(move, move->alert->received_ms);
    int64_t id =
        database_add(move->in.database, "alert",
                     "INSERT INTO alert (id, scope, integration, request_id, message_id, "
                     "alert_key, severity, title,"
                     " event, time_s, received_ms, outcome, is_promised)"
                     " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
                     "tttttittiiii", event->scope, event->integration, event->request_id,
                     event->message_id, event->alert_key, (int64_t)event->severity, event->title,
                     event->json, event->time_s, received_ms, (int64_t)event->outcome,
                     (int64_t)(move->alert->is_promised || event->outcome == OUTCOME_QUEUED));
    if (*event->message_id && event->outcome != OUTCOME_REFUSED)
        database_run(move->in.database,
                     "UPDATE seen SET alert_id = ?1 WHERE message_id = ?2 AND scope = ?3", "itt",
                     id, event->message_id, event->scope);
    return id;
}

static void add_tries(struct database *database, int64_t id, const struct moving_delivery *was)
{
    for (size_t i = 0; i < was->made_count; i++) {
        const struct store_try *one = &was->made[i];
        database_run(database,
                     "INSERT INTO try VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
                     " ON CONFLICT (delivery_id, number) DO NOTHING",
                     "iiiiiittt", id, (int64_t)i + 1, one->started_ms, one->took_ms,
                     (int64_t)one->status, (int64_t)one->verdict, one->code, one->message,
                     one->request_id);
    }
}

/* Whatever the limit of the outbox is: it was answered 2xx. */
static void add_delivery(struct move *move, const struct store_delivery *delivery,
                         const struct moving_delivery *was)
{
    struct intake *in = &move->in;
    bool waits = delivery->state == DELIVERY_WAITING;
    int64_t after = waits ? intake_predecessor(in, delivery) : 0;
    int64_t finished_ms = was->finished_ms ? time_of(move, was->finished_ms) : in->now_ms;
    if (after > 0)
        intake_raise_rank(in, delivery);
    const struct new_delivery row = {
        .alert_id = in->alert_id,
        .rank = in->rank,
        .after = after,
        .due_ms = in->now_ms,
        .tries = was->tries,
        .rounds = was->rounds,
        .created_ms = time_of(move, was->created_ms),
        .finished_ms = waits ? 0 : finished_ms,
        .state = delivery->state,
        .scope = in->event->scope,
        .alert_key = in->event->alert_key,
        .route = delivery->route,
        .flashduty_key = delivery->flashduty_key,
        .code = was->code,
        .message = was->message,
    };
    const char *share = move->alert->has_share ? in->event->scope : NULL;
    add_tries(in->database, delivery_add(in->database, &row, share), was);
}

static void note_key_in_use(const struct move *move, const struct store_delivery *delivery)
{
    /* In pass-through alone it matters. */
    if (move->alert->has_share && delivery->state == DELIVERY_DELIVERED)
        destination_accepted(move->in.database, delivery->flashduty_key);
}

/* Delivered, and the newest of its alert: a recovery from before may have closed it. */
static void open_again(struct move *move, struct store_delivery *delivery,
                       struct moving_delivery *was)
{
    struct mend_time at = time_around(move, was);
    if (delivery->state != DELIVERY_DELIVERED || move->in.event->severity == SEVERITY_OK ||
        !mend_is_closed(&move->in, delivery, &at))
        return;
    delivery->state = DELIVERY_WAITING;
    was->message = "a recovery from before has closed it meanwhile";
    alert_promise(move->in.database, move->in.alert_id, move->in.event->integration);
}

/* As it stands in the spool; but what waits there and is older than what is known here by now does
 * not go out any more. */
static void add_deliveries(struct move *move, bool is_old)
{
    struct store_event *event = move->in.event;
    const struct moving_delivery fresh = {
        .created_ms = move->alert->received_ms, .code = "", .message = ""};
    for (size_t i = 0; i < event->delivery_count; i++) {
        struct moving_delivery was = move->alert->is_held ? fresh : move->alert->deliveries[i];
        struct store_delivery *delivery = &event->deliveries[i];
        if (is_old && delivery->state == DELIVERY_WAITING) {
            delivery->state = DELIVERY_DROPPED;
            was.message = "something newer of its alert was taken meanwhile";
        }
        if (is_old)
            close_again(move, &was);
        else
            open_again(move, delivery, &was);
        add_delivery(move, delivery, &was);
        note_key_in_use(move, delivery);
    }
}

/* Takes the alert in; what it became, 0 if nothing. */
static int64_t take(struct move *move)
{
    struct intake *in = &move->in;
    struct store_event *event = in->event;
    int64_t twin;
    if (is_duplicate(move, &twin)) {
        ledger_enter(in->database, event->integration, OUTCOME_DUPLICATE);
        finish_twin(move, twin, false);
        return twin;
    }
    bool is_old = intake_is_stale(in);
    if ((move->alert->is_held && move->alert->is_overtaken) || (is_old && all_wait(move->alert))) {
        ledger_enter(in->database, event->integration, OUTCOME_STALE);
        for (size_t i = 0; i < move->alert->delivery_count; i++)
            close_again(move, &move->alert->deliveries[i]);
        return 0;
    }
    choose_deliveries(move);
    in->rank = intake_rank(in);
    in->alert_id = add_alert(move);
    if (!is_old)
        intake_remember_state(in);
    ledger_enter(in->database, event->integration, event->outcome);
    add_deliveries(move, is_old);
    alert_settle(in->database, in->alert_id);
    return in->alert_id;
}

static void move_alert(struct move_job *job, struct database *database,
                       const struct store_limits *limits, const struct moving_alert *alert)
{
    struct store_event event = alert->event;
    int64_t now_ms = database_wall_ms(database);
    struct move move = {.in = {.database = database,
                               .limits = limits,
                               .arena = &job->job.arena,
                               .event = &event,
                               .now_ms = now_ms,
                               .time_s = event.time_s},
                        .alert = alert,
                        .behind_ms = now_ms - job->page.read_ms};
    int64_t became;
    if (is_moved(database, alert->token, &became))
        finish_twin(&move, became, true);
    else
        note_moved(database, alert->token, take(&move));
}

/* The newest link of a topic counts; of one millisecond that of the spool, which took it after the
 * database had gone. */
static bool replace_link(struct database *database, const struct moving_confirmation *moving)
{
    const struct store_confirmation *kept = &moving->confirmation;
    if (moving->state != 0 || !*kept->topic)
        return false;
    database_run(database,
                 "UPDATE confirmation SET url = ?1, host = ?2, is_private = ?3, reason = ?4,"
                 " received_ms = ?5 WHERE topic = ?6 AND scope = ?7 AND state = 0"
                 " AND received_ms <= ?5",
                 "ttititt", kept->url, kept->host, (int64_t)kept->is_private, kept->reason,
                 moving->received_ms, kept->topic, kept->scope);
    return database_number(database, 0,
                           "SELECT 1 FROM confirmation WHERE topic = ?1 AND scope = ?2"
                           " AND state = 0 LIMIT 1",
                           "tt", kept->topic, kept->scope) != 0;
}

static void move_confirmation(struct database *database, const struct moving_confirmation *moving)
{
    const struct store_confirmation *kept = &moving->confirmation;
    int64_t became;
    if (is_moved(database, moving->token, &became))
        return;
    note_moved(database, moving->token, 0);
    if (replace_link(database, moving)) {
        ledger_enter(database, kept->integration, OUTCOME_DUPLICATE);
        return;
    }
    (void)database_add(database, "confirmation",
                       "INSERT INTO confirmation (id, scope, integration, request_id, topic, url, "
                       "host, is_private,"
                       " state, received_ms, due_ms, scheduled_ms, tries, reason)"
                       " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
                       "ttttttiiiiiit", kept->scope, kept->integration, kept->request_id,
                       kept->topic, kept->url, kept->host, (int64_t)kept->is_private, moving->state,
                       moving->received_ms, moving->due_ms, moving->scheduled_ms, moving->tries,
                       kept->reason);
    ledger_enter(database, kept->integration, moving_outcome(moving->state));
}

static void move_count(struct database *database, const struct moving_count *count)
{
    switch (count->kind) {
    case COUNT_PLACE:
        ledger_add(database, count->integration, count->name, count->value);
        break;
    case COUNT_COUNTER:
        counter_add(database, count->name, count->integration, count->detail, count->value);
        break;
    case COUNT_MOMENT:
        if (counter_read(database, count->name, count->integration, "") < count->value)
            counter_set(database, count->name, count->integration, count->value);
        break;
    case COUNT_SUBSCRIPTION:
        database_run(
            database,
            "INSERT INTO subscription VALUES (?1, ?2, ?3, ?4)"
            " ON CONFLICT (topic, integration) DO UPDATE SET"
            " state = CASE WHEN subscription.changed_ms < ?4 THEN ?3"
            " ELSE subscription.state END,"
            " changed_ms = CASE WHEN subscription.changed_ms < ?4 THEN ?4"
            " ELSE subscription.changed_ms END",
            "ttii", count->name, count->integration,
            (int64_t)(*count->detail == '1' ? SUBSCRIPTION_REMOVED : SUBSCRIPTION_CONFIRMED),
            count->value);
        break;
    }
}

static void run_move(struct job *job, struct database *database, const struct store_limits *limits)
{
    const struct page *page = &((struct move_job *)job)->page;
    int64_t became;
    job->is_durable = true;
    for (size_t i = 0; i < page->alert_count; i++)
        move_alert((struct move_job *)job, database, limits, &page->alerts[i]);
    for (size_t i = 0; i < page->confirmation_count; i++)
        move_confirmation(database, &page->confirmations[i]);
    if (page->count_count == 0 || is_moved(database, page->counts_token, &became))
        return;
    note_moved(database, page->counts_token, 0);
    for (size_t i = 0; i < page->count_count; i++)
        move_count(database, &page->counts[i]);
}

bool moving_write(struct store *store, struct page_job *read)
{
    struct move_job *move = job_new(sizeof *move, run_move);
    if (!move)
        return false;
    move->page = read->page;
    move->job.arena = read->job.arena;
    read->job.arena = (struct arena){0};
    read->page = (struct page){0};
    bool is_written = job_run(store, &move->job);
    job_free(store, &move->job);
    return is_written;
}
