/* Writing whole. */
#ifndef BASE_WRITE_ALL_H
#define BASE_WRITE_ALL_H

#include <stdbool.h>
#include <stddef.h>

/* Writes all of it, however many calls that takes. False, with errno set, if a part cannot be
 * written; what was written before stays. */
bool write_all(int descriptor, const char *bytes, size_t length)
    __attribute__((nonnull, warn_unused_result));

#endif
