#include <string.h>

#include "base/json.h"
#include "store/history_internal.h"

_Static_assert((int)SEVERITY_OK == 3, "SQL compares with it");

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
    return history_end(history, error) && history_has_memory(arena, error) && is_there;
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

const char *history_pattern(struct arena *arena, const char *text, size_t length)
{
    struct text pattern = {0};
    text_putc(&pattern, '%');
    for (size_t i = 0; i < length; i++) {
        if (strchr("%_!", text[i]))
            text_putc(&pattern, '!');
        text_putc(&pattern, lower(text[i]));
    }
    text_putc(&pattern, '%');
    return text_into(&pattern, arena);
}

/* What LIKE has to find in an event, which is JSON, for the word to be in one of its texts. */
static const char *pattern_of(const char *word, struct arena *arena)
{
    struct text quoted = {0};
    text_json(&quoted, word);
    arena->failed |= quoted.failed;
    const char *pattern =
        quoted.failed ? "" : history_pattern(arena, text_string(&quoted) + 1, quoted.length - 2);
    text_clear(&quoted);
    return pattern;
}

/* A page at a time, because a server's rows come all at once. */
static bool find_by_text(struct history *history, const char *word, struct arena *arena,
                         struct alert_record *record)
{
    bool is_found = false;
    const char *pattern = pattern_of(word, arena);
    int64_t before = INT64_MAX, count = HISTORY_PAGE;
    while (!is_found && count == HISTORY_PAGE) {
        struct rows rows =
            database_query(history->database,
                           SELECT_ALERT " WHERE lower(event) LIKE lower(?1) ESCAPE '!'"
                                        " AND id < ?2 ORDER BY id DESC LIMIT ?3",
                           "tii", pattern, before, (int64_t)HISTORY_PAGE);
        for (count = 0; !is_found && rows_next(&rows); count++) {
            before = rows_number(&rows, 0);
            is_found = title_or_labels_hold(&rows, word);
            if (is_found)
                *record = read_alert(&rows, arena);
        }
        rows_end(&rows);
    }
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
    return history_end(history, error) && history_has_memory(arena, error) && is_found;
}

/* Reads the rows within the reading that has begun, ends it, and shows them. */
static bool show_alerts(struct history *history, struct rows rows,
                        bool (*show)(void *context, const struct alert_record *record),
                        void *context, struct error *error)
{
    struct arena arena = {0};
    struct alert_record *records = NULL;
    size_t count = 0;
    while (!arena.failed && rows_next(&rows)) {
        records = history_grow(&arena, records, count, sizeof *records);
        if (records)
            records[count++] = read_alert(&rows, &arena);
    }
    rows_end(&rows);
    bool is_read = history_end(history, error) && history_has_memory(&arena, error);
    for (size_t i = 0; i < count && is_read && show(context, &records[i]); i++)
        ;
    arena_clear(&arena);
    return is_read;
}

bool history_life(struct history *history, const struct alert_record *of, int64_t limit,
                  bool (*show)(void *context, const struct alert_record *record), void *context,
                  struct error *error)
{
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
    return show_alerts(history, rows, show, context, error);
}

bool history_recent(struct history *history, const char *integration, int64_t limit,
                    bool (*show)(void *context, const struct alert_record *record), void *context,
                    struct error *error)
{
    if (!history_begin(history, error))
        return false;
    struct rows rows = database_query(history->database,
                                      SELECT_ALERT " WHERE integration = ?1 AND severity <> 3"
                                                   " ORDER BY id DESC LIMIT ?2",
                                      "ti", integration, limit);
    return show_alerts(history, rows, show, context, error);
}
