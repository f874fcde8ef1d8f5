#include "store/history.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"
#include "store/history_internal.h"
#include "store/schema.h"

/* Deliveries are read so many at once. */
#define PAGE 200

_Static_assert((int)SEVERITY_OK == 3, "SQL compares with it");

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
        return error_set(error, ERROR_UNAVAILABLE, "%s: %s", history->path,
                         database_failure(history->database));
    if (version == 0)
        return error_set(error, ERROR_NOT_FOUND, "%s is no store yet: nothing was received",
                         history->path);
    return error_set(error, ERROR_UNAVAILABLE,
                     "the store %s has version %lld, and this program reads version %d: %s",
                     history->path, (long long)version, SCHEMA_VERSION,
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
    if (!history || !history->path) {
        free(history);
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
    free(history->path);
    free(history);
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
    const struct timespec pause = {.tv_nsec = 5000000};
    int64_t until_ms = clock_monotonic_ms() + HISTORY_PATIENCE_MS;
    if (!history->database)
        return error_set(error, ERROR_UNAVAILABLE, "%s is not open", history->path);
    while (!database_begin_reading(history->database) || schema_version(history->database) < 0) {
        if (clock_monotonic_ms() >= until_ms)
            break;
        database_rollback(history->database);
        (void)nanosleep(&pause, NULL);
    }
    if (check_version(history, error))
        return true;
    database_rollback(history->database);
    return false;
}

bool history_end(struct history *history, struct error *error)
{
    bool is_read = !database_failed(history->database) ||
                   error_set(error, ERROR_UNAVAILABLE, "%s: %s", history->path,
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

#define SELECT_DELIVERY                                                                       \
    "SELECT d.id, d.alert_id, d.state, a.integration, d.route, d.flashduty_key, d.alert_key," \
    " a.title, a.request_id, a.message_id, a.severity, d.tries, a.received_ms, d.created_ms," \
    " d.due_ms, d.finished_ms, d.after, d.code, d.message"                                    \
    " FROM delivery AS d JOIN alert AS a ON a.id = d.alert_id"

static struct delivery_record read_delivery(const struct rows *rows, struct arena *arena)
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

static bool is_memory_left(const struct arena *arena, struct error *error)
{
    return !arena->failed || error_out_of_memory(error);
}

/* A state that a filter asks for, or one that no delivery has. */
static int64_t asked_for(const struct delivery_filter *filter, enum delivery_state state)
{
    unsigned usual = 1U << DELIVERY_WAITING | 1U << DELIVERY_SENDING | 1U << DELIVERY_REJECTED |
                     1U << DELIVERY_EXPIRED;
    unsigned states = filter->states ? filter->states : usual;
    return states & 1U << state ? (int64_t)state : -1;
}

static struct rows query_page(struct history *history, const struct delivery_filter *filter,
                              int64_t behind)
{
    const char *destination = filter->destination ? filter->destination : "";
    bool may_be_key = strlen(destination) >= DESTINATION_LENGTH_MIN;
    return database_query(
        history->database,
        SELECT_DELIVERY " WHERE d.id > ?1 AND d.state IN (?2, ?3, ?4, ?5, ?6, ?7)"
                        " AND (?8 = '' OR a.integration = ?8)"
                        " AND (?9 = '' OR d.route = ?9 OR (d.route = '' AND ?9 = 'default')"
                        " OR (?10 <> '' AND substr(d.flashduty_key, 1, length(?10)) = ?10))"
                        " AND (?11 = 0 OR a.received_ms <= ?11) ORDER BY d.id LIMIT ?12",
        "iiiiiiitttii", behind, asked_for(filter, DELIVERY_WAITING),
        asked_for(filter, DELIVERY_SENDING), asked_for(filter, DELIVERY_REJECTED),
        asked_for(filter, DELIVERY_EXPIRED), asked_for(filter, DELIVERY_DROPPED),
        asked_for(filter, DELIVERY_DELIVERED), filter->integration ? filter->integration : "",
        destination, may_be_key ? destination : "", filter->received_before_ms, (int64_t)PAGE);
}

bool history_deliveries(struct history *history, const struct delivery_filter *filter,
                        bool (*show)(void *context, const struct delivery_record *record),
                        void *context, struct error *error)
{
    struct arena arena = {0};
    int64_t last = 0, left = filter->limit > 0 ? filter->limit : INT64_MAX;
    size_t count = PAGE;
    bool goes_on = true, is_read = true;
    while (goes_on && is_read && count == PAGE) {
        struct delivery_record page[PAGE];
        count = 0;
        if (!history_begin(history, error))
            return false;
        struct rows rows = query_page(history, filter, last);
        while (count < PAGE && rows_next(&rows))
            page[count++] = read_delivery(&rows, &arena);
        rows_end(&rows);
        is_read = history_end(history, error) && is_memory_left(&arena, error);
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
            records[count++] = read_delivery(&rows, &arena);
    }
    rows_end(&rows);
    bool is_read = history_end(history, error) && is_memory_left(&arena, error);
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
        *record = read_delivery(&rows, arena);
    rows_end(&rows);
    return history_end(history, error) && is_memory_left(arena, error) && is_there;
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
    bool is_read = history_end(history, error) && is_memory_left(&arena, error);
    for (size_t i = 0; i < count && is_read && show(context, &records[i]); i++)
        ;
    arena_clear(&arena);
    return is_read;
}

/* ---- alerts ---- */

#define SELECT_ALERT                                                                            \
    "SELECT id, scope, integration, request_id, message_id, alert_key, title, event, severity," \
    " outcome, time_s, received_ms FROM alert"

static struct alert_record read_alert(const struct rows *rows, struct arena *arena)
{
    return (struct alert_record){
        .id = rows_number(rows, 0),
        .scope = arena_string(arena, rows_text(rows, 1)),
        .integration = arena_string(arena, rows_text(rows, 2)),
        .request_id = arena_string(arena, rows_text(rows, 3)),
        .message_id = arena_string(arena, rows_text(rows, 4)),
        .alert_key = arena_string(arena, rows_text(rows, 5)),
        .title = arena_string(arena, rows_text(rows, 6)),
        .event = arena_string(arena, rows_text(rows, 7)),
        .severity = (enum severity)rows_number(rows, 8),
        .outcome = (enum outcome)rows_number(rows, 9),
        .time_s = rows_number(rows, 10),
        .received_ms = rows_number(rows, 11),
    };
}

static bool read_one(struct history *history, int64_t id, struct arena *arena,
                     struct alert_record *record)
{
    struct rows rows = database_query(history->database, SELECT_ALERT " WHERE id = ?1", "i", id);
    bool is_there = rows_next(&rows);
    if (is_there)
        *record = read_alert(&rows, arena);
    rows_end(&rows);
    return is_there;
}

bool history_alert(struct history *history, int64_t id, struct arena *arena,
                   struct alert_record *record, struct error *error)
{
    if (!history_begin(history, error))
        return false;
    bool is_there = read_one(history, id, arena, record);
    return history_end(history, error) && is_memory_left(arena, error) && is_there;
}

/* The newest whose key or one of whose ids is the word; 0 if there is none. A message id of several
 * parts begins with the vendor's own, then a colon: ';' is the character behind it. */
static int64_t find_by_name(struct history *history, const char *word, struct arena *arena)
{
    struct database *database = history->database;
    const char *from = arena_printf(arena, "%s:", word), *to = arena_printf(arena, "%s;", word);
    const int64_t found[] = {
        database_number(database, 0, "SELECT max(id) FROM alert WHERE alert_key = ?1", "t", word),
        database_number(database, 0, "SELECT max(id) FROM alert WHERE request_id = ?1", "t", word),
        database_number(database, 0, "SELECT max(alert_id) FROM seen WHERE message_id = ?1", "t",
                        word),
        database_number(database, 0,
                        "SELECT max(alert_id) FROM seen WHERE message_id > ?1 AND message_id < ?2",
                        "tt", from, to),
    };
    int64_t newest = 0;
    for (size_t i = 0; i < sizeof found / sizeof *found; i++)
        newest = found[i] > newest ? found[i] : newest;
    return newest;
}

static char lower(char byte)
{
    return (char)(byte >= 'A' && byte <= 'Z' ? byte - 'A' + 'a' : byte);
}

static bool holds(const char *text, const char *word)
{
    size_t length = strlen(word), i = 0;
    for (; *text; text++) {
        for (i = 0; i < length && lower(text[i]) == lower(word[i]); i++)
            ;
        if (i == length)
            return true;
    }
    return length == 0;
}

static bool title_or_labels_hold(const struct rows *rows, const char *word)
{
    struct json json = {0};
    struct error ignored = {0};
    const char *event = rows_text(rows, 7);
    bool is_found = holds(rows_text(rows, 6), word);
    if (!is_found && json_parse(event, strlen(event), &json, &ignored)) {
        const cJSON *label = NULL;
        cJSON_ArrayForEach(label, json_get(json.root, "labels"))
        {
            is_found |= cJSON_IsString(label) && holds(label->valuestring, word);
        }
    }
    json_clear(&json);
    return is_found;
}

/* What LIKE has to find in an event, which is JSON, for the word to be in one of its texts. */
static const char *pattern_of(const char *word, struct arena *arena)
{
    struct text quoted = {0}, pattern = {0};
    text_json(&quoted, word);
    const char *text = text_string(&quoted);
    text_putc(&pattern, '%');
    for (size_t i = 1; i + 1 < quoted.length; i++) {
        if (strchr("%_!", text[i]))
            text_putc(&pattern, '!');
        text_putc(&pattern, lower(text[i]));
    }
    text_putc(&pattern, '%');
    arena->failed |= quoted.failed;
    text_clear(&quoted);
    return text_into(&pattern, arena);
}

static bool find_by_text(struct history *history, const char *word, struct arena *arena,
                         struct alert_record *record)
{
    bool is_found = false;
    struct rows rows = database_query(
        history->database, SELECT_ALERT " WHERE lower(event) LIKE ?1 ESCAPE '!' ORDER BY id DESC",
        "t", pattern_of(word, arena));
    while (!is_found && rows_next(&rows)) {
        is_found = title_or_labels_hold(&rows, word);
        if (is_found)
            *record = read_alert(&rows, arena);
    }
    rows_end(&rows);
    return is_found;
}

bool history_find_alert(struct history *history, const char *word, struct arena *arena,
                        struct alert_record *record, struct error *error)
{
    if (!history_begin(history, error))
        return false;
    int64_t id = find_by_name(history, word, arena);
    bool is_found = id && read_one(history, id, arena, record);
    if (!is_found && *word)
        is_found = find_by_text(history, word, arena, record);
    return history_end(history, error) && is_memory_left(arena, error) && is_found;
}

bool history_life(struct history *history, const struct alert_record *of, int64_t limit,
                  bool (*show)(void *context, const struct alert_record *record), void *context,
                  struct error *error)
{
    struct arena arena = {0};
    struct alert_record *records = NULL;
    size_t count = 0;
    if (!history_begin(history, error))
        return false;
    int64_t begin = database_number(history->database, 0,
                                    "SELECT max(id) FROM alert WHERE alert_key = ?1 AND scope = ?2"
                                    " AND id < ?3 AND severity = 3",
                                    "tti", of->alert_key, of->scope, of->id);
    int64_t end = database_number(history->database, INT64_MAX,
                                  "SELECT min(id) FROM alert WHERE alert_key = ?1 AND scope = ?2"
                                  " AND id >= ?3 AND severity = 3",
                                  "tti", of->alert_key, of->scope, of->id);
    struct rows rows = database_query(history->database,
                                      SELECT_ALERT " WHERE alert_key = ?1 AND scope = ?2 AND id > "
                                                   "?3 AND id <= ?4 ORDER BY id LIMIT ?5",
                                      "ttiii", of->alert_key, of->scope, begin, end, limit);
    while (!arena.failed && rows_next(&rows)) {
        records = history_grow(&arena, records, count, sizeof *records);
        if (records)
            records[count++] = read_alert(&rows, &arena);
    }
    rows_end(&rows);
    bool is_read = history_end(history, error) && is_memory_left(&arena, error);
    for (size_t i = 0; i < count && is_read && show(context, &records[i]); i++)
        ;
    arena_clear(&arena);
    return is_read;
}

bool history_recent(struct history *history, const char *integration, int64_t limit,
                    bool (*show)(void *context, const struct alert_record *record), void *context,
                    struct error *error)
{
    struct arena arena = {0};
    struct alert_record *records = NULL;
    size_t count = 0;
    if (!history_begin(history, error))
        return false;
    struct rows rows = database_query(history->database,
                                      SELECT_ALERT " WHERE integration = ?1 AND severity <> 3"
                                                   " ORDER BY id DESC LIMIT ?2",
                                      "ti", integration, limit);
    while (!arena.failed && rows_next(&rows)) {
        records = history_grow(&arena, records, count, sizeof *records);
        if (records)
            records[count++] = read_alert(&rows, &arena);
    }
    rows_end(&rows);
    bool is_read = history_end(history, error) && is_memory_left(&arena, error);
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
    bool is_read = history_end(history, error) && is_memory_left(&arena, error);
    for (size_t i = 0; i < count && is_read && show(context, &records[i]); i++)
        ;
    arena_clear(&arena);
    return is_read;
}
