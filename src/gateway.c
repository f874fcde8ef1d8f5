#include "gateway.h"

#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "delivery/confirm.h"
#include "delivery/delivery.h"

#define NO_STORE                                                                                   \
    "it has no store: what Flashduty does not accept in time is answered 503, so that the sender " \
    "tries again"
#define HAS_STORE "it has a store: what Flashduty does not accept in time waits there"

/* In the ledger: who posts without a key that is known. */
#define NOBODY "(none)"
#define PASS_THROUGH "(pass-through)"
/* What is shown for the route without a name. */
#define DEFAULT_ROUTE "default"

/* One request on its way through. */
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
    struct store_route route;    /* of the integration: its default one */
    struct dispatch *dispatches; /* one an alert */
    size_t dispatch_count;
    bool is_taken; /* the items were dealt with one by one, and counted */
    int64_t verify_us, forward_us;
    enum outcome outcome;
};

/* ---- check and authenticate ---- */

static bool check_request(struct exchange *x)
{
    const struct vendor *vendor = x->gateway->vendor;
    if (!x->gateway->config)
        return error_set(&x->error, ERROR_UNAVAILABLE,
                         "the gateway's configuration is broken: its log says where, and so does "
                         "flashduty-gateway check");
    if (strcmp(x->request->method, "POST"))
        return error_set(&x->error, ERROR_METHOD,
                         "this is the %s endpoint of flashduty-gateway %s and it works: %s posts "
                         "here, with ?integration_key=KEY; %s",
                         vendor->title, VERSION, vendor->sender,
                         x->gateway->store ? HAS_STORE : NO_STORE);
    if (x->request->error.code)
        return error_set(&x->error, x->request->error.code, "%s", x->request->error.text);
    if (vendor->refuses_text && request_is_text_or_form(x->request))
        return error_set(&x->error, ERROR_CONTENT_TYPE,
                         "expected application/json: set the %s target's body type to JSON",
                         vendor->title);
    return true;
}

static bool holds(const struct integration *integration, const char *key)
{
    bool found = false;
    for (size_t i = 0; i < integration->push_key_count; i++)
        found |= secret_equal(integration->push_keys[i], key);
    return found;
}

/* In pass-through each key has a memory of its own, under a name that does not tell the key. */
static bool take_anyone(struct exchange *x, const char *key)
{
    char digest[SHA256_HEX_SIZE];
    x->anyone = (struct integration){
        .name = PASS_THROUGH, .vendor = x->gateway->vendor, .flashduty_key = key};
    x->integration = &x->anyone;
    if (!sha256_hex(key, strlen(key), digest))
        return error_out_of_memory(&x->error);
    x->scope = arena_printf(x->arena, "key:%s", digest);
    return true;
}

static bool find_integration(struct exchange *x)
{
    const struct config *config = x->gateway->config;
    const struct integration *found = NULL;
    const char *key;
    if (!request_key(x->request, &key, &x->error))
        return false;
    if (config->pass_through) {
        return take_anyone(x, key);
    }
    for (size_t i = 0; i < config->integration_count; i++) {
        if (holds(&config->integrations[i], key))
            found = &config->integrations[i];
    }
    if (!found)
        return error_set(&x->error, ERROR_UNAUTHORIZED,
                         "this integration key is no push_key of the gateway's configuration");
    if (found->vendor != x->gateway->vendor)
        return error_set(&x->error, ERROR_UNAUTHORIZED,
                         "this integration key is for %s: post to %s", found->vendor->title,
                         found->vendor->endpoint);
    x->integration = found;
    x->scope = found->name;
    return true;
}

/* A payload at the wrong endpoint would otherwise be told what it lacks to be another's. */
static bool check_vendor(struct exchange *x)
{
    const struct vendor *own = x->gateway->vendor;
    if (own->recognises(x->json.root))
        return true;
    const struct vendor *other = vendor_recognise(x->json.root);
    if (!other)
        return true;
    return error_set(&x->error, ERROR_INVALID,
                     "this is a payload of %s, and this endpoint takes those of %s: post to %s",
                     other->title, own->title, other->endpoint);
}

static int64_t deadline_ms(const struct exchange *x)
{
    return x->request->arrived_ms + x->gateway->config->deadline_ms;
}

static bool get_certificate(void *context, const char *url, bool private_network, struct text *pem,
                            struct error *error)
{
    const struct exchange *x = context;
    return certificates_get(x->gateway->certificates, url, private_network,
                            deadline_ms(x) - clock_monotonic_ms(), pem, error);
}

static bool is_held(void *context, const char *file)
{
    const struct exchange *x = context;
    return certificates_is_held(x->gateway->certificates, file);
}

static void hold(void *context, const char *file)
{
    const struct exchange *x = context;
    certificates_hold(x->gateway->certificates, file);
}

static bool parse(struct exchange *x)
{
    const struct vendor *vendor = x->gateway->vendor;
    const struct vendor_authority authority = {x, get_certificate, is_held, hold};
    const struct vendor_input input = {
        .body = x->request->body,
        .length = x->request->body_length,
        .message_type =
            vendor->type_header ? request_variable(x->request, vendor->type_header) : NULL,
        .now_ms = clock_wall_ms(),
        .smn = &x->gateway->config->smn,
        .authority = &authority,
        .topic_urns = x->integration->topic_urns,
        .topic_urn_count = x->integration->topic_urn_count,
    };
    int64_t start_us = clock_monotonic_us();
    bool is_genuine = json_parse(input.body, input.length, &x->json, &x->error) &&
                      check_vendor(x) &&
                      vendor->authenticate(&input, &x->json, x->arena, &x->error);
    x->verify_us = clock_monotonic_us() - start_us;
    return is_genuine && vendor->parse(&input, &x->json, x->arena, &x->receipt, &x->error);
}

/* ---- deliver ---- */

void gateway_apply_integration(const struct integration *integration, struct arena *arena,
                               struct alert *alert)
{
    for (size_t i = 0; i < integration->override_count; i++) {
        const struct severity_override *override = &integration->overrides[i];
        if (alert->level && text_equal_ignoring_case(alert->level, override->row)) {
            alert->severity = override->severity;
            alert_remove_label(alert, "severity_unmapped");
        }
    }
    for (size_t i = 0; i < integration->label_count; i++)
        alert_force_label(alert, arena, integration->labels[i].name, integration->labels[i].value);
}

static struct dispatch dispatch_of(struct exchange *x, struct item *item)
{
    return (struct dispatch){
        .alert = &item->alert,
        .scope = x->scope,
        .integration = x->integration->name,
        .request_id = x->request->id,
        .message_id = item->message_id,
        .destinations = &x->route,
        .routes = &x->route,
        .destination_count = 1,
        .route_count = 1,
        .needs_acceptance = x->gateway->config->pass_through,
    };
}

static void deliver(struct exchange *x)
{
    const struct delivery_means means = {x->gateway->transport, x->gateway->store,
                                         x->gateway->config->flashduty_url};
    x->route = (struct store_route){"", x->integration->flashduty_key};
    for (size_t i = 0; i < x->receipt.count; i++) {
        struct item *item = &x->receipt.items[i];
        if (item->kind != ITEM_ALERT)
            continue;
        gateway_apply_integration(x->integration, x->arena, &item->alert);
        x->dispatches[x->dispatch_count++] = dispatch_of(x, item);
    }
    if (x->arena->failed) {
        error_out_of_memory(&x->error);
        return;
    }
    x->is_taken = true;
    int64_t start_us = clock_monotonic_us();
    if (x->dispatch_count > 0)
        delivery_dispatch(&means, x->dispatches, x->dispatch_count, deadline_ms(x), x->arena);
    x->forward_us = clock_monotonic_us() - start_us;
    if (x->arena->failed)
        error_out_of_memory(&x->error);
}

static void count(const struct exchange *x, enum outcome outcome)
{
    if (x->gateway->store)
        store_count(x->gateway->store, x->integration ? x->integration->name : NOBODY, outcome);
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
        .accepted_key = x->gateway->config->pass_through ? x->integration->flashduty_key : NULL,
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
        .timeout_ms = deadline_ms(x) - clock_monotonic_ms(),
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
    count(x, OUTCOME_REFUSED);
    error_set(&x->error, ERROR_UNAVAILABLE, "the subscription could not be confirmed: %s",
              cause.text);
    return OUTCOME_REFUSED;
}

/* ---- answer ---- */

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

static enum outcome settle_item(struct exchange *x, const struct item *item,
                                const struct dispatch *dispatch)
{
    struct error refused = {0};
    switch (item->kind) {
    case ITEM_ALERT:
        if (dispatch->outcome == OUTCOME_REFUSED)
            judge_refused(x, dispatch);
        return dispatch->outcome;
    case ITEM_IGNORED:
        count(x, OUTCOME_IGNORED);
        return OUTCOME_IGNORED;
    case ITEM_CONFIRM:
        return confirm(x, item);
    case ITEM_REFUSED:
        count(x, OUTCOME_REFUSED);
        error_set(&refused, ERROR_INVALID, "%s", item->reason);
        worsen(x, &refused, NULL);
        break;
    }
    return OUTCOME_REFUSED;
}

/* A subscription that is not confirmed yet waits as alerts do. */
static const char *shown_name(enum outcome outcome)
{
    return outcome_names[outcome == OUTCOME_CONFIRMING ? OUTCOME_QUEUED : outcome];
}

static void append_member(struct text *data, const char *name, const char *value)
{
    text_json(data, name);
    text_putc(data, ':');
    text_json(data, value);
    text_putc(data, ',');
}

static void append_deliveries(struct text *data, const struct dispatch *dispatch)
{
    text_puts(data, ",\"deliveries\":[");
    for (size_t i = 0; i < dispatch->delivery_count; i++) {
        const struct delivery *delivery = &dispatch->deliveries[i];
        text_puts(data, i ? ",{" : "{");
        append_member(data, "route", *delivery->route ? delivery->route : DEFAULT_ROUTE);
        text_puts(data, "\"outcome\":");
        text_json(data, outcome_names[delivery_outcome(delivery)]);
        text_putc(data, '}');
    }
    text_putc(data, ']');
}

/* Why it was not delivered, where Flashduty has said so. */
static void append_answer(struct text *data, const struct dispatch *dispatch)
{
    const struct flashduty_answer *answer =
        dispatch->delivery_count == 1 ? &dispatch->deliveries[0].answer : NULL;
    if (!answer || answer->verdict == VERDICT_ACCEPTED || dispatch->outcome == OUTCOME_DELIVERED)
        return;
    if (*answer->code)
        append_member(data, "code", answer->code);
    if (*answer->message)
        append_member(data, "message", answer->message);
}

static void append_item(struct text *data, const struct item *item, const struct dispatch *dispatch,
                        enum outcome outcome)
{
    text_putc(data, '{');
    if (item->kind == ITEM_ALERT) {
        append_member(data, "alert_key", item->alert.key);
        append_answer(data, dispatch);
    } else if (item->kind == ITEM_IGNORED) {
        append_member(data, "reason", item->reason);
    }
    text_puts(data, "\"outcome\":");
    text_json(data, shown_name(outcome));
    if (item->kind == ITEM_ALERT && dispatch->delivery_count > 1)
        append_deliveries(data, dispatch);
    text_putc(data, '}');
}

static bool is_kept(enum outcome outcome)
{
    return outcome == OUTCOME_QUEUED || outcome == OUTCOME_CONFIRMING ||
           outcome == OUTCOME_REJECTED || outcome == OUTCOME_EXPIRED;
}

static void wake_drainer(const struct exchange *x)
{
    bool is_work = x->outcome == OUTCOME_QUEUED || x->outcome == OUTCOME_CONFIRMING;
    for (size_t i = 0; i < x->dispatch_count && !is_work; i++)
        is_work = x->dispatches[i].lets_go;
    if (is_work && x->gateway->drainer)
        drainer_wake(x->gateway->drainer);
}

static void answer(struct exchange *x)
{
    struct text list = {0}, data = {0};
    const struct dispatch *dispatch = x->dispatches;
    x->outcome = OUTCOME_REFUSED;
    for (size_t i = 0; i < x->receipt.count; i++) {
        const struct item *item = &x->receipt.items[i];
        enum outcome outcome = settle_item(x, item, dispatch);
        if (outcome < x->outcome)
            x->outcome = outcome;
        if (i)
            text_putc(&list, ',');
        append_item(&list, item, dispatch, outcome);
        dispatch += item->kind == ITEM_ALERT;
    }
    text_printf(&data, x->receipt.is_array ? "{\"outcome\":\"%s\",\"alerts\":[%s]}" : "%.0s%s",
                shown_name(x->outcome), text_string(&list));
    if (list.failed || data.failed)
        error_out_of_memory(&x->error);
    if (!x->error.code)
        response_data(x->response, is_kept(x->outcome) ? STATUS_KEPT : response_status(ERROR_NONE),
                      text_string(&data));
    wake_drainer(x);
    text_clear(&list);
    text_clear(&data);
}

/* ---- the log ---- */

static const char *number(struct exchange *x, int64_t value)
{
    return arena_printf(x->arena, "%lld", (long long)value);
}

/* Microseconds as milliseconds; a step that was not reached is left out. */
static const char *milliseconds(struct exchange *x, int64_t us)
{
    return us > 0 ? arena_printf(x->arena, "%.1f", (double)us / 1000) : NULL;
}

/* What an operator has to hear of although the answer is no error. */
static void log_items(struct exchange *x)
{
    for (size_t i = 0; i < x->receipt.count && x->receipt.items; i++) {
        const struct item *item = &x->receipt.items[i];
        const char *word =
            item->kind == ITEM_ALERT ? alert_label(&item->alert, "severity_unmapped") : NULL;
        if (word)
            log_event(LOG_WARNING, "unknown level", "request_id", x->request->id, "vendor",
                      x->gateway->vendor->name, "word", word, NULL);
        if (item->note)
            log_event(item->note_is_detail ? LOG_DEBUG : LOG_WARNING, "odd payload", "request_id",
                      x->request->id, "vendor", x->gateway->vendor->name, "reason", item->note,
                      NULL);
        if (x->receipt.is_array && item->kind == ITEM_IGNORED)
            log_event(item->warn ? LOG_WARNING : LOG_INFO, "ignored", "request_id", x->request->id,
                      "vendor", x->gateway->vendor->name, "reason", item->reason, NULL);
    }
}

static const char *reason_of(const struct exchange *x, const struct item *item,
                             const struct delivery *delivery)
{
    if (x->error.code)
        return x->error.code == ERROR_METHOD ? NULL : x->error.text;
    if (item && item->reason)
        return item->reason;
    return delivery && x->outcome != OUTCOME_DELIVERED ? delivery->answer.message : NULL;
}

static void log_exchange(struct exchange *x)
{
    const struct item *item = x->receipt.count == 1 ? x->receipt.items : NULL;
    const struct alert *alert = item && item->kind == ITEM_ALERT ? &item->alert : NULL;
    const struct dispatch *dispatch = alert && x->dispatch_count ? x->dispatches : NULL;
    const struct delivery *delivery =
        dispatch && dispatch->delivery_count ? dispatch->deliveries : NULL;
    bool is_bad = x->error.code ? x->error.code != ERROR_METHOD : is_kept(x->outcome);
    log_items(x);
    log_event(
        is_bad || (item && item->warn) ? LOG_WARNING : LOG_INFO, "request", "request_id",
        x->request->id, "vendor", x->gateway->vendor->name, "integration",
        x->integration ? x->integration->name : NULL, "status", number(x, x->response->status),
        "outcome", x->error.code ? NULL : shown_name(x->outcome), "recorded",
        dispatch && dispatch->is_unrecorded ? "no" : NULL, "severity",
        alert ? severity_names[alert->severity] : NULL, "alert_key", alert ? alert->key : NULL,
        "alerts", x->receipt.is_array ? number(x, (int64_t)x->receipt.count) : NULL, "message_id",
        x->receipt.message_id, "tries", delivery ? number(x, delivery->tries) : NULL,
        "flashduty_request_id", delivery ? delivery->answer.request_id : NULL, "verify_ms",
        milliseconds(x, x->verify_us), "forward_ms", milliseconds(x, x->forward_us), "total_ms",
        number(x, clock_monotonic_ms() - x->request->arrived_ms), "reason",
        reason_of(x, item, delivery), NULL);
}

/* ---- the path ---- */

static bool process(struct exchange *x)
{
    if (!check_request(x) || !find_integration(x) || !parse(x))
        return false;
    x->dispatches = arena_alloc(x->arena, (x->receipt.count + 1) * sizeof *x->dispatches);
    if (!x->dispatches)
        return error_out_of_memory(&x->error);
    deliver(x);
    if (!x->error.code)
        answer(x);
    return !x->error.code;
}

static void answer_health(const struct gateway *gateway, struct response *response)
{
    struct error error = {0};
    bool is_well = gateway->config &&
                   (!gateway->store || store_is_writable(gateway->store, &(struct error){0}));
    if (!is_well)
        error_set(&error, ERROR_UNAVAILABLE, "this endpoint cannot take alarms now");
    if (error.code)
        response_error(response, &error, NULL);
    else
        response_data(response, response_status(ERROR_NONE), "{\"status\":\"ok\"}");
}

void gateway_handle(void *context, struct request *request, struct response *response)
{
    struct exchange x = {
        .gateway = context, .request = request, .response = response, .arena = &request->arena};
    response->request_id = request->id;
    response->is_head = !strcmp(request->method, "HEAD");
    if (request->is_health && (response->is_head || !strcmp(request->method, "GET"))) {
        answer_health(x.gateway, response);
        return;
    }
    if (!process(&x)) {
        response->retry_after_s = x.error.code == ERROR_UNAVAILABLE ? x.retry_after_s : 0;
        response_error(response, &x.error, x.error_code);
        if (!x.is_taken && x.error.code != ERROR_METHOD)
            count(&x, OUTCOME_REFUSED);
    }
    log_exchange(&x);
    json_clear(&x.json);
}
