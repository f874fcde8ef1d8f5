/*
 * The tables and their columns are read off the file, so that they stand in schema.c alone. Many
 * rows go in one statement: an array for each column.
 */
#include "store/transfer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/text.h"
#include "store/engine.h"
#include "store/internal.h"
#include "store/place.h"
#include "store/schema.h"

/* What goes in one statement. */
#define BATCH_ROWS 1000
#define BATCH_BYTES (1 << 20)

/* What is not copied: it is over in a minute, or of a spool. */
static const char *const left_behind[] = {"send", "node", "moving", "moving_count"};
/* Numbers about the file itself. */
#define OWN_FACTS "'syncs', 'probes'"
#define STOP_FIRST                                                               \
    "stop everything that uses it first (with the Debian package systemctl stop" \
    " 'flashduty-gateway-*'), and the line of cron that drains it"

/* What stands on the clock of a machine begins anew: who was sending has died, see claim.c. */
static const struct {
    const char *table, *column;
} begun_anew[] = {
    {"delivery", "lease_steady_ms"},
    {"destination", "probe_steady_ms"},
    {"destination", "hold_steady_ms"},
};

struct table {
    const char *name, *select, *insert, *count;
    size_t column_count;
    bool is_text[VALUES_MAX];
    int64_t rows;
};

struct moving {
    struct store_transfer *move;
    struct arena *arena;
    struct error *error;
    struct database *from, *to;
    struct table *tables;
    size_t table_count;
    int64_t rows, all;
};

static bool fail(struct moving *moving, struct database *database)
{
    const char *where = database == moving->to ? store_place_name(moving->arena, moving->move->to)
                                               : moving->move->from;
    return error_set(moving->error, ERROR_UNAVAILABLE, "%s: %s", where, database_failure(database));
}

/* ---- what there is ---- */

static bool is_left_behind(const char *table)
{
    for (size_t i = 0; i < sizeof left_behind / sizeof *left_behind; i++) {
        if (!strcmp(table, left_behind[i]))
            return true;
    }
    return false;
}

static bool begins_anew(const char *table, const char *column)
{
    for (size_t i = 0; i < sizeof begun_anew / sizeof *begun_anew; i++) {
        if (!strcmp(table, begun_anew[i].table) && !strcmp(column, begun_anew[i].column))
            return true;
    }
    return false;
}

static void read_columns(struct moving *moving, struct table *table)
{
    struct text names = {0}, values = {0}, arrays = {0};
    struct rows rows =
        database_query(moving->from, "SELECT name, type FROM pragma_table_info(?1) ORDER BY cid",
                       "t", table->name);
    while (table->column_count < VALUES_MAX && rows_next(&rows)) {
        const char *name = rows_text(&rows, 0), *comma = table->column_count ? ", " : "";
        bool is_text = !strcmp(rows_text(&rows, 1), "TEXT");
        table->is_text[table->column_count++] = is_text;
        text_printf(&names, "%s%s", comma, name);
        text_printf(&values, "%s%s", comma, begins_anew(table->name, name) ? "0" : name);
        text_printf(&arrays, "%sCAST(?%zu AS %s[])", comma, table->column_count,
                    is_text ? "TEXT" : "BIGINT");
    }
    rows_end(&rows);
    const char *columns = text_into(&names, moving->arena);
    /* Behind what was there: facts of both are the file's. */
    bool is_fact = !strcmp(table->name, "fact");
    table->select = arena_printf(moving->arena, "SELECT %s FROM %s%s ORDER BY 1",
                                 text_into(&values, moving->arena), table->name,
                                 is_fact ? " WHERE name NOT IN (" OWN_FACTS ")" : "");
    table->insert =
        arena_printf(moving->arena, "INSERT INTO %s (%s) SELECT * FROM unnest(%s)%s", table->name,
                     columns, text_into(&arrays, moving->arena),
                     is_fact ? " ON CONFLICT (name) DO UPDATE SET value = excluded.value" : "");
    table->count = arena_printf(moving->arena, "SELECT count(*) FROM %s%s", table->name,
                                is_fact ? " WHERE name NOT IN (" OWN_FACTS ")" : "");
}

static bool read_tables(struct moving *moving)
{
    struct rows rows = database_query(moving->from,
                                      "SELECT name FROM sqlite_schema WHERE type = 'table'"
                                      " AND name NOT LIKE 'sqlite_%' ORDER BY name",
                                      "");
    static const size_t room = 64;
    moving->tables = arena_alloc(moving->arena, room * sizeof *moving->tables);
    while (moving->tables && moving->table_count < room && rows_next(&rows)) {
        if (!is_left_behind(rows_text(&rows, 0)))
            moving->tables[moving->table_count++].name =
                arena_string(moving->arena, rows_text(&rows, 0));
    }
    rows_end(&rows);
    for (size_t i = 0; i < moving->table_count; i++) {
        struct table *table = &moving->tables[i];
        read_columns(moving, table);
        table->rows = database_number(moving->from, 0, table->count, "");
        moving->all += table->rows;
    }
    if (moving->arena->failed)
        return error_out_of_memory(moving->error);
    return !database_failed(moving->from) || fail(moving, moving->from);
}

/* What a node keeps while its database is away goes there by itself, by rules of its own. */
static bool is_no_spool(struct moving *moving)
{
    return !database_number(moving->from, 0, "SELECT 1 FROM delivery WHERE after < 0 LIMIT 1",
                            "") ||
           error_set(
               moving->error, ERROR_FORBIDDEN,
               "%s is what a node keeps while its database is out of reach: a gateway moves it"
               " by itself as soon as that is back",
               moving->move->from);
}

/* ---- the server ---- */

static bool is_empty(struct moving *moving)
{
    const char *where = store_place_name(moving->arena, moving->move->to);
    for (size_t i = 0; i < moving->table_count; i++) {
        const struct table *table = &moving->tables[i];
        bool is_fact = !strcmp(table->name, "fact");
        int64_t rows = is_fact ? 0 : database_number(moving->to, 0, table->count, "");
        if (rows > 0)
            return error_set(moving->error, ERROR_FORBIDDEN,
                             "%s is not empty: its table %s has %lld row%s. A store is moved before"
                             " any gateway uses the new one",
                             where, table->name, (long long)rows, rows == 1 ? "" : "s");
    }
    return !database_failed(moving->to) || fail(moving, moving->to);
}

/* A rehearsal makes no tables. */
static bool open_server(struct moving *moving)
{
    const struct store_transfer *move = moving->move;
    moving->to =
        database_open(move->to, move->is_rehearsed ? DATABASE_OPEN : DATABASE_MAKE, moving->error);
    if (!moving->to)
        return false;
    if (!move->is_rehearsed)
        return schema_prepare(moving->to, moving->error);
    int64_t version = schema_version(moving->to);
    if (version == 0)
        return true;
    if (version > 0 && version != SCHEMA_VERSION)
        return error_set(moving->error, ERROR_FORBIDDEN, "%s has version %lld: it is in use",
                         store_place_name(moving->arena, move->to), (long long)version);
    if (version < 0 || !database_begin_reading(moving->to))
        return fail(moving, moving->to);
    bool is_free = is_empty(moving);
    database_rollback(moving->to);
    return is_free;
}

/* ---- rows ---- */

/* An array as PostgreSQL reads it. */
static void add_item(struct text *array, bool is_first, const char *text)
{
    text_puts(array, is_first ? "{\"" : ",\"");
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            text_putc(array, '\\');
        text_putc(array, *text);
    }
    text_putc(array, '"');
}

static void add_row(const struct table *table, const struct rows *rows, struct text *arrays,
                    bool is_first)
{
    for (size_t i = 0; i < table->column_count; i++) {
        if (table->is_text[i])
            add_item(&arrays[i], is_first, rows_text(rows, (int)i));
        else
            text_printf(&arrays[i], "%c%lld", is_first ? '{' : ',',
                        (long long)rows_number(rows, (int)i));
    }
}

static bool put_batch(struct moving *moving, const struct table *table, struct text *arrays,
                      int64_t count)
{
    struct value values[VALUES_MAX];
    bool has_memory = true;
    for (size_t i = 0; i < table->column_count; i++) {
        text_putc(&arrays[i], '}');
        has_memory &= !arrays[i].failed;
        values[i] = (struct value){.type = 't', .text = text_string(&arrays[i])};
    }
    if (has_memory && !database_failed(moving->to))
        (void)moving->to->engine->change(moving->to, table->insert, values, table->column_count);
    for (size_t i = 0; i < table->column_count; i++)
        text_clear(&arrays[i]);
    moving->rows += count;
    if (moving->move->show)
        moving->move->show(moving->move->context, moving->rows, moving->all);
    return has_memory ? !database_failed(moving->to) || fail(moving, moving->to)
                      : error_out_of_memory(moving->error);
}

static size_t bytes_of(const struct table *table, const struct text *arrays)
{
    size_t bytes = 0;
    for (size_t i = 0; i < table->column_count; i++)
        bytes += arrays[i].length;
    return bytes;
}

static bool copy_table(struct moving *moving, const struct table *table)
{
    struct text arrays[VALUES_MAX] = {0};
    int64_t count = 0;
    bool is_well = true;
    struct rows rows = database_query(moving->from, table->select, "");
    while (is_well && rows_next(&rows)) {
        add_row(table, &rows, arrays, count == 0);
        if (++count == BATCH_ROWS || bytes_of(table, arrays) > BATCH_BYTES) {
            is_well = put_batch(moving, table, arrays, count);
            count = 0;
        }
    }
    rows_end(&rows);
    if (is_well && count > 0)
        is_well = put_batch(moving, table, arrays, count);
    return is_well && (!database_failed(moving->from) || fail(moving, moving->from));
}

static bool check_copy(struct moving *moving, const struct table *table)
{
    int64_t rows = database_number(moving->to, -1, table->count, "");
    /* Facts may have been there before. */
    if (rows == table->rows || (rows > table->rows && !strcmp(table->name, "fact")))
        return true;
    return database_failed(moving->to)
               ? fail(moving, moving->to)
               : error_set(moving->error, ERROR_UNAVAILABLE,
                           "table %s has %lld rows, and %lld of them have arrived", table->name,
                           (long long)table->rows, (long long)rows);
}

static bool copy_all(struct moving *moving)
{
    if (!database_begin(moving->to, STORE_PATIENCE_MS))
        return fail(moving, moving->to);
    database_take_time(moving->to);
    bool is_well = is_empty(moving);
    for (size_t i = 0; i < moving->table_count && is_well; i++)
        is_well = copy_table(moving, &moving->tables[i]);
    for (size_t i = 0; i < moving->table_count && is_well; i++)
        is_well = check_copy(moving, &moving->tables[i]);
    return is_well;
}

/* ---- the end ---- */

/* The server may be lost while it commits: what it did then it knows when it is asked anew. */
static bool has_arrived(struct moving *moving)
{
    struct database_commit_mark mark = database_last_commit(moving->to);
    struct error ignored = {0};
    if (!mark.is_doubtful)
        return fail(moving, moving->to);
    struct database *again = database_open(moving->move->to, DATABASE_OPEN, &ignored);
    bool is_known = again && database_begin(again, STORE_PATIENCE_MS);
    bool has_committed = is_known && database_has_committed(again, &mark);
    if (again)
        database_rollback(again);
    database_close(again);
    if (has_committed)
        return true;
    return error_set(moving->error, ERROR_UNAVAILABLE, "%s: %s%s",
                     store_place_name(moving->arena, moving->move->to),
                     database_failure(moving->to),
                     is_known ? ""
                              : ", and whether it has kept what it got is not known: try again, "
                                "and if it is not empty then, empty it first");
}

/* From here on the server's store is the one. */
static bool give_up_file(struct moving *moving)
{
    const struct store_transfer *move = moving->move;
    struct error problem = {0};
    database_set_version(moving->from, SCHEMA_MOVED);
    if (!database_commit(moving->from, true))
        error_set(&problem, ERROR_UNAVAILABLE, "%s", database_failure(moving->from));
    database_close(moving->from);
    moving->from = NULL;
    if (!problem.code && rename(move->from, move->kept))
        error_set(&problem, ERROR_UNAVAILABLE, "%s", strerror(errno));
    return !problem.code ||
           error_set(moving->error, ERROR_UNAVAILABLE,
                     "all of it is in the new store, but %s could not be put aside as %s: %s. Do so"
                     " before a gateway uses it",
                     move->from, move->kept, problem.text);
}

static bool move_rows(struct moving *moving)
{
    bool is_copied = copy_all(moving);
    if (!is_copied) {
        database_rollback(moving->to);
        return false;
    }
    return (database_commit(moving->to, true) || has_arrived(moving)) && give_up_file(moving);
}

/* ---- the beginning ---- */

static bool check_places(struct moving *moving)
{
    struct store_transfer *move = moving->move;
    struct stat status;
    const char *wrong = store_check_place(move->to);
    if (store_is_server(move->from))
        return error_set(moving->error, ERROR_FORBIDDEN,
                         "a store is moved from a file, and %s is a server's",
                         store_place_name(moving->arena, move->from));
    if (wrong || !store_is_server(move->to))
        return error_set(moving->error, ERROR_FORBIDDEN, "%s %s",
                         store_place_name(moving->arena, move->to),
                         wrong ? wrong : "is no server's: postgresql://… is");
    move->kept = arena_printf(moving->arena, "%s" MOVED_SUFFIX, move->from);
    return stat(move->kept, &status) ||
           error_set(moving->error, ERROR_FORBIDDEN,
                     "%s is there already, from a move before: put it elsewhere first", move->kept);
}

static bool take_drain_lock(struct moving *moving, int *lock)
{
    struct stat status;
    *lock = drain_lock(moving->move->from);
    return *lock >= 0 || stat(moving->move->from, &status) ||
           error_set(moving->error, ERROR_FORBIDDEN, "another process drains %s: " STOP_FIRST,
                     moving->move->from);
}

static bool open_file(struct moving *moving)
{
    const struct store_transfer *move = moving->move;
    struct error error = {0};
    moving->from =
        database_open(move->from, move->is_rehearsed ? DATABASE_READ : DATABASE_ALONE, &error);
    if (!moving->from)
        return error_set(moving->error, error.code, "%s%s", error.text,
                         error.code == ERROR_FORBIDDEN ? ": " STOP_FIRST : "");
    int64_t version = schema_version(moving->from);
    if (version == 0)
        return error_set(moving->error, ERROR_NOT_FOUND, "%s is no store", move->from);
    return move->is_rehearsed || schema_prepare(moving->from, moving->error);
}

static bool begin_file(struct moving *moving)
{
    bool is_begun = moving->move->is_rehearsed ? database_begin_reading(moving->from)
                                               : database_begin(moving->from, STORE_PATIENCE_MS);
    return is_begun || fail(moving, moving->from);
}

static void show_tables(struct moving *moving)
{
    struct store_transfer *move = moving->move;
    move->tables = arena_alloc(moving->arena, moving->table_count * sizeof *move->tables);
    for (size_t i = 0; i < moving->table_count && move->tables; i++) {
        if (moving->tables[i].rows > 0)
            move->tables[move->table_count++] =
                (struct transferred_table){moving->tables[i].name, moving->tables[i].rows};
    }
}

bool store_transfer(struct store_transfer *move, struct arena *arena, struct error *error)
{
    struct moving moving = {.move = move, .arena = arena, .error = error};
    int lock = -1;
    bool is_ready =
        check_places(&moving) && (move->is_rehearsed || take_drain_lock(&moving, &lock));
    is_ready = is_ready && open_file(&moving) && begin_file(&moving) && read_tables(&moving) &&
               is_no_spool(&moving) && open_server(&moving);
    bool is_moved = is_ready && (move->is_rehearsed || move_rows(&moving));
    if (is_moved)
        show_tables(&moving);
    if (moving.from)
        database_rollback(moving.from);
    database_close(moving.from);
    database_close(moving.to);
    if (lock >= 0)
        close(lock);
    return is_moved;
}
