#include "delivery/drainer.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/condition.h"
#include "base/limits.h"
#include "base/log.h"
#include "delivery/confirm.h"

/* How long the drainer looks away at most: a process that died is followed within two of these. */
#define LOOK_MS 1000
/* While sends are under way, others may have become due. */
#define LOOK_BUSY_MS 100
#define TIDY_MS 10000
#define WATCH_MS 10000
/* What is under way at the end has this long. */
#define STOP_MS 4000
#define REST_MS_MIN 10

/* A send under way. */
struct send {
    struct store_claim claim; /* its strings live in the arena; no json */
    struct arena arena;
    struct attempt attempt;
};

struct draining {
    const struct drain_means *means;
    struct drain_report *report;
    struct send sends[CLAIMS_MAX];
    size_t count;
    int64_t next_tidy_ms, next_confirmation_ms, next_watch_ms;
    struct watchdog *watchdog; /* NULL: nothing is watched */
    bool has_watched;
    int64_t next_ms; /* in how many milliseconds there is something to do */
};

static void note(struct draining *drain, const char *reason)
{
    (void)snprintf(drain->report->reason, sizeof drain->report->reason, "%.500s", reason);
}

/* ---- sending ---- */

static bool copy_claim(struct send *send, const struct store_claim *claim)
{
    struct arena *arena = &send->arena;
    send->claim = *claim;
    send->claim.json = NULL;
    send->claim.flashduty_key = arena_string(arena, claim->flashduty_key);
    send->claim.integration = arena_string(arena, claim->integration);
    send->claim.request_id = arena_string(arena, claim->request_id);
    send->claim.alert_key = arena_string(arena, claim->alert_key);
    send->claim.route = arena_string(arena, claim->route);
    return !arena->failed;
}

static void begin(struct draining *drain, const struct store_claim *claim)
{
    struct send *send = &drain->sends[drain->count];
    *send = (struct send){0};
    if (copy_claim(send, claim) &&
        attempt_start(&send->attempt, drain->means->delivery.transport, drain->means->delivery.url,
                      send->claim.flashduty_key, claim->json, SEND_TIMEOUT_MS))
        drain->count++;
    else
        arena_clear(&send->arena); /* its lease ends, and it is claimed again */
}

static void claim(struct draining *drain)
{
    struct arena arena = {0};
    struct store_claim claims[CLAIMS_MAX];
    size_t count = 0;
    drain->next_ms = LOOK_BUSY_MS;
    if (drain->count == CLAIMS_MAX)
        return;
    bool has_worked = store_claim(drain->means->delivery.store, claims, CLAIMS_MAX - drain->count,
                                  &count, SEND_LEASE_MS, &drain->next_ms, &arena);
    for (size_t i = 0; i < count; i++)
        begin(drain, &claims[i]);
    drain->report->is_store_bad = !has_worked;
    if (!has_worked)
        drain->next_ms = LOOK_MS;
    arena_clear(&arena);
}

static void tell(struct draining *drain, const struct store_claim *claim,
                 const struct store_try *one, const struct flashduty_answer *answer)
{
    static const char *const words[] = {
        [DELIVERY_WAITING] = "queued",    [DELIVERY_SENDING] = "queued",
        [DELIVERY_REJECTED] = "rejected", [DELIVERY_EXPIRED] = "expired",
        [DELIVERY_DROPPED] = "dropped",   [DELIVERY_DELIVERED] = "delivered",
        [DELIVERY_REFUSED] = "forgotten",
    };
    char id[24], took[24], tries[24];
    bool is_good = one->verdict == TRY_ACCEPTED;
    (void)snprintf(id, sizeof id, "%lld", (long long)one->delivery_id);
    (void)snprintf(took, sizeof took, "%lld", (long long)one->took_ms);
    (void)snprintf(tries, sizeof tries, "%lld", (long long)claim->tries + 1);
    drain->report->delivered += is_good;
    drain->report->rejected += one->verdict == TRY_REJECTED;
    drain->report->failed += one->verdict == TRY_FAILED;
    if (!is_good)
        note(drain, *answer->message ? answer->message : answer->code);
    log_event(is_good ? LOG_INFO : LOG_WARNING, "drained", "request_id", claim->request_id,
              "integration", claim->integration, "outcome", words[one->state], "severity",
              severity_names[claim->severity], "alert_key", claim->alert_key, "destination",
              *claim->route ? claim->route : "default", "delivery", id, "tries", tries,
              "flashduty_request_id", answer->request_id, "forward_ms", took, "reason",
              is_good ? NULL : answer->message, NULL);
}

/* Reports what is over, all at once. */
static void collect(struct draining *drain)
{
    struct arena arena = {0};
    struct send sent[CLAIMS_MAX];
    struct store_try tries[CLAIMS_MAX];
    struct flashduty_answer answers[CLAIMS_MAX];
    size_t over = 0, kept = 0;
    for (size_t i = 0; i < drain->count; i++) {
        struct send send = drain->sends[i];
        if (!attempt_settle(&send.attempt, send.claim.flashduty_key, &arena, &answers[over],
                            &tries[over])) {
            drain->sends[kept++] = send;
            continue;
        }
        tries[over].delivery_id = send.claim.delivery_id;
        tries[over].lease = send.claim.lease;
        sent[over++] = send;
    }
    drain->count = kept;
    bool is_reported = over == 0 || store_report(drain->means->delivery.store, tries, over);
    if (!is_reported)
        drain->report->is_store_bad = true;
    /* It is claimed again when its lease has ended. */
    for (size_t i = 0; i < over && !is_reported; i++) {
        if (tries[i].state == DELIVERY_REFUSED)
            tries[i].state = DELIVERY_WAITING;
    }
    if (over > 0)
        drain->next_ms = 0;
    for (size_t i = 0; i < over; i++) {
        tell(drain, &sent[i].claim, &tries[i], &answers[i]);
        arena_clear(&sent[i].arena);
    }
    arena_clear(&arena);
}

/* Whoever comes next sends again what nobody knows to have arrived. */
static void abandon(struct draining *drain)
{
    for (size_t i = 0; i < drain->count; i++) {
        attempt_abandon(&drain->sends[i].attempt);
        arena_clear(&drain->sends[i].arena);
    }
    drain->count = 0;
}

static void wait_for_sends(struct draining *drain, int64_t ms)
{
    struct transport_call *calls[CLAIMS_MAX];
    for (size_t i = 0; i < drain->count; i++)
        calls[i] = drain->sends[i].attempt.call;
    transport_wait(drain->means->delivery.transport, calls, drain->count,
                   clock_monotonic_ms() + ms);
}

/* ---- what else is to be done ---- */

/* What was taken while the database was out of reach comes first: what waits in the database may be
 * older, or over by now. */
static bool move(const struct draining *drain)
{
    bool more = false;
    return store_move(drain->means->delivery.store, &more) && more;
}

static void confirm(struct draining *drain)
{
    struct arena arena = {0};
    struct store_confirmation confirmation;
    struct store *store = drain->means->delivery.store;
    int64_t now_ms = clock_monotonic_ms();
    if (now_ms < drain->next_confirmation_ms)
        return;
    drain->next_confirmation_ms = now_ms + LOOK_MS;
    if (store_claim_confirmation(store, &confirmation, &arena) && confirmation.id) {
        struct error cause = {0};
        const struct guarded_get get = {
            .url = confirmation.url,
            .ca_file = drain->means->ca_file,
            .private_network = confirmation.is_private,
            .timeout_ms = GUARDED_GET_TIMEOUT_MS,
        };
        bool is_confirmed = confirm_subscription(&get, &cause);
        drain->report->confirmed += is_confirmed;
        drain->report->unconfirmed += !is_confirmed;
        if (!is_confirmed)
            note(drain, cause.text);
        if (!store_report_confirmation(store, &confirmation, is_confirmed, cause.text))
            drain->report->is_store_bad = true;
        log_event(is_confirmed ? LOG_INFO : LOG_WARNING,
                  is_confirmed ? "subscription confirmed" : "subscription not confirmed",
                  "request_id", confirmation.request_id, "integration", confirmation.integration,
                  "host", confirmation.host, "reason", cause.text, NULL);
    }
    arena_clear(&arena);
}

static void tidy(struct draining *drain)
{
    bool more = false;
    int64_t now_ms = clock_monotonic_ms();
    if (now_ms < drain->next_tidy_ms)
        return;
    if (!store_tidy(drain->means->delivery.store, &more))
        drain->report->is_store_bad = true;
    drain->next_tidy_ms = now_ms + (more ? LOOK_BUSY_MS : TIDY_MS);
}

/* What waits only because nobody drained is no news: first it gets its turn. */
static void watch_over(struct draining *drain, bool is_passing)
{
    int64_t now_ms = clock_monotonic_ms();
    bool is_idle = drain->count == 0 && drain->next_ms > LOOK_MS;
    bool is_last_chance = is_passing && is_idle && !drain->has_watched;
    if (!drain->watchdog || (now_ms < drain->next_watch_ms && !is_last_chance))
        return;
    drain->has_watched = true;
    drain->next_watch_ms = now_ms + WATCH_MS;
    if (watchdog_look(drain->watchdog))
        drain->next_ms = 0;
}

/* ---- the loop ---- */

/* One round: sends, waits for sends, reports. */
static void go_round(struct draining *drain, bool is_ending, bool is_passing)
{
    if (!is_ending) {
        bool is_moving = move(drain);
        claim(drain);
        if (is_moving)
            drain->next_ms = 0;
        confirm(drain);
        tidy(drain);
        watch_over(drain, is_passing);
    }
    if (drain->count > 0)
        wait_for_sends(drain, drain->next_ms < LOOK_BUSY_MS ? drain->next_ms : LOOK_BUSY_MS);
    collect(drain);
}

static bool is_posting(struct draining *drain)
{
    return drain->watchdog && watchdog_is_busy(drain->watchdog);
}

static void run(struct draining *drain, const struct drain_watch *watch)
{
    int64_t end_ms = INT64_MAX;
    bool is_over = false;
    while (!is_over) {
        int64_t now_ms = clock_monotonic_ms();
        bool is_ending = watch->is_stopped(watch->context) || now_ms >= watch->until_ms;
        if (is_ending && end_ms == INT64_MAX)
            end_ms = now_ms + STOP_MS;
        go_round(drain, is_ending, !watch->stays);
        bool is_idle = drain->next_ms > LOOK_MS || drain->report->is_store_bad;
        bool is_free = drain->count == 0 && !is_posting(drain);
        is_over = is_ending ? is_free || now_ms >= end_ms : is_free && is_idle && !watch->stays;
        int64_t rest_ms = drain->next_ms < LOOK_MS ? drain->next_ms : LOOK_MS;
        if (!is_over && drain->count == 0)
            watch->rest(watch->context, rest_ms > REST_MS_MIN ? rest_ms : REST_MS_MIN);
    }
    abandon(drain);
}

bool drain(const struct drain_means *means, const struct drain_watch *watch,
           struct drain_report *report)
{
    bool leads = store_lead(means->delivery.store);
    struct draining *draining = leads ? calloc(1, sizeof *draining) : NULL;
    if (draining) {
        draining->means = means;
        draining->report = report;
        draining->next_watch_ms = clock_monotonic_ms() + WATCH_MS;
        if (means->watchdog && means->watchdog->count > 0)
            draining->watchdog =
                watchdog_new(means->watchdog, means->delivery.store, means->ca_file);
        run(draining, watch);
        watchdog_free(draining->watchdog);
        free(draining);
    }
    return leads;
}

/* ---- the thread ---- */

struct drainer {
    struct drain_means means; /* the thread's own */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed, taken;

    /* Under the mutex. */
    const struct drain_means *next; /* to go on with; NULL: none */
    bool is_stopping, is_woken, has_ended;
};

static bool is_interrupted(void *context)
{
    struct drainer *drainer = context;
    pthread_mutex_lock(&drainer->mutex);
    bool interrupted = drainer->is_stopping || drainer->next;
    pthread_mutex_unlock(&drainer->mutex);
    return interrupted;
}

/* Whether to go on, with what is there to go on with. */
static bool take_means(struct drainer *drainer)
{
    pthread_mutex_lock(&drainer->mutex);
    if (drainer->next)
        drainer->means = *drainer->next;
    drainer->next = NULL;
    bool goes_on = !drainer->is_stopping;
    drainer->has_ended = !goes_on;
    pthread_cond_broadcast(&drainer->taken);
    pthread_mutex_unlock(&drainer->mutex);
    return goes_on;
}

static void rest(void *context, int64_t ms)
{
    struct drainer *drainer = context;
    int64_t until_ms = clock_monotonic_ms() + ms;
    bool is_in_time = true;
    pthread_mutex_lock(&drainer->mutex);
    while (!drainer->is_stopping && !drainer->next && !drainer->is_woken && is_in_time)
        is_in_time = condition_wait(&drainer->changed, &drainer->mutex, until_ms);
    drainer->is_woken = false;
    pthread_mutex_unlock(&drainer->mutex);
}

static void *drain_for_ever(void *context)
{
    struct drainer *drainer = context;
    const struct drain_watch watch = {drainer, is_interrupted, rest, true, INT64_MAX};
    while (take_means(drainer)) {
        struct drain_report report = {0};
        if (!drain(&drainer->means, &watch, &report))
            rest(drainer, LOOK_MS);
    }
    return NULL;
}

static bool init(struct drainer *drainer)
{
    return !pthread_mutex_init(&drainer->mutex, NULL) && condition_init(&drainer->changed) &&
           condition_init(&drainer->taken);
}

struct drainer *drainer_start(const struct drain_means *means, struct error *error)
{
    sigset_t all, before;
    struct drainer *drainer = calloc(1, sizeof *drainer);
    bool is_ready = drainer && init(drainer);
    if (is_ready) {
        drainer->means = *means;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        is_ready = !pthread_create(&drainer->thread, NULL, drain_for_ever, drainer);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    if (is_ready)
        return drainer;
    free(drainer);
    error_set(error, ERROR_UNAVAILABLE, "no thread can be started");
    return NULL;
}

void drainer_change(struct drainer *drainer, const struct drain_means *means)
{
    pthread_mutex_lock(&drainer->mutex);
    drainer->next = means;
    pthread_cond_signal(&drainer->changed);
    while (drainer->next && !drainer->has_ended)
        pthread_cond_wait(&drainer->taken, &drainer->mutex);
    pthread_mutex_unlock(&drainer->mutex);
}

void drainer_wake(struct drainer *drainer)
{
    pthread_mutex_lock(&drainer->mutex);
    drainer->is_woken = true;
    pthread_cond_signal(&drainer->changed);
    pthread_mutex_unlock(&drainer->mutex);
}

void drainer_end(struct drainer *drainer)
{
    pthread_mutex_lock(&drainer->mutex);
    drainer->is_stopping = true;
    pthread_cond_signal(&drainer->changed);
    pthread_mutex_unlock(&drainer->mutex);
}

void drainer_stop(struct drainer *drainer)
{
    if (!drainer)
        return;
    drainer_end(drainer);
    pthread_join(drainer->thread, NULL);
    pthread_cond_destroy(&drainer->taken);
    pthread_cond_destroy(&drainer->changed);
    pthread_mutex_destroy(&drainer->mutex);
    free(drainer);
}
