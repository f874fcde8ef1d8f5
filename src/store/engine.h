/*
 * What an engine does for database.h: a table of functions over its own kind of database, which
 * begins with a struct database. Whoever fails says so once, with database_fail; the functions that
 * run statements are called only while nothing has failed. Internal to src/store.
 */
#ifndef STORE_ENGINE_H
#define STORE_ENGINE_H

#include <stddef.h>

#include "store/database.h"
#include "store/sums.h"

/* Of one statement. */
#define VALUES_MAX 24
/* Statements that one connection keeps prepared: more than there are. */
#define STATEMENTS_MAX 256

/* A parameter's value. */
struct value {
    char type; /* i or t */
    int64_t number;
    const char *text; /* NULL is NULL */
};

struct engine {
    void (*close)(struct database *database);
    bool (*begin)(struct database *database, int64_t patience_ms);
    bool (*begin_reading)(struct database *database);
    void (*take_time)(struct database *database); /* NULL: there is as much as one likes */
    bool (*commit)(struct database *database, bool is_durable);
    void (*rollback)(struct database *database);
    bool (*is_lost)(const struct database *database);
    bool (*is_broken)(const struct database *database);
    bool (*may_repeat)(const struct database *database);

    /* Waits until all that was run has been, and says whether nothing failed; NULL: it has been. */
    bool (*settle)(struct database *database);
    /* Runs what has no parameters and no rows. */
    void (*execute)(struct database *database, const char *sql);
    void (*define)(struct database *database, const char *sql);
    int64_t (*version)(struct database *database);
    void (*set_version)(struct database *database, int64_t version);
    void (*inspect)(struct database *database, struct text *problems); /* or NULL */

    void (*run)(struct database *database, const char *sql, const struct value *values,
                size_t count);
    int64_t (*change)(struct database *database, const char *sql, const struct value *values,
                      size_t count);
    /* values[0] is the new row's id, which the engine chooses. */
    int64_t (*add)(struct database *database, const char *table, const char *sql,
                   struct value *values, size_t count);
    /* A cursor before the first row; NULL on failure. */
    void *(*query)(struct database *database, const char *sql, const struct value *values,
                   size_t count);
    bool (*next)(struct database *database, void *cursor);
    void (*end)(void *cursor);
    bool (*is_null)(void *cursor, int column);
    int64_t (*number)(void *cursor, int column);
    const char *(*text)(void *cursor, int column);

    int64_t (*wall_ms)(struct database *database);
    int64_t (*steady_ms)(struct database *database);
    void (*tidy)(struct database *database, enum database_future future);

    struct database_commit_mark (*last_commit)(const struct database *database);
    bool (*has_committed)(struct database *database, const struct database_commit_mark *mark);
};

struct prepared {
    const char *sql;
    void *statement; /* the engine's; NULL, and serial 0: it is yet to be prepared */
    uint64_t serial;
};

struct database {
    const struct engine *engine;
    struct error failure; /* the first since the transaction began */
    struct prepared prepared[STATEMENTS_MAX];
    size_t prepared_count;
    struct sums sums;  /* to be written at the end of the transaction */
    struct sums known; /* what was read in it once and for all */
};

/* Notes the first failure. Always returns false. */
bool database_fail(struct database *database, const char *format, ...)
    __attribute__((format(printf, 2, 3), nonnull));

/* Where the statement is kept that sql, a constant, was prepared as, or is to be. NULL, and failed,
 * if there are too many. */
struct prepared *database_prepared(struct database *database, const char *sql)
    __attribute__((nonnull));

/* On NULL the error is set, see database_open. */
struct database *sqlite_open(const char *path, enum database_mode mode, struct error *error)
    __attribute__((nonnull));

#ifdef WITH_POSTGRESQL
struct database *postgres_open(const char *url, enum database_mode mode, struct error *error)
    __attribute__((nonnull));
/* NULL if url can be one; else what is wrong with it: a constant. */
const char *postgres_check(const char *url) __attribute__((nonnull));
#endif

#endif
