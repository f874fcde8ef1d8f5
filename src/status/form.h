/* Names and values as a browser sends them: in a query string, or as the body of a form
 * (application/x-www-form-urlencoded). */
#ifndef STATUS_FORM_H
#define STATUS_FORM_H

#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

/* The first value of a name, decoded; "" if there is none. What is no UTF-8, or a NUL, is U+FFFD.
 * Lives in the arena. */
const char *form_value(struct arena *arena, const char *form, const char *name)
    __attribute__((nonnull));

/* The value of a name as a number from minimum to maximum; otherwise if there is none. On false
 * ERROR_INVALID says what would be right. */
bool form_number(struct arena *arena, const char *form, const char *name, int64_t minimum,
                 int64_t maximum, int64_t otherwise, int64_t *number, struct error *error)
    __attribute__((nonnull));

#endif
