#include "store/database.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "store/engine.h"

/* ---- which one ---- */

bool database_is_server(const char *where)
{
    return !strncmp(where, "postgresql://", strlen("postgresql://")) ||
           !strncmp(where, "postgres://", strlen("postgres://"));
}

static bool is_secret(const char *parameter)
{
    return !strncmp(parameter, "password=", strlen("password=")) ||
           !strncmp(parameter, "sslpassword=", strlen("sslpassword="));
}

const char *database_name(struct arena *arena, const char *where)
{
    struct text name = {0};
    if (!database_is_server(where))
        return arena_string(arena, where);
    const char *user = strstr(where, "://") + strlen("://"), *host = user;
    size_t length = strcspn(user, "/?"), secret = 0;
    for (size_t i = 0; i < length; i++)
        host = user[i] == '@' ? user + i : host;
    if (host > user)
        secret = strcspn(user, ":");
    text_append(&name, where, (size_t)(user - where));
    text_append(&name, user, user + secret < host ? secret : (size_t)(host - user));
    const char *query = host + strcspn(host, "?");
    text_append(&name, host, (size_t)(query - host));
    char mark = '?';
    while (*query) {
        const char *parameter = query + 1;
        length = strcspn(parameter, "&");
        if (!is_secret(parameter)) {
            text_putc(&name, mark);
            text_append(&name, parameter, length);
            mark = '&';
        }
        query = parameter + length;
    }
    return text_into(&name, arena);
}

#ifdef WITH_POSTGRESQL
const char *database_check(const char *where)
{
    return database_is_server(where) ? postgres_check(where) : NULL;
}

struct database *database_open(const char *where, enum database_mode mode, struct error *error)
{
    return database_is_server(where) ? postgres_open(where, mode, error)
                                     : sqlite_open(where, mode, error);
}
#else
#define NO_POSTGRESQL "this program was built without PostgreSQL (WITH_POSTGRESQL=no)"

const char *database_check(const char *where)
{
    return database_is_server(where) ? "is a server's, and " NO_POSTGRESQL
                                       "; \"sqlite:PATH\" is a store"
                                     : NULL;
}

struct database *database_open(const char *where, enum database_mode mode, struct error *error)
{
    if (!database_is_server(where))
        return sqlite_open(where, mode, error);
    error_set(error, ERROR_UNAVAILABLE, NO_POSTGRESQL);
    return NULL;
}
#endif

void database_close(struct database *database)
{
    if (!database)
        return;
    sums_clear(&database->sums);
    sums_clear(&database->known);
    database->engine->close(database);
}

/* ---- failures ---- */

bool database_fail(struct database *database, const char *format, ...)
{
    char words[sizeof database->failure.text];
    va_list values;
    va_start(values, format);
    (void)vsnprintf(words, sizeof words, format, values);
    va_end(values);
    return error_set(&database->failure, ERROR_UNAVAILABLE, "%s", words);
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
    return database->engine->is_lost(database);
}

bool database_is_broken(const struct database *database)
{
    return database->engine->is_broken(database);
}

bool database_may_repeat(const struct database *database)
{
    return database_failed(database) && database->engine->may_repeat(database);
}

/* ---- transactions ---- */

static void forget_sums(struct database *database)
{
    sums_clear(&database->sums);
    sums_clear(&database->known);
}

bool database_begin(struct database *database, int64_t patience_ms)
{
    forget_sums(database);
    database->failure = (struct error){0};
    return database->engine->begin(database, patience_ms);
}

bool database_begin_reading(struct database *database)
{
    database->failure = (struct error){0};
    return database->engine->begin_reading(database);
}

void database_take_time(struct database *database)
{
    if (!database_failed(database) && database->engine->take_time)
        database->engine->take_time(database);
}

static void write_sums(struct database *database)
{
    const struct sums *sums = &database->sums;
    for (size_t i = 0; i < sums->count && !database_failed(database); i++) {
        const struct sum *sum = &sums->items[i];
        struct value values[SUM_TEXTS_MAX + 1];
        for (int k = 0; k < sum->text_count; k++)
            values[k] = (struct value){.type = 't', .text = sum->texts[k]};
        values[sum->text_count] = (struct value){.type = 'i', .number = sum->number};
        if (sum->number != 0 || sum->is_last)
            (void)database->engine->run(database, sum->sql, values, (size_t)sum->text_count + 1);
    }
    forget_sums(database);
}

bool database_commit(struct database *database, bool is_durable)
{
    write_sums(database);
    return database->engine->commit(database, is_durable);
}

void database_rollback(struct database *database)
{
    database->failure = (struct error){0};
    forget_sums(database);
    database->engine->rollback(database);
}

static void execute(struct database *database, const char *sql)
{
    if (!database_failed(database))
        database->engine->execute(database, sql);
}

void database_save(struct database *database)
{
    write_sums(database);
    execute(database, "SAVEPOINT part");
}

bool database_release(struct database *database)
{
    execute(database, "RELEASE SAVEPOINT part");
    if (!database_failed(database) && database->engine->settle)
        return database->engine->settle(database);
    return !database_failed(database);
}

void database_take_back(struct database *database)
{
    forget_sums(database);
    if (database_is_lost(database))
        return;
    database->failure = (struct error){0};
    execute(database, "ROLLBACK TO SAVEPOINT part");
    execute(database, "RELEASE SAVEPOINT part");
}

struct database_commit_mark database_last_commit(const struct database *database)
{
    const struct database_commit_mark certain = {.number = 0};
    return database->engine->last_commit ? database->engine->last_commit(database) : certain;
}

bool database_has_committed(struct database *database, const struct database_commit_mark *mark)
{
    return !database_failed(database) && database->engine->has_committed &&
           database->engine->has_committed(database, mark);
}

/* ---- the schema ---- */

int64_t database_version(struct database *database)
{
    return database_failed(database) ? -1 : database->engine->version(database);
}

void database_set_version(struct database *database, int64_t version)
{
    if (!database_failed(database))
        database->engine->set_version(database, version);
}

void database_define(struct database *database, const char *sql)
{
    if (!database_failed(database))
        database->engine->define(database, sql);
}

void database_inspect(struct database *database, struct text *problems)
{
    if (!database_failed(database) && database->engine->inspect)
        database->engine->inspect(database, problems);
}

/* ---- statements ---- */

struct prepared *database_prepared(struct database *database, const char *sql)
{
    for (size_t i = 0; i < database->prepared_count; i++) {
        if (database->prepared[i].sql == sql)
            return &database->prepared[i];
    }
    if (database->prepared_count == STATEMENTS_MAX) {
        (void)database_fail(database, "too many statements");
        return NULL;
    }
    struct prepared *prepared = &database->prepared[database->prepared_count++];
    *prepared = (struct prepared){.sql = sql};
    return prepared;
}

/* False if nothing is to be run. */
static bool take(struct database *database, struct value *values, size_t room, const char *types,
                 va_list arguments)
{
    for (size_t i = 0; types[i]; i++) {
        if (i == room)
            return database_fail(database, "too many parameters");
        values[i].type = types[i];
        if (types[i] == 'i')
            values[i].number = va_arg(arguments, int64_t);
        else
            values[i].text = va_arg(arguments, const char *);
    }
    return !database_failed(database);
}

void database_run(struct database *database, const char *sql, const char *types, ...)
{
    struct value values[VALUES_MAX];
    va_list arguments;
    va_start(arguments, types);
    bool is_well = take(database, values, VALUES_MAX, types, arguments);
    va_end(arguments);
    if (is_well)
        database->engine->run(database, sql, values, strlen(types));
}

int64_t database_change(struct database *database, const char *sql, const char *types, ...)
{
    struct value values[VALUES_MAX];
    va_list arguments;
    va_start(arguments, types);
    bool is_well = take(database, values, VALUES_MAX, types, arguments);
    va_end(arguments);
    return is_well ? database->engine->change(database, sql, values, strlen(types)) : 0;
}

static void add_up(struct database *database, const char *sql, bool is_last, const char *types,
                   va_list arguments)
{
    struct value values[SUM_TEXTS_MAX + 1];
    struct sum sum = {.sql = sql, .is_last = is_last, .text_count = (int)strlen(types) - 1};
    if (!take(database, values, SUM_TEXTS_MAX + 1, types, arguments))
        return;
    for (int i = 0; i < sum.text_count; i++)
        sum.texts[i] = values[i].text;
    sum.number = values[sum.text_count].number;
    if (!sums_add(&database->sums, &sum))
        (void)database_fail(database, "out of memory");
}

void database_sum(struct database *database, const char *sql, const char *types, ...)
{
    va_list arguments;
    va_start(arguments, types);
    add_up(database, sql, false, types, arguments);
    va_end(arguments);
}

void database_last(struct database *database, const char *sql, const char *types, ...)
{
    va_list arguments;
    va_start(arguments, types);
    add_up(database, sql, true, types, arguments);
    va_end(arguments);
}

int64_t database_summed(const struct database *database, const char *sql, const char *text)
{
    const struct sum *sum = sums_find(&database->sums, sql, text);
    return sum ? sum->number : 0;
}

int64_t database_add(struct database *database, const char *table, const char *sql,
                     const char *types, ...)
{
    struct value values[VALUES_MAX] = {{.type = 'i'}};
    va_list arguments;
    va_start(arguments, types);
    bool is_well = take(database, values + 1, VALUES_MAX - 1, types, arguments);
    va_end(arguments);
    return is_well ? database->engine->add(database, table, sql, values, strlen(types) + 1) : 0;
}

int64_t database_number(struct database *database, int64_t otherwise, const char *sql,
                        const char *types, ...)
{
    struct value values[VALUES_MAX];
    va_list arguments;
    va_start(arguments, types);
    bool is_well = take(database, values, VALUES_MAX, types, arguments);
    va_end(arguments);
    const struct engine *engine = database->engine;
    void *cursor = is_well ? engine->query(database, sql, values, strlen(types)) : NULL;
    if (!cursor)
        return otherwise;
    bool has_value = engine->next(database, cursor) && !engine->is_null(cursor, 0);
    int64_t number = has_value ? engine->number(cursor, 0) : otherwise;
    /* What changes rows and returns them has done so only at its end. */
    while (has_value && engine->next(database, cursor))
        ;
    engine->end(cursor);
    return number;
}

int64_t database_number_once(struct database *database, const char *sql, const char *text)
{
    const struct sum *known = sums_find(&database->known, sql, text);
    if (known)
        return known->number;
    struct sum fresh = {.sql = sql, .texts = {text}, .text_count = 1, .is_last = true};
    fresh.number = database_number(database, 0, sql, "t", text);
    if (!sums_add(&database->known, &fresh))
        (void)database_fail(database, "out of memory");
    return fresh.number;
}

struct rows database_query(struct database *database, const char *sql, const char *types, ...)
{
    struct value values[VALUES_MAX];
    struct rows rows = {database, NULL};
    va_list arguments;
    va_start(arguments, types);
    bool is_well = take(database, values, VALUES_MAX, types, arguments);
    va_end(arguments);
    if (is_well)
        rows.cursor = database->engine->query(database, sql, values, strlen(types));
    return rows;
}

bool rows_next(struct rows *rows)
{
    if (!rows->cursor)
        return false;
    if (rows->database->engine->next(rows->database, rows->cursor))
        return true;
    rows_end(rows);
    return false;
}

void rows_end(struct rows *rows)
{
    if (rows->cursor)
        rows->database->engine->end(rows->cursor);
    rows->cursor = NULL;
}

int64_t rows_number(const struct rows *rows, int column)
{
    return rows->database->engine->number(rows->cursor, column);
}

const char *rows_text(const struct rows *rows, int column)
{
    return rows->database->engine->text(rows->cursor, column);
}

/* ---- time ---- */

int64_t database_wall_ms(struct database *database)
{
    return database->engine->wall_ms(database);
}

int64_t database_steady_ms(struct database *database)
{
    return database->engine->steady_ms(database);
}

void database_tidy(struct database *database, enum database_future future)
{
    database->engine->tidy(database, future);
}
