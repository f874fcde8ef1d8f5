/* What is said to a server, and waiting for its answers. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/postgres.h"

/* ---- failures ---- */

bool postgres_is_broken(const struct database *database)
{
    const struct postgres *postgres = (const struct postgres *)database;
    return postgres->is_silent || postgres->is_cut ||
           PQstatus(postgres->connection) != CONNECTION_OK;
}

bool postgres_has_state(const struct postgres *postgres, const char *state)
{
    return !strncmp(postgres->state, state, strlen(state));
}

/* What was begun can be begun again: it met another, or the server went away before it was asked
 * to commit. Who was silent once is not waited for twice. */
bool postgres_may_repeat(const struct database *database)
{
    const struct postgres *postgres = (const struct postgres *)database;
    if (postgres->mark.is_doubtful || postgres->is_silent)
        return false;
    return postgres_has_state(postgres, "40001") || postgres_has_state(postgres, "40P01") ||
           postgres_is_broken(database);
}

/* libpq's words have further lines, with advice. */
void postgres_fail(struct postgres *postgres, const char *words, const char *state)
{
    if (database_failed(&postgres->base))
        return;
    (void)snprintf(postgres->state, sizeof postgres->state, "%s", state ? state : "");
    /* Shut down; or a standby by now. */
    postgres->is_cut |=
        postgres_has_state(postgres, "57P") || postgres_has_state(postgres, "25006");
    if (postgres_has_state(postgres, "55P03"))
        (void)database_fail(&postgres->base, "others have held the store's lock for too long");
    else
        (void)database_fail(&postgres->base, "%.*s%s%s%s", (int)strcspn(words, "\n"), words,
                            *postgres->state ? " (SQLSTATE " : "", postgres->state,
                            *postgres->state ? ")" : "");
}

static void fail_by(struct postgres *postgres, const PGresult *result)
{
    const char *words = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    postgres_fail(postgres, words ? words : PQresultErrorMessage(result),
                  PQresultErrorField(result, PG_DIAG_SQLSTATE));
}

/* What libpq itself says. */
bool postgres_fail_now(struct postgres *postgres)
{
    postgres_fail(postgres, PQerrorMessage(postgres->connection), NULL);
    return false;
}

static bool fail_silent(struct postgres *postgres)
{
    postgres->is_silent = true;
    postgres_fail(postgres, "the server does not answer", NULL);
    return false;
}

/* ---- waiting ---- */

/* False when the time is over. */
bool postgres_wait(PGconn *connection, short events, int64_t until_ms)
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
        if (!postgres_wait(postgres->connection, POLLIN | POLLOUT, until_ms))
            return fail_silent(postgres);
        (void)PQconsumeInput(postgres->connection);
    }
    /* What went wrong is the answer. */
    return true;
}

static bool wait_for_result(struct postgres *postgres, int64_t until_ms)
{
    while (PQisBusy(postgres->connection)) {
        if (!postgres_wait(postgres->connection, POLLIN, until_ms))
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
    postgres_fail_now(postgres);
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
PGresult *postgres_exchange(struct postgres *postgres)
{
    PGconn *connection = postgres->connection;
    int64_t until_ms = clock_monotonic_ms() + postgres->answer_ms;
    PGresult *last = NULL;
    postgres->pending = 0;
    if (!PQpipelineSync(connection) || !flush(postgres, until_ms)) {
        postgres_fail_now(postgres);
        return NULL;
    }
    while (read_answer(postgres, &last, until_ms))
        ;
    if (!PQexitPipelineMode(connection))
        postgres_fail_now(postgres);
    if (!database_failed(&postgres->base) && last) {
        postgres->sure_serial = postgres->serial;
        return last;
    }
    postgres_fail_now(postgres);
    forget_prepared(postgres);
    PQclear(last);
    return NULL;
}

bool postgres_settle(struct database *database)
{
    struct postgres *postgres = postgres_of(database);
    if (postgres->pending > 0)
        PQclear(postgres_exchange(postgres));
    return !database_failed(database);
}

/* Notes whether it could be sent. */
bool postgres_note_sent(struct postgres *postgres, int is_sent)
{
    postgres->pending++;
    return is_sent || postgres_fail_now(postgres);
}

/* Whether something can be sent: then in this mode. */
bool postgres_enter(struct postgres *postgres)
{
    if (postgres_is_broken(&postgres->base)) {
        postgres_fail(postgres, "the connection is lost", NULL);
        return false;
    }
    return PQpipelineStatus(postgres->connection) != PQ_PIPELINE_OFF ||
           PQenterPipelineMode(postgres->connection) || postgres_fail_now(postgres);
}

/* ---- whole strings of statements ---- */

/* Runs statements without parameters. */
PGresult *postgres_ask(struct postgres *postgres, const char *sql)
{
    if (!postgres_settle(&postgres->base))
        return NULL;
    if (postgres_is_broken(&postgres->base)) {
        postgres_fail(postgres, "the connection is lost", NULL);
        return NULL;
    }
    if (PQsendQuery(postgres->connection, sql))
        return gather(postgres);
    (void)postgres_fail_now(postgres);
    return NULL;
}

bool postgres_tell(struct postgres *postgres, const char *sql)
{
    PQclear(postgres_ask(postgres, sql));
    return !database_failed(&postgres->base);
}

int64_t postgres_number_in(const PGresult *result, int row, int column)
{
    return strtoll(PQgetvalue(result, row, column), NULL, 10);
}
