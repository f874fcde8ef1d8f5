/* What the files about looking into a store share. Internal to src/store. */
#ifndef STORE_HISTORY_INTERNAL_H
#define STORE_HISTORY_INTERNAL_H

#include "store/database.h"
#include "store/history.h"

/* How long an order waits for the others who write, and a look for a lock that is in its way. */
#define HISTORY_PATIENCE_MS 2000

struct history {
    char *path;
    struct arena arena;
    const char *name; /* of path, to be shown */
    struct database *database;
    bool may_write;
};

/* Opens it to be written to, too. */
bool history_open_to_write(struct history *history, struct error *error)
    __attribute__((nonnull, warn_unused_result));

/* What is read between these two stands at one moment. history_end says whether all of it could be
 * read. */
bool history_begin(struct history *history, struct error *error)
    __attribute__((nonnull, warn_unused_result));
bool history_end(struct history *history, struct error *error) __attribute__((nonnull));

/* items with room for one more: count of them are taken. Lives in the arena; NULL when out of
 * memory. */
void *history_grow(struct arena *arena, void *items, size_t count, size_t size)
    __attribute__((nonnull(1)));

/* Deliveries are read so many at once. */
#define HISTORY_PAGE 200

#define SELECT_DELIVERY                                                                       \
    "SELECT d.id, d.alert_id, d.state, a.integration, d.route, d.flashduty_key, d.alert_key," \
    " a.title, a.request_id, a.message_id, a.severity, d.tries, a.received_ms, d.created_ms," \
    " d.due_ms, d.finished_ms, d.after, d.code, d.message"                                    \
    " FROM delivery AS d JOIN alert AS a ON a.id = d.alert_id"
struct delivery_record history_read_delivery(const struct rows *rows, struct arena *arena)
    __attribute__((nonnull));

/* A state if it is among the bits, else one that no delivery has. */
int64_t history_state(unsigned states, enum delivery_state state);

/* A pattern that LIKE … ESCAPE '!' finds text with, within others, without case for ASCII. */
const char *history_pattern(struct arena *arena, const char *text, size_t length)
    __attribute__((nonnull));

/* Whether the arena is whole; else the error says that it is not. */
bool history_has_memory(const struct arena *arena, struct error *error) __attribute__((nonnull));

#endif
