/*
 * The store: what the gateway remembers, so that nothing is lost, sent twice or overtaken. It
 * speaks of alerts and deliveries, never of SQL; a process opens one. A second process, plain CGI
 * and the command line may all have the same one open.
 *
 * In a lasting process one thread writes for all: requests that come together share a transaction.
 * Each call waits a bounded time for it (STORE_PATIENCE_MS for the lock) and says false when what
 * it was to remember could not be remembered; it never waits longer, whatever the disk does.
 *
 * All that is remembered belongs to a scope: an integration, or a key in pass-through. Nobody's
 * message touches another's alert.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alert/alert.h"
#include "alert/destination.h"
#include "alert/outcome.h"
#include "base/arena.h"
#include "base/error.h"

/* The limits that a store keeps; all from the configuration. */
struct store_limits {
    long keep_days;
    long rate_per_second, rate_per_minute; /* of one Flashduty key; 0: none */
    long outbox_limit;
    /* Set by the store itself: it is another's spool. What is over stays until it is moved, and
     * recoveries are held. */
    bool is_spool;
};

struct store;

/* Opens the store at path, a file's or a server's URL, which is made if it is not there. With
 * is_lasting a thread does the writing. A store that cannot be opened is tried again later, at most
 * once a second: store_failure says why it cannot be used. NULL when out of memory. */
struct store *store_new(const char *path, const struct store_limits *limits, bool is_lasting,
                        struct error *error) __attribute__((nonnull));

/* Gives the store a spool, a store on SQLite at path: it takes what the store itself cannot, while
 * its database is out of reach. Its alerts wait there to be moved (store_move); ids of deliveries
 * and confirmations in it are negative. A store with a spool makes all that it commits durable.
 * Called once, before anything else. */
bool store_add_spool(struct store *store, const char *path, struct error *error)
    __attribute__((nonnull));

/* The path of its spool; NULL: it has none. */
const char *store_spool_path(const struct store *store) __attribute__((nonnull));

/* Writes what is still to be written, and closes. NULL is allowed. */
void store_free(struct store *store);

/* Keeps other limits from now on. */
void store_set_limits(struct store *store, const struct store_limits *limits)
    __attribute__((nonnull));

/* Whether something can be written now: tried. On false the error says what is wrong. */
bool store_is_writable(struct store *store, struct error *error) __attribute__((nonnull));

/* Makes this process the one that drains the store, or says that it is: false while another process
 * is. The other's end, whatever it is, makes room. store_follow steps back. */
bool store_lead(struct store *store) __attribute__((nonnull, warn_unused_result));
void store_follow(struct store *store) __attribute__((nonnull));

/* Where it is, and what may be shown of that. */
const char *store_path(const struct store *store) __attribute__((nonnull));
const char *store_name(const struct store *store) __attribute__((nonnull));

/* Random bytes that are the same for all who have this store open, and were made once: to sign with
 * what comes back to us. */
#define STORE_SECRET_BYTES 32
bool store_secret(struct store *store, unsigned char secret[static STORE_SECRET_BYTES])
    __attribute__((nonnull, warn_unused_result));

/* Where several nodes share the store: writes down that this process of the node, which has run for
 * so long, is there, and how much its spool holds. It may wait as any change does; what cannot be
 * written is not. */
void store_sign(struct store *store, const char *program, int64_t running_ms)
    __attribute__((nonnull));

/* ---- receiving ---- */

enum delivery_state {
    DELIVERY_WAITING, /* in the outbox */
    DELIVERY_SENDING, /* leased to a process that is sending it */
    DELIVERY_REJECTED,
    DELIVERY_EXPIRED,
    DELIVERY_DROPPED,
    DELIVERY_DELIVERED,
    DELIVERY_REFUSED, /* could not be kept: there is no record of it any more */
};

/* One delivery of an event, as the store decided and as reports changed it. */
struct store_delivery {
    int64_t id;    /* 0: not recorded */
    int64_t lease; /* of a SENDING one: names it in reports */
    const char *route, *flashduty_key;
    enum delivery_state state;
};

/* An alert that has arrived. What goes in is copied. */
struct store_event {
    const char *scope, *integration;
    const char *request_id;
    const char *message_id; /* "": a repeat cannot be recognised */
    const char *alert_key, *title;
    const char *json; /* as Flashduty is to get it */
    enum severity severity;
    int64_t time_s; /* the vendor's; 0: unknown */

    /* Where it should go, and every route that there is: a recovery goes where its trigger went,
     * with the present keys. */
    const struct destination *destinations, *routes;
    size_t destination_count, route_count;

    /* Pass-through: nothing is kept for a key that Flashduty has not accepted lately, and each key
     * may fill only a share of the outbox. */
    bool needs_acceptance;

    /* Filled in. */
    enum outcome outcome; /* QUEUED, DUPLICATE, STALE, UNROUTED or REFUSED */
    bool is_unknown;      /* the key is to be accepted first: nothing was recorded */
    bool is_behind;       /* the store failed, but is known to hold an earlier event of the key */
    bool is_spooled;      /* it was for the spool to take */
    const char *reason;   /* why REFUSED; "" else */
    struct store_delivery *deliveries; /* SENDING ones are the caller's to send, now */
    size_t delivery_count;
};

/* Takes events in, all in one transaction. SENDING deliveries have a send reserved and are leased
 * for lease_ms: whoever does not report by then is taken for dead. What waits (or repeats what is
 * not delivered yet) is durable on return. Deliveries and reasons live in the arena. False: nothing
 * is recorded, and of each event only is_behind is true to rely on. */
bool store_receive(struct store *store, struct store_event *events, size_t count, int64_t lease_ms,
                   struct arena *arena) __attribute__((nonnull, warn_unused_result));

/* Counts a message that becomes no alert, and one that is refused. Neither waits in a lasting
 * process. */
void store_count(struct store *store, const char *integration, enum outcome outcome)
    __attribute__((nonnull));
void store_refuse(struct store *store, const char *integration, enum refusal refusal)
    __attribute__((nonnull));

/* Counts an alert that was sent without the store, as soon as it can be used: outside the ledger.
 * Never waits; in a process that ends before, it is lost. */
void store_count_unrecorded(struct store *store, const char *integration) __attribute__((nonnull));

/* ---- reporting ---- */

/* What a try came to. */
enum try_verdict {
    TRY_ACCEPTED,
    TRY_REJECTED,
    TRY_FAILED,
    TRY_NONE, /* it was not tried after all: back to the outbox, or to the sender */
};

struct store_try {
    int64_t delivery_id;
    int64_t lease; /* under which it was sent; 0: any. A failure under another's says nothing */
    enum try_verdict verdict;
    int64_t started_ms, took_ms; /* wall clock */
    long status;                 /* HTTP; 0: no answer */
    const char *code, *message, *request_id;
    const char *kind; /* as what the answer is counted: of a handful of words */
    long retry_after_s;
    bool wants_again; /* TRY_FAILED: the caller would send once more, now */
    int64_t lease_ms; /* for that */

    /* Filled in. */
    enum delivery_state state; /* what the delivery is now; SENDING: send again, under `lease` */
    bool lets_go;              /* something waited for its end, and may be sent now */
};

/* Records tries and what follows from them. Durable on return if a delivery waits, is rejected or
 * has expired. False: not recorded; what was accepted is written as soon as that is possible. A
 * state is filled in then, too: DELIVERED if it was accepted, and else REFUSED, but with a spool
 * WAITING for what the database holds: somebody takes it over when its lease has ended. */
bool store_report(struct store *store, struct store_try *tries, size_t count)
    __attribute__((nonnull, warn_unused_result));

/* Records an event of a key that was unknown and has been accepted now. */
bool store_accept(struct store *store, struct store_event *event, struct store_try *try_made)
    __attribute__((nonnull, warn_unused_result));

/* ---- the outbox ---- */

/* A delivery to be sent now. */
struct store_claim {
    int64_t delivery_id, lease;
    const char *flashduty_key, *json;
    int64_t tries; /* before this one */
    /* Whose it is, for the log. */
    const char *integration, *request_id, *alert_key, *route;
    enum severity severity;
};

/* Leases up to limit deliveries that are due, for lease_ms: what matters most first, within the
 * rates, and no more than CLAIMS_OF_A_KEY_MAX of one key under way at once. Takes over what dead
 * processes were sending. Strings live in the arena. next_ms: after how many milliseconds it is
 * worth asking again if nothing happens; INT64_MAX: nothing waits. */
bool store_claim(struct store *store, struct store_claim *claims, size_t limit, size_t *count,
                 int64_t lease_ms, int64_t *next_ms, struct arena *arena)
    __attribute__((nonnull, warn_unused_result));

/* Whether something is due: a delivery or a confirmation. */
bool store_is_due(struct store *store) __attribute__((nonnull));

/* Waiting deliveries of a route get its present key. */
bool store_set_key(struct store *store, const char *scope, const struct destination *route)
    __attribute__((nonnull, warn_unused_result));

/* Moves some of what the spool holds into the store, in the order in which it came; *more says
 * whether there is more that can be moved now. Once for each store: by the one that drains it.
 * False: nothing was moved, because either cannot be used now. */
bool store_move(struct store *store, bool *more) __attribute__((nonnull, warn_unused_result));

/* How many alerts wait in the spool, 0 without one. -1: that cannot be told now. */
int64_t store_spooled(struct store *store) __attribute__((nonnull));

/* Removes what is older than it has to be kept, a little at a time: *more says whether there is
 * more. Expires what has waited for too long. */
bool store_tidy(struct store *store, bool *more) __attribute__((nonnull, warn_unused_result));

/* ---- confirmations ---- */

struct store_confirmation {
    int64_t id;
    const char *scope, *integration, *request_id;
    const char *topic; /* what is subscribed to: the newest link of a topic counts */
    const char *url;   /* holds a token */
    const char *host;
    bool is_private;
    const char *reason;       /* why it failed last */
    const char *accepted_key; /* keep it only for a Flashduty key in use; NULL: in any case */
};

/* Counts a subscription that was confirmed, and ends what waits for it. */
bool store_confirmed(struct store *store, const struct store_confirmation *confirmation)
    __attribute__((nonnull, warn_unused_result));

/* Keeps a confirmation that failed, durably. Another link of a topic that waits takes its place.
 * False also where accepted_key was not accepted in the last KNOWN_KEY_DAYS, or has filled its
 * share. */
bool store_keep_confirmation(struct store *store, const struct store_confirmation *confirmation)
    __attribute__((nonnull, warn_unused_result));

/* The next confirmation that is due, put off until its next turn; id 0 if there is none. */
bool store_claim_confirmation(struct store *store, struct store_confirmation *confirmation,
                              struct arena *arena) __attribute__((nonnull, warn_unused_result));

/* Counts a subscription that was removed where it comes from: no alarm of its topic will come. */
bool store_unsubscribed(struct store *store, const char *integration, const char *topic)
    __attribute__((nonnull, warn_unused_result));

/* What came of it; reason: "" if it is confirmed. */
bool store_report_confirmation(struct store *store, const struct store_confirmation *confirmation,
                               bool is_confirmed, const char *reason)
    __attribute__((nonnull, warn_unused_result));

#endif
