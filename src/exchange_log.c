#include "exchange.h"

#include "base/clock.h"
#include "base/log.h"

static const char *number(struct exchange *x, int64_t value)
{
    return arena_printf(x->arena, "%lld", (long long)value);
}

/* Microseconds as milliseconds; a step that was not reached is left out. */
static const char *milliseconds(struct exchange *x, int64_t us)
{
    return us > 0 ? arena_printf(x->arena, "%.1f", (double)us / 1000) : NULL;
}

/* "default=delivered,database=queued": each route with what became of it. */
static const char *destinations(struct exchange *x, const struct dispatch *dispatch)
{
    struct text out = {0};
    for (size_t i = 0; i < dispatch->delivery_count; i++) {
        const struct delivery *delivery = &dispatch->deliveries[i];
        text_printf(&out, "%s%s=%s", i > 0 ? "," : "",
                    *delivery->route ? delivery->route : "default",
                    exchange_outcome_name(delivery_outcome(delivery)));
    }
    return text_into(&out, x->arena);
}

/* The alerts of an array, each by its key. */
static void log_alerts(struct exchange *x)
{
    for (size_t i = 0; i < x->dispatch_count && x->dispatches; i++) {
        const struct dispatch *dispatch = &x->dispatches[i];
        log_event(exchange_is_kept(dispatch->outcome) || dispatch->outcome == OUTCOME_REFUSED
                      ? LOG_WARNING
                      : LOG_INFO,
                  "alert", "request_id", x->request->id, "integration", dispatch->integration,
                  "outcome", exchange_outcome_name(dispatch->outcome), "severity",
                  severity_names[dispatch->alert->severity], "alert_key", dispatch->alert->key,
                  "destinations", destinations(x, dispatch), NULL);
    }
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

/* Only where it is not as it should be. */
static const char *recorded(const struct dispatch *dispatch)
{
    if (dispatch && dispatch->is_unrecorded)
        return "no";
    return dispatch && dispatch->is_spooled ? "spool" : NULL;
}

void exchange_log(struct exchange *x)
{
    const struct item *item = x->receipt.count == 1 ? x->receipt.items : NULL;
    const struct alert *alert = item && item->kind == ITEM_ALERT ? &item->alert : NULL;
    const struct dispatch *dispatch = alert && x->dispatch_count ? x->dispatches : NULL;
    const struct delivery *delivery =
        dispatch && dispatch->delivery_count ? dispatch->deliveries : NULL;
    bool is_bad = x->error.code ? x->error.code != ERROR_METHOD : exchange_is_kept(x->outcome);
    log_items(x);
    if (x->receipt.is_array)
        log_alerts(x);
    log_event(
        is_bad || (item && item->warn) ? LOG_WARNING : LOG_INFO, "request", "request_id",
        x->request->id, "vendor", x->gateway->vendor->name, "integration",
        x->integration ? x->integration->name : NULL, "status", number(x, x->response->status),
        "outcome", x->error.code ? NULL : exchange_outcome_name(x->outcome), "recorded",
        recorded(dispatch), "severity", alert ? severity_names[alert->severity] : NULL, "alert_key",
        alert ? alert->key : NULL, "destinations", dispatch ? destinations(x, dispatch) : NULL,
        "alerts", x->receipt.is_array ? number(x, (int64_t)x->receipt.count) : NULL, "message_id",
        x->receipt.message_id, "tries", delivery ? number(x, delivery->tries) : NULL,
        "flashduty_request_id", delivery ? delivery->answer.request_id : NULL, "verify_ms",
        milliseconds(x, x->verify_us), "map_ms", milliseconds(x, x->map_us), "route_ms",
        milliseconds(x, x->route_us), "store_ms", milliseconds(x, x->store_us), "forward_ms",
        milliseconds(x, x->forward_us), "total_ms",
        number(x, clock_monotonic_ms() - x->request->arrived_ms), "reason",
        reason_of(x, item, delivery), NULL);
}
