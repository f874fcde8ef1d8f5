#include "exchange.h"

#include "base/clock.h"
#include "base/log.h"
#include "delivery/confirm.h"

/* In the ledger: who posts without a key that is known. */
#define NOBODY "(none)"

static const char *integration_of(const struct exchange *x)
{
    return x->integration ? x->integration->name : NOBODY;
}

void exchange_refuse(const struct exchange *x, enum error_code why)
{
    static const enum refusal refusals[ERROR_COUNT] = {
        [ERROR_NONE] = REFUSAL_UNAVAILABLE,
        [ERROR_INVALID] = REFUSAL_PAYLOAD,
        [ERROR_UNAUTHORIZED] = REFUSAL_KEY,
        [ERROR_FORBIDDEN] = REFUSAL_SIGNATURE,
        [ERROR_METHOD] = REFUSAL_PAYLOAD,
        [ERROR_TOO_LARGE] = REFUSAL_SIZE,
        [ERROR_CONTENT_TYPE] = REFUSAL_CONTENT_TYPE,
        [ERROR_REJECTED] = REFUSAL_REJECTED,
        [ERROR_UNAVAILABLE] = REFUSAL_UNAVAILABLE,
        [ERROR_NOT_FOUND] = REFUSAL_PAYLOAD,
    };
    if (x->gateway->store)
        store_refuse(x->gateway->store, integration_of(x), refusals[why]);
}

/* ---- confirm ---- */

static struct store_confirmation confirmation_of(const struct exchange *x, const struct item *item,
                                                 const char *reason)
{
    return (struct store_confirmation){
        .scope = x->scope,
        .integration = x->integration->name,
        .request_id = x->request->id,
        .topic = item->confirm_topic,
        .url = item->confirm_url,
        .host = item->confirm_host,
        .is_private = item->confirm_private,
        .reason = reason,
        /* In pass-through nothing else says that the key is anybody's. */
        .accepted_key = x->gateway->config->pass_through
                            ? x->integration->routing.fallback.flashduty_key
                            : NULL,
    };
}

static bool keep_confirmation(struct exchange *x, const struct item *item, const char *reason)
{
    const struct store_confirmation confirmation = confirmation_of(x, item, reason);
    bool is_kept = x->gateway->store && store_keep_confirmation(x->gateway->store, &confirmation);
    log_event(LOG_ERROR, "subscription not confirmed", "request_id", x->request->id, "host",
              item->confirm_host, "reason", reason, "do",
              is_kept ? "it is tried again for 48 hours; flashduty-gateway confirm shows the link"
                      : "in the console choose Request Confirmation for this subscription, or open "
                        "the link in SMN's message by hand within 48 hours",
              NULL);
    return is_kept;
}

static void note_confirmed(struct exchange *x, const struct item *item)
{
    const struct store_confirmation confirmation = confirmation_of(x, item, "");
    if (x->gateway->store && !store_confirmed(x->gateway->store, &confirmation))
        log_event(LOG_WARNING, "not recorded", "request_id", x->request->id, NULL);
}

static enum outcome confirm(struct exchange *x, const struct item *item)
{
    struct error cause = {0};
    const struct guarded_get get = {
        .url = item->confirm_url,
        .ca_file = x->gateway->config->ca_file,
        .private_network = item->confirm_private,
        .timeout_ms = exchange_deadline_ms(x) - clock_monotonic_ms(),
    };
    int64_t start_us = clock_monotonic_us();
    bool is_confirmed = confirm_subscription(&get, &cause);
    x->forward_us = clock_monotonic_us() - start_us;
    if (is_confirmed) {
        note_confirmed(x, item);
        return OUTCOME_CONFIRMED;
    }
    if (keep_confirmation(x, item, cause.text))
        return OUTCOME_CONFIRMING;
    exchange_refuse(x, ERROR_UNAVAILABLE);
    error_set(&x->error, ERROR_UNAVAILABLE, "the subscription could not be confirmed: %s",
              cause.text);
    return OUTCOME_REFUSED;
}

/* ---- ignore ---- */

static void ignore(const struct exchange *x, const struct item *item)
{
    struct store *store = x->gateway->store;
    /* In pass-through topics are anybody's. */
    bool is_noted = store && item->removed_topic && !x->gateway->config->pass_through &&
                    store_unsubscribed(store, integration_of(x), item->removed_topic);
    if (store && !is_noted)
        store_count(store, integration_of(x), OUTCOME_IGNORED);
}

/* ---- refusals ---- */

/* The worst of several errors is the one with the highest status: a vendor that may try again
 * must hear of it. */
static void worsen(struct exchange *x, const struct error *error, const char *code)
{
    if (x->error.code && response_status(x->error.code) >= response_status(error->code))
        return;
    x->error = *error;
    x->error_code = code;
}

static const char *why_not_kept(const struct exchange *x, const struct dispatch *dispatch,
                                const struct delivery *delivery)
{
    if (!x->gateway->store)
        return "there is no store to keep it";
    if (dispatch->is_unrecorded)
        return "the store cannot be used now";
    return delivery->id ? "it could not be kept: the outbox is full, or the store cannot be used"
                        : "nothing is kept for a key that Flashduty has not accepted yet";
}

/* What is kept nowhere. */
static void judge(struct exchange *x, const struct dispatch *dispatch,
                  const struct delivery *delivery)
{
    const struct flashduty_answer *answer = &delivery->answer;
    struct error error = {0};
    if (answer->verdict == VERDICT_RETRY) {
        if (delivery->retry_after_s > x->retry_after_s)
            x->retry_after_s = delivery->retry_after_s;
        error_set(&error, ERROR_UNAVAILABLE,
                  "Flashduty did not accept it in time (%.256s%s%.256s) and %s: try again",
                  answer->code, *answer->code ? ": " : "", answer->message,
                  why_not_kept(x, dispatch, delivery));
    } else {
        error_set(
            &error, x->gateway->config->pass_through ? ERROR_UNAUTHORIZED : ERROR_REJECTED,
            "Flashduty refused it (%.256s%s%.256s). Is this the key of a Standard Alert Event "
            "integration?",
            answer->code, *answer->code ? ": " : "", answer->message);
    }
    worsen(x, &error, answer->verdict == VERDICT_REJECTED ? answer->code : NULL);
}

static void judge_refused(struct exchange *x, const struct dispatch *dispatch)
{
    struct error error = {0};
    if (*dispatch->reason) {
        error_set(&error, ERROR_UNAVAILABLE, "%s", dispatch->reason);
        worsen(x, &error, NULL);
    }
    for (size_t i = 0; i < dispatch->delivery_count; i++) {
        if (delivery_outcome(&dispatch->deliveries[i]) == OUTCOME_REFUSED)
            judge(x, dispatch, &dispatch->deliveries[i]);
    }
    /* Whatever it was: it is not kept. */
    error_set(&error, ERROR_UNAVAILABLE, "it could not be delivered or kept: try again");
    if (!x->error.code)
        worsen(x, &error, NULL);
}

/* ---- one item ---- */

enum outcome exchange_settle(struct exchange *x, const struct item *item,
                             const struct dispatch *dispatch)
{
    struct error refused = {0};
    switch (item->kind) {
    case ITEM_ALERT:
        if (dispatch->outcome == OUTCOME_REFUSED)
            judge_refused(x, dispatch);
        return dispatch->outcome;
    case ITEM_IGNORED:
        ignore(x, item);
        return OUTCOME_IGNORED;
    case ITEM_CONFIRM:
        return confirm(x, item);
    case ITEM_REFUSED:
        exchange_refuse(x, ERROR_INVALID);
        error_set(&refused, ERROR_INVALID, "%s", item->reason);
        worsen(x, &refused, NULL);
        break;
    }
    return OUTCOME_REFUSED;
}
