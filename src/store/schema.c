#include "store/schema.h"

#include <stddef.h>

#include "base/text.h"
#include "store/engine.h"

/*
 * In SQLite's words; an engine that has others translates these: INTEGER, which is 64 bits wide,
 * TEXT, which is compared byte by byte, and WITHOUT ROWID.
 *
 * Times are milliseconds since 1970 (…_ms) or seconds (…_s); those named …_steady_ms stand on the
 * clock of database_steady_ms. A scope is whose memory something belongs to: an integration's name,
 * or in pass-through a digest of the key.
 */
static const char *const first_version[] = {
    /* Numbers that are about the store as a whole. */
    "CREATE TABLE fact (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    "INSERT INTO fact VALUES ('syncs', 0)",

    /* Every alert that was taken, as it is sent. outcome: enum outcome. is_promised: a repeat was
     * answered 2xx, so that it cannot be given up any more. */
    "CREATE TABLE alert (id INTEGER PRIMARY KEY, scope TEXT NOT NULL, integration TEXT NOT NULL,"
    " request_id TEXT NOT NULL, message_id TEXT NOT NULL, alert_key TEXT NOT NULL,"
    " severity INTEGER NOT NULL, title TEXT NOT NULL, event TEXT NOT NULL, time_s INTEGER NOT NULL,"
    " received_ms INTEGER NOT NULL, outcome INTEGER NOT NULL,"
    " is_promised INTEGER NOT NULL DEFAULT 0)",
    "CREATE INDEX alert_by_key ON alert (alert_key, scope, id)",
    "CREATE INDEX alert_by_request ON alert (request_id)",

    /* Ids of messages that were answered 2xx. */
    "CREATE TABLE seen (message_id TEXT NOT NULL, scope TEXT NOT NULL, alert_id INTEGER NOT NULL,"
    " seen_ms INTEGER NOT NULL, PRIMARY KEY (message_id, scope)) WITHOUT ROWID",
    "CREATE INDEX seen_by_time ON seen (seen_ms)",

    /* What is known of an alert key: the newest event's time, the severity of its trigger, and
     * where its triggers went since it was opened, so that its recovery goes there. */
    "CREATE TABLE memory (alert_key TEXT NOT NULL, scope TEXT NOT NULL, newest_s INTEGER NOT NULL,"
    " is_open INTEGER NOT NULL, severity INTEGER NOT NULL, changed_ms INTEGER NOT NULL,"
    " PRIMARY KEY (alert_key, scope)) WITHOUT ROWID",
    "CREATE INDEX memory_by_age ON memory (is_open, changed_ms)",
    "CREATE TABLE memory_destination (alert_key TEXT NOT NULL, scope TEXT NOT NULL,"
    " route TEXT NOT NULL, flashduty_key TEXT NOT NULL,"
    " PRIMARY KEY (alert_key, scope, route, flashduty_key)) WITHOUT ROWID",

    /* An alert on its way to one destination. state: enum delivery_state. rank: what goes first.
     * tries: sends; rounds: how often it was put off after one, which is what the schedule counts.
     * after: the delivery of the same alert key that has to be over first, 0 if none. */
    "CREATE TABLE delivery (id INTEGER PRIMARY KEY, alert_id INTEGER NOT NULL, scope TEXT NOT NULL,"
    " alert_key TEXT NOT NULL, route TEXT NOT NULL, flashduty_key TEXT NOT NULL,"
    " state INTEGER NOT NULL, rank INTEGER NOT NULL, after INTEGER NOT NULL,"
    " due_ms INTEGER NOT NULL, scheduled_ms INTEGER NOT NULL, lease_steady_ms INTEGER NOT NULL,"
    " tries INTEGER NOT NULL, rounds INTEGER NOT NULL, created_ms INTEGER NOT NULL,"
    " finished_ms INTEGER NOT NULL, code TEXT NOT NULL, message TEXT NOT NULL)",
    "CREATE INDEX delivery_by_alert ON delivery (alert_id)",
    "CREATE INDEX delivery_by_key ON delivery (alert_key, scope, id) WHERE state < 2",
    "CREATE INDEX delivery_by_rank ON delivery (flashduty_key, rank, id)"
    " WHERE state = 0 AND after = 0",
    "CREATE INDEX delivery_by_due ON delivery (flashduty_key, due_ms)"
    " WHERE state = 0 AND after = 0",
    "CREATE INDEX delivery_by_schedule ON delivery (scheduled_ms) WHERE state = 0",
    "CREATE INDEX delivery_by_age ON delivery (created_ms) WHERE state = 0",
    "CREATE INDEX delivery_by_lease ON delivery (lease_steady_ms) WHERE state = 1",
    "CREATE INDEX delivery_by_after ON delivery (after) WHERE after > 0",
    "CREATE INDEX delivery_by_end ON delivery (finished_ms) WHERE state > 1",
    "CREATE INDEX delivery_by_scope ON delivery (scope, finished_ms) WHERE state > 1",

    /* Every try, with Flashduty's answer. verdict: enum verdict. */
    "CREATE TABLE try (delivery_id INTEGER NOT NULL, number INTEGER NOT NULL,"
    " started_ms INTEGER NOT NULL, took_ms INTEGER NOT NULL, status INTEGER NOT NULL,"
    " verdict INTEGER NOT NULL, code TEXT NOT NULL, message TEXT NOT NULL,"
    " request_id TEXT NOT NULL, PRIMARY KEY (delivery_id, number)) WITHOUT ROWID",

    /* What is known of a Flashduty key. failures: in a row, see report.c. */
    "CREATE TABLE destination (flashduty_key TEXT PRIMARY KEY, failures INTEGER NOT NULL,"
    " probe_steady_ms INTEGER NOT NULL, hold_steady_ms INTEGER NOT NULL,"
    " accepted_ms INTEGER NOT NULL) WITHOUT ROWID",

    /* Its sends of the last minute, numbered, so that the rates are read off two of them. */
    "CREATE TABLE send (flashduty_key TEXT NOT NULL, at_steady_ms INTEGER NOT NULL,"
    " number INTEGER NOT NULL, PRIMARY KEY (flashduty_key, at_steady_ms, number)) WITHOUT ROWID",

    /* How many messages were received (place 'received') and where they are now. */
    "CREATE TABLE ledger (integration TEXT NOT NULL, place TEXT NOT NULL, count INTEGER NOT NULL,"
    " PRIMARY KEY (integration, place)) WITHOUT ROWID",

    /* How many deliveries are kept, of a scope in pass-through and ('') of all. */
    "CREATE TABLE volume (scope TEXT PRIMARY KEY, kept INTEGER NOT NULL) WITHOUT ROWID",

    /* Subscriptions whose confirmation failed. state: 0 waiting, 1 confirmed, 2 given up. */
    "CREATE TABLE confirmation (id INTEGER PRIMARY KEY, scope TEXT NOT NULL,"
    " integration TEXT NOT NULL, request_id TEXT NOT NULL, topic TEXT NOT NULL,"
    " url TEXT NOT NULL, host TEXT NOT NULL, is_private INTEGER NOT NULL, state INTEGER NOT NULL,"
    " received_ms INTEGER NOT NULL, due_ms INTEGER NOT NULL, scheduled_ms INTEGER NOT NULL,"
    " tries INTEGER NOT NULL, reason TEXT NOT NULL)",
    "CREATE INDEX confirmation_by_due ON confirmation (state, due_ms)",
    "CREATE INDEX confirmation_by_topic ON confirmation (topic, scope, state)",
};

static const char *const second_version[] = {
    /* What only rises, for metrics: the ledger's places fall when something moves on. detail: the
     * reason, severity, outcome or bucket that the name counts by; "" if by none. */
    "CREATE TABLE counter (name TEXT NOT NULL, integration TEXT NOT NULL, detail TEXT NOT NULL,"
    " value INTEGER NOT NULL, PRIMARY KEY (name, integration, detail)) WITHOUT ROWID",

    /* Random words in hexadecimal, made once by whoever needs them first. */
    "CREATE TABLE secret (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",

    /* Topics by what was heard of them last. state: enum subscription_state. */
    "CREATE TABLE subscription (topic TEXT NOT NULL, integration TEXT NOT NULL,"
    " state INTEGER NOT NULL, changed_ms INTEGER NOT NULL, PRIMARY KEY (topic, integration))"
    " WITHOUT ROWID",

    /* What the watchdog has told, see watch.c: one a condition and integration, until its end was
     * told too. delivery_id: of the event about its present state, 0 while there is none. */
    "CREATE TABLE alarm (condition TEXT NOT NULL, integration TEXT NOT NULL,"
    " is_over INTEGER NOT NULL, changed_ms INTEGER NOT NULL, delivery_id INTEGER NOT NULL,"
    " title TEXT NOT NULL, text TEXT NOT NULL, posted_ms INTEGER NOT NULL,"
    " was_posted INTEGER NOT NULL, PRIMARY KEY (condition, integration)) WITHOUT ROWID",

    "CREATE INDEX alert_by_time ON alert (received_ms)",
    /* What a person may have to look at: waiting, sending, rejected, expired. */
    "CREATE INDEX delivery_unfinished ON delivery (id) WHERE state < 4",

    /* What waits of a route, for when its Flashduty key is replaced. */
    "CREATE INDEX delivery_by_route ON delivery (scope, route, flashduty_key) WHERE state = 0",
};

static const char *const third_version[] = {
    /* What came from spools, see move.c, by a random token that it was given there, and the alert
     * that it became, 0 if none. */
    "CREATE TABLE moved (token TEXT PRIMARY KEY, became INTEGER NOT NULL,"
    " moved_ms INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE INDEX moved_by_time ON moved (moved_ms)",

    /* What is held, or being moved. */
    "CREATE INDEX delivery_held ON delivery (after) WHERE after < 0",

    /* In a spool, the tokens of what is to be moved. kind: enum moving_kind. */
    "CREATE TABLE moving (kind INTEGER NOT NULL, id INTEGER NOT NULL, token TEXT NOT NULL,"
    " PRIMARY KEY (kind, id)) WITHOUT ROWID",

    /* And what was taken out of its ledger, counters and subscriptions for that. kind: enum
     * count_kind. */
    "CREATE TABLE moving_count (kind INTEGER NOT NULL, name TEXT NOT NULL,"
    " integration TEXT NOT NULL, detail TEXT NOT NULL, value INTEGER NOT NULL,"
    " PRIMARY KEY (kind, name, integration, detail)) WITHOUT ROWID",

    /* Who shares the store, by its last sign of life; see node.c. */
    "CREATE TABLE node (node TEXT NOT NULL, program TEXT NOT NULL, host TEXT NOT NULL,"
    " version TEXT NOT NULL, since_ms INTEGER NOT NULL, seen_ms INTEGER NOT NULL,"
    " spooled INTEGER NOT NULL, PRIMARY KEY (node, program)) WITHOUT ROWID",
};

/* A row makes the version of its place + 1 out of the one before. */
static const struct {
    const char *const *statements;
    size_t count;
} migrations[SCHEMA_VERSION] = {
    {first_version, sizeof first_version / sizeof *first_version},
    {second_version, sizeof second_version / sizeof *second_version},
    {third_version, sizeof third_version / sizeof *third_version},
};

int64_t schema_version(struct database *database)
{
    return database_version(database);
}

/* At once: to a server each statement would be a way there and back. */
static void migrate(struct database *database, int64_t version)
{
    struct text all = {0};
    for (size_t i = 0; i < migrations[version].count; i++)
        text_printf(&all, "%s;", migrations[version].statements[i]);
    if (all.failed)
        (void)database_fail(database, "out of memory");
    else
        database_define(database, text_string(&all));
    database_set_version(database, version + 1);
    text_clear(&all);
}

bool schema_prepare(struct database *database, struct error *error)
{
    int64_t version = schema_version(database);
    if (version == SCHEMA_MOVED)
        return error_set(error, ERROR_UNAVAILABLE,
                         "the store is no longer in use: " SCHEMA_MOVED_WORDS);
    if (version > SCHEMA_VERSION)
        return error_set(error, ERROR_UNAVAILABLE,
                         "the store has version %lld, and this program knows versions up to %d: "
                         "it was written by a newer release",
                         (long long)version, SCHEMA_VERSION);
    if (version == SCHEMA_VERSION)
        return true;
    if (version < 0 || !database_begin(database, 500))
        return error_set(error, ERROR_UNAVAILABLE, "%s", database_failure(database));
    /* Another process may have been quicker. */
    for (version = schema_version(database); version >= 0 && version < SCHEMA_VERSION; version++)
        migrate(database, version);
    return database_commit(database, false) ||
           error_set(error, ERROR_UNAVAILABLE, "%s", database_failure(database));
}
