/*
 * A server as an engine.
 *
 * Who changes something holds the one row of the table `writer` from beginning to end, so that in
 * the whole cluster one does at a time: what SQLite's lock is to a machine. Neither sequences nor
 * advisory locks nor extensions are needed, so other makes of server will do.
 *
 * Each commit leaves a row in the table `writing`: who lost the connection while it was under way
 * looks there afterwards.
 */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "store/postgres.h"

/* What reads may read much; what makes tables waits for disks, or for other nodes of the server. */
#define READ_MS 10000
#define DEFINE_MS 30000
/* The server itself gives up a little later than this process: it may be cut off. */
#define SERVER_STATEMENT_MS 2000
#define SERVER_IDLE_MS 5000
/* Who closes does not wait for long to tidy up. */
#define CLOSE_MS 200
/* Two that make the first table at once are in each other's way. */
#define FOUND_TRIES 5

/* Of connections that are read from so many are kept when nobody does, for so long. */
#define IDLE_MAX 4
#define IDLE_MS 60000

#define SQL_NOW_MS "CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS bigint)"

/* ---- transactions ---- */

/* Half of the way there and back is not known: a moment. */
static void set_clock(struct postgres *postgres, const PGresult *result)
{
    postgres->clock_ahead_ms = postgres_number_in(result, 0, 0) - clock_monotonic_ms();
    postgres->has_clock = true;
}

static void start(struct postgres *postgres)
{
    *postgres->state = '\0';
    postgres->is_defining = false;
    for (size_t i = 0; i < postgres->id_count; i++)
        postgres->ids[i].is_known = false;
}

static void take_beginning(struct postgres *postgres, const PGresult *result)
{
    set_clock(postgres, result);
    for (size_t i = 0; i < postgres->id_count; i++) {
        postgres->ids[i].last = postgres_number_in(result, 0, 2 + (int)i);
        postgres->ids[i].is_known = true;
    }
}

/* A string of several statements is one way there and back. The row is read again, and the tables
 * are, by one that begins after the lock was had. */
static bool begin(struct database *database, int64_t patience_ms)
{
    struct postgres *postgres = postgres_of(database);
    struct text sql = {0};
    start(postgres);
    text_printf(&sql,
                "BEGIN ISOLATION LEVEL READ COMMITTED;"
                "SET LOCAL lock_timeout = %lld; SET LOCAL statement_timeout = %lld;"
                "SET LOCAL idle_in_transaction_session_timeout = %d;"
                "SELECT version FROM writer WHERE one = 1 FOR UPDATE;"
                "SELECT " SQL_NOW_MS ", (SELECT count(*) FROM writer)",
                (long long)(patience_ms > 0 ? patience_ms : 1),
                (long long)patience_ms + SERVER_STATEMENT_MS, SERVER_IDLE_MS);
    for (size_t i = 0; i < postgres->id_count; i++)
        text_printf(&sql, ", (SELECT max(id) FROM %s)", postgres->ids[i].table);
    if (sql.failed)
        postgres_fail(postgres, "out of memory", NULL);
    postgres->answer_ms = patience_ms + ANSWER_MS;
    PGresult *result = sql.failed ? NULL : postgres_ask(postgres, text_string(&sql));
    postgres->answer_ms = ANSWER_MS;
    if (result && postgres_number_in(result, 0, 1) == 1)
        take_beginning(postgres, result);
    else if (result || postgres_has_state(postgres, "42P01"))
        postgres_fail(postgres, "there is no store yet", NULL);
    PQclear(result);
    text_clear(&sql);
    postgres->is_in_transaction = true;
    return !database_failed(database);
}

static bool begin_reading(struct database *database)
{
    struct postgres *postgres = postgres_of(database);
    char sql[256];
    start(postgres);
    (void)snprintf(sql, sizeof sql,
                   "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
                   "SET LOCAL statement_timeout = %d; SELECT " SQL_NOW_MS,
                   READ_MS);
    PGresult *result = postgres_ask(postgres, sql);
    postgres->answer_ms = READ_MS;
    if (result)
        set_clock(postgres, result);
    PQclear(result);
    postgres->is_in_transaction = true;
    return !database_failed(database);
}

static void take_time(struct database *database)
{
    struct postgres *postgres = postgres_of(database);
    char sql[64];
    (void)snprintf(sql, sizeof sql, "SET LOCAL statement_timeout = %d", DEFINE_MS);
    postgres->answer_ms = DEFINE_MS;
    (void)postgres_tell(postgres, sql);
}

/* What was sent has to be answered before anything else is asked; it is of no interest any more. */
static void rollback(struct database *database)
{
    struct postgres *postgres = postgres_of(database);
    postgres->answer_ms = ANSWER_MS;
    postgres->is_in_transaction = false;
    if (postgres_is_broken(database))
        return;
    (void)postgres_settle(database);
    database->failure = (struct error){0};
    if (!postgres_is_broken(database) && PQtransactionStatus(postgres->connection) != PQTRANS_IDLE)
        (void)postgres_tell(postgres, "ROLLBACK");
}

/* The words for the first failure stay. */
static void take_all_back(struct database *database)
{
    struct error failure = database->failure;
    database_rollback(database);
    database->failure = failure;
}

/* How durable it is the server's settings say: nothing here makes it less. */
static bool commit(struct database *database, bool is_durable)
{
    struct postgres *postgres = postgres_of(database);
    (void)is_durable;
    if (database_failed(database)) {
        take_all_back(database);
        return false;
    }
    const struct value values[] = {{.type = 't', .text = postgres->mark.writer},
                                   {.type = 'i', .number = ++postgres->mark.number}};
    postgres_run(database,
                 "INSERT INTO writing VALUES (?1, ?2, " SQL_NOW_MS
                 ") ON CONFLICT (writer) DO UPDATE"
                 " SET number = excluded.number, at_ms = excluded.at_ms",
                 values, sizeof values / sizeof *values);
    PGresult *result =
        database_failed(database) ? NULL : postgres_answer(database, "COMMIT", NULL, 0);
    if (result && strcmp(PQcmdStatus(result), "COMMIT") != 0)
        postgres_fail(postgres, "the server has taken everything back", NULL);
    PQclear(result);
    bool is_committed = !database_failed(database);
    postgres->is_in_transaction = false;
    postgres->mark.is_doubtful =
        !is_committed && (postgres_is_broken(database) || postgres_has_state(postgres, "40003"));
    if (!is_committed)
        take_all_back(database);
    return is_committed;
}

static bool is_lost(const struct database *database)
{
    return postgres_is_broken(database) || !((const struct postgres *)database)->is_in_transaction;
}

static void execute(struct database *database, const char *sql)
{
    postgres_run(database, sql, NULL, 0);
}

static struct database_commit_mark last_commit(const struct database *database)
{
    return ((const struct postgres *)database)->mark;
}

static bool has_committed(struct database *database, const struct database_commit_mark *mark)
{
    return database_number(database, 0, "SELECT 1 FROM writing WHERE writer = ?1 AND number >= ?2",
                           "ti", mark->writer, mark->number) != 0;
}

/* ---- the schema ---- */

static int64_t version(struct database *database)
{
    struct postgres *postgres = postgres_of(database);
    PGresult *result = postgres_ask(postgres, "SELECT version FROM writer WHERE one = 1");
    int64_t found = result && PQntuples(result) == 1 ? postgres_number_in(result, 0, 0) : 0;
    PQclear(result);
    if (!result && !postgres_has_state(postgres, "42P01"))
        return -1;
    if (!result)
        database_rollback(database);
    return found;
}

static void set_version(struct database *database, int64_t number)
{
    database_run(database, "UPDATE writer SET version = ?1 WHERE one = 1", "i", number);
}

/* Whether texts are ordered by their bytes, as SQLite orders them, unless a collation is named. */
static bool orders_by_bytes(struct postgres *postgres)
{
    PGresult *result = postgres_ask(postgres, "SELECT CASE WHEN 'a' < 'B' THEN 0 ELSE 1 END");
    bool by_bytes = result && PQntuples(result) == 1 && postgres_number_in(result, 0, 0) == 1;
    PQclear(result);
    return by_bytes;
}

/* Replaces a word of the schema, if it is one, and says how long it was. */
static size_t translate_word(struct text *text, const char *at, const char *text_type)
{
    const struct {
        const char *ours, *theirs;
    } words[] = {
        {" WITHOUT ROWID", ""},
        {" INTEGER", " BIGINT"},
        {" TEXT", text_type},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (!strncmp(at, words[i].ours, strlen(words[i].ours))) {
            text_puts(text, words[i].theirs);
            return strlen(words[i].ours);
        }
    }
    return 0;
}

static void define(struct database *database, const char *sql)
{
    struct postgres *postgres = postgres_of(database);
    char allowance[64];
    struct text translated = {0};
    (void)snprintf(allowance, sizeof allowance, "SET LOCAL statement_timeout = %d", DEFINE_MS);
    if (!postgres->is_defining && !postgres_tell(postgres, allowance))
        return;
    postgres->is_defining = true;
    /* CockroachDB, whose order this is, takes no collation of that name for a column. */
    const char *text_type = orders_by_bytes(postgres) ? " TEXT" : " TEXT COLLATE \"C\"";
    while (*sql) {
        size_t length = translate_word(&translated, sql, text_type);
        if (!length)
            text_putc(&translated, *sql);
        sql += length ? length : 1;
    }
    postgres->answer_ms = DEFINE_MS;
    if (translated.failed)
        postgres_fail(postgres, "out of memory", NULL);
    else
        (void)postgres_tell(postgres, text_string(&translated));
    postgres->answer_ms = ANSWER_MS;
    text_clear(&translated);
}

/* ---- time ---- */

static int64_t steady_ms(struct database *database)
{
    const struct postgres *postgres = postgres_of(database);
    return clock_monotonic_ms() + (postgres->has_clock ? postgres->clock_ahead_ms : 0);
}

static int64_t wall_ms(struct database *database)
{
    const struct postgres *postgres = postgres_of(database);
    /* A test's clock is the server's, too. */
    return postgres->has_clock && !clock_wall_is_set() ? steady_ms(database) : clock_wall_ms();
}

static void tidy(struct database *database, enum database_future future)
{
    (void)database;
    (void)future;
}

/* ---- connections that are read from again ---- */

static struct {
    pthread_mutex_t mutex;
    struct postgres *items[IDLE_MAX]; /* the one that was used last is the last */
    size_t count;
} idle = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void discard(struct postgres *postgres)
{
    if (!postgres)
        return;
    PQfinish(postgres->connection);
    free(postgres->url);
    free(postgres);
}

/* Under the mutex. */
static struct postgres *take_out(size_t i)
{
    struct postgres *taken = idle.items[i];
    memmove(&idle.items[i], &idle.items[i + 1], (--idle.count - i) * sizeof *idle.items);
    return taken;
}

/* One that has something to say has been ended meanwhile. */
static bool is_usable(const struct postgres *postgres)
{
    int64_t now_ms = clock_monotonic_ms();
    return now_ms - postgres->idle_since_ms < IDLE_MS &&
           !postgres_wait(postgres->connection, POLLIN, now_ms);
}

static struct postgres *take_idle(const char *url)
{
    struct postgres *taken = NULL;
    do {
        discard(taken);
        taken = NULL;
        pthread_mutex_lock(&idle.mutex);
        for (size_t i = idle.count; i-- > 0 && !taken;) {
            if (!strcmp(idle.items[i]->url, url))
                taken = take_out(i);
        }
        pthread_mutex_unlock(&idle.mutex);
    } while (taken && !is_usable(taken));
    return taken;
}

static void keep_idle(struct postgres *postgres)
{
    struct postgres *oldest = NULL;
    postgres->idle_since_ms = clock_monotonic_ms();
    pthread_mutex_lock(&idle.mutex);
    if (idle.count == IDLE_MAX)
        oldest = take_out(0);
    idle.items[idle.count++] = postgres;
    pthread_mutex_unlock(&idle.mutex);
    discard(oldest);
}

/* A server notes who leaves without a word. */
__attribute__((destructor)) static void discard_idle(void)
{
    while (idle.count > 0)
        discard(take_out(0));
}

/* ---- opening and closing ---- */

/* The table whose row is the lock, and that of commits; the others are made under the lock. */
static bool found(struct postgres *postgres)
{
    static const char sql[] =
        "CREATE TABLE IF NOT EXISTS writer (one BIGINT PRIMARY KEY, version BIGINT NOT NULL);"
        "CREATE TABLE IF NOT EXISTS writing (writer TEXT PRIMARY KEY, number BIGINT NOT NULL,"
        " at_ms BIGINT NOT NULL);"
        "INSERT INTO writer VALUES (1, 0) ON CONFLICT (one) DO NOTHING";
    for (int i = 0; i < FOUND_TRIES; i++) {
        postgres->base.failure = (struct error){0};
        postgres->answer_ms = DEFINE_MS;
        bool is_found = postgres_tell(postgres, sql);
        postgres->answer_ms = ANSWER_MS;
        bool is_raced = postgres_has_state(postgres, "23505") ||
                        postgres_has_state(postgres, "42P07") ||
                        postgres_has_state(postgres, "42710") || postgres_has_state(postgres, "40");
        if (is_found || !is_raced)
            return is_found;
    }
    return false;
}

/* Makes what is not there, and removes what nobody can ask for any more. */
static bool prepare_to_write(struct postgres *postgres)
{
    static const char sql[] = "DELETE FROM writing WHERE at_ms < " SQL_NOW_MS " - 86400000";
    if (postgres_tell(postgres, sql))
        return true;
    return postgres_has_state(postgres, "42P01") && found(postgres);
}

static void close_connection(struct database *database)
{
    struct postgres *postgres = postgres_of(database);
    char sql[128];
    if (postgres->is_in_transaction)
        database_rollback(database);
    if (postgres->url && !postgres_is_broken(database)) {
        keep_idle(postgres);
        return;
    }
    if (postgres->connection && postgres->mark.number > 0 && !postgres_is_broken(database)) {
        database->failure = (struct error){0};
        postgres->answer_ms = CLOSE_MS;
        (void)snprintf(sql, sizeof sql, "DELETE FROM writing WHERE writer = '%s'",
                       postgres->mark.writer);
        (void)postgres_tell(postgres, sql);
    }
    discard(postgres);
}

static const struct engine engine = {
    .close = close_connection,
    .begin = begin,
    .begin_reading = begin_reading,
    .take_time = take_time,
    .commit = commit,
    .rollback = rollback,
    .is_lost = is_lost,
    .is_broken = postgres_is_broken,
    .may_repeat = postgres_may_repeat,
    .execute = execute,
    .define = define,
    .version = version,
    .set_version = set_version,
    .run = postgres_run,
    .change = postgres_change,
    .settle = postgres_settle,
    .add = postgres_add,
    .query = postgres_query,
    .next = postgres_next,
    .end = postgres_end,
    .is_null = postgres_is_null,
    .number = postgres_number,
    .text = postgres_text,
    .wall_ms = wall_ms,
    .steady_ms = steady_ms,
    .tidy = tidy,
    .last_commit = last_commit,
    .has_committed = has_committed,
};

struct database *postgres_open(const char *url, enum database_mode mode, struct error *error)
{
    struct error problem = {0};
    struct arena arena = {0};
    struct postgres *postgres = mode == DATABASE_READ ? take_idle(url) : NULL;
    if (postgres)
        return &postgres->base;
    postgres = postgres_connect(url, &problem);
    if (postgres)
        postgres->base.engine = &engine;
    if (postgres && mode == DATABASE_READ)
        postgres->url = strdup(url);
    if (postgres && (mode != DATABASE_MAKE || prepare_to_write(postgres)))
        return &postgres->base;
    error_set(error, ERROR_UNAVAILABLE, "%s: %s", database_name(&arena, url),
              postgres ? database_failure(&postgres->base) : problem.text);
    arena_clear(&arena);
    discard(postgres);
    return NULL;
}
