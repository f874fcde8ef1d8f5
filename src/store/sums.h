/*
 * Counts that a transaction adds up in memory before it writes them: many alerts that share one
 * would else write the same few rows again and again. Internal to src/store, see database_sum.
 */
#ifndef STORE_SUMS_H
#define STORE_SUMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

/* Of which row a sum is: those of its texts. */
#define SUM_TEXTS_MAX 3

struct sum {
    const char *sql; /* a constant: adds the number, its last parameter, to the row */
    const char *texts[SUM_TEXTS_MAX];
    int text_count;
    int64_t number;
    bool is_last; /* the number replaces what there was, and so does a later one */
};

struct sums {
    struct arena arena;
    struct sum *items;
    size_t count, room;
};

/* Adds up. The texts are copied. False when out of memory: nothing has changed. */
bool sums_add(struct sums *sums, const struct sum *sum)
    __attribute__((nonnull, warn_unused_result));

/* What there is for one text; NULL if nothing. */
const struct sum *sums_find(const struct sums *sums, const char *sql, const char *text)
    __attribute__((nonnull));

void sums_clear(struct sums *sums) __attribute__((nonnull));

#endif
