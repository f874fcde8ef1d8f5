/*
 * Looking into a store, and a person's orders to its outbox: for the command line and the status
 * page. A connection of its own, which never makes a store and never delays what writes for longer
 * than a moment.
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

struct delivery_record {
    int64_t id, alert_id;
    enum delivery_state state;
    const char *integration, *route, *flashduty_key, *alert_key, *title, *request_id, *message_id;
    enum severity severity;
    int64_t tries, created_ms, due_ms, finished_ms; /* finished_ms: 0 while it is not over */
    bool is_behind;                                 /* it waits for an earlier event of its alert */
    const char *code, *message;                     /* of the last failure; "" */
};

/* Which deliveries. What is "" , 0 or false says nothing. */
struct delivery_filter {
    const int64_t *ids;
    size_t id_count;
    unsigned states;         /* a bit (1 << state) each; 0: waiting, sending, rejected, expired */
    const char *integration; /* NULL: any */
    const char *destination; /* the beginning of a route's name or of a Flashduty key; NULL: any */
    int64_t older_than_ms;   /* received so long ago at least; 0: any */
    int64_t limit;           /* at most so many; 0: all */
};

/* Calls show for each, the oldest first, until it returns false. Strings are borrowed. */
bool history_deliveries(struct history *history, const struct delivery_filter *filter,
                        bool (*show)(void *context, const struct delivery_record *record),
                        void *context, struct error *error) __attribute__((nonnull(1, 2, 3, 5)));

/* What came of an order to one delivery. */
enum order_result {
    ORDER_DONE,
    ORDER_UNKNOWN, /* there is no such delivery */
    ORDER_OVER,    /* it is delivered or dropped: there is nothing to do */
    ORDER_BUSY,    /* it is being sent right now */
    ORDER_STALE, /* something newer of its alert was taken since: it would reopen or turn it back */
};

/* Makes it due now; a rejected, expired or dropped one waits again, as a new event would: behind
 * what waits of its alert. is_forced: a stale one too. */
bool history_retry(struct history *history, int64_t id, bool is_forced, enum order_result *result,
                   struct error *error) __attribute__((nonnull));

/* Takes it out of the outbox: it is kept as dropped. */
bool history_drop(struct history *history, int64_t id, enum order_result *result,
                  struct error *error) __attribute__((nonnull));

/* ---- the life of an alert ---- */

struct alert_record {
    int64_t id;
    const char *scope, *integration, *request_id, *message_id, *alert_key, *title;
    const char *event; /* the JSON that Flashduty gets */
    enum severity severity;
    enum outcome outcome;
    int64_t time_s, received_ms; /* the vendor's time (0: unknown), and ours */
};

struct try_record {
    int64_t number, started_ms, took_ms, status;
    enum try_verdict verdict;
    const char *code, *message, *request_id;
};

/* The newest alert whose alert key, request id or message id is `word`, or whose title or labels
 * hold it. Strings live in the arena. False without an error: there is none. */
bool history_find_alert(struct history *history, const char *word, struct arena *arena,
                        struct alert_record *record, struct error *error) __attribute__((nonnull));

/* Every alert of the same alert key and scope, the oldest first: its triggers, changes, recovery.
 */
bool history_life(struct history *history, const struct alert_record *of, int64_t limit,
                  bool (*show)(void *context, const struct alert_record *record), void *context,
                  struct error *error) __attribute__((nonnull(1, 2, 4, 6)));

bool history_deliveries_of(struct history *history, int64_t alert_id,
                           bool (*show)(void *context, const struct delivery_record *record),
                           void *context, struct error *error) __attribute__((nonnull(1, 3, 5)));

bool history_tries(struct history *history, int64_t delivery_id,
                   bool (*show)(void *context, const struct try_record *record), void *context,
                   struct error *error) __attribute__((nonnull(1, 3, 5)));

/* ---- confirmations ---- */

struct confirmation_record {
    int64_t id, received_ms, due_ms, tries;
    bool is_given_up;
    const char *integration, *request_id, *host, *url, *reason;
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
    int64_t oldest_waiting_ms;                         /* when it was received; 0: none waits */
    int64_t failing_keys;                              /* destinations that keep failing */
    int64_t confirmations;                             /* that wait */
};
bool history_figures(struct history *history, struct outbox_figures *figures, struct error *error)
    __attribute__((nonnull));

/* Whether the ledger adds up: received is the sum of the places, and what is queued, rejected,
 * expired or to be confirmed is what there is. A line for each that does not is appended to
 * problems. False with an error: it could not be read. */
bool history_audit(struct history *history, struct text *problems, struct error *error)
    __attribute__((nonnull));

#endif
