/* What was counted without a change of its own, until it is written with another. Internal to
 * src/store. */
#ifndef STORE_COUNTS_H
#define STORE_COUNTS_H

#include <stdint.h>

#include "alert/outcome.h"
#include "store/database.h"

enum counted_kind {
    COUNTED_OUTCOME, /* value: enum outcome, any but REFUSED */
    COUNTED_REFUSAL, /* value: enum refusal */
    COUNTED_UNRECORDED,
};

struct counted {
    enum counted_kind kind;
    int value;
    const char *integration;
};

struct counts {
    struct count *first; /* one each of what was counted; NULL: nothing was */
};

/* Adds to a count. Out of memory it is lost. */
void counts_add(struct counts *counts, const struct counted *what, int64_t number)
    __attribute__((nonnull));
void counts_add_all(struct counts *counts, const struct counts *more) __attribute__((nonnull));
/* Into the ledger and the counters, within a transaction. */
void counts_write(const struct counts *counts, struct database *database) __attribute__((nonnull));
void counts_clear(struct counts *counts) __attribute__((nonnull));

#endif
