/*
 * What the tests of the store share: a store in a folder of its own, or in a schema of its own of
 * the server that FLASHDUTY_GATEWAY_TEST_POSTGRESQL names, for a process that lasts and for one
 * that serves a single request; events, tries and claims in few words; and an audit of what always
 * holds, which every test ends with. Included once a test program.
 */
#ifndef TESTS_STORING_H
#define TESTS_STORING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/limits.h"
#include "base/log.h"
#include "store/database.h"
#include "store/schema.h"
#include "store/store.h"

#define LEASE_MS 9000
#define SECOND ((int64_t)1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

struct storing {
    char folder[256], path[400];
    const char *server; /* NULL: the store is a file */
    char schema[40];
    struct store *store;
    struct store_limits limits;
    bool is_lasting;
    bool is_broken; /* the test has broken the store: nothing is to be audited */
    struct arena arena;
};

static inline void pause_ms(long ms)
{
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    (void)nanosleep(&pause, NULL);
}

/* ---- the store ---- */

static inline struct store *open_store(const struct storing *storing)
{
    struct error error = {0};
    struct store *store = store_new(storing->path, &storing->limits, storing->is_lasting, &error);
    assert_non_null(store);
    return store;
}

/* As the next process finds it; limits may have changed. */
static inline void reopen(struct storing *storing)
{
    store_free(storing->store);
    storing->store = open_store(storing);
}

/* Runs a statement on the server, outside any store. */
static inline void tell_server(const struct storing *storing, const char *sql)
{
    struct error error = {0};
    struct database *database = database_open(storing->server, DATABASE_OPEN, &error);
    if (!database)
        fail_msg("%s", error.text);
    database_define(database, sql);
    if (database_failed(database))
        fail_msg("%s: %s", sql, database_failure(database));
    database_close(database);
}

static inline void make_schema(struct storing *storing)
{
    char sql[80], random[17];
    assert_true(random_hex(8, random));
    snprintf(storing->schema, sizeof storing->schema, "test_%s", random);
    snprintf(sql, sizeof sql, "CREATE SCHEMA %s", storing->schema);
    tell_server(storing, sql);
    snprintf(storing->path, sizeof storing->path, "%s%coptions=-csearch_path%%3D%s",
             storing->server, strchr(storing->server, '?') ? '&' : '?', storing->schema);
}

/* Now: it may take longer than a request waits. */
static inline void make_tables(const struct storing *storing)
{
    struct error error = {0};
    struct database *database = database_open(storing->path, DATABASE_MAKE, &error);
    if (!database || !schema_prepare(database, &error))
        fail_msg("%s", error.text);
    database_close(database);
}

static inline void drop_schema(const struct storing *storing)
{
    char sql[80];
    snprintf(sql, sizeof sql, "DROP SCHEMA %s CASCADE", storing->schema);
    tell_server(storing, sql);
}

static inline int set_up_store(void **state, bool is_lasting)
{
    const char *folder = getenv("TMPDIR");
    struct storing *storing = calloc(1, sizeof *storing);
    assert_non_null(storing);
    snprintf(storing->folder, sizeof storing->folder, "%s/gateway-store-XXXXXX",
             folder && *folder ? folder : "/tmp");
    assert_non_null(mkdtemp(storing->folder));
    snprintf(storing->path, sizeof storing->path, "%s/gateway.db", storing->folder);
    storing->server = getenv("FLASHDUTY_GATEWAY_TEST_POSTGRESQL");
    if (storing->server)
        make_schema(storing);
    if (storing->server)
        make_tables(storing);
    storing->limits = (struct store_limits){.keep_days = 30, .outbox_limit = 100000};
    storing->is_lasting = is_lasting;
    log_set_level(LOG_LEVEL_COUNT);
    storing->store = open_store(storing);
    *state = storing;
    return 0;
}

static inline int set_up_lasting(void **state)
{
    return set_up_store(state, true);
}

static inline int set_up_passing(void **state)
{
    return set_up_store(state, false);
}

/* ---- looking into it ---- */

/* The first number that a query finds; -1 if nothing is found. */
static inline int64_t number(const struct storing *storing, const char *sql)
{
    struct error error = {0};
    struct database *database = database_open(storing->path, DATABASE_OPEN, &error);
    if (!database)
        fail_msg("%s", error.text);
    assert_true(database_begin_reading(database));
    int64_t found = database_number(database, -1, sql, "");
    if (database_failed(database))
        fail_msg("%s: %s", sql, database_failure(database));
    database_rollback(database);
    database_close(database);
    return found;
}

static inline void change(const struct storing *storing, const char *sql)
{
    struct error error = {0};
    struct database *database = database_open(storing->path, DATABASE_OPEN, &error);
    if (!database)
        fail_msg("%s", error.text);
    assert_true(database_begin(database, 2000));
    database_run(database, sql, "");
    if (!database_commit(database, false))
        fail_msg("%s: %s", sql, database_failure(database));
    database_close(database);
}

/* The clock that leases and rates stand on. */
static inline int64_t steady_ms(const struct storing *storing)
{
    struct error error = {0};
    struct database *database = database_open(storing->path, DATABASE_OPEN, &error);
    if (!database)
        fail_msg("%s", error.text);
    assert_true(database_begin_reading(database));
    int64_t now_ms = database_steady_ms(database);
    database_rollback(database);
    database_close(database);
    return now_ms;
}

/* What a file alone has. */
static inline void only_of_a_file(const struct storing *storing)
{
    if (storing->server)
        skip();
}

static inline int64_t ledger(const struct storing *storing, const char *integration,
                             const char *place)
{
    char sql[512];
    snprintf(sql, sizeof sql,
             "SELECT coalesce(sum(count), 0) FROM ledger WHERE integration = '%s' AND place = '%s'",
             integration, place);
    return number(storing, sql);
}

/* One figure of a delivery. */
static inline int64_t of_delivery(const struct storing *storing, const char *column, int64_t id)
{
    char sql[256];
    snprintf(sql, sizeof sql, "SELECT %s FROM delivery WHERE id = %lld", column, (long long)id);
    return number(storing, sql);
}

/* Queries that find nothing in a store that is whole. */
static const char *const audits[] = {
    "SELECT count(*) FROM (SELECT integration, sum(CASE WHEN place = 'received' THEN count ELSE"
    " -count END) AS off FROM ledger GROUP BY integration) AS sums WHERE off <> 0",
    "SELECT count(*) FROM ledger WHERE count < 0",
    /* What is queued, and what is to be confirmed, is what there is. */
    "SELECT (SELECT coalesce(sum(count), 0) FROM ledger WHERE place = 'queued')"
    " - (SELECT count(*) FROM alert WHERE outcome = 0)",
    "SELECT (SELECT coalesce(sum(count), 0) FROM ledger WHERE place = 'confirming')"
    " - (SELECT count(*) FROM confirmation WHERE state = 0)",
    /* An alert that is not refused stands where its least finished delivery does. */
    "SELECT count(*) FROM alert WHERE outcome = 0 AND NOT EXISTS"
    " (SELECT 1 FROM delivery WHERE alert_id = alert.id AND state < 2)",
    "SELECT count(*) FROM alert WHERE outcome NOT IN (0, 11) AND EXISTS"
    " (SELECT 1 FROM delivery WHERE alert_id = alert.id AND state < 2)",
    "SELECT count(*) FROM delivery WHERE NOT EXISTS"
    " (SELECT 1 FROM alert WHERE id = delivery.alert_id)",
    "SELECT coalesce((SELECT kept FROM volume WHERE scope = ''), 0)"
    " - (SELECT count(*) FROM delivery)",
    "SELECT count(*) FROM volume WHERE scope <> '' AND kept <>"
    " (SELECT count(*) FROM delivery WHERE scope = volume.scope)",
    /* Nothing waits for what is over, is under way while it should wait, or overtakes. */
    "SELECT count(*) FROM delivery WHERE after > 0 AND NOT EXISTS"
    " (SELECT 1 FROM delivery AS d WHERE d.id = delivery.after AND d.state < 2)",
    "SELECT count(*) FROM delivery WHERE after > 0 AND state <> 0",
    "SELECT count(*) FROM delivery JOIN delivery AS before ON before.alert_key ="
    " delivery.alert_key AND before.scope = delivery.scope AND before.state < 2"
    " AND before.after <> -1 AND before.id < delivery.id AND (before.route = delivery.route OR "
    "before.flashduty_key ="
    " delivery.flashduty_key) WHERE delivery.state = 1",
    /* What is counted twice is counted alike. */
    "SELECT (SELECT coalesce(sum(count), 0) FROM ledger WHERE place = 'refused')"
    " - (SELECT coalesce(sum(value), 0) FROM counter WHERE name = 'refused')",
    "SELECT (SELECT coalesce(sum(value), 0) FROM counter WHERE name = 'took')"
    " - (SELECT coalesce(sum(value), 0) FROM counter WHERE name = 'finished'"
    " AND detail = 'delivered')",
    "SELECT count(*) FROM try WHERE NOT EXISTS"
    " (SELECT 1 FROM delivery WHERE id = try.delivery_id)",
};

static inline void audit(const struct storing *storing)
{
    struct error error = {0};
    struct database *database = database_open(storing->path, DATABASE_OPEN, &error);
    if (!database)
        fail_msg("%s", error.text);
    assert_true(database_begin_reading(database));
    for (size_t i = 0; i < sizeof audits / sizeof *audits; i++) {
        int64_t found = database_number(database, -1, audits[i], "");
        if (found != 0)
            fail_msg("the store does not add up (%lld): %s", (long long)found, audits[i]);
    }
    database_rollback(database);
    database_close(database);
}

static inline bool is_store_made(const struct storing *storing)
{
    struct error error = {0};
    if (!storing->server)
        return access(storing->path, F_OK) == 0;
    struct database *database = database_open(storing->path, DATABASE_OPEN, &error);
    if (!database)
        fail_msg("%s", error.text);
    int64_t version = database_version(database);
    database_close(database);
    return version > 0;
}

static inline int tear_down_store(void **state)
{
    struct storing *storing = *state;
    char command[1024];
    bool exists = is_store_made(storing);
    store_free(storing->store);
    clock_set_wall_ms(0);
    if (exists && !storing->is_broken)
        audit(storing);
    if (storing->server)
        drop_schema(storing);
    snprintf(command, sizeof command, "chmod -R u+rwX %s; rm -rf %s", storing->folder,
             storing->folder);
    assert_int_equal(system(command), 0);
    arena_clear(&storing->arena);
    free(storing);
    return 0;
}

/* One test, twice: in a process that lasts and in one that serves a single request. */
#define IN_BOTH(test)                                                   \
    {#test " [lasting]", test, set_up_lasting, tear_down_store, NULL},  \
    {                                                                   \
#test " [passing]", test, set_up_passing, tear_down_store, NULL \
    }
#define IN_LASTING(test) cmocka_unit_test_setup_teardown(test, set_up_lasting, tear_down_store)
#define IN_PASSING(test) cmocka_unit_test_setup_teardown(test, set_up_passing, tear_down_store)

/* ---- receiving ---- */

static const struct destination to_a[] = {{"a", "key-a"}};
static const struct destination to_b[] = {{"b", "key-b"}};
static const struct destination to_both[] = {{"a", "key-a"}, {"b", "key-b"}};

/* An event that goes to destination a, without an id or a time. */
static inline struct store_event event_of(const char *alert_key, enum severity severity)
{
    return (struct store_event){
        .scope = "shop",
        .integration = "shop",
        .request_id = "request",
        .message_id = "",
        .alert_key = alert_key,
        .title = "title",
        .json = "{}",
        .severity = severity,
        .destinations = to_a,
        .destination_count = 1,
        .routes = to_both,
        .route_count = 2,
        .reason = "",
    };
}

static inline struct store_event message_of(const char *alert_key, const char *message_id)
{
    struct store_event event = event_of(alert_key, SEVERITY_CRITICAL);
    event.message_id = message_id;
    return event;
}

static inline struct store_event timed_event(const char *alert_key, int64_t time_s)
{
    struct store_event event = event_of(alert_key, SEVERITY_CRITICAL);
    event.time_s = time_s;
    return event;
}

static inline void to(struct store_event *event, const struct destination *routes, size_t count)
{
    event->destinations = routes;
    event->destination_count = count;
}

static inline enum outcome take(struct storing *storing, struct store_event *event)
{
    assert_true(store_receive(storing->store, event, 1, LEASE_MS, &storing->arena));
    return event->outcome;
}

/* Takes an event to one destination in, and returns its delivery. */
static inline struct store_delivery receive(struct storing *storing, const char *alert_key,
                                            enum severity severity)
{
    struct store_event event = event_of(alert_key, severity);
    assert_int_equal(take(storing, &event), OUTCOME_QUEUED);
    assert_int_equal(event.delivery_count, 1);
    return event.deliveries[0];
}

static inline int64_t receive_to_be_sent(struct storing *storing, const char *alert_key,
                                         enum severity severity)
{
    struct store_delivery delivery = receive(storing, alert_key, severity);
    assert_int_equal(delivery.state, DELIVERY_SENDING);
    return delivery.id;
}

static inline int64_t receive_to_wait(struct storing *storing, const char *alert_key,
                                      enum severity severity)
{
    struct store_delivery delivery = receive(storing, alert_key, severity);
    assert_int_equal(delivery.state, DELIVERY_WAITING);
    return delivery.id;
}

/* ---- reporting ---- */

static inline struct store_try try_of(int64_t id, enum try_verdict verdict)
{
    static const char *const codes[] = {
        [TRY_ACCEPTED] = "",
        [TRY_REJECTED] = "InvalidParameter",
        [TRY_FAILED] = "InternalError",
        [TRY_NONE] = "",
    };
    return (struct store_try){
        .delivery_id = id,
        .verdict = verdict,
        .started_ms = clock_wall_ms(),
        /* A failure that took long is enough for a destination to keep failing. */
        .took_ms = verdict == TRY_FAILED ? LONG_FAILURE_MS : 3,
        .status = verdict == TRY_ACCEPTED ? 200 : 500,
        .code = codes[verdict],
        .kind = codes[verdict],
        .message = "",
        .request_id = "",
    };
}

static inline struct store_try report(struct storing *storing, int64_t id, enum try_verdict verdict)
{
    struct store_try one = try_of(id, verdict);
    assert_true(store_report(storing->store, &one, 1));
    return one;
}

static inline enum delivery_state state_of(const struct storing *storing, int64_t id)
{
    int64_t state = of_delivery(storing, "state", id);
    return state < 0 ? DELIVERY_REFUSED : (enum delivery_state)state;
}

/* ---- claiming ---- */

struct claimed {
    struct store_claim claims[CLAIMS_MAX];
    size_t count;
    int64_t next_ms;
};

static inline struct claimed claim_of(struct storing *storing, struct store *store, size_t limit,
                                      int64_t lease_ms)
{
    struct claimed claimed = {.count = 0};
    assert_true(store_claim(store, claimed.claims, limit, &claimed.count, lease_ms,
                            &claimed.next_ms, &storing->arena));
    assert_true(claimed.count <= limit);
    return claimed;
}

static inline struct claimed claim(struct storing *storing)
{
    return claim_of(storing, storing->store, CLAIMS_MAX, LEASE_MS);
}

/* Exactly this one is due. */
static inline void expect_claim(struct storing *storing, int64_t id)
{
    struct claimed claimed = claim(storing);
    assert_int_equal(claimed.count, 1);
    assert_int_equal(claimed.claims[0].delivery_id, id);
}

static inline void expect_no_claim(struct storing *storing)
{
    assert_int_equal(claim(storing).count, 0);
}

/* What fails no more: all that waits for its turn at a destination may go. */
static inline void mend_destination(const struct storing *storing)
{
    change(storing, "UPDATE destination SET failures = 0, probe_steady_ms = 0, hold_steady_ms = 0");
}

static inline void make_all_due(const struct storing *storing)
{
    change(storing, "UPDATE delivery SET due_ms = 1 WHERE state = 0");
}

#endif
