/*
 * A database as the store uses it: transactions, statements with parameters, rows. One connection
 * belongs to one thread at a time. SQL is written once, for all engines, see database.c: a file of
 * SQLite or a server that speaks PostgreSQL's protocol. Internal to src/store.
 *
 * The first failure stays: after it nothing runs until the transaction is rolled back, and reading
 * finds no rows. So a change is written down straight, and whether it worked is asked once, by
 * database_commit or database_release.
 */
#ifndef STORE_DATABASE_H
#define STORE_DATABASE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/text.h"

struct database;

enum database_mode {
    DATABASE_MAKE,  /* read and write; made, 0600, if it is not there */
    DATABASE_OPEN,  /* read and write */
    DATABASE_READ,  /* read only, as far as that can be done */
    DATABASE_ALONE, /* read and write a file that nobody else has open, nor can open before it is
                     * closed; ERROR_FORBIDDEN if somebody has */
};

/* Opens what `where` names: the file at a path, or a server's database by a URL. What is no
 * database, or one that cannot be written, is left as it is. A server is waited for
 * STORE_PATIENCE_MS at most, and so is each of its answers later on. On NULL the error is
 * ERROR_UNAVAILABLE, or ERROR_NOT_FOUND if there is none. */
struct database *database_open(const char *where, enum database_mode mode, struct error *error)
    __attribute__((nonnull));

/* NULL is allowed. */
void database_close(struct database *database);

/* Whether a database is a server's, which other machines share; else it is a file. */
bool database_is_server(const char *where) __attribute__((nonnull));

/* What may be shown of it: a URL without its password. Lives in the arena. */
const char *database_name(struct arena *arena, const char *where) __attribute__((nonnull));

/* NULL if where can name a database; else what is wrong with it: a constant. */
const char *database_check(const char *where) __attribute__((nonnull));

/* Begins a change, as the only one who changes anything; false if nobody lets go of the lock within
 * patience_ms. */
bool database_begin(struct database *database, int64_t patience_ms) __attribute__((nonnull));

/* Begins to read: what is read until database_rollback stands at one moment. Never waits. */
bool database_begin_reading(struct database *database) __attribute__((nonnull));

/* This transaction may go on for long, with statements that change much. */
void database_take_time(struct database *database) __attribute__((nonnull));

/* Ends the transaction. False, and rolled back, if anything in it failed. What is committed
 * survives the process; with is_durable the power too, and with it all that was committed before.
 */
bool database_commit(struct database *database, bool is_durable) __attribute__((nonnull));
void database_rollback(struct database *database) __attribute__((nonnull));

/* A part of a transaction that may be taken back alone; parts may hold parts. Taken back, nothing
 * has failed. */
void database_save(struct database *database) __attribute__((nonnull));
bool database_release(struct database *database) __attribute__((nonnull));
void database_take_back(struct database *database) __attribute__((nonnull));

/* Whether something failed, and the words for it ("" if nothing). A transaction that the database
 * itself has ended cannot be taken back in parts: is_lost. After a failure a connection may have to
 * be opened anew: is_broken; and the same transaction may work if it is run again from the start,
 * on a new connection if this one is broken: may_repeat. */
bool database_failed(const struct database *database) __attribute__((nonnull));
const char *database_failure(const struct database *database) __attribute__((nonnull));
bool database_is_lost(const struct database *database) __attribute__((nonnull));
bool database_is_broken(const struct database *database) __attribute__((nonnull));
bool database_may_repeat(const struct database *database) __attribute__((nonnull));

/* A server may be lost while it commits. Then database_commit is false, the mark of the commit
 * is_doubtful, and whether it has taken place is what database_has_committed says on another
 * connection within a change, that is once whoever had begun it has ended. */
struct database_commit_mark {
    char writer[33];
    int64_t number;
    bool is_doubtful;
};
struct database_commit_mark database_last_commit(const struct database *database)
    __attribute__((nonnull));
bool database_has_committed(struct database *database, const struct database_commit_mark *mark)
    __attribute__((nonnull));

/* The version of what the database holds: 0 when it is new, -1 when it cannot be told. */
int64_t database_version(struct database *database) __attribute__((nonnull));
void database_set_version(struct database *database, int64_t version) __attribute__((nonnull));
/* Runs statements that make or change tables, see schema.c. */
void database_define(struct database *database, const char *sql) __attribute__((nonnull));

/* Looks through all of a file: a line is appended for each thing that is wrong. Servers do that
 * themselves. */
void database_inspect(struct database *database, struct text *problems) __attribute__((nonnull));

/* Statements. sql is a constant: it is prepared once. Parameters are ?1, ?2, …; types has a letter
 * for each: i int64_t, t const char * (NULL is NULL; what is no UTF-8 is mended). What stands
 * between slash-asterisk-plus and plus-asterisk-slash is for servers alone. */

/* Changes rows. A server may be told later, with what comes next; within a change, what fails is
 * known at the end of a part, or of the change. */
void database_run(struct database *database, const char *sql, const char *types, ...)
    __attribute__((nonnull));

/* Changes rows, and returns how many. */
int64_t database_change(struct database *database, const char *sql, const char *types, ...)
    __attribute__((nonnull));

/* Statements that add a number, their last parameter, to a row that their texts (up to three) name,
 * and make the row if there is none: they are added up, and run once for each row, before the
 * transaction is committed or a part of it begins. Nothing in it reads those rows but
 * database_summed. */
void database_sum(struct database *database, const char *sql, const char *types, ...)
    __attribute__((nonnull));
/* The same, but the last number counts. */
void database_last(struct database *database, const char *sql, const char *types, ...)
    __attribute__((nonnull));
/* What has been added up of the row that one text names, and is yet to be written. */
int64_t database_summed(const struct database *database, const char *sql, const char *text)
    __attribute__((nonnull));

/* Adds one row to a table; its id, greater than any other there, 0 if that failed. In sql ?1 is the
 * id, and types, and what follows, begin with ?2. */
int64_t database_add(struct database *database, const char *table, const char *sql,
                     const char *types, ...) __attribute__((nonnull));

/* The first column of the first row; otherwise if there is none, or NULL. */
int64_t database_number(struct database *database, int64_t otherwise, const char *sql,
                        const char *types, ...) __attribute__((nonnull));

/* The same of a row that one text names, or 0, but read only once: in this transaction nothing
 * changes it but database_sum. */
int64_t database_number_once(struct database *database, const char *sql, const char *text)
    __attribute__((nonnull));

/* Rows one by one: struct rows rows = database_query(…); while (rows_next(&rows)) …. Whoever stops
 * before the end says rows_end. A statement runs once at a time. */
struct rows {
    struct database *database;
    void *cursor;
};
struct rows database_query(struct database *database, const char *sql, const char *types, ...)
    __attribute__((nonnull));
bool rows_next(struct rows *rows) __attribute__((nonnull));
void rows_end(struct rows *rows) __attribute__((nonnull));
int64_t rows_number(const struct rows *rows, int column) __attribute__((nonnull));
/* "" for NULL. Borrowed until the next row. */
const char *rows_text(const struct rows *rows, int column) __attribute__((nonnull));

/* The time, in a transaction, by the clock of all who share the database: milliseconds since 1970;
 * and on one that never jumps, for leases and rates. */
int64_t database_wall_ms(struct database *database) __attribute__((nonnull));
int64_t database_steady_ms(struct database *database) __attribute__((nonnull));

/* What may wait until nobody waits: moving what was committed to its place in the file, if there is
 * much of it, or if the process ends that wrote for all: a file that stands alone can be copied. */
enum database_future {
    DATABASE_STAYS,  /* the connection is used again */
    DATABASE_CLOSES, /* it is not */
    DATABASE_ENDS,   /* nor is there another before long */
};
void database_tidy(struct database *database, enum database_future future) __attribute__((nonnull));

#endif
