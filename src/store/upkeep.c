#include "store/upkeep.h"

#include "store/database.h"
#include "store/history_internal.h"
#include "store/place.h"
#include "store/schema.h"

int64_t upkeep_version_known(void)
{
    return SCHEMA_VERSION;
}

/* ---- versions ---- */

static int64_t read_version(const char *place, enum database_mode mode, struct error *error)
{
    struct arena arena = {0};
    struct database *database = database_open(place, mode, error);
    int64_t version = database ? database_version(database) : -1;
    if (database && version < 0)
        error_set(error, ERROR_UNAVAILABLE, "%s: %s", database_name(&arena, place),
                  database_failure(database));
    database_close(database);
    arena_clear(&arena);
    return version;
}

/* What a process left half done cannot be read without writing. */
bool upkeep_version(const char *place, int64_t *version, struct error *error)
{
    struct error first = {0};
    *version = read_version(place, DATABASE_READ, &first);
    if (*version < 0 && first.code == ERROR_NOT_FOUND)
        return error_set(error, first.code, "%s", first.text);
    if (*version < 0)
        *version = read_version(place, DATABASE_OPEN, error);
    return *version >= 0;
}

bool upkeep_migrate(const char *place, int64_t *from, int64_t *to, struct error *error)
{
    struct arena arena = {0};
    struct error problem = {0};
    enum database_mode mode = store_is_server(place) ? DATABASE_MAKE : DATABASE_OPEN;
    if (!upkeep_version(place, from, error))
        return false;
    struct database *database = database_open(place, mode, error);
    bool is_migrated = database && schema_prepare(database, &problem);
    if (database && !is_migrated)
        error_set(error, ERROR_UNAVAILABLE, "%s: %s", database_name(&arena, place), problem.text);
    *to = is_migrated ? database_version(database) : *from;
    database_close(database);
    arena_clear(&arena);
    return is_migrated;
}

/* ---- what there is ---- */

static void count(struct database *database, struct store_contents *contents)
{
    *contents = (struct store_contents){
        .alerts = database_number(database, 0, "SELECT count(*) FROM alert", ""),
        .confirmations =
            database_number(database, 0, "SELECT count(*) FROM confirmation WHERE state = 0", ""),
    };
    struct rows rows =
        database_query(database, "SELECT state, count(*) FROM delivery GROUP BY state", "");
    while (rows_next(&rows)) {
        int64_t state = rows_number(&rows, 0);
        if (state >= 0 && state < DELIVERY_REFUSED)
            contents->deliveries[state] = rows_number(&rows, 1);
    }
}

bool upkeep_inspect(struct history *history, struct store_contents *contents, struct text *problems,
                    struct error *error)
{
    if (!history_begin(history, error))
        return false;
    *contents = (struct store_contents){0};
    database_inspect(history->database, problems);
    bool is_whole = problems->length == 0;
    if (is_whole)
        count(history->database, contents);
    if (!history_end(history, error))
        return false;
    if (is_whole)
        (void)history_audit(history, problems, error);
    return !error->code && (!problems->failed || error_out_of_memory(error));
}
