#include "store/move_page.h"

#include <string.h>

#include "base/digest.h"
#include "store/history.h"
#include "store/intake.h"

_Static_assert((int)AFTER_HELD == -1 && (int)AFTER_MOVING == -2 && (int)SEVERITY_OK == 3 &&
                   (int)DELIVERY_DELIVERED == 5,
               "SQL compares with them");

/* One more at the end of items, which live in the arena and come by the page. */
static void *grow(struct arena *arena, void *items, size_t count, size_t size)
{
    bool is_full = (count & (count - 1)) == 0;
    size_t room = count ? 2 * count : 1;
    if (!is_full)
        return items;
    char *longer = arena_alloc(arena, room * size);
    if (longer && count > 0)
        memcpy(longer, items, count * size);
    return longer;
}

static const char *token_of(struct database *database, struct arena *arena, enum moving_kind kind,
                            int64_t id)
{
    char fresh[2 * TOKEN_BYTES + 1];
    if (!random_hex(TOKEN_BYTES, fresh)) {
        arena->failed = true;
        return "";
    }
    database_run(database,
                 "INSERT INTO moving VALUES (?1, ?2, ?3) ON CONFLICT (kind, id) DO NOTHING", "iit",
                 (int64_t)kind, id, fresh);
    struct rows rows = database_query(
        database, "SELECT token FROM moving WHERE kind = ?1 AND id = ?2", "ii", (int64_t)kind, id);
    const char *token = rows_next(&rows) ? arena_string(arena, rows_text(&rows, 0)) : "";
    rows_end(&rows);
    return token;
}

static void read_tries(struct database *database, struct arena *arena,
                       struct moving_delivery *moving)
{
    struct rows rows = database_query(
        database,
        "SELECT started_ms, took_ms, status, verdict, code, message, request_id FROM try"
        " WHERE delivery_id = ?1 ORDER BY number",
        "i", moving->id);
    while (rows_next(&rows)) {
        moving->made = grow(arena, moving->made, moving->made_count, sizeof *moving->made);
        if (!moving->made)
            break;
        moving->made[moving->made_count++] = (struct store_try){
            .started_ms = rows_number(&rows, 0),
            .took_ms = rows_number(&rows, 1),
            .status = (long)rows_number(&rows, 2),
            .verdict = (enum try_verdict)rows_number(&rows, 3),
            .code = arena_string(arena, rows_text(&rows, 4)),
            .message = arena_string(arena, rows_text(&rows, 5)),
            .request_id = arena_string(arena, rows_text(&rows, 6)),
        };
    }
    rows_end(&rows);
}

void moving_read_deliveries(struct database *database, struct arena *arena,
                            struct moving_alert *alert)
{
    struct rows rows = database_query(
        database,
        "SELECT id, route, flashduty_key, state, after, created_ms, finished_ms, tries, rounds,"
        " code, message, lease_steady_ms FROM delivery WHERE alert_id = ?1 ORDER BY id",
        "i", alert->id);
    while (rows_next(&rows)) {
        alert->deliveries =
            grow(arena, alert->deliveries, alert->delivery_count, sizeof *alert->deliveries);
        if (!alert->deliveries)
            break;
        alert->deliveries[alert->delivery_count++] = (struct moving_delivery){
            .id = rows_number(&rows, 0),
            .delivery = {0, 0, arena_string(arena, rows_text(&rows, 1)),
                         arena_string(arena, rows_text(&rows, 2)),
                         (enum delivery_state)rows_number(&rows, 3)},
            .created_ms = rows_number(&rows, 5),
            .finished_ms = rows_number(&rows, 6),
            .tries = rows_number(&rows, 7),
            .rounds = rows_number(&rows, 8),
            .code = arena_string(arena, rows_text(&rows, 9)),
            .message = arena_string(arena, rows_text(&rows, 10)),
            .has_died = rows_number(&rows, 3) == DELIVERY_WAITING && rows_number(&rows, 11) > 0,
        };
        alert->is_held |= rows_number(&rows, 4) < 0;
    }
    rows_end(&rows);
    for (size_t i = 0; i < alert->delivery_count && alert->deliveries; i++)
        read_tries(database, arena, &alert->deliveries[i]);
}

/* What comes later of the alert waits for a recovery from now on, as it will in the database. */
static void hold_no_more(struct database *database, struct moving_alert *alert)
{
    database_run(database,
                 "UPDATE delivery SET after = -2 WHERE alert_id = ?1 AND state = 0 AND after = -1",
                 "i", alert->id);
    alert->is_overtaken =
        database_number(database, 0,
                        "SELECT 1 FROM alert AS a WHERE a.alert_key = ?1 AND a.scope = ?2"
                        " AND a.id > ?3 AND a.severity < 3 AND EXISTS (SELECT 1 FROM delivery AS d"
                        " WHERE d.alert_id = a.id AND d.state = 5) LIMIT 1",
                        "tti", alert->event.alert_key, alert->event.scope, alert->id) != 0;
}

static void read_rest(struct database *database, struct arena *arena, struct moving_alert *alert)
{
    struct store_event *event = &alert->event;
    moving_read_deliveries(database, arena, alert);
    alert->token = token_of(database, arena, MOVING_ALERT, alert->id);
    alert->has_share = database_number(database, 0, "SELECT kept FROM volume WHERE scope = ?1", "t",
                                       event->scope) > 0;
    if (alert->is_held)
        hold_no_more(database, alert);
    struct destination *destinations =
        arena_alloc(arena, (alert->delivery_count + 1) * sizeof *destinations);
    for (size_t i = 0; i < alert->delivery_count && destinations && alert->deliveries; i++)
        destinations[i] = (struct destination){alert->deliveries[i].delivery.route,
                                               alert->deliveries[i].delivery.flashduty_key};
    event->destinations = event->routes = destinations;
    event->destination_count = event->route_count = alert->delivery_count;
}

/* Those whose alert is being sent right now have to wait, with all that is of the same alert: what
 * becomes of it is to be moved with it. */
static void read_alerts(struct database *database, struct arena *arena, struct page *page)
{
    struct rows rows = database_query(
        database,
        "SELECT a.id, a.scope, a.integration, a.request_id, a.message_id, a.alert_key, a.severity,"
        " a.title, a.event, a.time_s, a.received_ms, a.outcome, a.is_promised FROM alert AS a"
        " WHERE NOT EXISTS (SELECT 1 FROM delivery AS d WHERE d.alert_key = a.alert_key"
        " AND d.scope = a.scope AND d.state < 2 AND d.state = 1)"
        " AND a.id > 0 ORDER BY a.id LIMIT ?1",
        "i", (int64_t)PAGE + 1);
    page->alerts = arena_alloc(arena, (PAGE + 1) * sizeof *page->alerts);
    while (page->alerts && rows_next(&rows))
        page->alerts[page->alert_count++] = (struct moving_alert){
            .id = rows_number(&rows, 0),
            .event = {.scope = arena_string(arena, rows_text(&rows, 1)),
                      .integration = arena_string(arena, rows_text(&rows, 2)),
                      .request_id = arena_string(arena, rows_text(&rows, 3)),
                      .message_id = arena_string(arena, rows_text(&rows, 4)),
                      .alert_key = arena_string(arena, rows_text(&rows, 5)),
                      .severity = (enum severity)rows_number(&rows, 6),
                      .title = arena_string(arena, rows_text(&rows, 7)),
                      .json = arena_string(arena, rows_text(&rows, 8)),
                      .time_s = rows_number(&rows, 9),
                      .outcome = (enum outcome)rows_number(&rows, 11),
                      .reason = ""},
            .received_ms = rows_number(&rows, 10),
            .is_promised = rows_number(&rows, 12) != 0,
        };
    rows_end(&rows);
    page->more = page->alert_count > PAGE;
    page->alert_count -= page->more;
    for (size_t i = 0; i < page->alert_count && page->alerts; i++)
        read_rest(database, arena, &page->alerts[i]);
}

enum outcome moving_outcome(int64_t state)
{
    static const enum outcome outcomes[] = {OUTCOME_CONFIRMING, OUTCOME_CONFIRMED, OUTCOME_EXPIRED};
    return state >= 0 && state <= 2 ? outcomes[state] : OUTCOME_EXPIRED;
}

static void read_confirmations(struct database *database, struct arena *arena, struct page *page)
{
    struct rows rows = database_query(
        database,
        "SELECT id, scope, integration, request_id, topic, url, host, is_private, reason, state,"
        " received_ms, due_ms, scheduled_ms, tries FROM confirmation WHERE id > 0 ORDER BY id"
        " LIMIT ?1",
        "i", (int64_t)PAGE);
    page->confirmations = arena_alloc(arena, PAGE * sizeof *page->confirmations);
    while (page->confirmations && rows_next(&rows))
        page->confirmations[page->confirmation_count++] = (struct moving_confirmation){
            .id = rows_number(&rows, 0),
            .confirmation = {.scope = arena_string(arena, rows_text(&rows, 1)),
                             .integration = arena_string(arena, rows_text(&rows, 2)),
                             .request_id = arena_string(arena, rows_text(&rows, 3)),
                             .topic = arena_string(arena, rows_text(&rows, 4)),
                             .url = arena_string(arena, rows_text(&rows, 5)),
                             .host = arena_string(arena, rows_text(&rows, 6)),
                             .is_private = rows_number(&rows, 7) != 0,
                             .reason = arena_string(arena, rows_text(&rows, 8))},
            .state = rows_number(&rows, 9),
            .received_ms = rows_number(&rows, 10),
            .due_ms = rows_number(&rows, 11),
            .scheduled_ms = rows_number(&rows, 12),
            .tries = rows_number(&rows, 13),
        };
    rows_end(&rows);
    page->more |= page->confirmation_count == PAGE;
    for (size_t i = 0; i < page->confirmation_count && page->confirmations; i++)
        page->confirmations[i].token =
            token_of(database, arena, MOVING_CONFIRMATION, page->confirmations[i].id);
}

/* What is counted of alerts that are there no more, and of messages that never became one. It is
 * taken out of the tables that others count in, so that it stays the same until it has moved. */
static void take_counts_out(struct database *database)
{
    database_run(database,
                 "INSERT INTO moving_count SELECT 0, place, integration, '', count FROM ledger"
                 " WHERE count <> 0",
                 "");
    database_run(database,
                 "INSERT INTO moving_count SELECT CASE WHEN name IN (?1, ?2) THEN 2 ELSE 1 END,"
                 " name, integration, detail, value FROM counter WHERE value <> 0",
                 "tt", COUNTER_ALERT_MS, COUNTER_CANARY_MS);
    database_run(database,
                 "INSERT INTO moving_count SELECT 3, topic, integration, CAST(state AS TEXT),"
                 " changed_ms FROM subscription",
                 "");
    database_run(database, "DELETE FROM ledger", "");
    database_run(database, "DELETE FROM counter", "");
    database_run(database, "DELETE FROM subscription", "");
}

static void read_counts(struct database *database, struct arena *arena, struct page *page)
{
    if (!database_number(database, 0, "SELECT 1 FROM moving_count LIMIT 1", ""))
        take_counts_out(database);
    struct rows rows = database_query(
        database, "SELECT kind, name, integration, detail, value FROM moving_count", "");
    while (rows_next(&rows)) {
        page->counts = grow(arena, page->counts, page->count_count, sizeof *page->counts);
        if (!page->counts)
            break;
        page->counts[page->count_count++] = (struct moving_count){
            .kind = (enum count_kind)rows_number(&rows, 0),
            .name = arena_string(arena, rows_text(&rows, 1)),
            .integration = arena_string(arena, rows_text(&rows, 2)),
            .detail = arena_string(arena, rows_text(&rows, 3)),
            .value = rows_number(&rows, 4),
        };
    }
    rows_end(&rows);
    if (page->count_count > 0)
        page->counts_token = token_of(database, arena, MOVING_COUNTS, 0);
}

static void run_page(struct job *job, struct database *database, const struct store_limits *limits)
{
    struct page *page = &((struct page_job *)job)->page;
    (void)limits;
    *page = (struct page){.read_ms = database_wall_ms(database)};
    leases_end(database, database_wall_ms(database), database_steady_ms(database));
    read_alerts(database, &job->arena, page);
    read_confirmations(database, &job->arena, page);
    if (page->alert_count > 0 || page->confirmation_count > 0)
        return;
    page->is_empty = !database_number(database, 0, "SELECT 1 FROM alert WHERE id > 0 LIMIT 1", "");
    if (page->is_empty)
        read_counts(database, &job->arena, page);
    page->is_empty &= page->count_count == 0;
}

struct page_job *page_job_new(void)
{
    return job_new(sizeof(struct page_job), run_page);
}
