/*
 * One request on its way through the gateway, and the steps after it was delivered: settle each of
 * its items, answer, log. Internal to the gateway.
 */
#ifndef EXCHANGE_H
#define EXCHANGE_H

#include "base/json.h"
#include "delivery/delivery.h"
#include "gateway.h"

struct exchange {
    const struct gateway *gateway;
    struct request *request;
    struct response *response;
    struct arena *arena;
    struct error error;
    const char *error_code; /* Flashduty's own, where the error is its answer */
    long retry_after_s;

    struct integration anyone;             /* in pass-through: whoever holds the key */
    const struct integration *integration; /* whose key it is */
    struct json json;
    struct receipt receipt;
    const char *scope;           /* whose memory it is */
    struct dispatch *dispatches; /* one an alert */
    size_t dispatch_count;
    bool is_taken; /* the items were dealt with one by one, and counted */
    int64_t verify_us, map_us, route_us, store_us, forward_us; /* that each step took */
    enum outcome outcome;
};

/* When all sending has to be over; monotonic. */
static inline int64_t exchange_deadline_ms(const struct exchange *x)
{
    return x->request->arrived_ms + x->gateway->config->deadline_ms;
}

/* Counts a refusal that the store has not seen. */
void exchange_refuse(const struct exchange *x, enum error_code why) __attribute__((nonnull));

/* Where an item ends: a subscription is confirmed here. dispatch: what became of it, for an alert.
 * The error of one that is refused is kept if none that weighs more was. */
enum outcome exchange_settle(struct exchange *x, const struct item *item,
                             const struct dispatch *dispatch) __attribute__((nonnull(1, 2)));

/* Settles every item and composes the answer, unless x->error says that there is an error. */
void exchange_answer(struct exchange *x) __attribute__((nonnull));

/* Whether something waits, or is left to a person. */
bool exchange_is_kept(enum outcome outcome);
/* As the vendor and the log read it. */
const char *exchange_outcome_name(enum outcome outcome);

/* The one record of a request, and those that an operator has to read besides. */
void exchange_log(struct exchange *x) __attribute__((nonnull));

#endif
