/* Finding a server that is there. */
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "store/postgres.h"

#define SETTINGS_MAX 80

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
        if (!postgres_wait(connection, events, until_ms))
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

struct postgres *postgres_connect(const char *url, struct error *error)
{
    struct postgres *postgres = calloc(1, sizeof *postgres);
    PQconninfoOption *options = PQconninfoParse(url, NULL);
    if (!postgres) {
        error_out_of_memory(error);
    } else if (!options) {
        error_set(error, ERROR_UNAVAILABLE, "it is no URL of PostgreSQL");
    } else if (random_hex(16, postgres->mark.writer)) {
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
