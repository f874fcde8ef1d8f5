/* The tables of the store, and how an older store becomes one of today. Internal to src/store. */
#ifndef STORE_SCHEMA_H
#define STORE_SCHEMA_H

#include <stdbool.h>

#include "base/error.h"
#include "store/database.h"

/* The version that this program reads and writes. */
#define SCHEMA_VERSION 3

/* The version of a file that was moved to a server, see transfer.c. */
#define SCHEMA_MOVED 1000000
#define SCHEMA_MOVED_WORDS "it was moved to a server by flashduty-gateway store move"

/* The version of the store: 0 when it is new, -1 when it cannot be told. */
int64_t schema_version(struct database *database) __attribute__((nonnull));

/* Makes the tables of a new store, and brings an older one up to date. A newer one is left as it
 * is: ERROR_UNAVAILABLE. */
bool schema_prepare(struct database *database, struct error *error) __attribute__((nonnull));

#endif
