/*
 * The canary: a marked alert and its recovery that take an integration's whole way, from behind the
 * checks of its endpoint to Flashduty's acceptance, to show that the way is open.
 */
#ifndef CANARY_H
#define CANARY_H

#include <stdint.h>

#include "base/arena.h"
#include "config/config.h"
#include "delivery/delivery.h"

/* Where its alerts are counted: not with the integration's, whose silence it would hide. */
#define CANARY_NAME "(canary)"

/* What became of one of the two. Strings live in the arena. */
struct canary_leg {
    enum outcome outcome;
    const char *request_id;
    const char *alert_key;
    const char *reason; /* why it was not delivered; "" if it was */
    bool has_answer;    /* Flashduty, or something in its place, answered */
    bool is_unrecorded; /* there is a store, and it could not be used */
    int64_t took_ms;
};

struct canary {
    struct canary_leg alert, recovery;
};

/* Sends both, one after the other, each within deadline_ms of the configuration; the recovery also
 * if the alert waits. Notes in the store that both were delivered. False: out of memory. */
bool canary_send(const struct config *config, const struct delivery_means *means,
                 const struct integration *integration, struct canary *canary, struct arena *arena)
    __attribute__((nonnull, warn_unused_result));

#endif
