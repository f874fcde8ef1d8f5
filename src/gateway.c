#include "gateway.h"

#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "exchange.h"

#define NO_STORE                                                                                   \
    "it has no store: what Flashduty does not accept in time is answered 503, so that the sender " \
    "tries again"
#define HAS_STORE "it has a store: what Flashduty does not accept in time waits there"

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
        .name = CONFIG_PASS_THROUGH, .vendor = x->gateway->vendor, .routing.fallback = {"", key}};
    x->anyone.destinations = &x->anyone.routing.fallback;
    x->anyone.destination_count = 1;
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

static bool get_certificate(void *context, const char *url, bool private_network, struct text *pem,
                            struct error *error)
{
    const struct exchange *x = context;
    return certificates_get(x->gateway->certificates, url, private_network,
                            exchange_deadline_ms(x) - clock_monotonic_ms(), pem, error);
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

/* Of a step that was taken: never 0, which says that it was not. */
static int64_t took_us(int64_t start_us)
{
    int64_t us = clock_monotonic_us() - start_us;
    return us > 0 ? us : 1;
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
    x->verify_us = took_us(start_us);
    start_us = clock_monotonic_us();
    bool is_mapped =
        is_genuine && vendor->parse(&input, &x->json, x->arena, &x->receipt, &x->error);
    x->map_us = is_genuine ? took_us(start_us) : 0;
    return is_mapped;
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
    const struct integration *integration = x->integration;
    struct choice choice = routing_choose(&integration->routing, &item->alert, x->arena, NULL);
    if (choice.limited)
        log_event(LOG_WARNING, "a condition would cost too much to judge: it counts as met",
                  "request_id", x->request->id, "integration", integration->name, "condition",
                  choice.limited->text, NULL);
    return (struct dispatch){
        .alert = &item->alert,
        .scope = x->scope,
        .integration = integration->name,
        .request_id = x->request->id,
        .message_id = item->message_id,
        .destinations = choice.destinations,
        .destination_count = choice.count,
        .routes = integration->destinations,
        .route_count = integration->destination_count,
        .needs_acceptance = x->gateway->config->pass_through,
    };
}

static void deliver(struct exchange *x)
{
    const struct delivery_means means = {x->gateway->transport, x->gateway->store,
                                         x->gateway->config->flashduty_url};
    int64_t start_us = clock_monotonic_us();
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
    x->route_us = took_us(start_us);
    start_us = clock_monotonic_us();
    if (x->dispatch_count > 0)
        delivery_dispatch(&means, x->dispatches, x->dispatch_count, exchange_deadline_ms(x),
                          x->arena);
    x->store_us = x->gateway->store && x->dispatch_count > 0 ? x->dispatches[0].store_us : 0;
    x->forward_us = took_us(start_us + x->store_us);
    if (x->arena->failed)
        error_out_of_memory(&x->error);
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
        exchange_answer(x);
    return !x->error.code;
}

void gateway_answer_health(const struct gateway *gateway, struct response *response)
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
        gateway_answer_health(x.gateway, response);
        return;
    }
    if (!process(&x)) {
        response->retry_after_s = x.error.code == ERROR_UNAVAILABLE ? x.retry_after_s : 0;
        response_error(response, &x.error, x.error_code);
        if (!x.is_taken && x.error.code != ERROR_METHOD)
            exchange_refuse(&x, x.error.code);
    }
    exchange_log(&x);
    json_clear(&x.json);
}
