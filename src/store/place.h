/* Where the store is. */
#ifndef STORE_PLACE_H
#define STORE_PLACE_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/error.h"

/* A server's store, by its URL, or else a file's. */
bool store_is_server(const char *place) __attribute__((nonnull));

/* NULL if a store can be at a place; else what is wrong with it: a constant. */
const char *store_check_place(const char *place) __attribute__((nonnull));

/* What may be shown of a place: a URL without its password. Lives in the arena. */
const char *store_place_name(struct arena *arena, const char *place) __attribute__((nonnull));
/* Whether there is more that may not. */
bool store_place_is_secret(const char *place) __attribute__((nonnull));

/* For a process that keeps things: the store that is configured, else the file in this
 * user's state folder, which is made. NULL: there is none, or no folder to keep it in. configured:
 * see struct config. */
const char *store_place(struct arena *arena, const char *configured) __attribute__((nonnull(1)));

/* For a process that keeps things: the file of this node's spool, where the store is a server's; in
 * this user's state folder, which is made. NULL: a file needs none, or there is no folder. */
const char *store_spool_place(struct arena *arena, const char *place) __attribute__((nonnull));

/* For one that looks: the spool that is there. NULL: there is none, or with an error none that this
 * user may use. */
const char *store_spool_find(struct arena *arena, const char *place, struct error *error)
    __attribute__((nonnull));

/* For one that looks: the store that is there. Never makes one, and never falls back past one that
 * exists but that this user may not use. A server is not asked. On NULL the error is
 * ERROR_NOT_FOUND if there is none, or ERROR_FORBIDDEN and says whose it is. */
const char *store_find(struct arena *arena, const char *configured, struct error *error)
    __attribute__((nonnull(1, 3)));

#endif
