/* Statements in a server's words, with their parameters and rows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "store/postgres.h"

/* So many statements are sent before it is asked what has become of them. */
#define PENDING_MAX 500

#define OID_INT8 20
#define OID_TEXT 25

struct cursor {
    PGresult *result;
    int row;
};

/* ---- other words for the same ---- */

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
        postgres_fail(postgres, "out of memory", NULL);
        return false;
    }
    prepared->serial = ++postgres->serial;
    name_of(prepared, name);
    bool is_sent = postgres_note_sent(
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
        postgres_fail(postgres, "out of memory", NULL);
    bool is_sent =
        !arena.failed &&
        postgres_note_sent(postgres, PQsendQueryPrepared(postgres->connection, name, (int)count,
                                                         texts, NULL, NULL, 0));
    arena_clear(&arena);
    return is_sent;
}

static bool push(struct database *database, const char *sql, const struct value *values,
                 size_t count)
{
    struct postgres *postgres = postgres_of(database);
    struct prepared *prepared = database_prepared(database, sql);
    if (!prepared || !postgres_enter(postgres))
        return false;
    return (prepared->serial || prepare(postgres, prepared, values, count)) &&
           send_prepared(postgres, prepared, values, count);
}

PGresult *postgres_answer(struct database *database, const char *sql, const struct value *values,
                          size_t count)
{
    return push(database, sql, values, count) ? postgres_exchange(postgres_of(database)) : NULL;
}

/* It is told with what comes next; outside a transaction nothing may. */
void postgres_run(struct database *database, const char *sql, const struct value *values,
                  size_t count)
{
    struct postgres *postgres = postgres_of(database);
    bool is_sent = push(database, sql, values, count);
    if (is_sent && (!postgres->is_in_transaction || postgres->pending >= PENDING_MAX))
        (void)postgres_settle(database);
}

int64_t postgres_change(struct database *database, const char *sql, const struct value *values,
                        size_t count)
{
    PGresult *result = postgres_answer(database, sql, values, count);
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
        postgres_fail(postgres, "too many tables", NULL);
        return NULL;
    }
    (void)snprintf(sql, sizeof sql, "SELECT max(id) FROM %s", table);
    PGresult *result = postgres_ask(postgres, sql);
    if (!result)
        return NULL;
    postgres->ids[row].table = table;
    postgres->ids[row].last = postgres_number_in(result, 0, 0);
    postgres->ids[row].is_known = true;
    if (row == postgres->id_count)
        postgres->id_count++;
    PQclear(result);
    return &postgres->ids[row].last;
}

int64_t postgres_add(struct database *database, const char *table, const char *sql,
                     struct value *values, size_t count)
{
    int64_t *last = last_id(postgres_of(database), table);
    if (!last)
        return 0;
    values[0].number = ++*last;
    postgres_run(database, sql, values, count);
    return database_failed(database) ? 0 : values[0].number;
}

void *postgres_query(struct database *database, const char *sql, const struct value *values,
                     size_t count)
{
    PGresult *result = postgres_answer(database, sql, values, count);
    struct cursor *cursor = result ? malloc(sizeof *cursor) : NULL;
    if (cursor) {
        *cursor = (struct cursor){result, -1};
        return cursor;
    }
    if (result)
        postgres_fail(postgres_of(database), "out of memory", NULL);
    PQclear(result);
    return NULL;
}

bool postgres_next(struct database *database, void *cursor)
{
    struct cursor *rows = cursor;
    (void)database;
    return ++rows->row < PQntuples(rows->result);
}

void postgres_end(void *cursor)
{
    PQclear(((struct cursor *)cursor)->result);
    free(cursor);
}

bool postgres_is_null(void *cursor, int column)
{
    const struct cursor *rows = cursor;
    return PQgetisnull(rows->result, rows->row, column) != 0;
}

int64_t postgres_number(void *cursor, int column)
{
    const struct cursor *rows = cursor;
    return postgres_number_in(rows->result, rows->row, column);
}

const char *postgres_text(void *cursor, int column)
{
    const struct cursor *rows = cursor;
    return PQgetvalue(rows->result, rows->row, column);
}
