/* The files that a configuration is made of: where it lies, and whether it may be trusted. */
#ifndef CONFIG_FILE_H
#define CONFIG_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/text.h"

/* The user's own file and the system's. */
#define CONFIG_PLACES 2

enum file_guard {
    FILE_SHARED, /* may be anybody's, as long as not everybody can change it */
    FILE_OWN,    /* the user's or root's, and nobody else can change it */
};

struct config_file {
    struct text bytes; /* without NUL; wiped by whoever asked for it */
    bool is_public;    /* others may read it */
};

/* Reads a regular file of at most limit bytes. Permissions are those of the bytes read: one
 * descriptor serves both. The error is ERROR_NOT_FOUND if there is no such file, ERROR_FORBIDDEN if
 * its owner or permissions are refused, and its text goes after the file's name. */
bool config_file_load(const char *path, enum file_guard guard, size_t limit,
                      struct config_file *file, struct error *error)
    __attribute__((nonnull, warn_unused_result));

/* Where the file may lie when nobody names it, first one first; count says how many. Fails only
 * if the password database does not answer. */
bool config_file_places(struct arena *arena, const char *places[static CONFIG_PLACES],
                        size_t *count, struct error *error)
    __attribute__((nonnull, warn_unused_result));

/* The folder of a file, as a prefix for names inside it: "", or something that ends with /. */
const char *config_file_folder(struct arena *arena, const char *path) __attribute__((nonnull));

#endif
