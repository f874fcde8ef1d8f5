/*
 * The watchdog: the gateway pages about itself. What is wrong is told once, and once more when it
 * is over, by alerts that take the same way through the outbox as all others, and by a second way,
 * a plain POST of their text, when Flashduty has not accepted one within a minute. It looks while
 * its process drains, and remembers in the store what it has told. Its own alerts are not watched.
 */
#ifndef DELIVERY_WATCHDOG_H
#define DELIVERY_WATCHDOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alert/destination.h"
#include "base/error.h"
#include "store/store.h"

/* An integration that is looked after. */
struct watched {
    const char *name;
    struct destination destination; /* takes its alarms; key NULL: there is none */
    bool needs_certificate;         /* it is told when the last pinned one is about to end: none
                                       other is taken */
    bool is_first;                  /* it is told what is about all */
};

struct watchdog_settings {
    bool is_configured;        /* there is a section `watchdog` */
    const char *flashduty_key; /* takes all alarms; NULL: those of each integration go to its own */
    long wait_s;               /* how long a delivery may wait */
    long silence_h;            /* an integration may be silent for so long; 0: for ever */
    const char *url;           /* the second way; "": none. It may hold a token */

    /* Who is looked after; in pass-through all keys together. */
    bool is_pass_through;
    const struct watched *watched;
    size_t count;
    const char *certificate; /* the pinned one that lasts longest; NULL: none */
    int64_t certificate_ends_s;
    const char
        *refusal; /* why the last valid configuration is in force; NULL: the present one is */
};

struct watchdog;

/* settings and store are borrowed; ca_file: for the second way. NULL when out of memory. */
struct watchdog *watchdog_new(const struct watchdog_settings *settings, struct store *store,
                              const char *ca_file) __attribute__((nonnull));
/* NULL is allowed. */
void watchdog_free(struct watchdog *watchdog);

/* Looks, and takes in what is to be told: true if something waits to be sent now. */
bool watchdog_look(struct watchdog *watchdog) __attribute__((nonnull));

/* Goes on with a post on the second way: true while one is under way. */
bool watchdog_is_busy(struct watchdog *watchdog) __attribute__((nonnull));

#endif
