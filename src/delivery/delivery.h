/*
 * The promise: an alert is in the store before its first byte goes out, it is sent within its
 * request as often as time allows, and what Flashduty does not accept in time waits in the outbox.
 * Without a store, or when it cannot be used, an alert goes out all the same and nothing is kept.
 */
#ifndef DELIVERY_DELIVERY_H
#define DELIVERY_DELIVERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alert/alert.h"
#include "alert/outcome.h"
#include "base/arena.h"
#include "delivery/attempt.h"
#include "delivery/flashduty.h"
#include "net/transport.h"
#include "store/store.h"

/* One delivery of an alert: to one destination. */
struct delivery {
    const char *route, *flashduty_key;
    const char *alert_key, *json;
    int64_t id; /* in the store; 0: not recorded */
    int64_t lease;
    enum delivery_state state;
    struct flashduty_answer answer; /* of the last try; all "" if there was none */
    long retry_after_s;             /* what Flashduty asked for; 0: nothing */
    int tries;

    /* While it is under way. */
    struct attempt attempt;
    struct store_try last;
    bool is_last_reported, is_over;
    int64_t leased_until_ms; /* monotonic: nobody else sends it before */
    int64_t next_try_ms;
    const struct delivery *previous; /* of the same alert, to be over before this one begins */
};

enum outcome delivery_outcome(const struct delivery *delivery) __attribute__((nonnull));

/* An alert to be delivered, and what became of it. */
struct dispatch {
    const struct alert *alert;
    const char *scope;       /* whose memory it belongs to */
    const char *integration; /* in the ledger */
    const char *request_id, *message_id;
    const struct destination *destinations, *routes; /* where it goes; every route there is */
    size_t destination_count, route_count;
    bool needs_acceptance; /* pass-through: see struct store_event */

    /* Filled in. */
    enum outcome outcome; /* REFUSED: it is kept nowhere, the sender has to try again */
    bool lets_go;         /* something in the outbox waited for it */
    bool is_unrecorded;   /* there is a store, and it could not be used */
    bool is_spooled;      /* this node has it alone, until the database can be reached */
    int64_t store_us;     /* that the store took, of all that are delivered together */
    const char *reason;   /* why it was refused, where no answer of Flashduty's says so; "" else */
    struct delivery *deliveries;
    size_t delivery_count;
};

struct delivery_means {
    struct transport *transport;
    struct store *store; /* NULL: none */
    const char *url;     /* Flashduty's */
};

/* Delivers count alerts side by side until each is accepted, refused or kept, or the monotonic
 * clock reaches deadline_ms; returns soon after. Everything filled in lives in the arena. */
void delivery_dispatch(const struct delivery_means *means, struct dispatch *dispatches,
                       size_t count, int64_t deadline_ms, struct arena *arena)
    __attribute__((nonnull));

#endif
