/*
 * The last valid configuration, kept for a process that starts while the file is broken: all files
 * that it was read from, in one file of the state folder, 0600, named after the configuration's
 * path.
 *
 * Such a set of files is a text: for each "LENGTH PATH", a newline, and LENGTH bytes.
 */
#ifndef CONFIG_LAST_VALID_H
#define CONFIG_LAST_VALID_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/text.h"

/* Adds a file to a set. */
void file_set_add(struct text *files, const char *path, const struct text *bytes)
    __attribute__((nonnull));

/* Finds a file in a set, and appends its bytes. */
bool file_set_find(const struct text *files, const char *path, struct text *bytes)
    __attribute__((nonnull, warn_unused_result));

/* Where the set of the configuration at path is kept; NULL if there is no folder for it, or the
 * path is too long. */
const char *last_valid_place(struct arena *arena, const char *path) __attribute__((nonnull));

/* Keeps the files of the configuration at path, unless just these are kept already. Where there is
 * no folder for them nothing is done; false with an error when writing fails. */
bool last_valid_keep(const char *path, const struct text *files, struct error *error)
    __attribute__((nonnull));

/* Reads what is kept for the configuration at path. */
bool last_valid_read(const char *path, struct text *files, struct error *error)
    __attribute__((nonnull));

#endif
