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
    unsigned states; /* a bit (1 << state) each; 0: waiting, sending, rejected, expired */
    const char *integration;
    const char *destination;    /* a route ("default" is the route ""), or the beginning of a
                                   Flashduty key, DESTINATION_LENGTH_MIN characters at least */
    int64_t received_before_ms; /* or at that moment */
    int64_t limit;              /* at most so many */
};
#define DESTINATION_LENGTH_MIN 4

/* Calls show for each, the oldest first, until it returns false. */
bool history_deliveries(struct history *history, const struct delivery_filter *filter,
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

/* ---- figures ---- */

struct ledger_record {
    const char *integration;
    int64_t received, counts[OUTCOME_COUNT];
};
bool history_ledger(struct history *history,
                    bool (*show)(void *context, const struct ledger_record *record), void *context,
                    struct error *error) __attribute__((nonnull(1, 2, 4)));

struct outbox_figures {
    int64_t waiting, sending, rejected, expired, kept; /* deliveries; kept: all */
    int64_t oldest_waiting_ms;                         /* when it was taken; 0: none waits */
    int64_t failing_keys;                              /* destinations that keep failing */
    int64_t confirmations;                             /* that wait */
};
bool history_figures(struct history *history, struct outbox_figures *figures, struct error *error)
    __attribute__((nonnull));

/* Whether the ledger adds up: received is the sum of the places, what is queued or to be confirmed
 * is what there is, and no place counts less than is kept there. A line for each that does not is
 * appended to problems. False with an error: it could not be read. */
bool history_audit(struct history *history, struct text *problems, struct error *error)
    __attribute__((nonnull));

#endif
