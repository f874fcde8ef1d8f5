#include "gateway.h"

#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "delivery/delivery.h"
#include "net/guarded_get.h"

#define NO_STORE                                                                                   \
    "it has no store: what Flashduty does not accept in time is answered 503, so that the sender " \
    "tries again"

/* What became of an item; the least finished one first. */
enum outcome { OUTCOME_DELIVERED, OUTCOME_CONFIRMED, OUTCOME_IGNORED, OUTCOME_COUNT };

static const char *const outcome_names[OUTCOME_COUNT] = {
    [OUTCOME_DELIVERED] = "delivered",
    [OUTCOME_CONFIRMED] = "confirmed",
    [OUTCOME_IGNORED] = "ignored",
};

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
    struct delivery *deliveries; /* one an item; unused for what is no alert */
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
                         "here, with ?integration_key=KEY; " NO_STORE,
                         vendor->title, VERSION, vendor->sender);
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

static bool find_integration(struct exchange *x)
{
    const struct config *config = x->gateway->config;
    const struct integration *found = NULL;
    const char *key;
    if (!request_key(x->request, &key, &x->error))
        return false;
    if (config->pass_through) {
        x->anyone = (struct integration){
            .name = "(pass-through)", .vendor = x->gateway->vendor, .flashduty_key = key};
        x->integration = &x->anyone;
        return true;
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

static void deliver(struct exchange *x)
{
    size_t count = 0;
    for (size_t i = 0; i < x->receipt.count; i++) {
        struct item *item = &x->receipt.items[i];
        if (item->kind != ITEM_ALERT)
            continue;
        gateway_apply_integration(x->integration, x->arena, &item->alert);
        x->deliveries[count++] = (struct delivery){.alert = &item->alert,
                                                   .flashduty_key = x->integration->flashduty_key};
    }
    if (x->arena->failed) {
        error_out_of_memory(&x->error);
        return;
    }
    int64_t start_us = clock_monotonic_us();
    if (count > 0)
        delivery_send(x->gateway->transport, x->gateway->config->flashduty_url, x->deliveries,
                      count, deadline_ms(x), x->arena);
    x->forward_us = clock_monotonic_us() - start_us;
}

/* The console answers a confirmation with the subscription it has made. */
static bool is_confirmed(const struct text *body)
{
    struct json json = {0};
    struct error ignored = {0};
    bool parsed = json_parse(text_string(body), body->length, &json, &ignored);
    const char *urn = parsed ? json_string(json.root, "subscription_urn") : NULL;
    bool is_confirmed = urn && *urn;
    json_clear(&json);
    return is_confirmed;
}

static bool confirm(struct exchange *x, const struct item *item)
{
    const struct config *config = x->gateway->config;
    struct text body = {0};
    struct error cause = {0};
    struct guarded_get get = {
        .url = item->confirm_url,
        .ca_file = config->ca_file,
        .private_network = item->confirm_private,
        .timeout_ms = deadline_ms(x) - clock_monotonic_ms(),
    };
    int64_t start_us = clock_monotonic_us();
    bool confirmed = guarded_get(&get, &body, &cause);
    if (confirmed && !is_confirmed(&body))
        confirmed =
            error_set(&cause, ERROR_UNAVAILABLE, "the console's answer names no subscription");
    x->forward_us = clock_monotonic_us() - start_us;
    text_clear(&body);
    if (confirmed)
        return true;
    log_event(LOG_ERROR, "subscription not confirmed", "request_id", x->request->id, "host",
              item->confirm_host, "reason", cause.text, "do",
              "in the console choose Request Confirmation for this subscription, or open the link "
              "in SMN's message by hand within 48 hours",
              NULL);
    return error_set(&x->error, ERROR_UNAVAILABLE, "the subscription could not be confirmed: %s",
                     cause.text);
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

static void judge(struct exchange *x, const struct delivery *delivery)
{
    const struct flashduty_answer *answer = &delivery->answer;
    struct error error = {0};
    if (answer->verdict == VERDICT_RETRY) {
        if (delivery->retry_after_s > x->retry_after_s)
            x->retry_after_s = delivery->retry_after_s;
        error_set(&error, ERROR_UNAVAILABLE,
                  "Flashduty did not accept it in time (%.256s%s%.256s) "
                  "and there is no store to keep it: try again",
                  answer->code, *answer->code ? ": " : "", answer->message);
    } else {
        error_set(
            &error, x->gateway->config->pass_through ? ERROR_UNAUTHORIZED : ERROR_REJECTED,
            "Flashduty refused it (%.256s%s%.256s). Is this the key of a Standard Alert Event "
            "integration?",
            answer->code, *answer->code ? ": " : "", answer->message);
    }
    worsen(x, &error, answer->verdict == VERDICT_REJECTED ? answer->code : NULL);
}

static bool settle_item(struct exchange *x, const struct item *item,
                        const struct delivery *delivery, enum outcome *outcome)
{
    struct error refused = {0};
    switch (item->kind) {
    case ITEM_ALERT:
        *outcome = OUTCOME_DELIVERED;
        if (delivery->answer.verdict != VERDICT_ACCEPTED)
            judge(x, delivery);
        break;
    case ITEM_IGNORED:
        *outcome = OUTCOME_IGNORED;
        break;
    case ITEM_CONFIRM:
        *outcome = OUTCOME_CONFIRMED;
        return confirm(x, item);
    case ITEM_REFUSED:
        *outcome = OUTCOME_IGNORED;
        error_set(&refused, ERROR_INVALID, "%s", item->reason);
        worsen(x, &refused, NULL);
        break;
    }
    return !x->error.code;
}

static void append_item(struct text *data, const struct item *item, enum outcome outcome)
{
    text_putc(data, '{');
    if (item->kind == ITEM_ALERT) {
        text_puts(data, "\"alert_key\":");
        text_json(data, item->alert.key);
        text_putc(data, ',');
    } else if (item->kind == ITEM_IGNORED) {
        text_puts(data, "\"reason\":");
        text_json(data, item->reason);
        text_putc(data, ',');
    }
    text_puts(data, "\"outcome\":");
    text_json(data, outcome_names[outcome]);
    text_putc(data, '}');
}

static void answer(struct exchange *x)
{
    struct text list = {0}, data = {0};
    size_t next_delivery = 0;
    x->outcome = OUTCOME_IGNORED;
    for (size_t i = 0; i < x->receipt.count; i++) {
        const struct item *item = &x->receipt.items[i];
        enum outcome outcome = OUTCOME_IGNORED;
        settle_item(x, item, &x->deliveries[next_delivery], &outcome);
        next_delivery += item->kind == ITEM_ALERT;
        if (outcome < x->outcome)
            x->outcome = outcome;
        if (i)
            text_putc(&list, ',');
        append_item(&list, item, outcome);
    }
    text_printf(&data, x->receipt.is_array ? "{\"outcome\":\"%s\",\"alerts\":[%s]}" : "%.0s%s",
                outcome_names[x->outcome], text_string(&list));
    if (list.failed || data.failed)
        error_out_of_memory(&x->error);
    if (!x->error.code)
        response_data(x->response, response_status(ERROR_NONE), text_string(&data));
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

static void log_exchange(struct exchange *x)
{
    const struct item *item = x->receipt.count == 1 ? x->receipt.items : NULL;
    const struct alert *alert = item && item->kind == ITEM_ALERT ? &item->alert : NULL;
    const struct delivery *delivery = alert ? x->deliveries : NULL;
    bool is_bad = x->error.code && x->error.code != ERROR_METHOD;
    const char *reason = is_bad ? x->error.text : item ? item->reason : NULL;
    if (alert && alert_label(alert, "severity_unmapped"))
        log_event(LOG_WARNING, "unknown level", "request_id", x->request->id, "vendor",
                  x->gateway->vendor->name, "word", alert_label(alert, "severity_unmapped"), NULL);
    log_event(
        is_bad || (item && item->warn) ? LOG_WARNING : LOG_INFO, "request", "request_id",
        x->request->id, "vendor", x->gateway->vendor->name, "integration",
        x->integration ? x->integration->name : NULL, "status", number(x, x->response->status),
        "outcome", x->error.code ? NULL : outcome_names[x->outcome], "severity",
        alert ? severity_names[alert->severity] : NULL, "alert_key", alert ? alert->key : NULL,
        "alerts", x->receipt.is_array ? number(x, (int64_t)x->receipt.count) : NULL, "message_id",
        x->receipt.message_id, "tries", delivery ? number(x, delivery->tries) : NULL,
        "flashduty_request_id", delivery ? delivery->answer.request_id : NULL, "verify_ms",
        milliseconds(x, x->verify_us), "forward_ms", milliseconds(x, x->forward_us), "total_ms",
        number(x, clock_monotonic_ms() - x->request->arrived_ms), "reason", reason, NULL);
}

/* ---- the path ---- */

static bool process(struct exchange *x)
{
    if (!check_request(x) || !find_integration(x) || !parse(x))
        return false;
    x->deliveries = arena_alloc(x->arena, (x->receipt.count + 1) * sizeof *x->deliveries);
    if (!x->deliveries)
        return error_out_of_memory(&x->error);
    deliver(x);
    if (!x->error.code)
        answer(x);
    return !x->error.code;
}

static void answer_health(const struct gateway *gateway, struct response *response)
{
    struct error error = {0};
    if (!gateway->config)
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
    }
    log_exchange(&x);
    json_clear(&x.json);
}
