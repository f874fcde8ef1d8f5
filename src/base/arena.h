/*
 * Memory that lives and dies with one owner: a request, or a configuration.
 *
 * Functions never return NULL: after an allocation failed they return memory that is safe to
 * read (an empty string) and `failed` stays set. Whoever is about to promise something on the
 * result (send an alert, take up a configuration) looks at `failed` first.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *blocks;
    bool failed;
};

/* size bytes, zeroed, aligned for any type. NULL only here, and only after a failure. */
void *arena_alloc(struct arena *arena, size_t size) __attribute__((nonnull, warn_unused_result));

/* A NUL-terminated copy of length bytes. */
const char *arena_copy(struct arena *arena, const char *text, size_t length)
    __attribute__((nonnull));

/* A copy of a string; NULL becomes "". */
const char *arena_string(struct arena *arena, const char *text) __attribute__((nonnull(1)));

const char *arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3), nonnull));

/* Frees everything, wiped first: an arena may hold keys. The arena can be used again. */
void arena_clear(struct arena *arena) __attribute__((nonnull));

#endif
