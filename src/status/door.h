/*
 * Who may see the status page and order something by it: a user whom the web server has logged in
 * (HAProxy, which says so of everybody, is not believed), and who knows the configuration's
 * status_key; nobody else.
 */
#ifndef STATUS_DOOR_H
#define STATUS_DOOR_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/error.h"
#include "request.h"

/* The visitor's name, for the log and the tokens. On NULL the error is ERROR_UNAUTHORIZED if there
 * is a status_key to ask for, else ERROR_FORBIDDEN. status_key: "" if there is none. */
const char *door_visitor(const struct request *request, const char *status_key, struct error *error)
    __attribute__((nonnull));

/* Whether a form was posted from a page of this very site, as far as the browser says. Else
 * ERROR_FORBIDDEN. */
bool door_is_same_site(const struct request *request, struct error *error) __attribute__((nonnull));

#endif
