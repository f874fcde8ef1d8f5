#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "store/database.h"

#define STATEMENTS_MAX 160
/* A longer log is moved into the file when nobody waits: who opens it reads all of it. */
#define LOG_PAGES_MAX 500

/* File systems on which the shared memory of SQLite's write-ahead log is no shared memory. */
static const unsigned long network_file_systems[] = {
    0x6969,     /* NFS */
    0xff534d42, /* CIFS */
    0xfe534d42, /* SMB 2 */
    0x517b,     /* SMB */
    0x65735546, /* FUSE */
    0x01021997, /* 9p */
    0x5346414f, /* AFS */
    0x00c36400, /* Ceph */
    0x47504653, /* GPFS */
    0x0bd00bd0, /* Lustre */
};

struct database {
    sqlite3 *handle;
    struct {
        const char *sql;
        sqlite3_stmt *statement;
    } statements[STATEMENTS_MAX];
    size_t statement_count;
    int64_t patience_end_ms; /* monotonic: when a lock has been waited for long enough */
    bool has_log;            /* a write-ahead log; else a rollback journal */
    int log_pages;           /* how long it is */
    struct error failure;
};

static bool fail(struct database *database)
{
    const char *words = database->handle ? sqlite3_errmsg(database->handle) : "out of memory";
    return error_set(&database->failure, ERROR_UNAVAILABLE, "%s", words);
}

/* SQLite's own waits double up to a tenth of a second, and starve who came first. */
static int wait_for_lock(void *context, int count)
{
    const struct database *database = context;
    const struct timespec pause = {.tv_nsec = 1000000 + (count % 3) * 700000};
    if (clock_monotonic_ms() >= database->patience_end_ms)
        return 0;
    (void)nanosleep(&pause, NULL);
    return 1;
}

static int note_log(void *context, sqlite3 *handle, const char *name, int pages)
{
    struct database *database = context;
    (void)handle;
    (void)name;
    database->log_pages = pages;
    return SQLITE_OK;
}

/* ---- opening ---- */

static bool is_on_network(const char *path)
{
    struct statfs status;
    if (statfs(path, &status))
        return false;
    for (size_t i = 0; i < sizeof network_file_systems / sizeof *network_file_systems; i++) {
        if (((unsigned long)status.f_type & 0xffffffff) == network_file_systems[i])
            return true;
    }
    return false;
}

/* SQLite gives its other files the permissions of this one. An existing file is never opened and
 * closed here: that would drop the locks that this process has on it. */
static bool prepare_file(const char *path, enum database_mode mode, struct error *error)
{
    struct stat status;
    int made = mode == DATABASE_MAKE ? open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
    if (made >= 0)
        close(made);
    if (stat(path, &status))
        return error_set(error, errno == ENOENT ? ERROR_NOT_FOUND : ERROR_UNAVAILABLE, "%s: %s",
                         path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return error_set(error, ERROR_UNAVAILABLE, "%s is no file", path);
    bool is_open_to_others = status.st_mode & (S_IRWXG | S_IRWXO);
    return !is_open_to_others || mode == DATABASE_READ || !chmod(path, 0600) ||
           error_set(error, ERROR_UNAVAILABLE,
                     "%s holds keys and others may read it; set permissions 600", path);
}

static bool is_logged(struct database *database)
{
    struct rows rows = database_query(database, "PRAGMA journal_mode", "");
    bool is_logged = rows_next(&rows) && !strcmp(rows_text(&rows, 0), "wal");
    rows_end(&rows);
    return is_logged;
}

static bool run_plain(struct database *database, const char *sql)
{
    return sqlite3_exec(database->handle, sql, NULL, NULL, NULL) == SQLITE_OK || fail(database);
}

/* Two processes may do this at once; SQLite does not wait for the other then. */
static bool start_log(struct database *database)
{
    for (int count = 0;; count++) {
        int code = sqlite3_exec(database->handle, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
        if (code == SQLITE_OK)
            return true;
        if ((code & 0xff) != SQLITE_BUSY || !wait_for_lock(database, count))
            return fail(database);
    }
}

/* A new database gets a log where that works; an old one keeps what it has unless that cannot
 * work. */
static bool choose_journal(struct database *database, const char *path)
{
    bool is_network = is_on_network(path);
    int64_t pages = database_number(database, -1, "PRAGMA page_count", "");
    if (pages < 0)
        return false;
    if (is_network)
        run_plain(database, "PRAGMA journal_mode = DELETE");
    else if (pages == 0 && !start_log(database))
        return false;
    database->has_log = is_logged(database);
    /* With a rollback journal each commit is durable; with the log that is said commit by commit.
     */
    return run_plain(database, database->has_log ? "PRAGMA synchronous = NORMAL"
                                                 : "PRAGMA synchronous = FULL") &&
           run_plain(database, "PRAGMA wal_autocheckpoint = 0");
}

static bool set_up(struct database *database, const char *path, enum database_mode mode)
{
    (void)sqlite3_extended_result_codes(database->handle, 1);
    (void)sqlite3_busy_handler(database->handle, wait_for_lock, database);
    (void)sqlite3_db_config(database->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(database->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    /* A process that serves one request does not tidy up after each. */
    (void)sqlite3_db_config(database->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    bool is_ready = run_plain(database, "PRAGMA cache_size = -2048") &&
                    run_plain(database, "PRAGMA temp_store = MEMORY");
    if (!is_ready || mode == DATABASE_READ)
        return is_ready;
    if (sqlite3_db_readonly(database->handle, "main"))
        return error_set(&database->failure, ERROR_UNAVAILABLE, "it cannot be written");
    bool is_chosen = choose_journal(database, path);
    /* After the setting above, which is a hook of SQLite's own. */
    (void)sqlite3_wal_hook(database->handle, note_log, database);
    return is_chosen;
}

/* Nobody asks how much memory SQLite holds; counting it takes a lock at each allocation. */
static void set_up_library(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

struct database *database_open(const char *path, enum database_mode mode, struct error *error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct database *database = calloc(1, sizeof *database);
    if (!database) {
        error_out_of_memory(error);
        return NULL;
    }
    (void)pthread_once(&once, set_up_library);
    if (!prepare_file(path, mode, error)) {
        free(database);
        return NULL;
    }
    database->patience_end_ms = clock_monotonic_ms() + STORE_PATIENCE_MS;
    int flags = SQLITE_OPEN_NOMUTEX |
                (mode == DATABASE_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE);
    bool is_open =
        sqlite3_open_v2(path, &database->handle, flags, NULL) == SQLITE_OK || fail(database);
    if (is_open && set_up(database, path, mode) && !database_failed(database))
        return database;
    error_set(error, ERROR_UNAVAILABLE, "%s: %s", path, database_failure(database));
    database_close(database);
    return NULL;
}

void database_close(struct database *database)
{
    if (!database)
        return;
    for (size_t i = 0; i < database->statement_count; i++)
        (void)sqlite3_finalize(database->statements[i].statement);
    (void)sqlite3_close(database->handle);
    free(database);
}

/* ---- transactions ---- */

static bool begin(struct database *database, const char *sql)
{
    database->failure = (struct error){0};
    database_run(database, sql, "");
    return !database_failed(database);
}

bool database_begin(struct database *database, int64_t patience_ms)
{
    database->patience_end_ms = clock_monotonic_ms() + patience_ms;
    return begin(database, "BEGIN IMMEDIATE");
}

bool database_begin_reading(struct database *database)
{
    database->patience_end_ms = 0;
    return begin(database, "BEGIN");
}

void database_rollback(struct database *database)
{
    database->failure = (struct error){0};
    if (!sqlite3_get_autocommit(database->handle))
        database_run(database, "ROLLBACK", "");
}

/* An empty change that is synced takes all before it along: they stand in one log. */
static bool make_durable(struct database *database)
{
    bool is_durable = run_plain(database, "PRAGMA synchronous = FULL") &&
                      run_plain(database, "BEGIN IMMEDIATE") &&
                      run_plain(database, "UPDATE fact SET value = value + 1 WHERE name = 'syncs'");
    is_durable = is_durable && run_plain(database, "COMMIT");
    if (!sqlite3_get_autocommit(database->handle))
        (void)sqlite3_exec(database->handle, "ROLLBACK", NULL, NULL, NULL);
    (void)sqlite3_exec(database->handle, "PRAGMA synchronous = NORMAL", NULL, NULL, NULL);
    return is_durable;
}

bool database_commit(struct database *database, bool is_durable)
{
    if (!database_failed(database))
        database_run(database, "COMMIT", "");
    bool is_committed = !database_failed(database);
    if (is_committed && is_durable && database->has_log)
        return make_durable(database);
    if (!is_committed && !sqlite3_get_autocommit(database->handle))
        (void)sqlite3_exec(database->handle, "ROLLBACK", NULL, NULL, NULL);
    return is_committed;
}

void database_save(struct database *database)
{
    database_run(database, "SAVEPOINT part", "");
}

bool database_release(struct database *database)
{
    database_run(database, "RELEASE part", "");
    return !database_failed(database);
}

void database_take_back(struct database *database)
{
    if (database_is_lost(database))
        return;
    database->failure = (struct error){0};
    database_run(database, "ROLLBACK TO part", "");
    database_run(database, "RELEASE part", "");
}

bool database_failed(const struct database *database)
{
    return database->failure.code != ERROR_NONE;
}

const char *database_failure(const struct database *database)
{
    return database->failure.text;
}

bool database_is_lost(const struct database *database)
{
    return sqlite3_get_autocommit(database->handle) != 0;
}

/* ---- statements ---- */

static sqlite3_stmt *prepare(struct database *database, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    for (size_t i = 0; i < database->statement_count; i++) {
        if (database->statements[i].sql == sql)
            return database->statements[i].statement;
    }
    if (database->statement_count == STATEMENTS_MAX) {
        error_set(&database->failure, ERROR_UNAVAILABLE, "too many statements");
        return NULL;
    }
    if (sqlite3_prepare_v3(database->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement,
                           NULL) != SQLITE_OK) {
        fail(database);
        return NULL;
    }
    database->statements[database->statement_count].sql = sql;
    database->statements[database->statement_count++].statement = statement;
    return statement;
}

static sqlite3_stmt *bind(struct database *database, const char *sql, const char *types,
                          va_list values)
{
    sqlite3_stmt *statement = database_failed(database) ? NULL : prepare(database, sql);
    if (!statement)
        return NULL;
    (void)sqlite3_reset(statement);
    for (int i = 0; types[i]; i++) {
        int code = types[i] == 'i'
                       ? sqlite3_bind_int64(statement, i + 1, va_arg(values, int64_t))
                       : sqlite3_bind_text(statement, i + 1, va_arg(values, const char *), -1,
                                           SQLITE_STATIC);
        if (code != SQLITE_OK)
            fail(database);
    }
    return database_failed(database) ? NULL : statement;
}

/* Whether there is a row. */
static bool step(struct database *database, sqlite3_stmt *statement)
{
    int code = sqlite3_step(statement);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        fail(database);
    return code == SQLITE_ROW;
}

static void finish(sqlite3_stmt *statement)
{
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
}

int64_t database_run(struct database *database, const char *sql, const char *types, ...)
{
    va_list values;
    va_start(values, types);
    sqlite3_stmt *statement = bind(database, sql, types, values);
    va_end(values);
    if (!statement)
        return 0;
    while (step(database, statement))
        ;
    finish(statement);
    return database_failed(database) ? 0 : sqlite3_changes64(database->handle);
}

int64_t database_add(struct database *database, const char *sql, const char *types, ...)
{
    va_list values;
    va_start(values, types);
    sqlite3_stmt *statement = bind(database, sql, types, values);
    va_end(values);
    if (!statement)
        return 0;
    (void)step(database, statement);
    finish(statement);
    return database_failed(database) ? 0 : sqlite3_last_insert_rowid(database->handle);
}

int64_t database_number(struct database *database, int64_t otherwise, const char *sql,
                        const char *types, ...)
{
    va_list values;
    va_start(values, types);
    sqlite3_stmt *statement = bind(database, sql, types, values);
    va_end(values);
    if (!statement)
        return otherwise;
    bool has_value = step(database, statement) && sqlite3_column_type(statement, 0) != SQLITE_NULL;
    int64_t number = has_value ? sqlite3_column_int64(statement, 0) : otherwise;
    /* What changes rows and returns them has done so only at its end. */
    while (has_value && step(database, statement))
        ;
    finish(statement);
    return number;
}

struct rows database_query(struct database *database, const char *sql, const char *types, ...)
{
    va_list values;
    va_start(values, types);
    struct rows rows = {database, bind(database, sql, types, values)};
    va_end(values);
    return rows;
}

bool rows_next(struct rows *rows)
{
    if (!rows->statement)
        return false;
    if (step(rows->database, rows->statement))
        return true;
    rows_end(rows);
    return false;
}

void rows_end(struct rows *rows)
{
    if (rows->statement)
        finish(rows->statement);
    rows->statement = NULL;
}

int64_t rows_number(const struct rows *rows, int column)
{
    return sqlite3_column_int64(rows->statement, column);
}

const char *rows_text(const struct rows *rows, int column)
{
    const unsigned char *text = sqlite3_column_text(rows->statement, column);
    return text ? (const char *)text : "";
}

int64_t database_steady_ms(struct database *database)
{
    (void)database;
    return clock_monotonic_ms();
}

/* The log begins anew with the next change by a connection that saw it moved. Where each request
 * has a connection of its own nobody has: there it is cut off. */
void database_tidy(struct database *database, enum database_future future)
{
    int mode = future == DATABASE_STAYS ? SQLITE_CHECKPOINT_PASSIVE : SQLITE_CHECKPOINT_TRUNCATE;
    bool is_long = database->log_pages >= LOG_PAGES_MAX;
    if (!database->has_log || (!is_long && future != DATABASE_ENDS))
        return;
    database->patience_end_ms = 0;
    (void)sqlite3_wal_checkpoint_v2(database->handle, NULL, mode, NULL, NULL);
    database->log_pages = 0;
}
