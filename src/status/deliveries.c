#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "status/form.h"
#include "status/history_json.h"
#include "status/views.h"

#define OUTBOX_SHOWN 50
#define FOUND_SHOWN 25

/* A table that is being written. */
struct table {
    struct page *page;
    int64_t limit, count, last;
    bool is_more;
};

static const char *id_words(struct page *page, int64_t id)
{
    return arena_printf(page->visit->arena, "%lld", (long long)id);
}

static const char *reason_words(struct page *page, const char *code, const char *message)
{
    return arena_printf(page->visit->arena, "%s%s%s", code, *code && *message ? ": " : "", message);
}

/* The cells that every table of deliveries begins with. */
static void put_cells(struct page *page, const struct delivery_record *record)
{
    put_html(page, "<tr><td class=\"nw\">{!}</td><td>{!}</td><td class=\"nw\">{!}</td>",
             VALUES(state_badge(page, record->state), severity_badge(page, record->severity),
                    moment_words(page, record->received_ms)));
    put_html(page,
             "<td class=\"w\"><a href=\"?delivery={%}\"><bdi>{}</bdi></a><small "
             "class=\"mono\"><bdi>{}</bdi></small></td><td><bdi>{}</bdi><small>→ "
             "<bdi>{}</bdi> ({})</small></td>",
             VALUES(id_words(page, record->id), *record->title ? record->title : "–",
                    record->alert_key, record->integration, route_name(record->route),
                    record->flashduty_key));
}

static void put_head(struct page *page, const char *caption, const char *more_english,
                     const char *more_chinese)
{
    put_html(page,
             "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"{}\"><table "
             "class=\"stack\"><thead>"
             "<tr>",
             VALUES(caption));
    put(page,
        "<th scope=\"col\">State</th><th scope=\"col\">Severity</th><th "
        "scope=\"col\">Received</th><th scope=\"col\">Alert</th><th "
        "scope=\"col\">From → to</th>",
        "<th scope=\"col\">状态</th><th scope=\"col\">级别</th><th "
        "scope=\"col\">收到</th><th scope=\"col\">告警</th><th "
        "scope=\"col\">来源 → 目的</th>",
        VALUES(NULL));
    text_puts(&page->out, say(page, more_english, more_chinese));
    text_puts(&page->out, "</tr></thead><tbody>");
}

static void put_retry_button(struct page *page, int64_t id, const char *title)
{
    put(page, "<button name=\"id\" value=\"{}\">Retry<span class=\"sr\"> {}</span></button>",
        "<button name=\"id\" value=\"{}\">重试<span class=\"sr\"> {}</span></button>",
        VALUES(id_words(page, id), title));
}

static void begin_form(struct page *page, const char *action)
{
    put_html(page,
             "<form method=\"post\" action=\"?\"><input type=\"hidden\" name=\"token\" "
             "value=\"{}\"><input type=\"hidden\" name=\"action\" value=\"{}\">",
             VALUES(page->token, action));
}

/* ---- the outbox ---- */

static void put_why(struct page *page, const struct delivery_record *record)
{
    const char *reason = reason_words(page, record->code, record->message);
    put_html(page, "<td class=\"w\"><bdi>{}</bdi>",
             VALUES(*reason ? reason : say(page, "not tried yet", "尚未尝试")));
    if (record->state == DELIVERY_WAITING && record->after)
        put(page, "<small>waits behind <a href=\"?delivery={%}\">delivery {}</a></small>",
            "<small>排在<a href=\"?delivery={%}\">投递 {}</a>之后</small>",
            VALUES(id_words(page, record->after), id_words(page, record->after)));
    else if (record->state == DELIVERY_WAITING)
        put(page, "<small>tries so far: {}; next {!}</small>",
            "<small>已尝试 {} 次；下次 {!}</small>",
            VALUES(number_words(page, record->tries), record->due_ms > page->visit->now_ms
                                                          ? moment_words(page, record->due_ms)
                                                          : say(page, "now", "现在")));
    text_puts(&page->out, "</td>");
}

/* One row beyond the limit says that there are more. */
static bool has_room(struct table *table)
{
    table->is_more = table->count == table->limit;
    return !table->is_more;
}

static bool put_waiting(void *context, const struct delivery_record *record)
{
    struct table *table = context;
    struct page *page = table->page;
    if (!has_room(table))
        return false;
    if (table->count++ == 0)
        put_head(page, say(page, "Deliveries that wait or were refused", "等待或被拒绝的投递"),
                 "<th scope=\"col\">Why</th><td></td>", "<th scope=\"col\">原因</th><td></td>");
    put_cells(page, record);
    put_why(page, record);
    text_puts(&page->out, "<td class=\"n\">");
    if (record->state != DELIVERY_SENDING && *page->token)
        put_retry_button(page, record->id, record->title);
    text_puts(&page->out, "</td></tr>");
    return true;
}

static void put_retry_all(struct page *page, int64_t failed)
{
    if (!failed || !*page->token)
        return;
    put(page,
        "<p class=\"more\"><button name=\"which\" value=\"failed\">Retry all that were rejected or "
        "expired ({})</button></p>",
        "<p class=\"more\"><button name=\"which\" "
        "value=\"failed\">重试全部被拒绝或已过期的（{}）</button></p>",
        VALUES(number_words(page, failed)));
}

bool put_outbox(struct page *page, const struct outbox_figures *figures)
{
    struct table table = {.page = page, .limit = OUTBOX_SHOWN};
    const struct delivery_filter filter = {.limit = OUTBOX_SHOWN + 1};
    put(page,
        "<section aria-labelledby=\"outbox\"><h2 id=\"outbox\">Waiting, rejected, expired</h2>",
        "<section aria-labelledby=\"outbox\"><h2 id=\"outbox\">等待、被拒绝、已过期</h2>",
        VALUES(NULL));
    begin_form(page, "retry");
    bool is_read =
        history_deliveries(page->visit->history, &filter, put_waiting, &table, &page->visit->error);
    if (table.count)
        text_puts(&page->out, "</tbody></table></div>");
    else
        put(page, "<p class=\"soft\">Nothing: all that was taken is with Flashduty.</p>",
            "<p class=\"soft\">没有：所有已接收的告警都已送达 Flashduty。</p>", VALUES(NULL));
    if (table.is_more)
        put(page, "<p class=\"more soft\">The oldest {} are shown.</p>",
            "<p class=\"more soft\">仅显示最早的 {} 条。</p>",
            VALUES(number_words(page, OUTBOX_SHOWN)));
    put_retry_all(page, figures->rejected + figures->expired);
    text_puts(&page->out, "</form></section>");
    return is_read;
}

/* ---- searching ---- */

static void put_choice(struct page *page, const char *value, const char *words, const char *chosen)
{
    put_html(page,
             strcmp(value, chosen) ? "<option value=\"{}\">{}</option>"
                                   : "<option value=\"{}\" selected>{}</option>",
             VALUES(value, words));
}

static void put_search_form(struct page *page, const struct summary *summary, const char *text,
                            const char *integration, const char *state)
{
    put(page,
        "<form class=\"search\" role=\"search\" action=\"?\"><label class=\"wide\">Alert key, "
        "title, or a request id<input type=\"search\" name=\"q\" "
        "value=\"{}\"></label><label>Integration<select name=\"integration\">",
        "<form class=\"search\" role=\"search\" action=\"?\"><label "
        "class=\"wide\">告警 key、标题或请求 ID<input type=\"search\" name=\"q\" "
        "value=\"{}\"></label><label>集成<select name=\"integration\">",
        VALUES(text));
    put_choice(page, "", say(page, "all", "全部"), integration);
    for (size_t i = 0; i < summary->count; i++)
        put_choice(page, summary->items[i].name, summary->items[i].name, integration);
    put(page, "</select></label><label>Outcome<select name=\"state\">",
        "</select></label><label>结果<select name=\"state\">", VALUES(NULL));
    put_choice(page, "", say(page, "all", "全部"), state);
    for (int i = 0; i < DELIVERY_REFUSED; i++)
        put_choice(page, delivery_state_names[i], state_words(page, (enum delivery_state)i), state);
    put(page, "</select></label><button>Search</button></form>",
        "</select></label><button>搜索</button></form>", VALUES(NULL));
}

static bool put_found(void *context, const struct delivery_record *record)
{
    struct table *table = context;
    struct page *page = table->page;
    if (!has_room(table))
        return false;
    if (table->count++ == 0)
        put_head(page, say(page, "Deliveries", "投递"),
                 "<th scope=\"col\" class=\"n far\">Tries</th><th scope=\"col\" class=\"n "
                 "far\">Took</th>",
                 "<th scope=\"col\" class=\"n far\">尝试</th><th scope=\"col\" class=\"n "
                 "far\">用时</th>");
    put_cells(page, record);
    put_html(page, "<td class=\"n far\">{}</td><td class=\"n far\">{}</td></tr>",
             VALUES(number_words(page, record->tries),
                    record->state == DELIVERY_DELIVERED
                        ? duration_words(page, record->finished_ms - record->received_ms)
                        : "–"));
    table->last = record->id;
    return true;
}

bool put_search(struct page *page, const struct summary *summary, bool is_alone)
{
    struct visit *visit = page->visit;
    struct table table = {.page = page, .limit = FOUND_SHOWN};
    const char *state = form_value(visit->arena, visit->query, "state");
    struct delivery_search search = {.states = *state ? delivery_states(state) : ALL_STATES,
                                     .integration =
                                         form_value(visit->arena, visit->query, "integration"),
                                     .text = form_value(visit->arena, visit->query, "q")};
    if (!search.states)
        return error_set(&visit->error, ERROR_INVALID, "state is " DELIVERY_STATES_HELP);
    if (!form_number(visit->arena, visit->query, "before", 0, INT64_MAX / 16, 0, &search.before,
                     &visit->error))
        return false;
    put_html(page,
             is_alone ? "<section aria-labelledby=\"deliveries\"><h1 id=\"deliveries\">{}</h1>"
                      : "<section aria-labelledby=\"deliveries\"><h2 id=\"deliveries\">{}</h2>",
             VALUES(say(page, "Deliveries", "投递")));
    put_search_form(page, summary, search.text, search.integration, state);
    bool is_read = history_search(visit->history, &search, put_found, &table, &visit->error);
    if (table.count)
        text_puts(&page->out, "</tbody></table></div>");
    else
        put(page, "<p class=\"soft\">Nothing was found.</p>", "<p class=\"soft\">没有找到。</p>",
            VALUES(NULL));
    if (table.is_more)
        put(page,
            "<p class=\"more\"><a "
            "href=\"?q={%}&amp;integration={%}&amp;state={%}&amp;before={%}\">Older ones</a></p>",
            "<p class=\"more\"><a "
            "href=\"?q={%}&amp;integration={%}&amp;state={%}&amp;before={%}\">更早的</a></p>",
            VALUES(search.text, search.integration, state, id_words(page, table.last)));
    text_puts(&page->out, "</section>");
    return is_read;
}

/* ---- one delivery ---- */

static void put_fact(struct page *page, const char *name, const char *value)
{
    if (*value)
        put_html(page, "<li><span class=\"label\">{}</span><bdi>{}</bdi></li>",
                 VALUES(name, value));
}

static void put_moment(struct page *page, const char *name, int64_t ms)
{
    char moment[32];
    clock_rfc3339(ms / 1000, moment);
    if (ms)
        put_html(page,
                 "<li><span class=\"label\">{}</span>{!}<br><span class=\"soft\">{}</span></li>",
                 VALUES(name, moment_words(page, ms), moment));
}

static bool put_try_row(void *context, const struct try_record *record)
{
    static const char *const words[][2] = {
        [TRY_ACCEPTED] = {"accepted", "已接受"},
        [TRY_REJECTED] = {"rejected", "被拒绝"},
        [TRY_FAILED] = {"failed", "失败"},
        [TRY_NONE] = {"not made", "未发出"},
    };
    static const char *const classes[] = {"good", "bad", "warn", ""};
    struct page *page = context;
    char moment[32];
    bool is_known = (unsigned)record->verdict <= TRY_NONE;
    const char *reason = reason_words(page, record->code, record->message);
    clock_rfc3339(record->started_ms / 1000, moment);
    put_html(page,
             "<tr><td class=\"n\">{}</td><td class=\"nw\">{}</td><td><span class=\"badge "
             "{}\">{}</span></td><td class=\"nw\">{}</td><td class=\"n\">{}</td>",
             VALUES(number_words(page, record->number), moment,
                    is_known ? classes[record->verdict] : "",
                    is_known ? words[record->verdict][page->is_chinese] : "?",
                    record->status
                        ? arena_printf(page->visit->arena, "HTTP %lld", (long long)record->status)
                        : say(page, "no answer", "无应答"),
                    duration_words(page, record->took_ms)));
    put_html(page, "<td class=\"w\"><bdi>{}</bdi></td><td class=\"mono\"><bdi>{}</bdi></td></tr>",
             VALUES(*reason ? reason : "–", *record->request_id ? record->request_id : "–"));
    return true;
}

static bool put_tries(struct page *page, int64_t id)
{
    put(page,
        "<h2 id=\"tries\">Every try</h2><div class=\"scroll\" tabindex=\"0\" role=\"group\" "
        "aria-labelledby=\"tries\"><table><thead><tr><th scope=\"col\" class=\"n\">No.</th><th "
        "scope=\"col\">Begun</th><th scope=\"col\">Result</th><th scope=\"col\">Answer</th><th "
        "scope=\"col\" class=\"n\">Took</th><th scope=\"col\">Flashduty said</th><th "
        "scope=\"col\">Flashduty’s request_id</th></tr></thead><tbody>",
        "<h2 id=\"tries\">每次尝试</h2><div class=\"scroll\" tabindex=\"0\" role=\"group\" "
        "aria-labelledby=\"tries\"><table><thead><tr><th scope=\"col\" class=\"n\">序号</th><th "
        "scope=\"col\">开始</th><th scope=\"col\">结果</th><th scope=\"col\">应答</th><th "
        "scope=\"col\" class=\"n\">用时</th><th scope=\"col\">Flashduty 的说明</th><th "
        "scope=\"col\">Flashduty 的 request_id</th></tr></thead><tbody>",
        VALUES(NULL));
    bool is_read = history_tries(page->visit->history, id, put_try_row, page, &page->visit->error);
    text_puts(&page->out, "</tbody></table></div>");
    return is_read;
}

/* The event as people read it. */
static void put_event(struct page *page, const char *event)
{
    struct json json = {0};
    struct error ignored = {0};
    char *pretty =
        json_parse(event, strlen(event), &json, &ignored) ? cJSON_Print(json.root) : NULL;
    put(page, "<h2>What Flashduty gets</h2><pre tabindex=\"0\">{}</pre>",
        "<h2>发给 Flashduty 的内容</h2><pre tabindex=\"0\">{}</pre>",
        VALUES(pretty ? pretty : event));
    cJSON_free(pretty);
    json_clear(&json);
}

static void put_facts(struct page *page, const struct delivery_record *record,
                      const struct alert_record *alert)
{
    text_puts(&page->out, "<ul class=\"facts\">");
    put_fact(page, say(page, "Alert key", "告警 key"), record->alert_key);
    put_fact(page, say(page, "Integration", "集成"), record->integration);
    put_fact(page, say(page, "Destination", "目的"),
             arena_printf(page->visit->arena, "%s (%s)", route_name(record->route),
                          record->flashduty_key));
    put_moment(page, say(page, "Received", "收到"), record->received_ms);
    put_moment(page, say(page, "Vendor’s time", "厂商时间"), alert->time_s * 1000);
    put_moment(page, say(page, "Over", "结束"), record->finished_ms);
    if (record->state == DELIVERY_WAITING && !record->after)
        put_moment(page, say(page, "Next try", "下次尝试"), record->due_ms);
    put_fact(page, say(page, "Our request id", "本网关的请求 ID"), record->request_id);
    put_fact(page, say(page, "Vendor’s message id", "厂商的消息 ID"), record->message_id);
    put_fact(page, say(page, "Last failure", "最近的失败"),
             reason_words(page, record->code, record->message));
    text_puts(&page->out, "</ul>");
}

static void put_acts(struct page *page, const struct delivery_record *record)
{
    bool is_retried = record->state != DELIVERY_DELIVERED && record->state != DELIVERY_SENDING;
    text_puts(&page->out, "<div class=\"row more\">");
    if (is_retried && *page->token) {
        begin_form(page, "retry");
        put_retry_button(page, record->id, "");
        text_puts(&page->out, "</form>");
    }
    put(page,
        "<a href=\"?q={%}\">All deliveries of this alert key</a><a href=\"?\">Overview</a></div>",
        "<a href=\"?q={%}\">该告警 key的全部投递</a><a href=\"?\">总览</a></div>",
        VALUES(record->alert_key));
}

bool put_delivery(struct page *page, int64_t id)
{
    struct visit *visit = page->visit;
    struct delivery_record record;
    struct alert_record alert;
    if (!history_delivery(visit->history, id, visit->arena, &record, &visit->error) ||
        !history_alert(visit->history, record.alert_id, visit->arena, &alert, &visit->error))
        return false;
    put_html(page, "<section><div class=\"row\">{!}{!}</div><h1><bdi>{}</bdi></h1>",
             VALUES(state_badge(page, record.state), severity_badge(page, record.severity),
                    *record.title ? record.title : "–"));
    put_facts(page, &record, &alert);
    put_acts(page, &record);
    bool is_read = put_tries(page, id);
    put_event(page, alert.event);
    text_puts(&page->out, "</section>");
    return is_read;
}
