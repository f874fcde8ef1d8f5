/* One visit to the status endpoint: what its answers have in common. Internal to src/status. */
#ifndef STATUS_VISIT_H
#define STATUS_VISIT_H

#include "gateway.h"
#include "store/history.h"

struct visit {
    const struct gateway *gateway; /* its config is never NULL here */
    struct request *request;
    struct response *response;
    struct arena *arena;
    const char *visitor;
    const char *query;
    const char *order;       /* what was ordered, for the log; NULL: nothing */
    int64_t now_ms;          /* wall clock: one moment for all of an answer */
    struct history *history; /* NULL: there is no store, and the error says why */
    struct error store_error;
    struct error error;
};

/* Whether the store can be read; on false the visit's error says why not. */
bool visit_needs_store(struct visit *visit) __attribute__((nonnull));

#endif
