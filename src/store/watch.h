/*
 * What the gateway's watchdog sees of the store, and what it remembers there of what it has told:
 * an alarm, one a condition and integration, from when it begins until its end was told too. An
 * alarm's event goes out through the outbox like any other, under a scope of its own.
 */
#ifndef STORE_WATCH_H
#define STORE_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/history.h"
#include "store/store.h"

/* Its events' scope and name in the ledger: no integration's, and never watched. */
#define WATCHDOG_SCOPE "(watchdog)"

/* What counts. A moment has to pass before anything does, so that one alarm tells of all that
 * happened together, and what mends itself is not told. */
struct watch_limits {
    int64_t now_ms;
    int64_t waited_ms;  /* a delivery, or a confirmation, may wait so long */
    int64_t settled_ms; /* what happened later than this long ago is not told yet */
    int64_t removed_ms; /* a removed subscription is told for so long */
    bool only_failing;  /* of waiting deliveries those to keys that keep failing: in pass-through */
};

/* Of one integration. */
struct watch_figures {
    const char *integration;
    int64_t waiting, waiting_since_ms;   /* deliveries that wait too long, and the oldest of them */
    int64_t unaccepted;                  /* deliveries rejected or expired */
    const char *reason;                  /* why one of them was */
    int64_t removed, unconfirmed;        /* subscriptions */
    const char *topic;                   /* one of them */
    int64_t forged;                      /* refused signatures, all that were ever counted */
    int64_t forged_mark, forged_mark_ms; /* what they were at the last mark; 0: none was set */
    int64_t alert_ms;                    /* when its latest alert came; 0: never */
    int64_t watched_ms;                  /* when it was looked at first; 0: now */
};

/* Reads the figures of count integrations, whose names are set. Strings live in the arena. */
bool history_watch(struct history *history, const struct watch_limits *limits,
                   struct watch_figures *figures, size_t count, struct arena *arena,
                   struct error *error) __attribute__((nonnull));

struct alarm_record {
    const char *condition, *integration;
    const char *title, *text; /* of its latest event */
    bool is_over;
    int64_t changed_ms; /* when it began, or was over */
    bool has_event;     /* the event about that is in the outbox, or was */
    bool is_delivered;  /* Flashduty has it */
    bool is_waiting;    /* it is on its way yet */
    int64_t posted_ms;  /* when the second way took it; 0: it has not */
    bool was_posted;    /* the second way took it when it began */
};
bool history_alarms(struct history *history,
                    bool (*show)(void *context, const struct alarm_record *record), void *context,
                    struct error *error) __attribute__((nonnull(1, 2, 4)));

/* An alarm begins, or is over, and its event is taken in: both or nothing. One that is in this
 * state already stays as it is, unless its event was not taken in (the outbox was full). event:
 * NULL if there is nowhere to send it. */
bool store_alarm(struct store *store, const struct alarm_record *alarm,
                 const struct store_event *event)
    __attribute__((nonnull(1, 2), warn_unused_result));

/* The second way took an alarm. */
bool store_alarm_posted(struct store *store, const struct alarm_record *alarm)
    __attribute__((nonnull, warn_unused_result));

/* Its end was told: it is forgotten. */
bool store_alarm_forget(struct store *store, const struct alarm_record *alarm)
    __attribute__((nonnull, warn_unused_result));

/* Sets a mark at the refused signatures of today, and notes since when it is looked at. */
bool store_watch_mark(struct store *store, const struct watch_figures *figures, size_t count)
    __attribute__((nonnull, warn_unused_result));

/* A canary of this integration went the whole way. */
bool store_canary(struct store *store, const char *integration)
    __attribute__((nonnull, warn_unused_result));

#endif
