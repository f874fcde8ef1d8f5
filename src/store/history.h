/*
 * Looking into a store, and a person's orders to its outbox: for the command line and the status
 * page. A connection of its own, which never makes a store and never delays what writes for longer
 * than a moment: whatever is shown was read before, so that `show` may take its time, and may ask
 * again. Strings given to `show` are borrowed until it returns.
 */
#ifndef STORE_HISTORY_H
#define STORE_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/text.h"
#include "store/store.h"

struct history;

/* Opens the store at path, which is there. NULL: ERROR_UNAVAILABLE, ERROR_NOT_FOUND. */
struct history *history_open(const char *path, struct error *error) __attribute__((nonnull));
/* NULL is allowed. */
void history_close(struct history *history);

/* Milliseconds since 1970, by the clock that all who share the store have in common. */
int64_t history_now_ms(const struct history *history) __attribute__((nonnull));

/* ---- deliveries ---- */

/* "waiting", "sending", … */
extern const char *const delivery_state_names[DELIVERY_REFUSED + 1];

struct delivery_record {
    int64_t id, alert_id;
    enum delivery_state state;
    const char *integration, *route, *alert_key, *title, *request_id, *message_id;
    const char *flashduty_key; /* its first characters and …: nobody needs more to recognise it */
    enum severity severity;
    int64_t tries, received_ms;
    int64_t created_ms; /* when it was taken, or retried last: it expires so long after */
    int64_t due_ms;
    int64_t finished_ms;        /* 0 while it is not over */
    int64_t after;              /* the delivery of its alert that has to be over first; 0: none */
    const char *code, *message; /* of the last failure; "" */
};

/* Which deliveries. What is NULL or 0 says nothing. */
struct delivery_filter {
    int64_t after;   /* only those with a greater id */
    unsigned states; /* a bit (1 << state) each; 0: UNFINISHED_STATES */
    const char *integration;
    const char *destination;    /* a route ("default" is the route ""), or the beginning of a
                                   Flashduty key, DESTINATION_LENGTH_MIN characters at least */
    int64_t received_before_ms; /* or at that moment */
    int64_t limit;              /* at most so many */
};
#define DESTINATION_LENGTH_MIN 4
#define UNFINISHED_STATES                                                        \
    (1U << DELIVERY_WAITING | 1U << DELIVERY_SENDING | 1U << DELIVERY_REJECTED | \
     1U << DELIVERY_EXPIRED)
#define ALL_STATES (UNFINISHED_STATES | 1U << DELIVERY_DROPPED | 1U << DELIVERY_DELIVERED)

/* Calls show for each, the oldest first, until it returns false. */
bool history_deliveries(struct history *history, const struct delivery_filter *filter,
                        bool (*show)(void *context, const struct delivery_record *record),
                        void *context, struct error *error) __attribute__((nonnull(1, 2, 3, 5)));

/* What somebody looks for. "" says nothing. */
struct delivery_search {
    unsigned states;
    const char *integration;
    const char *text; /* within title or alert key, without case for ASCII; or the whole of the
                         request id, the message id or Flashduty's request_id of a try */
    int64_t before;   /* only those with a smaller id; 0: all */
};

/* Calls show for each, the newest first, until it returns false. */
bool history_search(struct history *history, const struct delivery_search *search,
                    bool (*show)(void *context, const struct delivery_record *record),
                    void *context, struct error *error) __attribute__((nonnull(1, 2, 3, 5)));

/* Those of one alert. */
bool history_deliveries_of(struct history *history, int64_t alert_id,
                           bool (*show)(void *context, const struct delivery_record *record),
                           void *context, struct error *error) __attribute__((nonnull(1, 3, 5)));

/* One of them. Strings live in the arena. False without an error: there is none. */
bool history_delivery(struct history *history, int64_t id, struct arena *arena,
                      struct delivery_record *record, struct error *error) __attribute__((nonnull));

struct try_record {
    int64_t number, started_ms, took_ms, status;
    enum try_verdict verdict;
    const char *code, *message, *request_id;
};

bool history_tries(struct history *history, int64_t delivery_id,
                   bool (*show)(void *context, const struct try_record *record), void *context,
                   struct error *error) __attribute__((nonnull(1, 3, 5)));

/* ---- orders ---- */

enum order_kind {
    /* Due now. A rejected, expired or dropped delivery waits again, for 72 hours, with the present
     * key of its route, and in its place: behind what waits of older events of its alert, before
     * what waits of newer ones. */
    ORDER_RETRY,
    /* Out of the outbox: it is kept as dropped, and what waits behind it goes. */
    ORDER_DROP,
};

struct present_key {
    const char *scope, *route, *flashduty_key;
};

struct order {
    enum order_kind kind;
    bool is_forced;    /* retries what is stale, too */
    bool is_rehearsed; /* only says what would come of it */
    const struct present_key *keys;
    size_t key_count;
};

/* What came of an order to one delivery. */
enum order_result {
    ORDER_DONE,
    ORDER_UNKNOWN, /* there is no such delivery */
    ORDER_OVER,    /* it is delivered, or dropped already: there is nothing to do */
    ORDER_BUSY,    /* it, or a later event of its alert, is being sent right now */
    ORDER_STALE, /* something newer of its alert was taken since: it would reopen or turn it back */
};

/* Gives the order to each of count deliveries, all in one transaction: keep them few. Durable on
 * return. False: nothing was done. */
bool history_order(struct history *history, const struct order *order, const int64_t *ids,
                   size_t count, enum order_result *results, struct error *error)
    __attribute__((nonnull, warn_unused_result));

/* ---- the life of an alert ---- */

struct alert_record {
    int64_t id;
    const char *scope, *integration, *request_id, *message_id, *alert_key, *title;
    const char *event; /* the JSON that Flashduty gets */
    enum severity severity;
    enum outcome outcome;
    int64_t time_s, received_ms; /* the vendor's time (0: unknown), and ours */
};

/* The newest alert whose alert key, request id or message id is `word` (for a message id of several
 * parts, its first); if there is none, whose title or labels hold it, without case for ASCII.
 * Strings live in the arena. False without an error: there is none. */
bool history_find_alert(struct history *history, const char *word, struct arena *arena,
                        struct alert_record *record, struct error *error) __attribute__((nonnull));

/* The alert of a delivery. As above. */
bool history_alert(struct history *history, int64_t id, struct arena *arena,
                   struct alert_record *record, struct error *error) __attribute__((nonnull));

/* The events of one alert from its first to its recovery, the oldest first: those of the same alert
 * key and scope behind the recovery before it. At most limit. */
bool history_life(struct history *history, const struct alert_record *of, int64_t limit,
                  bool (*show)(void *context, const struct alert_record *record), void *context,
                  struct error *error) __attribute__((nonnull(1, 2, 4, 6)));

/* The newest alerts of an integration but for recoveries, the newest first; at most limit. */
bool history_recent(struct history *history, const char *integration, int64_t limit,
                    bool (*show)(void *context, const struct alert_record *record), void *context,
                    struct error *error) __attribute__((nonnull(1, 2, 4, 6)));

/* ---- confirmations ---- */

struct confirmation_record {
    int64_t id, received_ms, due_ms, tries;
    bool is_given_up;
    const char *integration, *request_id, *topic, *host, *reason;
    const char *url; /* holds a token */
};
/* Those that could not be carried out yet, and those given up. */
bool history_confirmations(struct history *history,
                           bool (*show)(void *context, const struct confirmation_record *record),
                           void *context, struct error *error) __attribute__((nonnull(1, 2, 4)));

/* ---- what happened lately ---- */

/* An alert that was taken. */
struct alert_moment {
    const char *integration;
    enum severity severity;
    enum outcome outcome;
    int64_t received_ms;
};
/* Those received since a moment, in order. show may not end it. */
bool history_alerts_since(struct history *history, int64_t since_ms,
                          void (*show)(void *context, const struct alert_moment *moment),
                          void *context, struct error *error) __attribute__((nonnull(1, 3, 5)));

/* A delivery's time in the outbox. */
struct delivery_moment {
    enum delivery_state state;
    enum severity severity;
    int64_t received_ms, created_ms, finished_ms; /* as in struct delivery_record */
};
/* Those that ended since a moment, in order, then those that wait or are being sent. */
bool history_deliveries_since(struct history *history, int64_t since_ms,
                              void (*show)(void *context, const struct delivery_moment *moment),
                              void *context, struct error *error) __attribute__((nonnull(1, 3, 5)));

/* How a Flashduty key fares. */
struct destination_record {
    int64_t failures;    /* in a row */
    bool is_failing;     /* so many that it is only tried */
    int64_t accepted_ms; /* when something was accepted last; 0: never */
};
bool history_destination(struct history *history, const char *flashduty_key,
                         struct destination_record *record, struct error *error)
    __attribute__((nonnull));

/* ---- subscriptions ---- */

/* What was heard of a topic last. The first two are stored. */
enum subscription_state {
    SUBSCRIPTION_CONFIRMED,
    SUBSCRIPTION_REMOVED,  /* by whoever looks after the topic: its alarms come no more */
    SUBSCRIPTION_WAITING,  /* its confirmation failed and is tried again */
    SUBSCRIPTION_GIVEN_UP, /* it was not confirmed in time */
    SUBSCRIPTION_STATE_COUNT
};

/* "confirmed", "removed", … */
extern const char *const subscription_state_names[SUBSCRIPTION_STATE_COUNT];

struct subscription_record {
    const char *integration, *topic;
    enum subscription_state state;
    int64_t changed_ms;
};
/* One a topic, of configured integrations; in pass-through those that wait or were given up. */
bool history_subscriptions(struct history *history,
                           bool (*show)(void *context, const struct subscription_record *record),
                           void *context, struct error *error) __attribute__((nonnull(1, 2, 4)));

/* ---- nodes ---- */

/* A process of a node that shares the store with others, by its last sign of life. */
struct node_record {
    const char *node; /* a few characters that tell it from others of the same host name */
    const char *host, *program, *version;
    int64_t since_ms, seen_ms; /* by the store's clock */
    int64_t spooled;           /* alerts in the node's spool; -1: it could not be told */
    bool is_silent;            /* for longer than it should be */
};
/* Of a store that is one machine's there are none. */
bool history_nodes(struct history *history,
                   bool (*show)(void *context, const struct node_record *record), void *context,
                   struct error *error) __attribute__((nonnull(1, 2, 4)));

/* ---- figures ---- */

struct ledger_record {
    const char *integration;
    int64_t received, counts[OUTCOME_COUNT];
};
bool history_ledger(struct history *history,
                    bool (*show)(void *context, const struct ledger_record *record), void *context,
                    struct error *error) __attribute__((nonnull(1, 2, 4)));

/* What only rises, or is a time: of an integration ("": of none), by name and detail ("": without).
 */
#define COUNTER_VERIFIED "verified"     /* messages with the right key and signature */
#define COUNTER_REFUSED "refused"       /* messages, by refusal */
#define COUNTER_UNRECORDED "unrecorded" /* alerts sent without the store */
#define COUNTER_MAPPED "mapped"         /* alerts, by severity */
#define COUNTER_QUEUED "queued"         /* alerts promised before they were accepted */
#define COUNTER_FINISHED "finished"     /* deliveries, by how they ended */
#define COUNTER_TOOK "took"             /* deliveries accepted, by bucket of delivery_buckets_ms */
#define COUNTER_TOOK_MS "took_ms"       /* the sum of their milliseconds */
#define COUNTER_ANSWERS "answers"       /* of Flashduty, by status and kind; of no integration */
#define COUNTER_ALERT_MS "alert_ms"     /* when the latest alert came */
#define COUNTER_CANARY_MS "canary_ms"   /* when a canary went the whole way last */
struct counter_record {
    const char *name, *integration, *detail;
    int64_t value;
};
bool history_counters(struct history *history,
                      bool (*show)(void *context, const struct counter_record *record),
                      void *context, struct error *error) __attribute__((nonnull(1, 2, 4)));

/* Up to how many milliseconds the deliveries of a bucket took; there is one more for the rest. */
#define DELIVERY_BUCKETS 14
extern const int64_t delivery_buckets_ms[DELIVERY_BUCKETS];

struct outbox_figures {
    int64_t waiting, sending, rejected, expired, kept; /* deliveries; kept: all */
    int64_t oldest_waiting_ms;                         /* when it was taken; 0: none waits */
    int64_t failing_keys;                              /* destinations that keep failing */
    int64_t confirmations;                             /* that wait */
    int64_t drained_ms;                                /* when it was drained last; 0: never */
};
/* How many alerts are kept. */
bool history_count(struct history *history, int64_t *alerts, struct error *error)
    __attribute__((nonnull));
bool history_figures(struct history *history, struct outbox_figures *figures, struct error *error)
    __attribute__((nonnull));

/* Whether the ledger adds up: received is the sum of the places, what is queued or to be confirmed
 * is what there is, and no place counts less than is kept there. A line for each that does not is
 * appended to problems. False with an error: it could not be read. */
bool history_audit(struct history *history, struct text *problems, struct error *error)
    __attribute__((nonnull));

#endif
