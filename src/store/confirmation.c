#include <string.h>

#include "base/limits.h"
#include "store/history.h"
#include "store/internal.h"

enum { STATE_WAITING, STATE_CONFIRMED, STATE_GIVEN_UP };

struct confirmation_job {
    struct job job;
    struct store_confirmation confirmation;
    bool is_confirmed;
    bool is_refused;
};

static void copy(struct arena *arena, struct store_confirmation *copy,
                 const struct store_confirmation *confirmation)
{
    *copy = *confirmation;
    copy->scope = arena_string(arena, confirmation->scope);
    copy->integration = arena_string(arena, confirmation->integration);
    copy->request_id = arena_string(arena, confirmation->request_id);
    copy->topic = arena_string(arena, confirmation->topic);
    copy->url = arena_string(arena, confirmation->url);
    copy->host = arena_string(arena, confirmation->host);
    copy->reason = arena_string(arena, confirmation->reason);
    if (confirmation->accepted_key)
        copy->accepted_key = arena_string(arena, confirmation->accepted_key);
}

/* What is kept for a key in pass-through: nothing before it was accepted, then its share. */
static bool may_keep(struct database *database, const struct store_limits *limits,
                     const struct store_confirmation *kept, int64_t now_ms)
{
    if (!kept->accepted_key)
        return true;
    int64_t own = database_number(database, 0,
                                  "SELECT count(*) FROM confirmation WHERE state IN (0, 1, 2)"
                                  " AND scope = ?1",
                                  "t", kept->scope);
    return destination_is_known(database, kept->accepted_key, now_ms) && own < key_share(limits);
}

static void run_keep(struct job *job, struct database *database, const struct store_limits *limits)
{
    struct confirmation_job *keep = (struct confirmation_job *)job;
    const struct store_confirmation *kept = &keep->confirmation;
    int64_t now_ms = database_wall_ms(database);
    keep->is_refused = false;
    job->is_durable = true;
    int64_t waiting =
        database_change(database,
                        "UPDATE confirmation SET url = ?1, host = ?2, is_private = ?3,"
                        " reason = ?4, received_ms = ?5 WHERE topic = ?6 AND topic <> ''"
                        " AND scope = ?7 AND state = 0",
                        "ttititt", kept->url, kept->host, (int64_t)kept->is_private, kept->reason,
                        now_ms, kept->topic, kept->scope);
    if (waiting > 0) {
        ledger_receive(database, kept->integration, OUTCOME_DUPLICATE, 1);
        return;
    }
    keep->is_refused = !may_keep(database, limits, kept, now_ms);
    if (keep->is_refused)
        return;
    database_add(database, "confirmation",
                 "INSERT INTO confirmation (id, scope, integration, request_id, topic, url, host,"
                 " is_private, state, received_ms, due_ms, scheduled_ms, tries, reason)"
                 " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?9, ?10, ?9, 1, ?11)",
                 "ttttttiiit", kept->scope, kept->integration, kept->request_id, kept->topic,
                 kept->url, kept->host, (int64_t)kept->is_private, now_ms,
                 now_ms + schedule_after(1), kept->reason);
    ledger_receive(database, kept->integration, OUTCOME_CONFIRMING, 1);
}

bool keep_confirmation_here(struct store *store, const struct store_confirmation *confirmation,
                            bool *is_refused)
{
    struct confirmation_job *keep = job_new(sizeof *keep, run_keep);
    if (!keep)
        return false;
    copy(&keep->job.arena, &keep->confirmation, confirmation);
    bool has_worked = job_run(store, &keep->job);
    *is_refused = has_worked && keep->is_refused;
    job_free(store, &keep->job);
    return has_worked;
}

static void give_up_old(struct database *database, int64_t now_ms)
{
    struct rows rows = database_query(
        database,
        "SELECT id, integration FROM confirmation WHERE state = 0 AND received_ms < ?1"
        " LIMIT 100",
        "i", now_ms - (int64_t)CONFIRMATION_HOURS * 3600 * 1000);
    while (rows_next(&rows)) {
        database_run(database,
                     "UPDATE confirmation SET state = 2, reason = 'its link has expired: ' ||"
                     " reason WHERE id = ?1",
                     "i", rows_number(&rows, 0));
        ledger_move(database, rows_text(&rows, 1), OUTCOME_CONFIRMING, OUTCOME_EXPIRED);
    }
}

static void run_claim(struct job *job, struct database *database, const struct store_limits *limits)
{
    struct store_confirmation *claim = &((struct confirmation_job *)job)->confirmation;
    int64_t now_ms = database_wall_ms(database), tries = 0;
    (void)limits;
    claim->id = 0;
    give_up_old(database, now_ms);
    struct rows rows =
        database_query(database,
                       "SELECT id, scope, integration, request_id, topic, url, host, is_private,"
                       " reason, tries FROM confirmation WHERE state = 0 AND (due_ms <= ?1 OR"
                       " scheduled_ms > ?2) ORDER BY due_ms LIMIT 1",
                       "ii", now_ms, now_ms + 1000);
    if (rows_next(&rows)) {
        const struct store_confirmation found = {
            .id = rows_number(&rows, 0),
            .scope = rows_text(&rows, 1),
            .integration = rows_text(&rows, 2),
            .request_id = rows_text(&rows, 3),
            .topic = rows_text(&rows, 4),
            .url = rows_text(&rows, 5),
            .host = rows_text(&rows, 6),
            .is_private = rows_number(&rows, 7) != 0,
            .reason = rows_text(&rows, 8),
        };
        copy(&job->arena, claim, &found);
        tries = rows_number(&rows, 9) + 1;
    }
    rows_end(&rows);
    if (claim->id)
        database_run(database,
                     "UPDATE confirmation SET tries = ?1, due_ms = ?2, scheduled_ms = ?3"
                     " WHERE id = ?4",
                     "iiii", tries, now_ms + schedule_after(tries), now_ms, claim->id);
}

bool claim_confirmation_here(struct store *store, struct store_confirmation *confirmation,
                             struct arena *arena)
{
    struct confirmation_job *claim = job_new(sizeof *claim, run_claim);
    confirmation->id = 0;
    if (!claim)
        return false;
    bool has_worked = job_run(store, &claim->job);
    if (has_worked && claim->confirmation.id)
        copy(arena, confirmation, &claim->confirmation);
    job_free(store, &claim->job);
    return has_worked;
}

static void note_subscription(struct database *database, const char *integration, const char *topic,
                              enum subscription_state state)
{
    database_run(database,
                 "INSERT INTO subscription VALUES (?1, ?2, ?3, ?4)"
                 " ON CONFLICT (topic, integration) DO UPDATE SET state = ?3, changed_ms = ?4",
                 "ttii", topic, integration, (int64_t)state, database_wall_ms(database));
}

/* A subscription is confirmed once, by whichever of its links. */
static void close_waiting(struct database *database, const struct store_confirmation *confirmation)
{
    int64_t changed = database_change(database,
                                      "UPDATE confirmation SET state = 1, url = '', reason = ''"
                                      " WHERE topic = ?1 AND scope = ?2 AND state = 0",
                                      "tt", confirmation->topic, confirmation->scope);
    for (; changed > 0; changed--)
        ledger_move(database, confirmation->integration, OUTCOME_CONFIRMING, OUTCOME_CONFIRMED);
    /* In pass-through the scope is a key's, and topics are anybody's. */
    if (!strcmp(confirmation->scope, confirmation->integration))
        note_subscription(database, confirmation->integration, confirmation->topic,
                          SUBSCRIPTION_CONFIRMED);
}

static void run_confirmed(struct job *job, struct database *database,
                          const struct store_limits *limits)
{
    const struct store_confirmation *confirmed = &((struct confirmation_job *)job)->confirmation;
    (void)limits;
    close_waiting(database, confirmed);
    ledger_receive(database, confirmed->integration, OUTCOME_CONFIRMED, 1);
}

bool confirmed_here(struct store *store, const struct store_confirmation *confirmation)
{
    struct confirmation_job *confirmed = job_new(sizeof *confirmed, run_confirmed);
    if (!confirmed)
        return false;
    copy(&confirmed->job.arena, &confirmed->confirmation, confirmation);
    bool has_worked = job_run(store, &confirmed->job);
    job_free(store, &confirmed->job);
    return has_worked;
}

static void run_report(struct job *job, struct database *database,
                       const struct store_limits *limits)
{
    struct confirmation_job *report = (struct confirmation_job *)job;
    const struct store_confirmation *reported = &report->confirmation;
    (void)limits;
    if (!report->is_confirmed) {
        database_run(database, "UPDATE confirmation SET reason = ?1 WHERE id = ?2", "ti",
                     reported->reason, reported->id);
        return;
    }
    close_waiting(database, reported);
}

bool report_confirmation_here(struct store *store, const struct store_confirmation *confirmation,
                              bool is_confirmed, const char *reason)
{
    struct confirmation_job *report = job_new(sizeof *report, run_report);
    if (!report)
        return false;
    report->is_confirmed = is_confirmed;
    copy(&report->job.arena, &report->confirmation, confirmation);
    report->confirmation.reason = arena_string(&report->job.arena, reason);
    bool has_worked = job_run(store, &report->job);
    job_free(store, &report->job);
    return has_worked;
}

static void run_unsubscribed(struct job *job, struct database *database,
                             const struct store_limits *limits)
{
    const struct store_confirmation *removed = &((struct confirmation_job *)job)->confirmation;
    (void)limits;
    note_subscription(database, removed->integration, removed->topic, SUBSCRIPTION_REMOVED);
    ledger_receive(database, removed->integration, OUTCOME_IGNORED, 1);
}

bool unsubscribed_here(struct store *store, const char *integration, const char *topic)
{
    struct confirmation_job *removed = job_new(sizeof *removed, run_unsubscribed);
    if (!removed)
        return false;
    removed->confirmation.integration = arena_string(&removed->job.arena, integration);
    removed->confirmation.topic = arena_string(&removed->job.arena, topic);
    bool has_worked = job_run(store, &removed->job);
    job_free(store, &removed->job);
    return has_worked;
}
