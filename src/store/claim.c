#include <string.h>

#include "base/limits.h"
#include "store/internal.h"

/* How many wait behind a key's rate is not counted: it is asked again so often. */
#define PACE_POLL_MS 50
/* A lease that ends later comes from before the machine was started. */
#define LEASE_MS_MAX ((int64_t)2 * SEND_LEASE_MS)

struct claim_job {
    struct job job;
    size_t limit, count;
    int64_t lease_ms, next_ms;
    struct store_claim *claims;
};

struct claiming {
    struct database *database;
    const struct store_limits *limits;
    struct claim_job *job;
    int64_t now_ms, steady_ms;
};

static void wait_at_most(struct claiming *claiming, int64_t ms)
{
    if (ms < claiming->job->next_ms)
        claiming->job->next_ms = ms > 0 ? ms : 0;
}

/* ---- what time has done ---- */

/* Who could not report has perhaps promised what was to be sent. */
void leases_end(struct database *database, int64_t now_ms, int64_t steady_ms)
{
    database_run(database,
                 "UPDATE alert SET is_promised = 1 WHERE is_promised = 0 AND id IN"
                 " (SELECT alert_id FROM delivery WHERE state = 1"
                 " AND (lease_steady_ms <= ?1 OR lease_steady_ms > ?2))",
                 "ii", steady_ms, steady_ms + LEASE_MS_MAX);
    /* It is over, or the machine was started since. */
    database_run(database,
                 "UPDATE delivery SET state = 0, due_ms = ?1, scheduled_ms = ?1 WHERE state = 1"
                 " AND (lease_steady_ms <= ?2 OR lease_steady_ms > ?3)",
                 "iii", now_ms, steady_ms, steady_ms + LEASE_MS_MAX);
}

static void take_over(struct claiming *claiming)
{
    leases_end(claiming->database, claiming->now_ms, claiming->steady_ms);
    int64_t next_ms = database_number(
        claiming->database, 0,
        "SELECT lease_steady_ms FROM delivery WHERE state = 1 ORDER BY lease_steady_ms LIMIT 1",
        "");
    if (next_ms)
        wait_at_most(claiming, next_ms - claiming->steady_ms);
}

/* A clock that was set back: what was scheduled in what is now the future is due. */
static void mend_schedule(struct claiming *claiming)
{
    database_run(claiming->database,
                 "UPDATE delivery SET due_ms = ?1, scheduled_ms = ?1 WHERE state = 0"
                 " AND scheduled_ms > ?2",
                 "ii", claiming->now_ms, claiming->now_ms + 1000);
}

/* ---- claiming ---- */

static void lease(struct claiming *claiming, struct store_claim *claim)
{
    claim->lease = claiming->steady_ms + claiming->job->lease_ms;
    database_run(claiming->database,
                 "UPDATE delivery SET state = 1, lease_steady_ms = ?1 WHERE id = ?2", "ii",
                 claim->lease, claim->delivery_id);
}

static bool add_claim(struct claiming *claiming, struct rows *rows, const char *key)
{
    struct claim_job *job = claiming->job;
    struct arena *arena = &job->job.arena;
    job->claims[job->count++] = (struct store_claim){
        .delivery_id = rows_number(rows, 0),
        .flashduty_key = key,
        .json = arena_string(arena, rows_text(rows, 1)),
        .tries = rows_number(rows, 2),
        .integration = arena_string(arena, rows_text(rows, 3)),
        .request_id = arena_string(arena, rows_text(rows, 4)),
        .alert_key = arena_string(arena, rows_text(rows, 5)),
        .route = arena_string(arena, rows_text(rows, 6)),
        .severity = (enum severity)rows_number(rows, 7),
    };
    return job->count < job->limit;
}

/* The best of what is due; how many there were. The plus takes the index by due times away: all
 * that waits would be read and sorted. What is not due is little, because a success makes it so. */
static size_t claim_best(struct claiming *claiming, const char *key, int64_t most)
{
    struct claim_job *job = claiming->job;
    size_t first = job->count;
    struct rows rows = database_query(
        claiming->database,
        "SELECT delivery.id, alert.event, delivery.tries, alert.integration, alert.request_id,"
        " alert.alert_key, delivery.route, alert.severity FROM delivery JOIN alert ON alert.id ="
        " delivery.alert_id WHERE flashduty_key = ?1 AND state = 0 AND after = 0 AND +due_ms <= ?2"
        " ORDER BY rank, delivery.id LIMIT ?3 /*+ FOR UPDATE OF delivery SKIP LOCKED +*/",
        "tii", key, claiming->now_ms, most);
    while (rows_next(&rows)) {
        if (!add_claim(claiming, &rows, key))
            rows_end(&rows);
    }
    for (size_t i = first; i < job->count; i++) {
        lease(claiming, &job->claims[i]);
        pace_take(claiming->database, claiming->limits, key);
    }
    return job->count - first;
}

/* A failing key is tried by one delivery, and if none is due by the one that is due next. */
static void probe(struct claiming *claiming, const char *key,
                  const struct destination_state *destination)
{
    struct database *database = claiming->database;
    if (destination->probe_steady_ms > claiming->steady_ms) {
        wait_at_most(claiming, destination->probe_steady_ms - claiming->steady_ms);
        return;
    }
    if (pace_free(database, claiming->limits, key) < 1) {
        wait_at_most(claiming, PACE_POLL_MS);
        return;
    }
    if (claim_best(claiming, key, 1) == 0)
        database_run(database,
                     "UPDATE delivery SET due_ms = ?1, scheduled_ms = ?1 WHERE id ="
                     " (SELECT id FROM delivery WHERE flashduty_key = ?2 AND state = 0"
                     " AND after = 0 ORDER BY due_ms LIMIT 1)",
                     "it", claiming->now_ms, key);
    else
        database_run(database,
                     "UPDATE destination SET probe_steady_ms = ?1 WHERE flashduty_key = ?2", "it",
                     claiming->steady_ms + PROBE_MS, key);
    wait_at_most(claiming, PACE_POLL_MS);
}

static int64_t next_due_ms(const struct claiming *claiming, const char *key)
{
    return database_number(claiming->database, claiming->now_ms + 1000,
                           "SELECT min(due_ms) FROM delivery WHERE flashduty_key = ?1 AND state = 0"
                           " AND after = 0",
                           "t", key);
}

/* What a request sends that nobody was promised yet does not count: or what waits would wait for as
 * long as others come. */
static int64_t claims_under_way(struct database *database, const char *key)
{
    return database_number(database, 0,
                           "SELECT count(*) FROM delivery JOIN alert ON alert.id ="
                           " delivery.alert_id WHERE state = 1 AND lease_steady_ms > 0"
                           " AND flashduty_key = ?1 AND is_promised = 1",
                           "t", key);
}

static void claim_of(struct claiming *claiming, const char *key)
{
    struct claim_job *job = claiming->job;
    struct destination_state destination = destination_read(claiming->database, key);
    if (destination.hold_steady_ms) {
        wait_at_most(claiming, destination.hold_steady_ms - claiming->steady_ms);
        return;
    }
    int64_t busy = claims_under_way(claiming->database, key);
    if (destination.is_failing) {
        if (busy < CLAIMS_OF_A_KEY_MAX)
            probe(claiming, key, &destination);
        return;
    }
    int64_t is_free = pace_free(claiming->database, claiming->limits, key);
    int64_t most = CLAIMS_OF_A_KEY_MAX - busy;
    if (is_free < most)
        wait_at_most(claiming, PACE_POLL_MS);
    most = is_free < most ? is_free : most;
    if (most > (int64_t)(job->limit - job->count))
        most = (int64_t)(job->limit - job->count);
    if (most <= 0)
        return;
    if (claim_best(claiming, key, most) < (size_t)most)
        wait_at_most(claiming, next_due_ms(claiming, key) - claiming->now_ms);
}

/* The next key, in order, for which something waits; NULL behind the last. */
static const char *next_key(struct database *database, struct arena *arena, const char *key)
{
    struct rows rows = database_query(database,
                                      "SELECT min(flashduty_key) FROM delivery WHERE state = 0"
                                      " AND after = 0 AND flashduty_key > ?1",
                                      "t", key);
    bool is_another = rows_next(&rows) && *rows_text(&rows, 0);
    const char *next = is_another ? arena_string(arena, rows_text(&rows, 0)) : NULL;
    rows_end(&rows);
    return arena->failed ? NULL : next;
}

static void run_claim(struct job *job, struct database *database, const struct store_limits *limits)
{
    struct claim_job *claim = (struct claim_job *)job;
    struct claiming claiming = {database, limits, claim, database_wall_ms(database),
                                database_steady_ms(database)};
    const char *key = "";
    claim->count = 0;
    claim->next_ms = INT64_MAX;
    take_over(&claiming);
    mend_schedule(&claiming);
    while (claim->count < claim->limit && (key = next_key(database, &job->arena, key)))
        claim_of(&claiming, key);
}

/* Nobody is going to send them. */
static void withdraw_claim(struct job *job, struct database *database)
{
    struct claim_job *claim = (struct claim_job *)job;
    for (size_t i = 0; i < claim->count; i++)
        database_run(database,
                     "UPDATE delivery SET state = 0 WHERE id = ?1 AND state = 1"
                     " AND lease_steady_ms = ?2",
                     "ii", claim->claims[i].delivery_id, claim->claims[i].lease);
}

bool claim_here(struct store *store, struct store_claim *claims, size_t limit, size_t *count,
                int64_t lease_ms, int64_t *next_ms, struct arena *arena)
{
    struct claim_job *claim = job_new(sizeof *claim, run_claim);
    *count = 0;
    *next_ms = 1000;
    if (!claim)
        return false;
    claim->job.withdraw = withdraw_claim;
    claim->limit = limit;
    claim->lease_ms = lease_ms;
    claim->claims = arena_alloc(&claim->job.arena, (limit + 1) * sizeof *claim->claims);
    bool has_worked = claim->claims && job_run(store, &claim->job);
    for (size_t i = 0; has_worked && i < claim->count; i++) {
        const struct store_claim *one = &claim->claims[i];
        struct store_claim *copy = &claims[(*count)++];
        *copy = *one;
        copy->flashduty_key = arena_string(arena, one->flashduty_key);
        copy->json = arena_string(arena, one->json);
        copy->integration = arena_string(arena, one->integration);
        copy->request_id = arena_string(arena, one->request_id);
        copy->alert_key = arena_string(arena, one->alert_key);
        copy->route = arena_string(arena, one->route);
    }
    if (has_worked)
        *next_ms = claim->next_ms;
    job_free(store, &claim->job);
    return has_worked;
}

/* ---- whether there is something to do ---- */

struct due_job {
    struct job job;
    bool is_due;
};

static bool is_key_due(struct database *database, const char *key, int64_t now_ms,
                       int64_t steady_ms)
{
    struct destination_state destination = destination_read(database, key);
    if (destination.hold_steady_ms)
        return false;
    if (destination.is_failing)
        return destination.probe_steady_ms <= steady_ms;
    return database_number(database, 0,
                           "SELECT 1 FROM delivery WHERE flashduty_key = ?1 AND state = 0"
                           " AND after = 0 AND due_ms <= ?2 LIMIT 1",
                           "ti", key, now_ms) != 0;
}

static void run_due(struct job *job, struct database *database, const struct store_limits *limits)
{
    struct due_job *due = (struct due_job *)job;
    int64_t now_ms = database_wall_ms(database), steady_ms = database_steady_ms(database);
    const char *key = "";
    (void)limits;
    due->is_due =
        database_number(database, 0,
                        "SELECT 1 FROM delivery WHERE state = 1 AND (lease_steady_ms <= ?1"
                        " OR lease_steady_ms > ?2) LIMIT 1",
                        "ii", steady_ms, steady_ms + LEASE_MS_MAX) ||
        database_number(database, 0,
                        "SELECT 1 FROM delivery WHERE state = 0 AND scheduled_ms > ?1 LIMIT 1", "i",
                        now_ms + 1000) ||
        database_number(database, 0,
                        "SELECT 1 FROM confirmation WHERE state = 0 AND (due_ms <= ?1"
                        " OR scheduled_ms > ?2) LIMIT 1",
                        "ii", now_ms, now_ms + 1000);
    while (!due->is_due && (key = next_key(database, &job->arena, key)))
        due->is_due = is_key_due(database, key, now_ms, steady_ms);
}

bool is_due_here(struct store *store, bool *is_due)
{
    struct due_job *due = job_new(sizeof *due, run_due);
    bool is_known = due && job_run(store, &due->job);
    *is_due = is_known && due->is_due;
    job_free(store, due ? &due->job : NULL);
    return is_known;
}

/* ---- the present key ---- */

struct key_job {
    struct job job;
    const char *scope, *route, *key;
};

static void run_key(struct job *job, struct database *database, const struct store_limits *limits)
{
    struct key_job *change = (struct key_job *)job;
    (void)limits;
    int64_t changed = database_change(
        database,
        "UPDATE delivery SET flashduty_key = ?1, due_ms = ?4, scheduled_ms = ?4 WHERE state = 0"
        " AND scope = ?2 AND route = ?3 AND (flashduty_key < ?1 OR flashduty_key > ?1)",
        "ttti", change->key, change->scope, change->route, database_wall_ms(database));
    /* Another route may lead to the same key by now. */
    if (changed > 0)
        database_run(
            database,
            "UPDATE delivery SET after = coalesce((SELECT max(d.id) FROM delivery AS d"
            " WHERE d.alert_key = delivery.alert_key AND d.scope = delivery.scope AND d.state < 2"
            " AND d.after <> -1 AND d.id < delivery.id AND (d.route = delivery.route OR"
            " d.flashduty_key = delivery.flashduty_key)), 0)"
            " WHERE state = 0 AND after >= 0 AND scope = ?1 AND flashduty_key = ?2",
            "tt", change->scope, change->key);
}

bool set_key_here(struct store *store, const char *scope, const struct destination *route)
{
    struct key_job *change = job_new(sizeof *change, run_key);
    if (!change)
        return false;
    change->scope = arena_string(&change->job.arena, scope);
    change->route = arena_string(&change->job.arena, route->name);
    change->key = arena_string(&change->job.arena, route->flashduty_key);
    bool has_worked = job_run(store, &change->job);
    job_free(store, &change->job);
    return has_worked;
}
