#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "store/engine.h"

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

struct sqlite {
    struct database base;
    sqlite3 *handle;
    int64_t patience_end_ms; /* monotonic: when a lock has been waited for long enough */
    bool has_log;            /* a write-ahead log; else a rollback journal */
    int log_pages;           /* how long it is */
};

static struct sqlite *sqlite_of(struct database *database)
{
    return (struct sqlite *)database;
}

static bool fail(struct sqlite *sqlite)
{
    return database_fail(&sqlite->base, "%s",
                         sqlite->handle ? sqlite3_errmsg(sqlite->handle) : "out of memory");
}

/* SQLite's own waits double up to a tenth of a second, and starve who came first. */
static int wait_for_lock(void *context, int count)
{
    const struct sqlite *sqlite = context;
    const struct timespec pause = {.tv_nsec = 1000000 + (count % 3) * 700000};
    if (clock_monotonic_ms() >= sqlite->patience_end_ms)
        return 0;
    (void)nanosleep(&pause, NULL);
    return 1;
}

static int note_log(void *context, sqlite3 *handle, const char *name, int pages)
{
    struct sqlite *sqlite = context;
    (void)handle;
    (void)name;
    sqlite->log_pages = pages;
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

static bool is_logged(struct sqlite *sqlite)
{
    struct rows rows = database_query(&sqlite->base, "PRAGMA journal_mode", "");
    bool is_logged = rows_next(&rows) && !strcmp(rows_text(&rows, 0), "wal");
    rows_end(&rows);
    return is_logged;
}

static bool run_plain(struct sqlite *sqlite, const char *sql)
{
    return sqlite3_exec(sqlite->handle, sql, NULL, NULL, NULL) == SQLITE_OK || fail(sqlite);
}

/* Two processes may do this at once; SQLite does not wait for the other then. */
static bool start_log(struct sqlite *sqlite)
{
    for (int count = 0;; count++) {
        int code = sqlite3_exec(sqlite->handle, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
        if (code == SQLITE_OK)
            return true;
        if ((code & 0xff) != SQLITE_BUSY || !wait_for_lock(sqlite, count))
            return fail(sqlite);
    }
}

/* A new database gets a log where that works; an old one keeps what it has unless that cannot
 * work. */
static bool choose_journal(struct sqlite *sqlite, const char *path)
{
    bool is_network = is_on_network(path);
    int64_t pages = database_number(&sqlite->base, -1, "PRAGMA page_count", "");
    if (pages < 0)
        return false;
    if (is_network)
        run_plain(sqlite, "PRAGMA journal_mode = DELETE");
    else if (pages == 0 && !start_log(sqlite))
        return false;
    sqlite->has_log = is_logged(sqlite);
    /* With a rollback journal each commit is durable; with the log that is said commit by commit.
     */
    return run_plain(sqlite, sqlite->has_log ? "PRAGMA synchronous = NORMAL"
                                             : "PRAGMA synchronous = FULL") &&
           run_plain(sqlite, "PRAGMA wal_autocheckpoint = 0");
}

/* Said before anything is read, the first look takes the lock, and with a log fails where somebody
 * has the file open; a change takes it in any case. Closed, the file stands alone. */
static bool keep_others_out(struct sqlite *sqlite)
{
    (void)sqlite3_db_config(sqlite->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    return run_plain(sqlite, "PRAGMA locking_mode = EXCLUSIVE") &&
           run_plain(sqlite, "BEGIN EXCLUSIVE") && run_plain(sqlite, "COMMIT");
}

static bool set_up(struct sqlite *sqlite, const char *path, enum database_mode mode)
{
    (void)sqlite3_extended_result_codes(sqlite->handle, 1);
    (void)sqlite3_busy_handler(sqlite->handle, wait_for_lock, sqlite);
    (void)sqlite3_db_config(sqlite->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(sqlite->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    /* A process that serves one request does not tidy up after each. */
    (void)sqlite3_db_config(sqlite->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (mode == DATABASE_ALONE && !keep_others_out(sqlite))
        return false;
    bool is_ready = run_plain(sqlite, "PRAGMA cache_size = -2048") &&
                    run_plain(sqlite, "PRAGMA temp_store = MEMORY");
    if (!is_ready || mode == DATABASE_READ)
        return is_ready;
    if (sqlite3_db_readonly(sqlite->handle, "main"))
        return database_fail(&sqlite->base, "it cannot be written");
    bool is_chosen = choose_journal(sqlite, path);
    /* After the setting above, which is a hook of SQLite's own. */
    (void)sqlite3_wal_hook(sqlite->handle, note_log, sqlite);
    return is_chosen;
}

/* ---- statements ---- */

static sqlite3_stmt *prepare(struct sqlite *sqlite, const char *sql)
{
    struct prepared *prepared = database_prepared(&sqlite->base, sql);
    sqlite3_stmt *statement = prepared ? prepared->statement : NULL;
    if (!prepared || statement)
        return statement;
    if (sqlite3_prepare_v3(sqlite->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) !=
        SQLITE_OK) {
        fail(sqlite);
        return NULL;
    }
    prepared->statement = statement;
    return statement;
}

static sqlite3_stmt *bind(struct sqlite *sqlite, const char *sql, const struct value *values,
                          size_t count)
{
    sqlite3_stmt *statement = prepare(sqlite, sql);
    if (!statement)
        return NULL;
    (void)sqlite3_reset(statement);
    for (size_t i = 0; i < count; i++) {
        int code =
            values[i].type == 'i'
                ? sqlite3_bind_int64(statement, (int)i + 1, values[i].number)
                : sqlite3_bind_text(statement, (int)i + 1, values[i].text, -1, SQLITE_STATIC);
        if (code != SQLITE_OK)
            fail(sqlite);
    }
    return database_failed(&sqlite->base) ? NULL : statement;
}

/* Whether there is a row. */
static bool step(struct sqlite *sqlite, sqlite3_stmt *statement)
{
    int code = sqlite3_step(statement);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        fail(sqlite);
    return code == SQLITE_ROW;
}

static void finish(void *cursor)
{
    (void)sqlite3_reset(cursor);
    (void)sqlite3_clear_bindings(cursor);
}

static void run(struct database *database, const char *sql, const struct value *values,
                size_t count)
{
    struct sqlite *sqlite = sqlite_of(database);
    sqlite3_stmt *statement = bind(sqlite, sql, values, count);
    if (!statement)
        return;
    while (step(sqlite, statement))
        ;
    finish(statement);
}

static int64_t change(struct database *database, const char *sql, const struct value *values,
                      size_t count)
{
    run(database, sql, values, count);
    return database_failed(database) ? 0 : sqlite3_changes64(sqlite_of(database)->handle);
}

/* SQLite chooses the id if it is given none. (RETURNING would make a table of its own for it.) */
static int64_t add(struct database *database, const char *table, const char *sql,
                   struct value *values, size_t count)
{
    struct sqlite *sqlite = sqlite_of(database);
    (void)table;
    values[0] = (struct value){.type = 't', .text = NULL};
    run(database, sql, values, count);
    return database_failed(database) ? 0 : sqlite3_last_insert_rowid(sqlite->handle);
}

static void *query(struct database *database, const char *sql, const struct value *values,
                   size_t count)
{
    return bind(sqlite_of(database), sql, values, count);
}

static bool next(struct database *database, void *cursor)
{
    return step(sqlite_of(database), cursor);
}

static bool is_null(void *cursor, int column)
{
    return sqlite3_column_type(cursor, column) == SQLITE_NULL;
}

static int64_t number(void *cursor, int column)
{
    return sqlite3_column_int64(cursor, column);
}

static const char *text(void *cursor, int column)
{
    const unsigned char *bytes = sqlite3_column_text(cursor, column);
    return bytes ? (const char *)bytes : "";
}

/* ---- transactions ---- */

static void execute(struct database *database, const char *sql)
{
    run(database, sql, NULL, 0);
}

static bool begin(struct database *database, int64_t patience_ms)
{
    sqlite_of(database)->patience_end_ms = clock_monotonic_ms() + patience_ms;
    execute(database, "BEGIN IMMEDIATE");
    return !database_failed(database);
}

static bool begin_reading(struct database *database)
{
    sqlite_of(database)->patience_end_ms = 0;
    execute(database, "BEGIN");
    return !database_failed(database);
}

static void rollback(struct database *database)
{
    if (!sqlite3_get_autocommit(sqlite_of(database)->handle))
        execute(database, "ROLLBACK");
}

/* An empty change that is synced takes all before it along: they stand in one log. */
static bool make_durable(struct sqlite *sqlite)
{
    bool is_durable = run_plain(sqlite, "PRAGMA synchronous = FULL") &&
                      run_plain(sqlite, "BEGIN IMMEDIATE") &&
                      run_plain(sqlite, "UPDATE fact SET value = value + 1 WHERE name = 'syncs'");
    is_durable = is_durable && run_plain(sqlite, "COMMIT");
    if (!sqlite3_get_autocommit(sqlite->handle))
        (void)sqlite3_exec(sqlite->handle, "ROLLBACK", NULL, NULL, NULL);
    (void)sqlite3_exec(sqlite->handle, "PRAGMA synchronous = NORMAL", NULL, NULL, NULL);
    return is_durable;
}

static bool commit(struct database *database, bool is_durable)
{
    struct sqlite *sqlite = sqlite_of(database);
    if (!database_failed(database))
        execute(database, "COMMIT");
    bool is_committed = !database_failed(database);
    if (is_committed && is_durable && sqlite->has_log)
        return make_durable(sqlite);
    if (!is_committed && !sqlite3_get_autocommit(sqlite->handle))
        (void)sqlite3_exec(sqlite->handle, "ROLLBACK", NULL, NULL, NULL);
    return is_committed;
}

static bool is_lost(const struct database *database)
{
    return sqlite3_get_autocommit(((const struct sqlite *)database)->handle) != 0;
}

/* Opening a file costs little, and whatever was wrong with it is looked at anew. */
static bool is_broken(const struct database *database)
{
    return is_lost(database);
}

static bool may_repeat(const struct database *database)
{
    (void)database;
    return false;
}

/* ---- the schema ---- */

static int64_t version(struct database *database)
{
    return database_number(database, -1, "PRAGMA user_version", "");
}

static void define(struct database *database, const char *sql)
{
    (void)run_plain(sqlite_of(database), sql);
}

static void set_version(struct database *database, int64_t number)
{
    char sql[64];
    (void)snprintf(sql, sizeof sql, "PRAGMA user_version = %lld", (long long)number);
    define(database, sql);
}

static void inspect(struct database *database, struct text *problems)
{
    struct rows rows = database_query(database, "PRAGMA quick_check", "");
    while (rows_next(&rows)) {
        if (strcmp(rows_text(&rows, 0), "ok") != 0)
            text_printf(problems, "the file is damaged: %s\n", rows_text(&rows, 0));
    }
}

/* ---- time ---- */

static int64_t wall_ms(struct database *database)
{
    (void)database;
    return clock_wall_ms();
}

static int64_t steady_ms(struct database *database)
{
    (void)database;
    return clock_monotonic_ms();
}

/* The log begins anew with the next change by a connection that saw it moved. Where each request
 * has a connection of its own nobody has: there it is cut off. */
static void tidy(struct database *database, enum database_future future)
{
    struct sqlite *sqlite = sqlite_of(database);
    int mode = future == DATABASE_STAYS ? SQLITE_CHECKPOINT_PASSIVE : SQLITE_CHECKPOINT_TRUNCATE;
    bool is_long = sqlite->log_pages >= LOG_PAGES_MAX;
    if (!sqlite->has_log || (!is_long && future != DATABASE_ENDS))
        return;
    sqlite->patience_end_ms = 0;
    (void)sqlite3_wal_checkpoint_v2(sqlite->handle, NULL, mode, NULL, NULL);
    sqlite->log_pages = 0;
}

/* ---- opening and closing ---- */

static void close_file(struct database *database)
{
    struct sqlite *sqlite = sqlite_of(database);
    for (size_t i = 0; i < database->prepared_count; i++)
        (void)sqlite3_finalize(database->prepared[i].statement);
    (void)sqlite3_close(sqlite->handle);
    free(sqlite);
}

static const struct engine engine = {
    .close = close_file,
    .begin = begin,
    .begin_reading = begin_reading,
    .commit = commit,
    .rollback = rollback,
    .is_lost = is_lost,
    .is_broken = is_broken,
    .may_repeat = may_repeat,
    .execute = execute,
    .define = define,
    .version = version,
    .set_version = set_version,
    .inspect = inspect,
    .run = run,
    .change = change,
    .add = add,
    .query = query,
    .next = next,
    .end = finish,
    .is_null = is_null,
    .number = number,
    .text = text,
    .wall_ms = wall_ms,
    .steady_ms = steady_ms,
    .tidy = tidy,
};

/* Nobody asks how much memory SQLite holds; counting it takes a lock at each allocation. */
static void set_up_library(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

struct database *sqlite_open(const char *path, enum database_mode mode, struct error *error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct sqlite *sqlite = calloc(1, sizeof *sqlite);
    if (!sqlite) {
        error_out_of_memory(error);
        return NULL;
    }
    sqlite->base.engine = &engine;
    (void)pthread_once(&once, set_up_library);
    if (!prepare_file(path, mode, error)) {
        free(sqlite);
        return NULL;
    }
    sqlite->patience_end_ms = clock_monotonic_ms() + STORE_PATIENCE_MS;
    int flags = SQLITE_OPEN_NOMUTEX |
                (mode == DATABASE_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE);
    bool is_open = sqlite3_open_v2(path, &sqlite->handle, flags, NULL) == SQLITE_OK || fail(sqlite);
    if (is_open && set_up(sqlite, path, mode) && !database_failed(&sqlite->base))
        return &sqlite->base;
    bool is_in_use =
        mode == DATABASE_ALONE && (sqlite3_errcode(sqlite->handle) & 0xff) == SQLITE_BUSY;
    if (is_in_use)
        error_set(error, ERROR_FORBIDDEN, "another process has %s open", path);
    error_set(error, ERROR_UNAVAILABLE, "%s: %s", path, database_failure(&sqlite->base));
    close_file(&sqlite->base);
    return NULL;
}
