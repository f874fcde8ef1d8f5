#include <string.h>

#include "store/history_internal.h"

/* So many ids are looked through in one transaction. */
#define SEARCH_IDS 2000

static struct rows query_page(struct history *history, const struct delivery_search *search,
                              const char *pattern, int64_t from, int64_t before)
{
    const unsigned states = search->states;
    return database_query(
        history->database,
        SELECT_DELIVERY " WHERE d.id >= ?1 AND d.id < ?2 AND d.state IN (?3, ?4, ?5, ?6, ?7, ?8)"
                        " AND (?9 = '' OR a.integration = ?9)"
                        " AND (?10 = '' OR lower(a.title) LIKE lower(?11) ESCAPE '!'"
                        " OR lower(d.alert_key) LIKE lower(?11) ESCAPE '!' OR a.request_id = ?10"
                        " OR a.message_id = ?10 OR EXISTS (SELECT 1 FROM try AS t"
                        " WHERE t.delivery_id = d.id AND t.request_id = ?10))"
                        " ORDER BY d.id DESC LIMIT ?12",
        "iiiiiiiittti", from, before, history_state(states, DELIVERY_WAITING),
        history_state(states, DELIVERY_SENDING), history_state(states, DELIVERY_REJECTED),
        history_state(states, DELIVERY_EXPIRED), history_state(states, DELIVERY_DROPPED),
        history_state(states, DELIVERY_DELIVERED), search->integration, search->text, pattern,
        (int64_t)HISTORY_PAGE);
}

/* Reads up to a page of what is found in the next SEARCH_IDS ids below *before, and moves that. */
static bool read_page(struct history *history, const struct delivery_search *search,
                      struct arena *arena, struct delivery_record page[static HISTORY_PAGE],
                      size_t *count, int64_t *before, struct error *error)
{
    const char *pattern = history_pattern(arena, search->text, strlen(search->text));
    *count = 0;
    if (!history_begin(history, error))
        return false;
    int64_t newest = database_number(history->database, 0,
                                     "SELECT max(id) FROM delivery WHERE id < ?1", "i", *before);
    int64_t from = newest > SEARCH_IDS ? newest - SEARCH_IDS : 0;
    struct rows rows = query_page(history, search, pattern, from, newest + 1);
    while (*count < HISTORY_PAGE && rows_next(&rows))
        page[(*count)++] = history_read_delivery(&rows, arena);
    rows_end(&rows);
    *before = *count == HISTORY_PAGE ? page[*count - 1].id : from;
    return history_end(history, error) && history_has_memory(arena, error);
}

bool history_search(struct history *history, const struct delivery_search *search,
                    bool (*show)(void *context, const struct delivery_record *record),
                    void *context, struct error *error)
{
    struct arena arena = {0};
    int64_t before = search->before > 0 ? search->before : INT64_MAX;
    bool goes_on = true, is_read = true;
    while (goes_on && is_read && before > 0) {
        struct delivery_record page[HISTORY_PAGE];
        size_t count;
        is_read = read_page(history, search, &arena, page, &count, &before, error);
        for (size_t i = 0; i < count && is_read && goes_on; i++)
            goes_on = show(context, &page[i]);
        arena_clear(&arena);
    }
    return is_read;
}
