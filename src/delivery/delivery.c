#include "delivery/delivery.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/text.h"

/* A try with less time than this would only be cut off. */
#define TRY_MS_MIN 50
/* The store needs this much of a request's time, at its end. */
#define STORE_RESERVE_MS 50
/* No longer between two tries than a lease outlives a send. */
#define PAUSE_MS_MAX 800
/* Of one request: an array of thousands must not take every connection, or the memory. */
#define SENDS_AT_ONCE 16

/* All deliveries of a request. */
struct sending {
    const struct delivery_means *means;
    struct arena *arena;
    int64_t deadline_ms;
    int64_t leased_until_ms;     /* by the store, at first */
    struct delivery *deliveries; /* those of all alerts, one after the other */
    size_t count;
};

/* ---- taking in ---- */

static int64_t send_ms(int64_t deadline_ms)
{
    int64_t left_ms = deadline_ms - clock_monotonic_ms();
    return left_ms < SEND_TIMEOUT_MS ? left_ms : SEND_TIMEOUT_MS;
}

static int64_t lease_ms(int64_t deadline_ms)
{
    return send_ms(deadline_ms) + (SEND_LEASE_MS - SEND_TIMEOUT_MS);
}

static void add_delivery(struct sending *sending, struct dispatch *dispatch,
                         const struct store_delivery *kept, const char *json)
{
    dispatch->delivery_count++;
    sending->deliveries[sending->count++] = (struct delivery){
        .alert_key = dispatch->alert->key,
        .route = kept->route,
        .flashduty_key = kept->flashduty_key,
        .json = json,
        .id = kept->id,
        .lease = kept->lease,
        .state = kept->state,
        .answer = {VERDICT_RETRY, "", "", "", ""},
        .is_over = kept->state != DELIVERY_SENDING,
        .is_last_reported = true,
        .leased_until_ms = sending->leased_until_ms,
    };
}

/* Straight to where the routes say, with nothing kept. */
static void send_unrecorded(struct sending *sending, struct dispatch *dispatch, const char *json)
{
    for (size_t i = 0; i < dispatch->destination_count; i++) {
        const struct destination *destination = &dispatch->destinations[i];
        const struct store_delivery delivery = {0, 0, destination->name, destination->flashduty_key,
                                                DELIVERY_SENDING};
        add_delivery(sending, dispatch, &delivery, json);
    }
    dispatch->outcome = dispatch->destination_count > 0 ? OUTCOME_QUEUED : OUTCOME_UNROUTED;
}

static struct store_event event_of(const struct dispatch *dispatch, const char *json)
{
    return (struct store_event){
        .scope = dispatch->scope,
        .integration = dispatch->integration,
        .request_id = dispatch->request_id,
        .message_id = dispatch->message_id,
        .alert_key = dispatch->alert->key,
        .title = dispatch->alert->title,
        .json = json,
        .severity = dispatch->alert->severity,
        .time_s = dispatch->alert->time_s,
        .destinations = dispatch->destinations,
        .destination_count = dispatch->destination_count,
        .routes = dispatch->routes,
        .route_count = dispatch->route_count,
        .needs_acceptance = dispatch->needs_acceptance,
        .reason = "",
    };
}

/* What the store has decided is followed; where it decided nothing the alert goes out. */
static void follow(struct sending *sending, struct dispatch *dispatch,
                   const struct store_event *event, bool is_recorded)
{
    dispatch->deliveries = &sending->deliveries[sending->count];
    dispatch->is_unrecorded = sending->means->store && !is_recorded;
    dispatch->is_spooled = is_recorded && event->is_spooled;
    if (dispatch->is_unrecorded)
        store_count_unrecorded(sending->means->store, dispatch->integration);
    if (is_recorded && !event->is_unknown) {
        dispatch->outcome = event->outcome;
        dispatch->reason = event->reason;
        for (size_t i = 0; i < event->delivery_count; i++)
            add_delivery(sending, dispatch, &event->deliveries[i], event->json);
    } else if (event->is_behind && !is_recorded) {
        dispatch->outcome = OUTCOME_REFUSED;
        dispatch->reason = "the store cannot be used now, and an earlier event of this alert "
                           "waits in it";
    } else {
        send_unrecorded(sending, dispatch, event->json);
    }
}

/* ---- sending ---- */

static void give_up(struct delivery *delivery, struct arena *arena, const char *why)
{
    delivery->answer =
        (struct flashduty_answer){VERDICT_RETRY, "", arena_string(arena, why), "", ""};
    delivery->is_over = true;
}

/* Tells the store of the last try, and asks it for one more send. */
static bool may_go_on(struct sending *sending, struct delivery *delivery)
{
    if (delivery->id == 0 || delivery->is_last_reported)
        return true;
    int64_t until_ms = clock_monotonic_ms() + lease_ms(sending->deadline_ms);
    delivery->last.wants_again = true;
    delivery->last.lease_ms = lease_ms(sending->deadline_ms);
    /* Where it waits if nobody reports it, it is not lost, and may be sent while its lease lasts.
     */
    if (!store_report(sending->means->store, &delivery->last, 1))
        return delivery->last.state == DELIVERY_WAITING &&
               clock_monotonic_ms() + send_ms(sending->deadline_ms) < delivery->leased_until_ms;
    delivery->is_last_reported = true;
    delivery->leased_until_ms = until_ms;
    delivery->state = delivery->last.state;
    delivery->lease = delivery->last.lease;
    return delivery->state == DELIVERY_SENDING;
}

static void start(struct sending *sending, struct delivery *delivery)
{
    int64_t left_ms = send_ms(sending->deadline_ms);
    if (left_ms < TRY_MS_MIN || !may_go_on(sending, delivery)) {
        if (delivery->tries == 0)
            give_up(delivery, sending->arena, "no time was left to send it");
        delivery->is_over = true;
        return;
    }
    delivery->tries++;
    if (!attempt_start(&delivery->attempt, sending->means->transport, sending->means->url,
                       delivery->flashduty_key, delivery->json, left_ms))
        give_up(delivery, sending->arena, "out of memory");
}

/* The pause before the next try: doubling, and up to a quarter more, so that senders that failed
 * together do not come back together. */
static int64_t pause_ms(int tries)
{
    unsigned char noise = 0;
    int64_t pause = (int64_t)RETRY_FIRST_MS << (tries < 10 ? tries - 1 : 9);
    if (getrandom(&noise, sizeof noise, GRND_NONBLOCK) < 0)
        noise = 0;
    pause = pause < PAUSE_MS_MAX ? pause : PAUSE_MS_MAX;
    return pause + pause * noise / 1024;
}

static void settle(struct sending *sending, struct delivery *delivery)
{
    if (!attempt_settle(&delivery->attempt, delivery->flashduty_key, sending->arena,
                        &delivery->answer, &delivery->last))
        return;
    delivery->last.delivery_id = delivery->id;
    delivery->last.lease = delivery->lease;
    delivery->is_last_reported = false;
    delivery->retry_after_s = delivery->last.retry_after_s;
    /* Whoever asks for a pause asks it of all that goes there: the store sees to that. */
    delivery->is_over = delivery->answer.verdict != VERDICT_RETRY ||
                        (delivery->id != 0 && delivery->retry_after_s > 0);
    if (delivery->is_over)
        return;
    int64_t asked_ms = (int64_t)delivery->retry_after_s * 1000;
    int64_t wait_ms = pause_ms(delivery->tries);
    delivery->next_try_ms = clock_monotonic_ms() + (asked_ms > wait_ms ? asked_ms : wait_ms);
    if (delivery->next_try_ms + TRY_MS_MIN > sending->deadline_ms)
        delivery->is_over = true;
}

/* Whether it may begin: events of one alert go one after the other, and none after one that was not
 * accepted. */
static bool has_way(struct sending *sending, struct delivery *delivery)
{
    const struct delivery *previous = delivery->previous;
    if (!previous)
        return true;
    if (previous->is_over && previous->answer.verdict == VERDICT_RETRY)
        give_up(delivery, sending->arena, "an earlier event of this alert was not accepted");
    return previous->is_over && !delivery->is_over;
}

/* Starts what is due. Returns the time at which there is something to do again. */
static int64_t advance(struct sending *sending)
{
    int64_t next_ms = sending->deadline_ms;
    size_t under_way = 0;
    for (size_t i = 0; i < sending->count; i++) {
        struct delivery *delivery = &sending->deliveries[i];
        if (delivery->attempt.call)
            settle(sending, delivery);
        under_way += delivery->attempt.call != NULL;
    }
    for (size_t i = 0; i < sending->count && under_way < SENDS_AT_ONCE; i++) {
        struct delivery *delivery = &sending->deliveries[i];
        if (delivery->is_over || delivery->attempt.call || !has_way(sending, delivery))
            continue;
        if (delivery->next_try_ms <= clock_monotonic_ms())
            start(sending, delivery);
        else if (delivery->next_try_ms < next_ms)
            next_ms = delivery->next_try_ms;
        under_way += delivery->attempt.call != NULL;
    }
    return next_ms;
}

static bool all_over(const struct sending *sending)
{
    for (size_t i = 0; i < sending->count; i++) {
        if (!sending->deliveries[i].is_over)
            return false;
    }
    return true;
}

/* The last word of what is still under way when the time is up. */
static void end_late(struct sending *sending, struct delivery *delivery)
{
    if (delivery->attempt.call)
        settle(sending, delivery);
    if (!delivery->attempt.call) {
        if (delivery->tries == 0 && !delivery->is_over)
            give_up(delivery, sending->arena, "no time was left to send it");
        return;
    }
    /* An earlier try may know more of why than this one, which was cut off. */
    give_up(delivery, sending->arena,
            delivery->tries > 1 ? arena_printf(sending->arena, "no answer in time; before that: %s",
                                               delivery->answer.message)
                                : "no answer in time");
    delivery->last = (struct store_try){
        .delivery_id = delivery->id,
        .lease = delivery->lease,
        .verdict = TRY_FAILED,
        .started_ms = delivery->attempt.started_ms,
        .took_ms = (clock_monotonic_us() - delivery->attempt.start_us) / 1000,
        .code = "",
        .message = delivery->answer.message,
        .request_id = "",
        .kind = "",
    };
    delivery->is_last_reported = false;
    attempt_abandon(&delivery->attempt);
}

static void send_all(struct sending *sending)
{
    struct transport_call **calls =
        arena_alloc(sending->arena, (sending->count + 1) * sizeof(struct transport_call *));
    while (calls && !all_over(sending) && clock_monotonic_ms() < sending->deadline_ms) {
        int64_t next_ms = advance(sending);
        for (size_t i = 0; i < sending->count; i++)
            calls[i] = sending->deliveries[i].attempt.call;
        if (!all_over(sending))
            transport_wait(sending->means->transport, calls, sending->count, next_ms);
    }
    for (size_t i = 0; i < sending->count; i++)
        end_late(sending, &sending->deliveries[i]);
}

/* ---- keeping ---- */

/* A delivery that was not even tried is reported too: it is to be kept. */
static struct store_try untried(const struct delivery *delivery)
{
    return (struct store_try){
        .delivery_id = delivery->id,
        .lease = delivery->lease,
        .verdict = TRY_NONE,
        .started_ms = clock_wall_ms(),
        .code = "",
        .message = delivery->answer.message,
        .request_id = "",
        .kind = "",
    };
}

static bool is_to_be_reported(const struct delivery *delivery)
{
    return delivery->id != 0 && delivery->state == DELIVERY_SENDING;
}

static void report_all(struct sending *sending)
{
    size_t count = 0;
    struct store_try *tries = arena_alloc(sending->arena, (sending->count + 1) * sizeof *tries);
    if (!tries)
        return;
    for (size_t i = 0; i < sending->count; i++) {
        struct delivery *delivery = &sending->deliveries[i];
        if (!is_to_be_reported(delivery))
            continue;
        tries[count] = delivery->is_last_reported ? untried(delivery) : delivery->last;
        tries[count++].wants_again = false;
    }
    /* Each has a state then, whether it could be put down or not. */
    bool is_reported = count > 0 && store_report(sending->means->store, tries, count);
    count = 0;
    for (size_t i = 0; i < sending->count; i++) {
        struct delivery *delivery = &sending->deliveries[i];
        if (!is_to_be_reported(delivery))
            continue;
        delivery->last.lets_go = is_reported && tries[count].lets_go;
        delivery->state = tries[count++].state;
    }
}

/* What was sent without a record of it. */
static void judge_unrecorded(struct dispatch *dispatch)
{
    for (size_t i = 0; i < dispatch->delivery_count; i++) {
        struct delivery *delivery = &dispatch->deliveries[i];
        if (delivery->id == 0 && delivery->state == DELIVERY_SENDING)
            delivery->state = delivery->answer.verdict == VERDICT_ACCEPTED ? DELIVERY_DELIVERED
                                                                           : DELIVERY_REFUSED;
    }
}

static enum outcome outcome_of(enum delivery_state state)
{
    static const enum outcome outcomes[] = {
        [DELIVERY_WAITING] = OUTCOME_QUEUED,    [DELIVERY_SENDING] = OUTCOME_QUEUED,
        [DELIVERY_REJECTED] = OUTCOME_REJECTED, [DELIVERY_EXPIRED] = OUTCOME_EXPIRED,
        [DELIVERY_DROPPED] = OUTCOME_DROPPED,   [DELIVERY_DELIVERED] = OUTCOME_DELIVERED,
        [DELIVERY_REFUSED] = OUTCOME_REFUSED,
    };
    return outcomes[state];
}

enum outcome delivery_outcome(const struct delivery *delivery)
{
    return outcome_of(delivery->state);
}

static void conclude(struct dispatch *dispatch)
{
    for (size_t i = 0; i < dispatch->delivery_count; i++)
        dispatch->lets_go |= dispatch->deliveries[i].last.lets_go;
    if (dispatch->outcome != OUTCOME_QUEUED)
        return;
    bool is_refused = false;
    enum outcome least = OUTCOME_DELIVERED;
    for (size_t i = 0; i < dispatch->delivery_count; i++) {
        enum outcome outcome = delivery_outcome(&dispatch->deliveries[i]);
        is_refused |= outcome == OUTCOME_REFUSED;
        least = outcome < least ? outcome : least;
    }
    dispatch->outcome = is_refused ? OUTCOME_REFUSED : least;
}

/* Of a key that was not known: what came of it decides whether anything is remembered. */
static void remember_key(const struct delivery_means *means, struct dispatch *dispatch,
                         struct store_event *event)
{
    if (dispatch->outcome == OUTCOME_DELIVERED)
        dispatch->is_unrecorded = !store_accept(means->store, event, &dispatch->deliveries[0].last);
    else
        store_refuse(means->store, dispatch->integration,
                     dispatch->deliveries[0].answer.verdict == VERDICT_REJECTED ? REFUSAL_REJECTED
                                                                                : REFUSAL_UNKEPT);
}

/* ---- all of it ---- */

/* By destination and alert, each in the order of arrival. */
static int compare_alerts(const void *a, const void *b)
{
    const struct delivery *first = *(struct delivery *const *)a;
    const struct delivery *second = *(struct delivery *const *)b;
    int order = strcmp(first->alert_key, second->alert_key);
    order = order ? order : strcmp(first->flashduty_key, second->flashduty_key);
    return order ? order : (first > second) - (first < second);
}

static bool is_same_way(const struct delivery *a, const struct delivery *b)
{
    return !strcmp(a->alert_key, b->alert_key) && !strcmp(a->flashduty_key, b->flashduty_key);
}

/* What the store holds it has put in order; the rest is linked here. */
static void link_alerts(struct sending *sending)
{
    struct delivery **sorted =
        arena_alloc(sending->arena, (sending->count + 1) * sizeof(struct delivery *));
    size_t count = 0;
    for (size_t i = 0; i < sending->count && sorted; i++) {
        if (sending->deliveries[i].id == 0)
            sorted[count++] = &sending->deliveries[i];
    }
    if (count < 2)
        return;
    qsort(sorted, count, sizeof *sorted, compare_alerts);
    for (size_t i = 1; i < count; i++) {
        if (is_same_way(sorted[i - 1], sorted[i]))
            sorted[i]->previous = sorted[i - 1];
    }
}

static struct store_event *events_of(struct dispatch *dispatches, size_t count, struct arena *arena)
{
    struct store_event *events = arena_alloc(arena, (count + 1) * sizeof *events);
    for (size_t i = 0; i < count && events; i++) {
        struct text json = {0};
        flashduty_encode(dispatches[i].alert, &json);
        events[i] = event_of(&dispatches[i], text_into(&json, arena));
        dispatches[i].reason = "";
        dispatches[i].outcome = OUTCOME_REFUSED;
    }
    return arena->failed ? NULL : events;
}

static bool take_in(struct sending *sending, struct dispatch *dispatches,
                    struct store_event *events, size_t count, bool *is_recorded)
{
    size_t most = 0;
    int64_t lease = lease_ms(sending->deadline_ms);
    sending->leased_until_ms = clock_monotonic_ms() + lease;
    *is_recorded = sending->means->store &&
                   store_receive(sending->means->store, events, count, lease, sending->arena);
    for (size_t i = 0; i < count; i++)
        most += events[i].delivery_count + dispatches[i].destination_count;
    sending->deliveries = arena_alloc(sending->arena, (most + 1) * sizeof *sending->deliveries);
    for (size_t i = 0; i < count && sending->deliveries; i++)
        follow(sending, &dispatches[i], &events[i], *is_recorded);
    return sending->deliveries != NULL;
}

void delivery_dispatch(const struct delivery_means *means, struct dispatch *dispatches,
                       size_t count, int64_t deadline_ms, struct arena *arena)
{
    struct sending sending = {
        .means = means, .arena = arena, .deadline_ms = deadline_ms - STORE_RESERVE_MS};
    struct store_event *events = events_of(dispatches, count, arena);
    bool is_recorded = false;
    int64_t start_us = clock_monotonic_us();
    if (!events || !take_in(&sending, dispatches, events, count, &is_recorded))
        return;
    int64_t store_us = clock_monotonic_us() - start_us;
    link_alerts(&sending);
    send_all(&sending);
    start_us = clock_monotonic_us();
    report_all(&sending);
    store_us += clock_monotonic_us() - start_us;
    for (size_t i = 0; i < count; i++) {
        dispatches[i].store_us = store_us;
        judge_unrecorded(&dispatches[i]);
        conclude(&dispatches[i]);
        if (is_recorded && events[i].is_unknown)
            remember_key(means, &dispatches[i], &events[i]);
    }
}
