/* One try to hand an event to Flashduty, and what it came to. */
#ifndef DELIVERY_ATTEMPT_H
#define DELIVERY_ATTEMPT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "delivery/flashduty.h"
#include "net/transport.h"
#include "store/store.h"

struct attempt {
    struct transport_call *call; /* NULL: none is under way */
    int64_t started_ms;          /* wall clock */
    int64_t start_us;
};

/* Starts one that ends in timeout_ms. False when out of memory. */
bool attempt_start(struct attempt *attempt, struct transport *transport, const char *url,
                   const char *key, const char *json, int64_t timeout_ms) __attribute__((nonnull));

/* What came of it, if it is over: then the attempt can be used again. The answer lives in the
 * arena, and the key stands nowhere in it. one: the same for the store, all but delivery_id. */
bool attempt_settle(struct attempt *attempt, const char *key, struct arena *arena,
                    struct flashduty_answer *answer, struct store_try *one)
    __attribute__((nonnull));

/* Gives up one that is under way. */
void attempt_abandon(struct attempt *attempt) __attribute__((nonnull));

#endif
