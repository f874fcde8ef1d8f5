/*
 * A server that speaks PostgreSQL's protocol. Nothing waits on it without a bound: libpq never
 * blocks here, but for the resolver.
 *
 * Who changes something holds the one row of the table `writer` from beginning to end, so that in
 * the whole cluster one does at a time: what SQLite's lock is to a machine. Neither sequences nor
 * advisory locks nor extensions are needed, so other makes of server will do.
 *
 * Each commit leaves a row in the table `writing`: who lost the connection while it was under way
 * looks there afterwards.
 */
#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/limits.h"
#include "base/text.h"
#include "store/engine.h"

/* An answer that is not there after this does not come. */
#define ANSWER_MS STORE_PATIENCE_MS
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

#define TABLES_MAX 4
#define SETTINGS_MAX 80
/* So many statements are sent before it is asked what has become of them. */
#define PENDING_MAX 500

#define OID_INT8 20
#define OID_TEXT 25

#define SQL_NOW_MS "CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS bigint)"

struct postgres {
    struct database base;
    PGconn *connection;
    char state[6];  /* SQLSTATE of the first failure */
    bool is_silent; /* it was given up: there may be an answer on its way yet */
    bool is_cut;    /* it has told that it can no longer be written to */
    bool is_defining;
    int64_t answer_ms;      /* how long an answer may take now */
    int64_t clock_ahead_ms; /* the server's clock, before this machine's monotonic one */
    bool has_clock;
    struct database_commit_mark mark;
    struct {
        const char *table;
        int64_t last;
        bool is_known; /* in this transaction */
    } ids[TABLES_MAX];
    size_t id_count;
    size_t pending;               /* statements that were sent, and not answered yet */
    uint64_t serial, sure_serial; /* of the latest prepared statement, and of what is known of */
    bool is_in_transaction;
};

struct cursor {
    PGresult *result;
    int row;
};

static struct postgres *postgres_of(struct database *database)
{
    return (struct postgres *)database;
}

/* ---- failures ---- */

static bool is_broken(const struct database *database)
{
    const struct postgres *postgres = (const struct postgres *)database;
    return postgres->is_silent || postgres->is_cut ||
           PQstatus(postgres->connection) != CONNECTION_OK;
}

static bool is_state(const struct postgres *postgres, const char *state)
{
    return !strncmp(postgres->state, state, strlen(state));
}

/* What was begun can be begun again: it met another, or the server went away before it was asked
 * to commit. Who was silent once is not waited for twice. */
static bool may_repeat(const struct database *database)
{
    const struct postgres *postgres = (const struct postgres *)database;
    if (postgres->mark.is_doubtful || postgres->is_silent)
        return false;
    return is_state(postgres, "40001") || is_state(postgres, "40P01") || is_broken(database);
}

/* libpq's words have further lines, with advice. */
static void fail(struct postgres *postgres, const char *words, const char *state)
{
    if (database_failed(&postgres->base))
        return;
    (void)snprintf(postgres->state, sizeof postgres->state, "%s", state ? state : "");
    /* Shut down; or a standby by now. */
    postgres->is_cut |= is_state(postgres, "57P") || is_state(postgres, "25006");
    if (is_state(postgres, "55P03"))
        (void)database_fail(&postgres->base, "others have held the store's lock for too long");
    else
        (void)database_fail(&postgres->base, "%.*s%s%s%s", (int)strcspn(words, "\n"), words,
                            *postgres->state ? " (SQLSTATE " : "", postgres->state,
                            *postgres->state ? ")" : "");
}

static void fail_by(struct postgres *postgres, const PGresult *result)
{
    const char *words = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    fail(postgres, words ? words : PQresultErrorMessage(result),
         PQresultErrorField(result, PG_DIAG_SQLSTATE));
}

/* What libpq itself says. */
static bool fail_now(struct postgres *postgres)
{
    fail(postgres, PQerrorMessage(postgres->connection), NULL);
    return false;
}

static bool fail_silent(struct postgres *postgres)
{
    postgres->is_silent = true;
    fail(postgres, "the server does not answer", NULL);
    return false;
}

/* ---- waiting ---- */

/* False when the time is over. */
static bool wait_for(PGconn *connection, short events, int64_t until_ms)
{
    struct pollfd socket = {.fd = PQsocket(connection), .events = events};
    for (;;) {
        int64_t left_ms = until_ms - clock_monotonic_ms();
        int count = poll(&socket, 1, left_ms > 0 ? (int)left_ms : 0);
        if (count > 0 || (count < 0 && errno != EINTR))
            return true;
        if (count == 0 && left_ms <= 0)
            return false;
    }
}

static bool flush(struct postgres *postgres, int64_t until_ms)
{
    while (PQflush(postgres->connection) == 1) {
        if (!wait_for(postgres->connection, POLLIN | POLLOUT, until_ms))
            return fail_silent(postgres);
        (void)PQconsumeInput(postgres->connection);
    }
    /* What went wrong is the answer. */
    return true;
}

static bool wait_for_result(struct postgres *postgres, int64_t until_ms)
{
    while (PQisBusy(postgres->connection)) {
        if (!wait_for(postgres->connection, POLLIN, until_ms))
            return fail_silent(postgres);
        if (!PQconsumeInput(postgres->connection))
            break;
    }
    return true;
}

/* All answers to what was sent. The last one that has rows, else the last one; NULL on failure. */
static PGresult *gather(struct postgres *postgres)
{
    int64_t until_ms = clock_monotonic_ms() + postgres->answer_ms;
    PGresult *kept = NULL, *result = NULL;
    bool is_in_time = flush(postgres, until_ms);
    while (is_in_time && (is_in_time = wait_for_result(postgres, until_ms)) &&
           (result = PQgetResult(postgres->connection))) {
        ExecStatusType status = PQresultStatus(result);
        if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
            fail_by(postgres, result);
        if (kept && status != PGRES_TUPLES_OK && PQresultStatus(kept) == PGRES_TUPLES_OK) {
            PQclear(result);
        } else {
            PQclear(kept);
            kept = result;
        }
    }
    if (!database_failed(&postgres->base) && kept)
        return kept;
    fail_now(postgres);
    PQclear(kept);
    return NULL;
}

/* ---- statements that follow each other without waiting ---- */

/* Statements that were prepared since then may not have been. */
static void forget_prepared(struct postgres *postgres)
{
    for (size_t i = 0; i < postgres->base.prepared_count; i++) {
        if (postgres->base.prepared[i].serial > postgres->sure_serial)
            postgres->base.prepared[i].serial = 0;
    }
}

/* Reads the next answer, or part of one. False at the end, or if there is no more. */
static bool read_answer(struct postgres *postgres, PGresult **last, int64_t until_ms)
{
    if (!wait_for_result(postgres, until_ms))
        return false;
    PGresult *result = PQgetResult(postgres->connection);
    /* So ends what belongs to one statement. */
    if (!result)
        return PQstatus(postgres->connection) == CONNECTION_OK;
    switch (PQresultStatus(result)) {
    case PGRES_PIPELINE_SYNC:
        PQclear(result);
        return false;
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
        PQclear(*last);
        *last = result;
        return true;
    case PGRES_PIPELINE_ABORTED:
        break;
    default:
        fail_by(postgres, result);
    }
    PQclear(result);
    return true;
}

/* Waits for all answers to what was sent; the last one, NULL on failure. */
static PGresult *exchange(struct postgres *postgres)
{
    PGconn *connection = postgres->connection;
    int64_t until_ms = clock_monotonic_ms() + postgres->answer_ms;
    PGresult *last = NULL;
    postgres->pending = 0;
    if (!PQpipelineSync(connection) || !flush(postgres, until_ms)) {
        fail_now(postgres);
        return NULL;
    }
    while (read_answer(postgres, &last, until_ms))
        ;
    if (!PQexitPipelineMode(connection))
        fail_now(postgres);
    if (!database_failed(&postgres->base) && last) {
        postgres->sure_serial = postgres->serial;
        return last;
    }
    fail_now(postgres);
    forget_prepared(postgres);
    PQclear(last);
    return NULL;
}

static bool settle(struct database *database)
{
    struct postgres *postgres = postgres_of(database);
    if (postgres->pending > 0)
        PQclear(exchange(postgres));
    return !database_failed(database);
}

/* Notes whether it could be sent. */
static bool note_sent(struct postgres *postgres, int is_sent)
{
    postgres->pending++;
    return is_sent || fail_now(postgres);
}

/* Whether something can be sent: then in this mode. */
static bool enter(struct postgres *postgres)
{
    if (is_broken(&postgres->base)) {
        fail(postgres, "the connection is lost", NULL);
        return false;
    }
    return PQpipelineStatus(postgres->connection) != PQ_PIPELINE_OFF ||
           PQenterPipelineMode(postgres->connection) || fail_now(postgres);
}

/* ---- whole strings of statements ---- */

/* Runs statements without parameters. */
static PGresult *ask(struct postgres *postgres, const char *sql)
{
    if (!settle(&postgres->base))
        return NULL;
    if (is_broken(&postgres->base)) {
        fail(postgres, "the connection is lost", NULL);
        return NULL;
    }
    if (PQsendQuery(postgres->connection, sql))
        return gather(postgres);
    (void)fail_now(postgres);
    return NULL;
}

static bool tell(struct postgres *postgres, const char *sql)
{
    PQclear(ask(postgres, sql));
    return !database_failed(&postgres->base);
}

static int64_t number_in(const PGresult *result, int row, int column)
{
    return strtoll(PQgetvalue(result, row, column), NULL, 10);
}

/* ---- other words for the same ---- */

/* Replaces a word of the schema, if it is one, and says how long it was. */
static size_t translate_word(struct text *text, const char *at)
{
    static const struct {
        const char *ours, *theirs;
    } words[] = {
        {" WITHOUT ROWID", ""},
        {" INTEGER", " BIGINT"},
        {" TEXT", " TEXT COLLATE \"C\""},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (!strncmp(at, words[i].ours, strlen(words[i].ours))) {
            text_puts(text, words[i].theirs);
            return strlen(words[i].ours);
        }
    }
    return 0;
}

/* ?1 is $1, and what is marked as for servers stands there as it is. Strings stay. */
static void translate(struct text *text, const char *sql)
{
    bool is_quoted = false;
    while (*sql) {
        is_quoted ^= *sql == '\'';
        if (!is_quoted && (!strncmp(sql, "/*+", 3) || !strncmp(sql, "+*/", 3))) {
            sql += 3;
            continue;
        }
        text_putc(text, (char)(!is_quoted && *sql == '?' ? '$' : *sql));
        sql++;
    }
}

/* What is no UTF-8 would be refused, again and again. */
static const char *mend(struct arena *arena, const char *string)
{
    size_t length = strlen(string), at = 0, whole = 0;
    while (at < length && (whole = utf8_sequence(string + at, length - at)) > 0)
        at += whole;
    if (at == length)
        return string;
    struct text mended = {0};
    for (at = 0; at < length; at += whole ? whole : 1) {
        whole = utf8_sequence(string + at, length - at);
        if (whole)
            text_append(&mended, string + at, whole);
        else
            text_code_point(&mended, 0xfffd);
    }
    return text_into(&mended, arena);
}

/* ---- statements ---- */

static void name_of(const struct prepared *prepared, char name[static 24])
{
    (void)snprintf(name, 24, "s%llu", (unsigned long long)prepared->serial);
}

/* A name is never used again: what was prepared under it may be there. */
static bool prepare(struct postgres *postgres, struct prepared *prepared,
                    const struct value *values, size_t count)
{
    Oid types[VALUES_MAX];
    struct text sql = {0};
    char name[24];
    for (size_t i = 0; i < count; i++)
        types[i] = values[i].type == 'i' ? OID_INT8 : OID_TEXT;
    translate(&sql, prepared->sql);
    if (sql.failed) {
        fail(postgres, "out of memory", NULL);
        return false;
    }
    prepared->serial = ++postgres->serial;
    name_of(prepared, name);
    bool is_sent = note_sent(
        postgres, PQsendPrepare(postgres->connection, name, text_string(&sql), (int)count, types));
    text_clear(&sql);
    return is_sent;
}

static bool send_prepared(struct postgres *postgres, const struct prepared *prepared,
                          const struct value *values, size_t count)
{
    const char *texts[VALUES_MAX];
    char digits[VALUES_MAX][24], name[24];
    struct arena arena = {0};
    for (size_t i = 0; i < count; i++) {
        if (values[i].type == 'i') {
            (void)snprintf(digits[i], sizeof digits[i], "%lld", (long long)values[i].number);
            texts[i] = digits[i];
        } else {
            texts[i] = values[i].text ? mend(&arena, values[i].text) : NULL;
        }
    }
    name_of(prepared, name);
    if (arena.failed)
        fail(postgres, "out of memory", NULL);
    bool is_sent =
        !arena.failed && note_sent(postgres, PQsendQueryPrepared(postgres->connection, name,
                                                                 (int)count, texts, NULL, NULL, 0));
    arena_clear(&arena);
    return is_sent;
}

static bool push(struct database *database, const char *sql, const struct value *values,
                 size_t count)
{
    struct postgres *postgres = postgres_of(database);
    struct prepared *prepared = database_prepared(database, sql);
    if (!prepared || !enter(postgres))
        return false;
    return (prepared->serial || prepare(postgres, prepared, values, count)) &&
           send_prepared(postgres, prepared, values, count);
}

static PGresult *answer(struct database *database, const char *sql, const struct value *values,
                        size_t count)
{
    return push(database, sql, values, count) ? exchange(postgres_of(database)) : NULL;
}

/* It is told with what comes next; outside a transaction nothing may. */
static void run(struct database *database, const char *sql, const struct value *values,
                size_t count)
{
    struct postgres *postgres = postgres_of(database);
    bool is_sent = push(database, sql, values, count);
    if (is_sent && (!postgres->is_in_transaction || postgres->pending >= PENDING_MAX))
        (void)settle(database);
}

static int64_t change(struct database *database, const char *sql, const struct value *values,
                      size_t count)
{
    PGresult *result = answer(database, sql, values, count);
    int64_t changed = result ? strtoll(PQcmdTuples(result), NULL, 10) : 0;
    PQclear(result);
    return changed;
}

/* What begins tells of tables that rows were added to before; nobody else adds any meanwhile. */
static int64_t *last_id(struct postgres *postgres, const char *table)
{
    char sql[64];
    size_t row = 0;
    while (row < postgres->id_count && strcmp(postgres->ids[row].table, table) != 0)
        row++;
    if (row < postgres->id_count && postgres->ids[row].is_known)
        return &postgres->ids[row].last;
    if (row == TABLES_MAX) {
        fail(postgres, "too many tables", NULL);
        return NULL;
    }
    (void)snprintf(sql, sizeof sql, "SELECT max(id) FROM %s", table);
    PGresult *result = ask(postgres, sql);
    if (!result)
        return NULL;
    postgres->ids[row].table = table;
    postgres->ids[row].last = number_in(result, 0, 0);
    postgres->ids[row].is_known = true;
    if (row == postgres->id_count)
        postgres->id_count++;
    PQclear(result);
    return &postgres->ids[row].last;
}

static int64_t add(struct database *database, const char *table, const char *sql,
                   struct value *values, size_t count)
{
    int64_t *last = last_id(postgres_of(database), table);
    if (!last)
        return 0;
    values[0].number = ++*last;
    run(database, sql, values, count);
    return database_failed(database) ? 0 : values[0].number;
}

static void *query(struct database *database, const char *sql, const struct value *values,
                   size_t count)
{
    PGresult *result = answer(database, sql, values, count);
    struct cursor *cursor = result ? malloc(sizeof *cursor) : NULL;
    if (cursor) {
        *cursor = (struct cursor){result, -1};
        return cursor;
    }
    if (result)
        fail(postgres_of(database), "out of memory", NULL);
    PQclear(result);
    return NULL;
}

static bool next(struct database *database, void *cursor)
{
    struct cursor *rows = cursor;
    (void)database;
    return ++rows->row < PQntuples(rows->result);
}

static void end(void *cursor)
{
    PQclear(((struct cursor *)cursor)->result);
    free(cursor);
}

static bool is_null(void *cursor, int column)
{
    const struct cursor *rows = cursor;
    return PQgetisnull(rows->result, rows->row, column) != 0;
}

static int64_t number(void *cursor, int column)
{
    const struct cursor *rows = cursor;
    return number_in(rows->result, rows->row, column);
}

static const char *text(void *cursor, int column)
{
    const struct cursor *rows = cursor;
    return PQgetvalue(rows->result, rows->row, column);
}

/* ---- transactions ---- */

/* Half of the way there and back is not known: a moment. */
static void set_clock(struct postgres *postgres, const PGresult *result)
{
    postgres->clock_ahead_ms = number_in(result, 0, 0) - clock_monotonic_ms();
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
        postgres->ids[i].last = number_in(result, 0, 2 + (int)i);
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
        fail(postgres, "out of memory", NULL);
    postgres->answer_ms = patience_ms + ANSWER_MS;
    PGresult *result = sql.failed ? NULL : ask(postgres, text_string(&sql));
    postgres->answer_ms = ANSWER_MS;
    if (result && number_in(result, 0, 1) == 1)
        take_beginning(postgres, result);
    else if (result || is_state(postgres, "42P01"))
        fail(postgres, "there is no store yet", NULL);
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
    PGresult *result = ask(postgres, sql);
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
    (void)tell(postgres, sql);
}

/* What was sent has to be answered before anything else is asked; it is of no interest any more. */
static void rollback(struct database *database)
{
    struct postgres *postgres = postgres_of(database);
    postgres->answer_ms = ANSWER_MS;
    postgres->is_in_transaction = false;
    if (is_broken(database))
        return;
    (void)settle(database);
    database->failure = (struct error){0};
    if (!is_broken(database) && PQtransactionStatus(postgres->connection) != PQTRANS_IDLE)
        (void)tell(postgres, "ROLLBACK");
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
    run(database,
        "INSERT INTO writing VALUES (?1, ?2, " SQL_NOW_MS ") ON CONFLICT (writer) DO UPDATE"
        " SET number = excluded.number, at_ms = excluded.at_ms",
        values, sizeof values / sizeof *values);
    PGresult *result = database_failed(database) ? NULL : answer(database, "COMMIT", NULL, 0);
    if (result && strcmp(PQcmdStatus(result), "COMMIT") != 0)
        fail(postgres, "the server has taken everything back", NULL);
    PQclear(result);
    bool is_committed = !database_failed(database);
    postgres->is_in_transaction = false;
    postgres->mark.is_doubtful =
        !is_committed && (is_broken(database) || is_state(postgres, "40003"));
    if (!is_committed)
        take_all_back(database);
    return is_committed;
}

static bool is_lost(const struct database *database)
{
    return is_broken(database) || !((const struct postgres *)database)->is_in_transaction;
}

static void execute(struct database *database, const char *sql)
{
    run(database, sql, NULL, 0);
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
    PGresult *result = ask(postgres, "SELECT version FROM writer WHERE one = 1");
    int64_t found = result && PQntuples(result) == 1 ? number_in(result, 0, 0) : 0;
    PQclear(result);
    if (!result && !is_state(postgres, "42P01"))
        return -1;
    if (!result)
        database_rollback(database);
    return found;
}

static void set_version(struct database *database, int64_t number)
{
    database_run(database, "UPDATE writer SET version = ?1 WHERE one = 1", "i", number);
}

static void define(struct database *database, const char *sql)
{
    struct postgres *postgres = postgres_of(database);
    char allowance[64];
    struct text translated = {0};
    (void)snprintf(allowance, sizeof allowance, "SET LOCAL statement_timeout = %d", DEFINE_MS);
    if (!postgres->is_defining && !tell(postgres, allowance))
        return;
    postgres->is_defining = true;
    while (*sql) {
        size_t length = translate_word(&translated, sql);
        if (!length)
            text_putc(&translated, *sql);
        sql += length ? length : 1;
    }
    postgres->answer_ms = DEFINE_MS;
    if (translated.failed)
        fail(postgres, "out of memory", NULL);
    else
        (void)tell(postgres, text_string(&translated));
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

/* ---- connecting ---- */

static size_t count_items(const char *list)
{
    size_t count = 1;
    for (; *list; list++)
        count += *list == ',';
    return count;
}

/* One for all, or one for each. */
static const char *item_of(struct arena *arena, const char *list, size_t index)
{
    for (index = index < count_items(list) ? index : 0; index > 0; index--)
        list = strchr(list, ',') + 1;
    return arena_copy(arena, list, strcspn(list, ","));
}

static const char *setting_of(const PQconninfoOption *options, const char *keyword)
{
    for (; options->keyword; options++) {
        if (!strcmp(options->keyword, keyword))
            return options->val;
    }
    return NULL;
}

static size_t count_hosts(const PQconninfoOption *options)
{
    const char *addresses = setting_of(options, "hostaddr"), *names = setting_of(options, "host");
    if (addresses && *addresses)
        return count_items(addresses);
    return names ? count_items(names) : 1;
}

struct settings {
    const char *keywords[SETTINGS_MAX + 1], *values[SETTINGS_MAX + 1];
    size_t count;
};

static void set(struct settings *settings, const char *keyword, const char *value)
{
    if (settings->count == SETTINGS_MAX)
        return;
    settings->keywords[settings->count] = keyword;
    settings->values[settings->count++] = value;
    settings->keywords[settings->count] = settings->values[settings->count] = NULL;
}

/* Of several hosts libpq would go on to the next one only when the first has refused. */
static void choose_settings(struct settings *settings, const PQconninfoOption *options, size_t host,
                            struct arena *arena)
{
    if (count_hosts(options) > 1)
        set(settings, "target_session_attrs", "read-write");
    for (; options->keyword; options++) {
        bool is_list = !strcmp(options->keyword, "host") || !strcmp(options->keyword, "hostaddr") ||
                       !strcmp(options->keyword, "port");
        if (options->val)
            set(settings, options->keyword,
                is_list ? item_of(arena, options->val, host) : options->val);
    }
    set(settings, "client_encoding", "UTF8");
    set(settings, "fallback_application_name", "flashduty-gateway");
}

/* Notices are for people at a terminal. */
static void ignore_notice(void *context, const PGresult *result)
{
    (void)context;
    (void)result;
}

static bool fail_to_connect(PGconn *connection, struct error *error, const char *words)
{
    error_set(error, ERROR_UNAVAILABLE, "%.*s", (int)strcspn(words, "\n"), words);
    PQfinish(connection);
    return false;
}

static bool connect_to(struct postgres *postgres, const struct settings *settings, int64_t until_ms,
                       struct error *error)
{
    PGconn *connection = PQconnectStartParams(settings->keywords, settings->values, 0);
    if (!connection)
        return error_out_of_memory(error);
    PostgresPollingStatusType status =
        PQstatus(connection) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
    while (status != PGRES_POLLING_OK && status != PGRES_POLLING_FAILED) {
        short events = status == PGRES_POLLING_READING ? POLLIN : POLLOUT;
        if (!wait_for(connection, events, until_ms))
            return fail_to_connect(connection, error, "the server does not answer");
        status = PQconnectPoll(connection);
    }
    if (status == PGRES_POLLING_FAILED)
        return fail_to_connect(connection, error, PQerrorMessage(connection));
    const char *encoding = PQparameterStatus(connection, "server_encoding");
    if (encoding && strcmp(encoding, "UTF8") != 0)
        return fail_to_connect(connection, error,
                               "the encoding of the database is not UTF8; create it with that");
    if (PQsetnonblocking(connection, 1))
        return fail_to_connect(connection, error, "out of memory");
    (void)PQsetNoticeReceiver(connection, ignore_notice, NULL);
    postgres->connection = connection;
    return true;
}

/* Each host in turn, from the one that was there last; who hangs is not the first next time. */
static bool connect_to_any(struct postgres *postgres, const PQconninfoOption *options,
                           struct error *error)
{
    static atomic_size_t turn;
    int64_t until_ms = clock_monotonic_ms() + STORE_PATIENCE_MS;
    size_t count = count_hosts(options);
    for (size_t i = 0; i < count && !postgres->connection && clock_monotonic_ms() < until_ms; i++) {
        struct arena arena = {0};
        struct settings settings = {.count = 0};
        size_t host = atomic_load(&turn) % count;
        *error = (struct error){0};
        choose_settings(&settings, options, host, &arena);
        if (arena.failed)
            error_out_of_memory(error);
        else if (!connect_to(postgres, &settings, until_ms, error))
            atomic_store(&turn, host + 1);
        arena_clear(&arena);
    }
    return postgres->connection != NULL;
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
        bool is_found = tell(postgres, sql);
        postgres->answer_ms = ANSWER_MS;
        bool is_raced = is_state(postgres, "23505") || is_state(postgres, "42P07") ||
                        is_state(postgres, "42710") || is_state(postgres, "40");
        if (is_found || !is_raced)
            return is_found;
    }
    return false;
}

/* Makes what is not there, and removes what nobody can ask for any more. */
static bool prepare_to_write(struct postgres *postgres)
{
    static const char sql[] = "DELETE FROM writing WHERE at_ms < " SQL_NOW_MS " - 86400000";
    if (tell(postgres, sql))
        return true;
    return is_state(postgres, "42P01") && found(postgres);
}

static void close_connection(struct database *database)
{
    struct postgres *postgres = postgres_of(database);
    char sql[128];
    if (postgres->connection && postgres->mark.number > 0 && !is_broken(database)) {
        database_rollback(database);
        postgres->answer_ms = CLOSE_MS;
        (void)snprintf(sql, sizeof sql, "DELETE FROM writing WHERE writer = '%s'",
                       postgres->mark.writer);
        (void)tell(postgres, sql);
    }
    PQfinish(postgres->connection);
    free(postgres);
}

static const struct engine engine = {
    .close = close_connection,
    .begin = begin,
    .begin_reading = begin_reading,
    .take_time = take_time,
    .commit = commit,
    .rollback = rollback,
    .is_lost = is_lost,
    .is_broken = is_broken,
    .may_repeat = may_repeat,
    .execute = execute,
    .define = define,
    .version = version,
    .set_version = set_version,
    .run = run,
    .change = change,
    .settle = settle,
    .add = add,
    .query = query,
    .next = next,
    .end = end,
    .is_null = is_null,
    .number = number,
    .text = text,
    .wall_ms = wall_ms,
    .steady_ms = steady_ms,
    .tidy = tidy,
    .last_commit = last_commit,
    .has_committed = has_committed,
};

/* libpq quotes what it does not understand, with the password. */
const char *postgres_check(const char *url)
{
    PQconninfoOption *options = PQconninfoParse(url, NULL);
    bool is_right = options != NULL;
    PQconninfoFree(options);
    return is_right ? NULL
                    : "is no URL of PostgreSQL; postgresql://USER:PASSWORD@HOST/DATABASE?"
                      "sslmode=verify-full is one";
}

static struct postgres *connect_by(const char *url, struct error *error)
{
    struct postgres *postgres = calloc(1, sizeof *postgres);
    PQconninfoOption *options = PQconninfoParse(url, NULL);
    if (!postgres) {
        error_out_of_memory(error);
    } else if (!options) {
        error_set(error, ERROR_UNAVAILABLE, "it is no URL of PostgreSQL");
    } else if (random_hex(16, postgres->mark.writer)) {
        postgres->base.engine = &engine;
        postgres->answer_ms = ANSWER_MS;
        (void)connect_to_any(postgres, options, error);
    } else {
        error_set(error, ERROR_UNAVAILABLE, "there are no random numbers");
    }
    PQconninfoFree(options);
    if (postgres && postgres->connection)
        return postgres;
    free(postgres);
    return NULL;
}

struct database *postgres_open(const char *url, enum database_mode mode, struct error *error)
{
    struct error problem = {0};
    struct arena arena = {0};
    struct postgres *postgres = connect_by(url, &problem);
    if (postgres && (mode != DATABASE_MAKE || prepare_to_write(postgres)))
        return &postgres->base;
    error_set(error, ERROR_UNAVAILABLE, "%s: %s", database_name(&arena, url),
              postgres ? database_failure(&postgres->base) : problem.text);
    arena_clear(&arena);
    if (postgres)
        close_connection(&postgres->base);
    return NULL;
}
