/*
 * The promise. Without a store: each alert is sent at once, tried again until the deadline of the
 * request, and the vendor hears what came of it.
 */
#ifndef DELIVERY_DELIVERY_H
#define DELIVERY_DELIVERY_H

#include <stdint.h>

#include "alert/alert.h"
#include "base/arena.h"
#include "delivery/flashduty.h"
#include "net/transport.h"

struct delivery {
    const struct alert *alert;
    const char *flashduty_key;
    struct flashduty_answer answer; /* of the last try: accepted, rejected, or why not yet */
    long retry_after_s;             /* what Flashduty asked for; 0: nothing */
    int tries;

    /* While it is under way. */
    struct transport_call *call;
    int64_t next_try_ms;
    bool is_over;
};

/* Sends count deliveries side by side to url until each is accepted or rejected, or the monotonic
 * clock reaches deadline_ms; returns no later. Without a store an answer of VERDICT_RETRY means
 * that the alert is kept nowhere. Answers live in the arena. */
void delivery_send(struct transport *transport, const char *url, struct delivery *deliveries,
                   size_t count, int64_t deadline_ms, struct arena *arena) __attribute__((nonnull));

#endif
