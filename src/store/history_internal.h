/* What the files about looking into a store share. Internal to src/store. */
#ifndef STORE_HISTORY_INTERNAL_H
#define STORE_HISTORY_INTERNAL_H

#include "store/database.h"
#include "store/history.h"

/* How long an order waits for the others who write, and a look for a lock that is in its way. */
#define HISTORY_PATIENCE_MS 2000

struct history {
    char *path;
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

#endif
