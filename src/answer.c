#include "exchange.h"

#include "base/text.h"

/* What is shown for the route without a name. */
#define DEFAULT_ROUTE "default"

/* A subscription that is not confirmed yet waits as alerts do. */
const char *exchange_outcome_name(enum outcome outcome)
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
    text_json(data, exchange_outcome_name(outcome));
    if (item->kind == ITEM_ALERT && dispatch->delivery_count > 1)
        append_deliveries(data, dispatch);
    text_putc(data, '}');
}

bool exchange_is_kept(enum outcome outcome)
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

void exchange_answer(struct exchange *x)
{
    struct text list = {0}, data = {0};
    const struct dispatch *dispatch = x->dispatches;
    x->outcome = OUTCOME_REFUSED;
    for (size_t i = 0; i < x->receipt.count; i++) {
        const struct item *item = &x->receipt.items[i];
        enum outcome outcome = exchange_settle(x, item, dispatch);
        if (outcome < x->outcome)
            x->outcome = outcome;
        if (i)
            text_putc(&list, ',');
        append_item(&list, item, dispatch, outcome);
        dispatch += item->kind == ITEM_ALERT;
    }
    text_printf(&data, x->receipt.is_array ? "{\"outcome\":\"%s\",\"alerts\":[%s]}" : "%.0s%s",
                exchange_outcome_name(x->outcome), text_string(&list));
    if (list.failed || data.failed)
        error_out_of_memory(&x->error);
    if (!x->error.code)
        response_data(x->response,
                      exchange_is_kept(x->outcome) ? STATUS_KEPT : response_status(ERROR_NONE),
                      text_string(&data));
    wake_drainer(x);
    text_clear(&list);
    text_clear(&data);
}
