/* What was counted without a change of its own, until it is written with another. Internal to
 * src/store. */
#ifndef STORE_COUNTS_H
#define STORE_COUNTS_H

#include <stdint.h>

#include "alert/outcome.h"
#include "store/database.h"

struct counts {
    struct count *first; /* one an integration and outcome; NULL: nothing was counted */
};

/* Adds to a count. Out of memory it is lost. */
void counts_add(struct counts *counts, const char *integration, enum outcome outcome,
                int64_t number) __attribute__((nonnull));
void counts_add_all(struct counts *counts, const struct counts *more) __attribute__((nonnull));
/* Into the ledger, within a transaction. */
void counts_write(const struct counts *counts, struct database *database) __attribute__((nonnull));
void counts_clear(struct counts *counts) __attribute__((nonnull));

#endif
