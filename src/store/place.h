/* Where the store is. */
#ifndef STORE_PLACE_H
#define STORE_PLACE_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/error.h"

/* For a process that keeps things: the file of the store that is configured, else the one in this
 * user's state folder, which is made. NULL: there is none, or no folder to keep it in. configured:
 * see struct config. */
const char *store_place(struct arena *arena, const char *configured) __attribute__((nonnull(1)));

/* For one that looks: the store that is there. Never makes one, and never falls back past one that
 * exists but that this user may not use. On NULL the error is ERROR_NOT_FOUND if there is none, or
 * ERROR_FORBIDDEN and says whose it is. */
const char *store_find(struct arena *arena, const char *configured, struct error *error)
    __attribute__((nonnull(1, 3)));

#endif
