#include "status/view.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "status/chart.h"
#include "status/form.h"
#include "status/orders.h"
#include "status/token.h"
#include "status/views.h"

/* What waits for so long is worth a warning. */
#define LONG_MS ((int64_t)60 * 1000)

/* ---- language ---- */

/* How much a header (RFC 9110, 12.5.4) wants a language, by its first two letters. */
static double weight_of(const char *header, const char *language)
{
    double best = 0;
    for (const char *item = header; *item; item += *item == ',') {
        item += strspn(item, " \t");
        size_t length = strcspn(item, ",");
        const char letters[] = {item[0], item[0] ? item[1] : '\0', '\0'};
        const char *quality = strstr(item, ";q=");
        double weight = quality && quality < item + length ? strtod(quality + 3, NULL) : 1;
        if (text_equal_ignoring_case(letters, language) && weight > best)
            best = weight;
        item += length;
    }
    return best;
}

static bool wants_chinese(const struct visit *visit)
{
    const char *header = request_variable(visit->request, "HTTP_ACCEPT_LANGUAGE");
    return header && weight_of(header, "zh") > weight_of(header, "en");
}

/* ---- the overview ---- */

static bool has_come(const struct summary *summary)
{
    for (size_t i = 0; i < summary->count; i++) {
        if (summary->items[i].ledger.received)
            return true;
    }
    return false;
}

static void put_verdict(struct page *page, const struct summary *summary)
{
    const struct outbox_figures *figures = &summary->figures;
    int64_t failed = figures->rejected + figures->expired, waits = figures->waiting;
    int64_t age_ms = waits ? page->visit->now_ms - figures->oldest_waiting_ms : 0;
    const char *class = failed || figures->failing_keys ? "bad"
                        : age_ms > LONG_MS              ? "warn"
                                                        : "good";
    put_html(page, "<div class=\"verdict {}\">", VALUES(class));
    if (waits)
        put(page, "<h1>{} waiting, the oldest for {}</h1>", "<h1>{} 条等待，最早的已等 {}</h1>",
            VALUES(number_words(page, waits), duration_words(page, age_ms < 1000 ? 1000 : age_ms)));
    else if (failed)
        put(page, "<h1>{} rejected or expired</h1>", "<h1>{} 条被拒绝或已过期</h1>",
            VALUES(number_words(page, failed)));
    else if (figures->sending)
        put(page, "<h1>{} being sent, all else is delivered</h1>",
            "<h1>{} 条正在发送，其余均已送达</h1>", VALUES(number_words(page, figures->sending)));
    else if (!has_come(summary))
        put(page, "<h1>Nothing has come yet</h1>", "<h1>尚未收到任何内容</h1>", VALUES(NULL));
    else
        put(page, "<h1>Everything is delivered</h1>", "<h1>全部送达</h1>", VALUES(NULL));
    if (figures->failing_keys)
        put(page, "<p>Flashduty keys that keep failing: {}.</p>",
            "<p>持续失败的 Flashduty 密钥：{}。</p>",
            VALUES(number_words(page, figures->failing_keys)));
    if (failed)
        put(page,
            "<p>What was rejected or has expired ({}) waits for you: <a href=\"#outbox\">retry "
            "it</a> when the cause is mended.</p>",
            "<p>被拒绝或已过期的（{}）等您处理：原因排除后<a href=\"#outbox\">重试</a>。</p>",
            VALUES(number_words(page, failed)));
    else if (waits)
        put(page, "<p>It is sent by itself, in order, critical ones first.</p>",
            "<p>会自动按序发送，Critical 优先。</p>", VALUES(NULL));
    text_puts(&page->out, "</div>");
}

static void put_figure(struct page *page, const char *name, int64_t number, const char *below)
{
    put_html(page, "<li><span class=\"label\">{}</span><b>{}<small>{!}</small></b></li>",
             VALUES(name, number_words(page, number), below));
}

/* What stands below the number of those that wait. */
static const char *waiting_words(struct page *page, const struct outbox_figures *figures)
{
    struct text words = {0};
    if (figures->waiting)
        return moment_words(page, figures->oldest_waiting_ms);
    if (!figures->sending)
        return say(page, "nothing waits", "没有等待");
    html_put(&words, say(page, "{} being sent", "{} 条正在发送"),
             VALUES(number_words(page, figures->sending)));
    return text_into(&words, page->visit->arena);
}

static const char *of_day(struct page *page, int64_t number)
{
    struct text words = {0};
    html_put(&words, say(page, "{} in a day", "一天内 {}"), VALUES(number_words(page, number)));
    return text_into(&words, page->visit->arena);
}

static void put_figures(struct page *page, const struct summary *summary)
{
    const struct outbox_figures *figures = &summary->figures;
    struct recent hour = {0}, day = {0};
    for (size_t i = 0; i < summary->count; i++) {
        hour.received += summary->items[i].hour.received;
        hour.delivered += summary->items[i].hour.delivered;
        day.received += summary->items[i].day.received;
        day.delivered += summary->items[i].day.delivered;
    }
    text_puts(&page->out, "<ul class=\"figures\">");
    put_figure(page, say(page, "Received in an hour", "一小时内收到"), hour.received,
               of_day(page, day.received));
    put_figure(page, say(page, "of these delivered", "其中已送达"), hour.delivered,
               of_day(page, day.delivered));
    put_figure(page, say(page, "Waiting", "等待"), figures->waiting, waiting_words(page, figures));
    put_figure(page, say(page, "Rejected, expired", "被拒绝、已过期"),
               figures->rejected + figures->expired, say(page, "kept for you", "保留待处理"));
    put_html(page, "<li><span class=\"label\">{}</span><b>{!}</b></li></ul>",
             VALUES(say(page, "Last drain", "最近一次清空发件箱"),
                    moment_words(page, figures->drained_ms)));
}

static void put_spans(struct page *page, enum timeline_span chosen)
{
    static const char *const words[SPAN_COUNT][2] = {
        {"Hour", "一小时"}, {"Day", "一天"}, {"Week", "一周"}};
    put(page,
        "<section aria-labelledby=\"lately\"><div class=\"row\"><h2 id=\"lately\">Lately</h2><nav "
        "class=\"tabs\" aria-label=\"Span of the drawings\">",
        "<section aria-labelledby=\"lately\"><div class=\"row\"><h2 id=\"lately\">近况</h2><nav "
        "class=\"tabs\" aria-label=\"图表时间范围\">",
        VALUES(NULL));
    for (int i = 0; i < SPAN_COUNT; i++)
        put_html(page,
                 i == (int)chosen ? "<a href=\"?span={%}\" aria-current=\"true\">{}</a>"
                                  : "<a href=\"?span={%}\">{}</a>",
                 VALUES(timeline_span_names[i], words[i][page->is_chinese]));
    text_puts(&page->out, "</nav></div>");
}

static enum timeline_span asked_span(struct visit *visit)
{
    const char *name = form_value(visit->arena, visit->query, "span");
    for (int i = 0; i < SPAN_COUNT; i++) {
        if (!strcmp(timeline_span_names[i], name))
            return (enum timeline_span)i;
    }
    return SPAN_DAY;
}

static bool put_overview(struct page *page, const struct summary *summary,
                         struct timeline *timeline, enum timeline_span span)
{
    const struct outbox_figures *figures = &summary->figures;
    bool is_calm = figures->waiting + figures->sending + figures->rejected + figures->expired == 0;
    bool has_confirmations = false;
    for (size_t i = 0; i < summary->count; i++)
        has_confirmations |= summary->items[i].subscriptions[SUBSCRIPTION_WAITING] ||
                             summary->items[i].subscriptions[SUBSCRIPTION_GIVEN_UP];
    orders_put_note(page);
    put_verdict(page, summary);
    if (!put_silent_nodes(page))
        return false;
    put_figures(page, summary);
    if (!is_calm && !put_outbox(page, figures))
        return false;
    if (has_confirmations && !put_confirmations(page))
        return false;
    put_hints(page, summary);
    put_integrations(page, summary);
    if (!put_nodes(page))
        return false;
    put_spans(page, span);
    chart_put_all(page, timeline);
    text_puts(&page->out, "</section>");
    return put_search(page, summary, false);
}

/* ---- the page ---- */

/* Whether the query looks for deliveries rather than at all. */
static bool is_search(struct visit *visit)
{
    static const char *const names[] = {"q", "integration", "state", "before"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (*form_value(visit->arena, visit->query, names[i]))
            return true;
    }
    return false;
}

static bool put_main(struct page *page)
{
    struct visit *visit = page->visit;
    const struct config *config = visit->gateway->config;
    enum timeline_span span = asked_span(visit);
    bool looks_for = is_search(visit);
    struct timeline *timeline = looks_for ? NULL : timeline_new(visit->arena, span, visit->now_ms);
    struct summary summary;
    int64_t id = 0;
    if (!timeline && !looks_for)
        return error_out_of_memory(&visit->error);
    if (!form_number(visit->arena, visit->query, "delivery", 1, INT64_MAX / 16, 0, &id,
                     &visit->error))
        return false;
    if (id)
        return put_delivery(page, id) || error_set(&visit->error, ERROR_NOT_FOUND,
                                                   "there is no delivery %lld: it may be older "
                                                   "than keep_days",
                                                   (long long)id);
    return summary_read(visit->history, config, visit->now_ms, visit->arena, timeline, &summary,
                        &visit->error) &&
           (looks_for ? put_search(page, &summary, true)
                      : put_overview(page, &summary, timeline, span));
}

/* What this node alone knows of. */
static void put_spool(struct page *page)
{
    struct store *store = page->visit->gateway->store;
    int64_t spooled = store ? store_spooled(store) : 0;
    if (spooled > 0)
        put(page,
            "<div class=\"note\"><p>Alerts that this node took while the database was out of "
            "reach: {}. They are moved there when it is back; recoveries go out then.</p></div>",
            "<div class=\"note\"><p>数据库不可用期间本节点收下的告警：{}。"
            "数据库恢复后会移入其中，恢复通知届时发出。</p></div>",
            VALUES(number_words(page, spooled)));
}

static void begin(struct page *page)
{
    page_begin(page, say(page, "flashduty-gateway: status", "flashduty-gateway：状态"));
    char now[32];
    clock_rfc3339(page->visit->now_ms / 1000, now);
    put(page, "<div class=\"soft\">{} UTC · <a href=\"?\">Refresh</a></div></header><main>",
        "<div class=\"soft\">{} UTC · <a href=\"?\">刷新</a></div></header><main>",
        VALUES(arena_copy(page->visit->arena, now + strlen("2026-11-24T"), strlen("01:41"))));
    put_spool(page);
}

/* A page that says nothing else. */
static void begin_again(struct page *page, const char *problem)
{
    text_clear(&page->out);
    begin(page);
    put(page, "<div class=\"verdict bad\"><h1>This cannot be shown</h1><p>{}</p></div>",
        "<div class=\"verdict bad\"><h1>无法显示</h1><p>{}</p></div>", VALUES(problem));
}

bool view_answer(struct visit *visit)
{
    struct page page = {.visit = visit, .is_chinese = wants_chinese(visit)};
    int status = response_status(ERROR_NONE);
    if (!strcmp(visit->request->method, "POST"))
        return orders_take(visit);
    if (visit->history &&
        !token_make(visit->gateway->store, visit->visitor, visit->now_ms, page.token))
        page.token[0] = '\0';
    begin(&page);
    if (!visit->history) {
        begin_again(&page, visit->store_error.text);
        status = response_status(visit->gateway->store ? ERROR_UNAVAILABLE : ERROR_NONE);
    } else if (!put_main(&page)) {
        begin_again(&page, visit->error.text);
        status = response_status(visit->error.code);
    }
    visit->error = (struct error){0};
    page_end(&page);
    return page_answer(&page, status);
}
