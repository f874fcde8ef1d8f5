/*
 * The spool of a store: a store of its own, on SQLite, that takes what the first cannot while its
 * database is out of reach. What either takes is decided in spool.c; move.c moves it. Internal to
 * src/store.
 */
#ifndef STORE_SPOOL_H
#define STORE_SPOOL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "store/store.h"

struct spool;

/* Its limits are those of the store it belongs to. NULL when out of memory. */
struct spool *spool_new(const char *path, const struct store_limits *limits, bool is_lasting,
                        struct error *error) __attribute__((nonnull));
/* NULL is allowed. */
void spool_free(struct spool *spool);

struct store *spool_store(const struct spool *spool) __attribute__((nonnull));

/* Its files as they are at a moment. */
struct spool_sight {
    struct {
        ino_t inode;
        off_t size;
        struct timespec changed;
    } files[2];
    bool is_there;
};

/* Whether it may hold something: false where its files are the same as when it was empty, so that
 * nobody has to open it. */
bool spool_may_hold(struct spool *spool, struct spool_sight *sight) __attribute__((nonnull));
/* It was looked into after this sight, and held nothing. */
void spool_note_empty(struct spool *spool, const struct spool_sight *sight)
    __attribute__((nonnull));

/* A page of it may have been begun to be moved, and is neither moved nor as it was. */
void spool_set_moving(struct spool *spool, bool is_moving) __attribute__((nonnull));
bool spool_is_moving(struct spool *spool) __attribute__((nonnull));

/* Adds to how many were moved; the sum, which begins anew with is_over. */
int64_t spool_count_moved(struct spool *spool, size_t count, bool is_over) __attribute__((nonnull));

/* What is in it cannot be moved although the database works: it is sent from where it is. */
void spool_set_stuck(struct spool *spool, bool is_stuck) __attribute__((nonnull));

#endif
