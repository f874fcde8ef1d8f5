#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "store/move_page.h"
#include "store/spool.h"

/*
 * What a spool holds is moved a page at a time, in three steps: read there, written to the
 * database, removed there. Whoever dies between two of them leaves the tokens of a page in both:
 * what the database has taken under a token it does not take again.
 */

/* ---- removing it from the spool ---- */

struct removed {
    int64_t id;
    char token[2 * TOKEN_BYTES + 1];
};

struct remove_job {
    struct job job;
    struct removed alerts[PAGE], confirmations[PAGE];
    size_t alert_count, confirmation_count;
    bool has_counts;
};

static bool has_token(struct database *database, enum moving_kind kind,
                      const struct removed *removed)
{
    return database_number(database, 0,
                           "SELECT 1 FROM moving WHERE kind = ?1 AND id = ?2 AND token = ?3", "iit",
                           (int64_t)kind, removed->id, removed->token) != 0;
}

static void forget_token(struct database *database, enum moving_kind kind, int64_t id)
{
    database_run(database, "DELETE FROM moving WHERE kind = ?1 AND id = ?2", "ii", (int64_t)kind,
                 id);
}

/* Without its alerts a key is known in the database alone. The message ids are kept: they are known
 * here, too, when the database is down the next time. */
static void forget_key(struct database *database, const char *alert_key, const char *scope)
{
    if (database_number(database, 0,
                        "SELECT 1 FROM alert WHERE alert_key = ?1 AND scope = ?2 LIMIT 1", "tt",
                        alert_key, scope))
        return;
    database_run(database, "DELETE FROM memory_destination WHERE alert_key = ?1 AND scope = ?2",
                 "tt", alert_key, scope);
    database_run(database, "DELETE FROM memory WHERE alert_key = ?1 AND scope = ?2", "tt",
                 alert_key, scope);
}

static void remove_alert(struct database *database, struct arena *arena, int64_t id)
{
    struct moving_alert alert = {.id = id};
    struct rows rows = database_query(database,
                                      "SELECT scope, integration, message_id, alert_key, outcome"
                                      " FROM alert WHERE id = ?1",
                                      "i", id);
    bool is_there = rows_next(&rows);
    if (is_there)
        alert.event = (struct store_event){
            .scope = arena_string(arena, rows_text(&rows, 0)),
            .integration = arena_string(arena, rows_text(&rows, 1)),
            .message_id = arena_string(arena, rows_text(&rows, 2)),
            .alert_key = arena_string(arena, rows_text(&rows, 3)),
            .outcome = (enum outcome)rows_number(&rows, 4),
        };
    rows_end(&rows);
    if (!is_there)
        return;
    moving_read_deliveries(database, arena, &alert);
    for (size_t i = 0; i < alert.delivery_count && alert.deliveries; i++)
        delivery_remove(database, alert.deliveries[i].id, id, alert.event.scope);
    database_run(database, "DELETE FROM alert WHERE id = ?1", "i", id);
    database_run(database, "UPDATE seen SET alert_id = 0 WHERE message_id = ?1 AND scope = ?2",
                 "tt", alert.event.message_id, alert.event.scope);
    ledger_leave(database, alert.event.integration, alert.event.outcome);
    forget_key(database, alert.event.alert_key, alert.event.scope);
    forget_token(database, MOVING_ALERT, id);
}

static void remove_confirmation(struct database *database, struct arena *arena, int64_t id)
{
    const char *integration = NULL;
    int64_t state = 0;
    struct rows rows = database_query(
        database, "SELECT integration, state FROM confirmation WHERE id = ?1", "i", id);
    if (rows_next(&rows)) {
        integration = arena_string(arena, rows_text(&rows, 0));
        state = rows_number(&rows, 1);
    }
    rows_end(&rows);
    if (!integration)
        return;
    database_run(database, "DELETE FROM confirmation WHERE id = ?1", "i", id);
    ledger_leave(database, integration, moving_outcome(state));
    forget_token(database, MOVING_CONFIRMATION, id);
}

static void run_remove(struct job *job, struct database *database,
                       const struct store_limits *limits)
{
    const struct remove_job *gone = (const struct remove_job *)job;
    (void)limits;
    for (size_t i = 0; i < gone->alert_count; i++) {
        if (has_token(database, MOVING_ALERT, &gone->alerts[i]))
            remove_alert(database, &job->arena, gone->alerts[i].id);
    }
    for (size_t i = 0; i < gone->confirmation_count; i++) {
        if (has_token(database, MOVING_CONFIRMATION, &gone->confirmations[i]))
            remove_confirmation(database, &job->arena, gone->confirmations[i].id);
    }
    if (gone->has_counts) {
        database_run(database, "DELETE FROM moving_count", "");
        forget_token(database, MOVING_COUNTS, 0);
    }
}

/* ---- when the database is down after all ---- */

/* At most so many as there is room for; how many it were. */
static size_t hold_some(struct database *database)
{
    int64_t ids[PAGE];
    size_t count = 0;
    struct rows rows =
        database_query(database, "SELECT id FROM delivery WHERE after = -2 AND after < 0", "");
    while (count < PAGE && rows_next(&rows))
        ids[count++] = rows_number(&rows, 0);
    rows_end(&rows);
    for (size_t i = 0; i < count; i++)
        delivery_hold_again(database, ids[i]);
    return count;
}

/* An alert of a page has a delivery for each of its destinations. */
static void run_hold(struct job *job, struct database *database, const struct store_limits *limits)
{
    (void)job, (void)limits;
    while (hold_some(database) == PAGE)
        continue;
}

/* Triggers do not wait for recoveries that nobody moves. */
static void hold_again(struct spool *spool)
{
    struct job *job = job_new(sizeof *job, run_hold);
    if (job && job_run(spool_store(spool), job))
        spool_set_moving(spool, false);
    job_free(spool_store(spool), job);
}

/* ---- a page ---- */

static struct removed removed_of(int64_t id, const char *token)
{
    struct removed removed = {.id = id};
    (void)snprintf(removed.token, sizeof removed.token, "%s", token);
    return removed;
}

static struct remove_job *remove_job_new(const struct page *page)
{
    struct remove_job *gone = job_new(sizeof *gone, run_remove);
    if (!gone)
        return NULL;
    gone->alert_count = page->alert_count;
    gone->confirmation_count = page->confirmation_count;
    gone->has_counts = page->count_count > 0;
    for (size_t i = 0; i < page->alert_count; i++)
        gone->alerts[i] = removed_of(page->alerts[i].id, page->alerts[i].token);
    for (size_t i = 0; i < page->confirmation_count; i++)
        gone->confirmations[i] =
            removed_of(page->confirmations[i].id, page->confirmations[i].token);
    return gone;
}

static bool move_page(struct store *store, struct spool *spool, struct page_job *read)
{
    struct store *from = spool_store(spool);
    struct remove_job *gone = remove_job_new(&read->page);
    bool is_moved_now = gone && moving_write(store, read);
    if (is_moved_now)
        is_moved_now = job_run(from, &gone->job);
    if (gone)
        job_free(from, &gone->job);
    return is_moved_now;
}

static void tell(struct spool *spool, size_t alerts, bool is_empty)
{
    char moved[24];
    int64_t count = spool_count_moved(spool, alerts, is_empty);
    if (!is_empty || count == 0)
        return;
    (void)snprintf(moved, sizeof moved, "%lld", (long long)count);
    log_event(LOG_INFO, "the spool was moved into the store", "alerts", moved, NULL);
}

static bool move_next(struct store *store, struct spool *spool, const struct spool_sight *sight,
                      bool *more)
{
    struct page_job *read = page_job_new();
    bool is_read = read && job_run(spool_store(spool), &read->job);
    bool is_well = is_read;
    if (is_read) {
        const struct page *page = &read->page;
        size_t alerts = page->alert_count;
        bool is_empty = page->is_empty, is_more = page->more || page->count_count == 0;
        bool has_some = alerts + page->confirmation_count + page->count_count > 0;
        if (has_some) {
            spool_set_moving(spool, true);
            is_well = move_page(store, spool, read);
        } else if (is_empty) {
            spool_note_empty(spool, sight);
        }
        if (is_well)
            tell(spool, alerts, is_empty);
        *more = has_some && is_well && is_more;
    }
    if (read)
        job_free(spool_store(spool), &read->job);
    return is_well;
}

bool store_move(struct store *store, bool *more)
{
    struct spool *spool = store_spool(store);
    struct spool_sight sight;
    struct error ignored = {0};
    *more = false;
    if (!spool || !spool_may_hold(spool, &sight))
        return true;
    bool is_moved_now = !store_is_down(store) && move_next(store, spool, &sight, more);
    if (!is_moved_now && spool_is_moving(spool))
        hold_again(spool);
    spool_set_stuck(spool,
                    !is_moved_now && !store_is_down(store) && is_writable_here(store, &ignored));
    return is_moved_now;
}
