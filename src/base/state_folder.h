/*
 * The folder for what the gateway keeps between requests: /var/lib/flashduty-gateway where this
 * user may write in it, else flashduty-gateway in $XDG_STATE_HOME, else in ~/.local/state of the
 * user that the process runs as (home from the password database: CGI has no HOME).
 */
#ifndef BASE_STATE_FOLDER_H
#define BASE_STATE_FOLDER_H

#include "base/arena.h"

/* The path of a folder called name within it ("": it itself); both are made, 0700, if they are not
 * there. NULL if there is no place where this user may write. */
const char *state_folder(struct arena *arena, const char *name) __attribute__((nonnull));

/* Every place where the folder may be, the first one first, whether or not it is there: for those
 * who only look. Returns how many there are. */
#define STATE_FOLDER_PLACES 2
size_t state_folder_places(struct arena *arena, const char *places[static STATE_FOLDER_PLACES])
    __attribute__((nonnull));

#endif
