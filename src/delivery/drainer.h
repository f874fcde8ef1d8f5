/*
 * Draining the outbox: what waits is sent when it is due, by one process for each store. In a
 * FastCGI process by a thread, under plain CGI by a program of its own after an answer, and by
 * `flashduty-gateway drain`.
 */
#ifndef DELIVERY_DRAINER_H
#define DELIVERY_DRAINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "delivery/delivery.h"
#include "delivery/watchdog.h"

struct drain_means {
    struct delivery_means delivery;           /* its store is never NULL */
    const char *ca_file;                      /* for confirmations, and the watchdog's second way */
    const struct watchdog_settings *watchdog; /* borrowed; NULL: nothing is watched */
};

/* When to go on, to rest and to end. */
struct drain_watch {
    void *context;
    bool (*is_stopped)(void *context);
    void (*rest)(void *context, int64_t ms); /* returns early if there is something to do */
    bool stays;                              /* when nothing is due either */
    int64_t until_ms;                        /* monotonic */
};

/* What a run has done. */
struct drain_report {
    int64_t delivered, rejected, failed;
    int64_t confirmed, unconfirmed;
    bool is_store_bad; /* the store could not be used */
    char reason[512];  /* why the last one failed; "" if none did */
};

/* Drains until nothing is due within a second, unless it stays; what is under way at the end has a
 * moment to finish. False: another process drains this store. */
bool drain(const struct drain_means *means, const struct drain_watch *watch,
           struct drain_report *report) __attribute__((nonnull, warn_unused_result));

struct drainer;

/* Starts a thread that drains, as soon as no other process does. NULL when there is no thread to
 * be had. */
struct drainer *drainer_start(const struct drain_means *means, struct error *error)
    __attribute__((nonnull));

/* Goes on with other means. Returns when the old ones are not used any more: after what is under
 * way, which has a few seconds. */
void drainer_change(struct drainer *drainer, const struct drain_means *means)
    __attribute__((nonnull));

/* Something waits: look now. */
void drainer_wake(struct drainer *drainer) __attribute__((nonnull));

/* Asks the thread to end; it begins nothing new. */
void drainer_end(struct drainer *drainer) __attribute__((nonnull));

/* Ends the thread after what is under way, which has a few seconds. NULL is allowed. */
void drainer_stop(struct drainer *drainer);

#endif
