/*
 * What the files of the store share: jobs, which are changes to be made in a transaction, and the
 * steps that several changes have in common. Internal to src/store.
 */
#ifndef STORE_INTERNAL_H
#define STORE_INTERNAL_H

#include "base/waiter.h"
#include "store/database.h"
#include "store/store.h"

#define HOUR_MS ((int64_t)3600 * 1000)
#define DAY_MS (24 * HOUR_MS)

/* ---- jobs ---- */

/*
 * A change. It owns copies of what it needs, because who asked for it may stop waiting. `run` makes
 * it, within a transaction that it shares with others: it may run again from the start.
 */
struct job {
    void (*run)(struct job *job, struct database *database, const struct store_limits *limits);
    /* Undoes what was done after nobody waited any more; NULL: need not be. */
    void (*withdraw)(struct job *job, struct database *database);
    struct arena arena;
    bool is_durable; /* set by run: what it wrote was promised */
    bool must_stay;  /* set by whoever made it: if it fails it is run again, later */

    /* The store's. */
    struct job *next;
    int holders;
    struct waiter *waiter; /* woken when it is over; NULL: nobody waits */
    int64_t until_ms;      /* monotonic: how long the lock may be waited for */
    bool is_running, is_over, has_worked, is_abandoned, is_staying;
};

/* size bytes, zeroed, that begin with a job. NULL when out of memory. */
void *job_new(size_t size, void (*run)(struct job *, struct database *,
                                       const struct store_limits *)) __attribute__((nonnull));

/* Runs the job and waits for it. False: it has not worked; it may then still be running, and only
 * what `look` found may be read, if was_looked. The caller gives it back by job_free in any case.
 */
bool job_run(struct store *store, struct job *job) __attribute__((nonnull, warn_unused_result));
void job_free(struct store *store, struct job *job) __attribute__((nonnull(1)));

/* ---- one store ---- */

/* The store's spool; NULL: it has none. */
struct spool *store_spool(const struct store *store) __attribute__((nonnull));

/* Whether the last that was to be written could not be: the writer's thread goes on trying, so that
 * nobody else needs to. Only of one that lasts and has a spool. */
bool store_is_down(struct store *store) __attribute__((nonnull));

/* What the functions of store.h do, in this very store: whether a spool takes it is not decided
 * here. Ids are the store's own, but for those of tries. */
bool is_writable_here(struct store *store, struct error *error) __attribute__((nonnull));

/* Takes in those events that are not spooled. only_held: of these again those whose alert the store
 * holds already, which become spooled; *is_empty says whether it holds none at all. */
struct receiving {
    bool only_held;
    int64_t lease_ms;
    bool is_empty;
};
bool receive_here(struct store *store, struct store_event *events, size_t count,
                  struct receiving *how, struct arena *arena)
    __attribute__((nonnull, warn_unused_result));
/* Reads whether the store holds an earlier event of each. */
void look_behind(struct store *store, struct store_event *events, size_t count)
    __attribute__((nonnull));
/* Of the tries only those of the spool's deliveries, or only the others. */
bool report_here(struct store *store, struct store_try *tries, size_t count, bool is_spool)
    __attribute__((nonnull, warn_unused_result));
bool accept_here(struct store *store, const struct store_event *event, const struct store_try *one)
    __attribute__((nonnull, warn_unused_result));
bool claim_here(struct store *store, struct store_claim *claims, size_t limit, size_t *count,
                int64_t lease_ms, int64_t *next_ms, struct arena *arena)
    __attribute__((nonnull, warn_unused_result));
/* *is_due: something is. False: that cannot be told. */
bool is_due_here(struct store *store, bool *is_due) __attribute__((nonnull, warn_unused_result));
bool set_key_here(struct store *store, const char *scope, const struct destination *route)
    __attribute__((nonnull, warn_unused_result));
bool tidy_here(struct store *store, bool *more) __attribute__((nonnull, warn_unused_result));
bool confirmed_here(struct store *store, const struct store_confirmation *confirmation)
    __attribute__((nonnull, warn_unused_result));
/* *is_refused: it works, and must not keep it. */
bool keep_confirmation_here(struct store *store, const struct store_confirmation *confirmation,
                            bool *is_refused) __attribute__((nonnull, warn_unused_result));
bool claim_confirmation_here(struct store *store, struct store_confirmation *confirmation,
                             struct arena *arena) __attribute__((nonnull, warn_unused_result));
bool report_confirmation_here(struct store *store, const struct store_confirmation *confirmation,
                              bool is_confirmed, const char *reason)
    __attribute__((nonnull, warn_unused_result));
bool unsubscribed_here(struct store *store, const char *integration, const char *topic)
    __attribute__((nonnull, warn_unused_result));

/* Whether looking into the store is worth trying: not while its server is out of reach. */
bool store_may_be_read(struct store *store) __attribute__((nonnull));

/* Takes the lock of who drains the file at a path: a descriptor, which is let go by closing it. -1:
 * another process has it, or there is no such file. */
int drain_lock(const char *path) __attribute__((nonnull));

/* ---- steps ---- */

/* Counters, see store/history.h: adds to one, sets one, reads one. */
void counter_add(struct database *database, const char *name, const char *integration,
                 const char *detail, int64_t count) __attribute__((nonnull));
void counter_set(struct database *database, const char *name, const char *integration,
                 int64_t value) __attribute__((nonnull));
int64_t counter_read(struct database *database, const char *name, const char *integration,
                     const char *detail) __attribute__((nonnull));

/* Adds to what is counted of an integration, of any outcome but REFUSED, and of that; moves one
 * from a place to another. */
void ledger_receive(struct database *database, const char *integration, enum outcome outcome,
                    int64_t count) __attribute__((nonnull));
void ledger_refuse(struct database *database, const char *integration, enum refusal refusal,
                   int64_t count) __attribute__((nonnull));
/* The same without the counters, and back. */
void ledger_enter(struct database *database, const char *integration, enum outcome outcome)
    __attribute__((nonnull));
void ledger_leave(struct database *database, const char *integration, enum outcome outcome)
    __attribute__((nonnull));
/* Adds to a place by its name. */
void ledger_add(struct database *database, const char *integration, const char *place,
                int64_t count) __attribute__((nonnull));
void ledger_move(struct database *database, const char *integration, enum outcome from,
                 enum outcome to) __attribute__((nonnull));

/* How many sends a key has free now under the rates; takes one. */
int64_t pace_free(struct database *database, const struct store_limits *limits, const char *key)
    __attribute__((nonnull));
void pace_take(struct database *database, const struct store_limits *limits, const char *key)
    __attribute__((nonnull));

/* What is known of a Flashduty key. */
struct destination_state {
    int64_t failures;        /* in a row */
    bool is_failing;         /* so many that it is only tried */
    int64_t probe_steady_ms; /* when a failing one is tried next */
    int64_t hold_steady_ms;  /* until when nothing goes there; 0: nothing holds it */
    int64_t accepted_ms;     /* when it accepted something last; 0: never */
};
struct destination_state destination_read(struct database *database, const char *key)
    __attribute__((nonnull));
/* Whether it accepted something in the last KNOWN_KEY_DAYS. */
bool destination_is_known(struct database *database, const char *key, int64_t now_ms)
    __attribute__((nonnull));
void destination_accepted(struct database *database, const char *key) __attribute__((nonnull));
void destination_failed(struct database *database, const char *key, const struct store_try *one)
    __attribute__((nonnull));

/* How many deliveries, and how many confirmations, one key may fill in pass-through; at least 1. */
int64_t key_share(const struct store_limits *limits) __attribute__((nonnull));
/* Whether one more delivery may be kept, after removing finished ones if that helps; own: how many
 * of those that are counted already it is about. In pass-through each scope has a share. */
bool volume_has_room(struct database *database, const struct store_limits *limits,
                     const char *scope, int64_t own) __attribute__((nonnull));
/* Whether there is room for more deliveries than an alert can have destinations. */
bool volume_is_ample(struct database *database, const struct store_limits *limits,
                     const char *scope) __attribute__((nonnull));
/* scope: whose share counts too, NULL for nobody's. */
void volume_add(struct database *database, const char *scope, int64_t count)
    __attribute__((nonnull(1)));

/* A delivery as it stands in the store. */
struct delivery_row {
    int64_t id, alert_id, tries, rounds, created_ms, lease;
    enum delivery_state state;
    const char *scope, *integration, *flashduty_key;
};
/* False if there is none. Strings live in the arena. */
bool delivery_read(struct database *database, int64_t id, struct arena *arena,
                   struct delivery_row *row) __attribute__((nonnull));

/* One that begins. lease: 0 while nobody sends it. */
struct new_delivery {
    int64_t alert_id, rank, after, due_ms, lease, tries, rounds, created_ms, finished_ms;
    enum delivery_state state;
    const char *scope, *alert_key, *route, *flashduty_key, *code, *message;
};
/* Returns its id, 0 if the database has failed. share: whose share counts it too, NULL for
 * nobody's. */
int64_t delivery_add(struct database *database, const struct new_delivery *delivery,
                     const char *share) __attribute__((nonnull(1, 2)));

/* Ends a delivery in a state, lets go what waits behind it, moves its alert in the ledger, and
 * counts it. Returns whether something waited. delivery_end does not count: who has delivered it
 * has. */
bool delivery_end(struct database *database, const struct delivery_row *row,
                  enum delivery_state state, const char *code, const char *message)
    __attribute__((nonnull));
bool delivery_finish(struct database *database, const struct delivery_row *row,
                     enum delivery_state state, const char *code, const char *message)
    __attribute__((nonnull));

/* From now on an alert is not given up when the outbox is full: it was answered 2xx. */
void alert_promise(struct database *database, int64_t alert_id, const char *integration)
    __attribute__((nonnull));

/* Moves an alert in the ledger to where its least finished delivery stands. */
void alert_settle(struct database *database, int64_t alert_id) __attribute__((nonnull));

/* How many are kept: all are counted. */
int64_t alerts_count(struct database *database) __attribute__((nonnull));

/* How long after its n-th round a delivery is tried again. */
int64_t schedule_after(int64_t rounds);

/* Removes every trace of a delivery that cannot be kept: its message has not been taken. */
void delivery_refuse(struct database *database, const struct delivery_row *row)
    __attribute__((nonnull));

/* Removes a finished delivery, and its alert with the last of them. */
void delivery_forget(struct database *database, int64_t id, int64_t alert_id, const char *scope)
    __attribute__((nonnull));

/* The same of one that need not be finished: what waits behind it goes. */
void delivery_remove(struct database *database, int64_t id, int64_t alert_id, const char *scope)
    __attribute__((nonnull));

/* What was to be moved is held as before, and nothing waits behind it. */
void delivery_hold_again(struct database *database, int64_t id) __attribute__((nonnull));

/* Ends leases that are over: whoever had these is dead, or could not report. */
void leases_end(struct database *database, int64_t now_ms, int64_t steady_ms)
    __attribute__((nonnull));

/* What one step of sending does to a store. */
void try_apply(struct database *database, const struct store_limits *limits, struct arena *arena,
               struct store_try *one, bool *is_durable) __attribute__((nonnull));

/* A copy of what goes in. */
void event_copy(struct arena *arena, struct store_event *copy, const struct store_event *event)
    __attribute__((nonnull));

/* Of deliveries that wait for nothing in the store but are not to be claimed: recoveries in a
 * spool, whose triggers may be in the database. Nothing waits behind them until they are being
 * moved. SQL compares with these. */
#define AFTER_HELD (-1)
#define AFTER_MOVING (-2)

/* Takes one event in; in a part of the transaction of its own. sends_left: how many sends may begin
 * yet. */
void event_take(struct database *database, const struct store_limits *limits, struct arena *arena,
                struct store_event *event, int64_t lease_ms, size_t *sends_left, bool *is_durable)
    __attribute__((nonnull));

#endif
