/*
 * What the files about servers share. A server speaks PostgreSQL's protocol; nothing waits on it
 * without a bound: libpq never blocks here, but for the resolver. Internal to src/store; these are
 * the only files that know libpq.
 */
#ifndef STORE_POSTGRES_H
#define STORE_POSTGRES_H

#include <libpq-fe.h>

#include "base/limits.h"
#include "store/engine.h"

/* An answer that is not there after this does not come. */
#define ANSWER_MS STORE_PATIENCE_MS

#define TABLES_MAX 4

struct postgres {
    struct database base;
    PGconn *connection;
    char *url; /* of one that is only read from, and kept when it is closed; else NULL */
    int64_t idle_since_ms;
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

static inline struct postgres *postgres_of(struct database *database)
{
    return (struct postgres *)database;
}

/* ---- postgres_connect.c ---- */

/* A connection to the first of the URL's hosts that is there; NULL with an error. */
struct postgres *postgres_connect(const char *url, struct error *error) __attribute__((nonnull));

/* ---- postgres_wire.c ---- */

/* Notes the first failure, in words, with its SQLSTATE or NULL; and what libpq itself says, which
 * always returns false. */
void postgres_fail(struct postgres *postgres, const char *words, const char *state)
    __attribute__((nonnull(1, 2)));
bool postgres_fail_now(struct postgres *postgres) __attribute__((nonnull));
/* Whether the first failure's SQLSTATE begins like this. */
bool postgres_has_state(const struct postgres *postgres, const char *state)
    __attribute__((nonnull));
bool postgres_is_broken(const struct database *database) __attribute__((nonnull));
bool postgres_may_repeat(const struct database *database) __attribute__((nonnull));

/* Waits for the socket; false when the time is over. */
bool postgres_wait(PGconn *connection, short events, int64_t until_ms) __attribute__((nonnull));

/* Runs statements without parameters, in one string: the answer of the last one that has rows, else
 * of the last one; NULL on failure. */
PGresult *postgres_ask(struct postgres *postgres, const char *sql) __attribute__((nonnull));
bool postgres_tell(struct postgres *postgres, const char *sql) __attribute__((nonnull));

/* Statements that follow each other without waiting. First postgres_enter, then each is sent, and
 * noted; postgres_exchange waits for all answers, and returns the last one, NULL on failure. */
bool postgres_enter(struct postgres *postgres) __attribute__((nonnull));
bool postgres_note_sent(struct postgres *postgres, int is_sent) __attribute__((nonnull));
PGresult *postgres_exchange(struct postgres *postgres) __attribute__((nonnull));
/* If anything was sent. */
bool postgres_settle(struct database *database) __attribute__((nonnull));

int64_t postgres_number_in(const PGresult *result, int row, int column) __attribute__((nonnull));

/* ---- postgres_statements.c ---- */

/* See engine.h. */
void postgres_run(struct database *database, const char *sql, const struct value *values,
                  size_t count) __attribute__((nonnull(1, 2)));
int64_t postgres_change(struct database *database, const char *sql, const struct value *values,
                        size_t count) __attribute__((nonnull(1, 2)));
int64_t postgres_add(struct database *database, const char *table, const char *sql,
                     struct value *values, size_t count) __attribute__((nonnull));
void *postgres_query(struct database *database, const char *sql, const struct value *values,
                     size_t count) __attribute__((nonnull(1, 2)));
bool postgres_next(struct database *database, void *cursor) __attribute__((nonnull));
void postgres_end(void *cursor) __attribute__((nonnull));
bool postgres_is_null(void *cursor, int column) __attribute__((nonnull));
int64_t postgres_number(void *cursor, int column) __attribute__((nonnull));
const char *postgres_text(void *cursor, int column) __attribute__((nonnull));

/* Runs a statement after all that was sent before; its answer, NULL on failure. */
PGresult *postgres_answer(struct database *database, const char *sql, const struct value *values,
                          size_t count) __attribute__((nonnull(1, 2)));

#endif
