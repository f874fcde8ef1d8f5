#include "store/history.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "store/history_internal.h"
#include "store/schema.h"

_Static_assert((int)DELIVERY_EXPIRED == 3 && (int)DELIVERY_DROPPED == 4, "SQL compares with them");

const char *const delivery_state_names[DELIVERY_REFUSED + 1] = {
    [DELIVERY_WAITING] = "waiting",   [DELIVERY_SENDING] = "sending",
    [DELIVERY_REJECTED] = "rejected", [DELIVERY_EXPIRED] = "expired",
    [DELIVERY_DROPPED] = "dropped",   [DELIVERY_DELIVERED] = "delivered",
    [DELIVERY_REFUSED] = "refused",
};

/* ---- opening ---- */

static bool check_version(struct history *history, struct error *error)
{
    int64_t version = schema_version(history->database);
    if (version == SCHEMA_VERSION)
        return true;
    if (database_failed(history->database))
        return error_set(error, ERROR_UNAVAILABLE, "%s: %s", history->name,
                         database_failure(history->database));
    if (version == 0)
        return error_set(error, ERROR_NOT_FOUND, "%s is no store yet: nothing was received",
                         history->name);
    if (version == SCHEMA_MOVED)
        return error_set(error, ERROR_UNAVAILABLE,
                         "the store %s is no longer in use: " SCHEMA_MOVED_WORDS, history->name);
    return error_set(error, ERROR_UNAVAILABLE,
                     "the store %s has version %lld, and this program reads version %d: %s",
                     history->name, (long long)version, SCHEMA_VERSION,
                     version > SCHEMA_VERSION ? "it was written by a newer release"
                                              : "the next alert, or a drain, brings it up to date");
}

static bool reopen(struct history *history, enum database_mode mode, struct error *error)
{
    database_close(history->database);
    history->database = database_open(history->path, mode, error);
    return history->database && history_begin(history, error) && history_end(history, error);
}

struct history *history_open(const char *path, struct error *error)
{
    struct history *history = calloc(1, sizeof *history);
    struct error first = {0};
    if (history)
        history->path = strdup(path);
    if (history)
        history->name = database_name(&history->arena, path);
    if (!history || !history->path || history->arena.failed) {
        history_close(history);
        error_out_of_memory(error);
        return NULL;
    }
    /* What a process left half done cannot be read without writing. */
    if (reopen(history, DATABASE_READ, &first) ||
        (history->database && first.code != ERROR_NOT_FOUND &&
         reopen(history, DATABASE_OPEN, error)))
        return history;
    *error = first;
    history_close(history);
    return NULL;
}

void history_close(struct history *history)
{
    if (!history)
        return;
    database_close(history->database);
    arena_clear(&history->arena);
    free(history->path);
    free(history);
}

int64_t history_now_ms(const struct history *history)
{
    return history->database ? database_wall_ms(history->database) : clock_wall_ms();
}

bool history_open_to_write(struct history *history, struct error *error)
{
    if (!history->may_write)
        history->may_write = reopen(history, DATABASE_OPEN, error);
    return history->may_write;
}

/* ---- reading ---- */

/* Without a write-ahead log a writer may be in the way for a moment. */
bool history_begin(struct history *history, struct error *error)
{
    int64_t until_ms = clock_monotonic_ms() + HISTORY_PATIENCE_MS;
    if (!history->database)
        return error_set(error, ERROR_UNAVAILABLE, "%s is not open", history->name);
    while (!database_begin_reading(history->database) || schema_version(history->database) < 0) {
        if (clock_monotonic_ms() >= until_ms)
            break;
        database_rollback(history->database);
        clock_pause(5);
    }
    if (check_version(history, error))
        return true;
    database_rollback(history->database);
    return false;
}

bool history_end(struct history *history, struct error *error)
{
    bool is_read = !database_failed(history->database) ||
                   error_set(error, ERROR_UNAVAILABLE, "%s: %s", history->name,
                             database_failure(history->database));
    database_rollback(history->database);
    return is_read;
}

void *history_grow(struct arena *arena, void *items, size_t count, size_t size)
{
    bool has_room = count > 0 && (count & (count - 1)) != 0;
    if (has_room)
        return items;
    void *longer = arena_alloc(arena, (count ? 2 * count : 1) * size);
    if (longer && items && count > 0)
        memcpy(longer, items, count * size);
    return longer;
}

/* ---- deliveries ---- */

struct delivery_record history_read_delivery(const struct rows *rows, struct arena *arena)
{
    return (struct delivery_record){
        .id = rows_number(rows, 0),
        .alert_id = rows_number(rows, 1),
        .state = (enum delivery_state)rows_number(rows, 2),
        .integration = arena_string(arena, rows_text(rows, 3)),
        .route = arena_string(arena, rows_text(rows, 4)),
        .flashduty_key = arena_printf(arena, "%.*s…", KEY_SHOWN, rows_text(rows, 5)),
        .alert_key = arena_string(arena, rows_text(rows, 6)),
        .title = arena_string(arena, rows_text(rows, 7)),
        .request_id = arena_string(arena, rows_text(rows, 8)),
        .message_id = arena_string(arena, rows_text(rows, 9)),
        .severity = (enum severity)rows_number(rows, 10),
        .tries = rows_number(rows, 11),
        .received_ms = rows_number(rows, 12),
        .created_ms = rows_number(rows, 13),
        .due_ms = rows_number(rows, 14),
        .finished_ms = rows_number(rows, 15),
        .after = rows_number(rows, 16),
        .code = arena_string(arena, rows_text(rows, 17)),
        .message = arena_string(arena, rows_text(rows, 18)),
    };
}

bool history_has_memory(const struct arena *arena, struct error *error)
{
    return !arena->failed || error_out_of_memory(error);
}

int64_t history_state(unsigned states, enum delivery_state state)
{
    return states & 1U << state ? (int64_t)state : -1;
}

#define MATCHES                                                          \
    " WHERE d.id > ?1 AND d.state IN (?2, ?3, ?4, ?5, ?6, ?7)"           \
    " AND (?8 = '' OR a.integration = ?8)"                               \
    " AND (?9 = '' OR d.route = ?9 OR (d.route = '' AND ?9 = 'default')" \
    " OR (?10 <> '' AND substr(d.flashduty_key, 1, length(?10)) = ?10))" \
    " AND (?11 = 0 OR a.received_ms <= ?11)"
#define IN_ORDER " ORDER BY d.id LIMIT ?12"

static struct rows query_page(struct history *history, const struct delivery_filter *filter,
                              int64_t behind)
{
    /* What is not over, or a person's to decide, has an index of its own. */
    static const char unfinished[] = SELECT_DELIVERY MATCHES " AND d.state < 4" IN_ORDER,
                      any[] = SELECT_DELIVERY MATCHES IN_ORDER;
    unsigned over = 1U << DELIVERY_DROPPED | 1U << DELIVERY_DELIVERED;
    unsigned states = filter->states ? filter->states : UNFINISHED_STATES;
    const char *destination = filter->destination ? filter->destination : "";
    bool may_be_key = strlen(destination) >= DESTINATION_LENGTH_MIN;
    return database_query(
        history->database, states & over ? any : unfinished, "iiiiiiitttii", behind,
        history_state(states, DELIVERY_WAITING), history_state(states, DELIVERY_SENDING),
        history_state(states, DELIVERY_REJECTED), history_state(states, DELIVERY_EXPIRED),
        history_state(states, DELIVERY_DROPPED), history_state(states, DELIVERY_DELIVERED),
        filter->integration ? filter->integration : "", destination, may_be_key ? destination : "",
        filter->received_before_ms, (int64_t)HISTORY_PAGE);
}

bool history_deliveries(struct history *history, const struct delivery_filter *filter,
                        bool (*show)(void *context, const struct delivery_record *record),
                        void *context, struct error *error)
{
    struct arena arena = {0};
    int64_t last = filter->after, left = filter->limit > 0 ? filter->limit : INT64_MAX;
    size_t count = HISTORY_PAGE;
    bool goes_on = true, is_read = true;
    while (goes_on && is_read && count == HISTORY_PAGE) {
        struct delivery_record page[HISTORY_PAGE];
        count = 0;
        if (!history_begin(history, error))
            return false;
        struct rows rows = query_page(history, filter, last);
        while (count < HISTORY_PAGE && rows_next(&rows))
            page[count++] = history_read_delivery(&rows, &arena);
        rows_end(&rows);
        is_read = history_end(history, error) && history_has_memory(&arena, error);
        for (size_t i = 0; i < count && is_read && goes_on; i++) {
            last = page[i].id;
            goes_on = show(context, &page[i]) && --left > 0;
        }
        arena_clear(&arena);
    }
    return is_read;
}

bool history_deliveries_of(struct history *history, int64_t alert_id,
                           bool (*show)(void *context, const struct delivery_record *record),
                           void *context, struct error *error)
{
    struct arena arena = {0};
    struct delivery_record *records = NULL;
    size_t count = 0;
    if (!history_begin(history, error))
        return false;
    struct rows rows = database_query(
        history->database, SELECT_DELIVERY " WHERE d.alert_id = ?1 ORDER BY d.id", "i", alert_id);
    while (!arena.failed && rows_next(&rows)) {
        records = history_grow(&arena, records, count, sizeof *records);
        if (records)
            records[count++] = history_read_delivery(&rows, &arena);
    }
    rows_end(&rows);
    bool is_read = history_end(history, error) && history_has_memory(&arena, error);
    for (size_t i = 0; i < count && is_read && show(context, &records[i]); i++)
        ;
    arena_clear(&arena);
    return is_read;
}

bool history_delivery(struct history *history, int64_t id, struct arena *arena,
                      struct delivery_record *record, struct error *error)
{
    if (!history_begin(history, error))
        return false;
    struct rows rows =
        database_query(history->database, SELECT_DELIVERY " WHERE d.id = ?1", "i", id);
    bool is_there = rows_next(&rows);
    if (is_there)
        *record = history_read_delivery(&rows, arena);
    rows_end(&rows);
    return history_end(history, error) && history_has_memory(arena, error) && is_there;
}

static struct try_record read_try(const struct rows *rows, struct arena *arena)
{
    return (struct try_record){
        .number = rows_number(rows, 0),
        .started_ms = rows_number(rows, 1),
        .took_ms = rows_number(rows, 2),
        .status = rows_number(rows, 3),
        .verdict = (enum try_verdict)rows_number(rows, 4),
        .code = arena_string(arena, rows_text(rows, 5)),
        .message = arena_string(arena, rows_text(rows, 6)),
        .request_id = arena_string(arena, rows_text(rows, 7)),
    };
}

bool history_tries(struct history *history, int64_t delivery_id,
                   bool (*show)(void *context, const struct try_record *record), void *context,
                   struct error *error)
{
    struct arena arena = {0};
    struct try_record *records = NULL;
    size_t count = 0;
    if (!history_begin(history, error))
        return false;
    struct rows rows = database_query(history->database,
                                      "SELECT number, started_ms, took_ms, status, verdict, code,"
                                      " message, request_id FROM try WHERE delivery_id = ?1"
                                      " ORDER BY number",
                                      "i", delivery_id);
    while (!arena.failed && rows_next(&rows)) {
        records = history_grow(&arena, records, count, sizeof *records);
        if (records)
            records[count++] = read_try(&rows, &arena);
    }
    rows_end(&rows);
    bool is_read = history_end(history, error) && history_has_memory(&arena, error);
    for (size_t i = 0; i < count && is_read && show(context, &records[i]); i++)
        ;
    arena_clear(&arena);
    return is_read;
}

/* ---- confirmations ---- */

static struct confirmation_record read_confirmation(const struct rows *rows, struct arena *arena)
{
    return (struct confirmation_record){
        .id = rows_number(rows, 0),
        .received_ms = rows_number(rows, 1),
        .due_ms = rows_number(rows, 2),
        .tries = rows_number(rows, 3),
        .is_given_up = rows_number(rows, 4) != 0,
        .integration = arena_string(arena, rows_text(rows, 5)),
        .request_id = arena_string(arena, rows_text(rows, 6)),
        .topic = arena_string(arena, rows_text(rows, 7)),
        .host = arena_string(arena, rows_text(rows, 8)),
        .url = arena_string(arena, rows_text(rows, 9)),
        .reason = arena_string(arena, rows_text(rows, 10)),
    };
}

bool history_confirmations(struct history *history,
                           bool (*show)(void *context, const struct confirmation_record *record),
                           void *context, struct error *error)
{
    struct arena arena = {0};
    struct confirmation_record *records = NULL;
    size_t count = 0;
    if (!history_begin(history, error))
        return false;
    struct rows rows = database_query(
        history->database,
        "SELECT id, received_ms, due_ms, tries, state, integration, request_id, topic, host,"
        " url, reason FROM confirmation WHERE state IN (0, 2) ORDER BY id",
        "");
    while (!arena.failed && rows_next(&rows)) {
        records = history_grow(&arena, records, count, sizeof *records);
        if (records)
            records[count++] = read_confirmation(&rows, &arena);
    }
    rows_end(&rows);
    bool is_read = history_end(history, error) && history_has_memory(&arena, error);
    for (size_t i = 0; i < count && is_read && show(context, &records[i]); i++)
        ;
    arena_clear(&arena);
    return is_read;
}
