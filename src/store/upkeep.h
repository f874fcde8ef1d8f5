/* Looking after a store: which version it is, whether it is whole, bringing it up to date. */
#ifndef STORE_UPKEEP_H
#define STORE_UPKEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"
#include "store/history.h"
#include "store/store.h"

/* The version that this program makes and needs. */
int64_t upkeep_version_known(void);

/* The version of the store at a place, which is left as it is; 0: there is a database, but no store
 * in it yet. False: ERROR_UNAVAILABLE, or ERROR_NOT_FOUND. */
bool upkeep_version(const char *place, int64_t *version, struct error *error)
    __attribute__((nonnull, warn_unused_result));

/* Brings the store up to date, which changes nothing if it is; makes a server's if there is none
 * yet. False: nothing has changed. */
bool upkeep_migrate(const char *place, int64_t *from, int64_t *to, struct error *error)
    __attribute__((nonnull, warn_unused_result));

/* How much there is in it. */
struct store_contents {
    int64_t alerts, confirmations; /* those that wait */
    int64_t deliveries[DELIVERY_REFUSED];
};

/* Looks through the file, and if that is whole counts what there is, and whether it adds up: a line
 * is appended for each thing that is wrong. False: it could not be read. */
bool upkeep_inspect(struct history *history, struct store_contents *contents, struct text *problems,
                    struct error *error) __attribute__((nonnull, warn_unused_result));

#endif
