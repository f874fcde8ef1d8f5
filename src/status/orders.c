#include "status/orders.h"

#include <string.h>

#include "base/text.h"
#include "canary.h"
#include "config/keys.h"
#include "delivery/delivery.h"
#include "status/door.h"
#include "status/form.h"
#include "status/token.h"

/* Orders given in one transaction: others wait for it. */
#define BATCH 100
#define ORDERS_MAX 10000

/* ---- what came of it ---- */

/* Words for what a query says of an order; nothing in the query itself is shown. */
static const struct note {
    const char *name;
    bool is_bad;
    const char *english, *chinese;
} notes[] = {
    {"retried", false, "Deliveries that are due now: {}.", "已设为立即发送的投递：{}。"},
    {"over", false, "There is nothing to do: it is delivered or dropped.",
     "无需操作：已送达或已丢弃。"},
    {"busy", true, "Not retried: it, or a later event of its alert, is being sent right now.",
     "未重试：该投递或其告警的后续事件正在发送。"},
    {"stale", true,
     "Not retried: something newer of its alert was taken since, and it would turn that back. "
     "“flashduty-gateway outbox retry --force” sends it all the same.",
     "未重试：该告警已有更新的事件，重发会使其倒退。“flashduty-gateway outbox retry --force” "
     "可强制发送。"},
    {"unknown", true, "There is no such delivery.", "没有这样的投递。"},
    {"delivered", false, "Flashduty has accepted the test alert and its recovery.",
     "Flashduty 已接受测试告警及其恢复。"},
    {"queued", true, "The test alert was not accepted in time: it waits in the outbox.",
     "测试告警未能及时被接受：已进入发件箱等待。"},
    {"rejected", true, "Flashduty refuses the test alert for good: see why below.",
     "Flashduty 拒绝了测试告警：原因见下。"},
    {"unrouted", true, "No route of the integration takes the test alert.",
     "该集成没有路由接收测试告警。"},
    {"failed", true, "The test alert could not be sent: the gateway’s log says why.",
     "测试告警未能发送：原因见网关日志。"},
};

void orders_put_note(struct page *page)
{
    struct visit *visit = page->visit;
    const char *name = form_value(visit->arena, visit->query, "note");
    struct error ignored = {0};
    int64_t count;
    for (size_t i = 0; i < sizeof notes / sizeof *notes; i++) {
        const struct note *note = &notes[i];
        if (strcmp(note->name, name))
            continue;
        (void)form_number(visit->arena, visit->query, "count", 0, ORDERS_MAX, 1, &count, &ignored);
        put_html(page, "<div class=\"note {}\" role=\"status\"><p>",
                 VALUES(note->is_bad ? "bad" : "good"));
        put(page, note->english, note->chinese,
            strstr(note->english, "{}") ? VALUES(number_words(page, count)) : VALUES(NULL));
        text_puts(&page->out, "</p></div>");
    }
}

static bool see(struct visit *visit, const char *note, int64_t count)
{
    visit->response->status = STATUS_SEE_OTHER;
    visit->response->type = "text/plain; charset=utf-8";
    visit->response->headers =
        arena_printf(visit->arena, "Location: ?note=%s&count=%lld\r\n", note, (long long)count);
    return true;
}

/* ---- retry ---- */

struct chosen {
    int64_t *ids;
    size_t count;
};

static bool choose(void *context, const struct delivery_record *record)
{
    struct chosen *chosen = context;
    chosen->ids[chosen->count++] = record->id;
    return chosen->count < ORDERS_MAX;
}

static bool choose_failed(struct visit *visit, struct chosen *chosen)
{
    const struct delivery_filter failed = {
        .states = 1U << DELIVERY_REJECTED | 1U << DELIVERY_EXPIRED, .limit = ORDERS_MAX};
    return history_deliveries(visit->history, &failed, choose, chosen, &visit->error);
}

static bool choose_one(struct visit *visit, const char *form, struct chosen *chosen)
{
    return form_number(visit->arena, form, "id", 1, INT64_MAX / 16, 0, &chosen->ids[0],
                       &visit->error) &&
           (chosen->ids[0] || error_set(&visit->error, ERROR_INVALID, "id is missing")) &&
           (chosen->count = 1);
}

static bool give(struct visit *visit, const struct chosen *chosen, enum order_result *results)
{
    struct order order = {.kind = ORDER_RETRY};
    order.keys = config_keys(visit->gateway->config, visit->arena, &order.key_count);
    for (size_t i = 0; i < chosen->count && order.keys; i += BATCH) {
        size_t count = chosen->count - i < BATCH ? chosen->count - i : BATCH;
        if (!history_order(visit->history, &order, chosen->ids + i, count, results + i,
                           &visit->error))
            return false;
    }
    return order.keys || error_out_of_memory(&visit->error);
}

static bool retry(struct visit *visit, const char *form)
{
    static const char *const words[] = {[ORDER_DONE] = "retried",
                                        [ORDER_UNKNOWN] = "unknown",
                                        [ORDER_OVER] = "over",
                                        [ORDER_BUSY] = "busy",
                                        [ORDER_STALE] = "stale"};
    struct chosen chosen = {.ids = arena_alloc(visit->arena, ORDERS_MAX * sizeof *chosen.ids)};
    enum order_result *results = arena_alloc(visit->arena, ORDERS_MAX * sizeof *results);
    bool is_all = !strcmp(form_value(visit->arena, form, "which"), "failed");
    int64_t done = 0;
    if (!chosen.ids || !results)
        return error_out_of_memory(&visit->error);
    if (!visit_needs_store(visit) ||
        !(is_all ? choose_failed(visit, &chosen) : choose_one(visit, form, &chosen)) ||
        !give(visit, &chosen, results))
        return false;
    for (size_t i = 0; i < chosen.count; i++)
        done += results[i] == ORDER_DONE;
    visit->order = is_all ? "retry all that failed"
                          : arena_printf(visit->arena, "retry %lld", (long long)chosen.ids[0]);
    if (done && visit->gateway->drainer)
        drainer_wake(visit->gateway->drainer);
    return see(visit, chosen.count == 1 ? words[results[0]] : words[ORDER_DONE], done);
}

/* ---- a test alert ---- */

static const struct integration *find_integration(struct visit *visit, const char *form)
{
    const struct config *config = visit->gateway->config;
    const char *name = form_value(visit->arena, form, "integration");
    for (size_t i = 0; i < config->integration_count; i++) {
        if (!strcmp(config->integrations[i].name, name))
            return &config->integrations[i];
    }
    error_set(&visit->error, ERROR_INVALID, "the configuration has no such integration");
    return NULL;
}

static const char *note_of(enum outcome outcome)
{
    switch (outcome) {
    case OUTCOME_DELIVERED:
    case OUTCOME_QUEUED:
    case OUTCOME_REJECTED:
    case OUTCOME_UNROUTED:
        return outcome_names[outcome];
    default:
        return "failed";
    }
}

/* The canary: Info, and over at once, so that it wakes nobody and leaves nothing open. */
static bool test(struct visit *visit, const char *form)
{
    const struct gateway *gateway = visit->gateway;
    const struct integration *integration = find_integration(visit, form);
    const struct delivery_means means = {gateway->transport, gateway->store,
                                         gateway->config->flashduty_url};
    struct canary canary;
    if (!integration)
        return false;
    if (!canary_send(gateway->config, &means, integration, &canary, visit->arena))
        return error_out_of_memory(&visit->error);
    enum outcome outcome = canary.alert.outcome < canary.recovery.outcome ? canary.alert.outcome
                                                                          : canary.recovery.outcome;
    visit->order = arena_printf(visit->arena, "test %s", integration->name);
    if (outcome == OUTCOME_QUEUED && gateway->drainer)
        drainer_wake(gateway->drainer);
    return see(visit, note_of(outcome), 1);
}

/* ---- the form ---- */

bool orders_take(struct visit *visit)
{
    static const struct {
        const char *name;
        bool (*take)(struct visit *visit, const char *form);
    } actions[] = {{"retry", retry}, {"test", test}};
    const char *form = visit->request->body ? visit->request->body : "";
    const char *token = form_value(visit->arena, form, "token");
    const char *action = form_value(visit->arena, form, "action");
    if (!door_is_same_site(visit->request, &visit->error) || !visit_needs_store(visit) ||
        !token_check(visit->gateway->store, visit->visitor, visit->now_ms, token, &visit->error))
        return false;
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        if (!strcmp(actions[i].name, action))
            return actions[i].take(visit, form);
    }
    return error_set(&visit->error, ERROR_INVALID, "action is retry or test");
}
