#include <string.h>

#include "status/views.h"

/* So many alarms without a recovery are no accident. */
#define TRIGGERS_WITHOUT_RECOVERY 3
/* What is due is sent within seconds, or by cron within a minute. */
#define UNDRAINED_MS ((int64_t)5 * 60 * 1000)

/* ---- the table ---- */

static void put_recent(struct page *page, const char *label, const struct recent *recent)
{
    put_html(page, "<td class=\"n\" data-label=\"{}\">{}",
             VALUES(label, number_words(page, recent->received)));
    if (recent->received && recent->received == recent->delivered)
        put(page, "<small>all delivered</small>", "<small>全部送达</small>", VALUES(NULL));
    else if (recent->received)
        put(page, "<small>{} delivered</small>", "<small>{} 已送达</small>",
            VALUES(number_words(page, recent->delivered)));
    if (recent->waiting)
        put(page, "<small>{} waiting</small>", "<small>{} 等待</small>",
            VALUES(number_words(page, recent->waiting)));
    if (recent->failed)
        put(page, "<small>{} rejected</small>", "<small>{} 被拒绝</small>",
            VALUES(number_words(page, recent->failed)));
    text_puts(&page->out, "</td>");
}

static void put_target(struct page *page, const struct integration_summary *item)
{
    text_puts(&page->out, "<td>");
    if (!item->settings)
        text_puts(&page->out, "–");
    else if (item->failing)
        put(page, "<span class=\"badge bad\">failing</span>",
            "<span class=\"badge bad\">持续失败</span>", VALUES(NULL));
    else if (item->accepted_ms)
        put(page, "<span class=\"badge good\">accepting</span>",
            "<span class=\"badge good\">正常接收</span>", VALUES(NULL));
    else
        put(page, "<span class=\"badge\">not tried yet</span>",
            "<span class=\"badge\">尚未尝试</span>", VALUES(NULL));
    if (item->accepted_ms)
        put(page, "<small>accepted {!}</small>", "<small>{!}接受</small>",
            VALUES(moment_words(page, item->accepted_ms)));
    text_puts(&page->out, "</td>");
}

static void put_subscription(struct page *page, enum subscription_state state, int64_t count)
{
    static const struct {
        const char *class, *english, *chinese;
    } words[SUBSCRIPTION_STATE_COUNT] = {
        [SUBSCRIPTION_CONFIRMED] = {"good", "confirmed", "已确认"},
        [SUBSCRIPTION_REMOVED] = {"bad", "removed", "已取消"},
        [SUBSCRIPTION_WAITING] = {"warn", "confirming", "确认中"},
        [SUBSCRIPTION_GIVEN_UP] = {"bad", "not confirmed", "未能确认"},
    };
    if (count)
        put_html(
            page, "<span class=\"badge {}\">{}{}</span> ",
            VALUES(words[state].class, say(page, words[state].english, words[state].chinese),
                   count > 1 ? arena_printf(page->visit->arena, " × %lld", (long long)count) : ""));
}

/* A subscription is SMN's; with Guance nothing is to be confirmed. */
static void put_source(struct page *page, const struct integration_summary *item)
{
    bool has_topics = item->settings && item->settings->vendor->has_topics, is_known = false;
    text_puts(&page->out, "<td class=\"far\">");
    for (int i = 0; i < SUBSCRIPTION_STATE_COUNT; i++) {
        put_subscription(page, (enum subscription_state)i, item->subscriptions[i]);
        is_known |= item->subscriptions[i] > 0;
    }
    if (!is_known && has_topics && !item->latest_ms)
        put(page, "<span class=\"badge warn\">never confirmed</span>",
            "<span class=\"badge warn\">从未确认</span>", VALUES(NULL));
    else if (!is_known)
        text_puts(&page->out, "–");
    if (item->canary_ms)
        put(page, "<small>canary {!}</small>", "<small>探测告警 {!}</small>",
            VALUES(moment_words(page, item->canary_ms)));
    text_puts(&page->out, "</td>");
}

static void put_test_button(struct page *page, const struct integration_summary *item)
{
    text_puts(&page->out, "<td class=\"n\">");
    if (item->settings && *page->token)
        put(page,
            "<button name=\"integration\" value=\"{}\">Test alert<span class=\"sr\"> {}</span>"
            "</button>",
            "<button name=\"integration\" value=\"{}\">测试告警<span class=\"sr\"> {}</span>"
            "</button>",
            VALUES(item->name, item->name));
    text_puts(&page->out, "</td></tr>");
}

static void put_row(struct page *page, const struct integration_summary *item)
{
    int64_t refused = item->ledger.counts[OUTCOME_REFUSED];
    put_html(page,
             "<tr><th scope=\"row\"><bdi>{}</bdi><small>{}</small></th><td class=\"nw\" "
             "data-label=\"{}\">{!}</td>",
             VALUES(item->name,
                    item->settings       ? item->settings->vendor->title
                    : *item->name == '(' ? ""
                                         : say(page, "not in the configuration", "不在配置中"),
                    say(page, "Latest event", "最近事件"), moment_words(page, item->latest_ms)));
    put_recent(page, say(page, "Last hour", "最近一小时"), &item->hour);
    put_recent(page, say(page, "Last day", "最近一天"), &item->day);
    put_html(page, "<td class=\"n far\">{}</td>", VALUES(number_words(page, refused)));
    put_target(page, item);
    put_source(page, item);
    put_test_button(page, item);
}

void put_integrations(struct page *page, const struct summary *summary)
{
    put(page,
        "<section aria-labelledby=\"integrations\"><h2 id=\"integrations\">Integrations</h2><form "
        "method=\"post\" action=\"?\"><input type=\"hidden\" name=\"token\" value=\"{}\"><input "
        "type=\"hidden\" name=\"action\" value=\"test\"><div class=\"scroll\" tabindex=\"0\" "
        "role=\"group\" aria-labelledby=\"integrations\"><table class=\"stack\"><thead><tr><th "
        "scope=\"col\">Integration</th><th scope=\"col\">Latest event</th><th scope=\"col\" "
        "class=\"n\">Last hour</th><th scope=\"col\" class=\"n\">Last day</th><th scope=\"col\" "
        "class=\"n far\">Refused, ever</th><th scope=\"col\">Flashduty</th><th scope=\"col\" "
        "class=\"far\">Subscription</th><td></td></tr></thead><tbody>",
        "<section aria-labelledby=\"integrations\"><h2 id=\"integrations\">集成</h2><form "
        "method=\"post\" action=\"?\"><input type=\"hidden\" name=\"token\" value=\"{}\"><input "
        "type=\"hidden\" name=\"action\" value=\"test\"><div class=\"scroll\" tabindex=\"0\" "
        "role=\"group\" aria-labelledby=\"integrations\"><table class=\"stack\"><thead><tr><th "
        "scope=\"col\">集成</th><th scope=\"col\">最近事件</th><th scope=\"col\" "
        "class=\"n\">最近一小时</th><th scope=\"col\" class=\"n\">最近一天</th><th scope=\"col\" "
        "class=\"n far\">累计拒收</th><th scope=\"col\">Flashduty</th><th scope=\"col\" "
        "class=\"far\">订阅</th><td></td></tr></thead><tbody>",
        VALUES(page->token));
    for (size_t i = 0; i < summary->count; i++)
        put_row(page, &summary->items[i]);
    text_puts(&page->out, "</tbody></table></div></form></section>");
}

/* ---- hints ---- */

static void hint_of_vendor(struct page *page, const struct integration_summary *item)
{
    bool has_topics = item->settings && item->settings->vendor->has_topics;
    if (item->triggers >= TRIGGERS_WITHOUT_RECOVERY && !item->recoveries && has_topics)
        put(page,
            "<li><bdi>{}</bdi>: {} triggers in a week, never a recovery. Is <i>Cleared</i> ticked "
            "in "
            "the alarm rules?</li>",
            "<li><bdi>{}</bdi>：一周内触发 {} 次，从未恢复。告警规则是否勾选了“恢复正常”？</li>",
            VALUES(item->name, number_words(page, item->triggers)));
    else if (item->triggers >= TRIGGERS_WITHOUT_RECOVERY && !item->recoveries)
        put(page,
            "<li><bdi>{}</bdi>: {} triggers in a week, never a recovery. Do the monitors have a "
            "recovery condition?</li>",
            "<li><bdi>{}</bdi>：一周内触发 {} 次，从未恢复。监控器是否设置了恢复条件？</li>",
            VALUES(item->name, number_words(page, item->triggers)));
    if (item->settings && !item->ledger.received)
        put(page,
            "<li><bdi>{}</bdi>: nothing has ever come. Is its push URL in the vendor’s console, "
            "and "
            "does it open in a browser?</li>",
            "<li><bdi>{}</bdi>：从未收到任何内容。厂商控制台中是否填写了推送 "
            "URL，浏览器能否打开它？</li>",
            VALUES(item->name));
    if (has_topics && item->settings->topic_urn_count == 0)
        put(page,
            "<li><bdi>{}</bdi>: without <code>topic_urn</code> any customer of Huawei’s who knows "
            "the push URL may page.</li>",
            "<li><bdi>{}</bdi>：未设置 <code>topic_urn</code>，知道推送 URL "
            "的任何华为云用户都能触发告警。</li>",
            VALUES(item->name));
}

static void hint_of_refusals(struct page *page, const struct integration_summary *item)
{
    if (item->refused[REFUSAL_KEY])
        put(page,
            "<li>{} messages came with an unknown key: a push URL in a vendor’s console is wrong, "
            "or "
            "somebody tries keys.</li>",
            "<li>{} 条消息的密钥未知：某个厂商控制台中的推送 URL 有误，或有人在试探密钥。</li>",
            VALUES(number_words(page, item->refused[REFUSAL_KEY])));
    if (item->refused[REFUSAL_SIGNATURE])
        put(page,
            "<li><bdi>{}</bdi>: {} messages with a wrong signature, certificate or topic. Compare "
            "<code>topic_urn</code> with the topic; all else is a forgery.</li>",
            "<li><bdi>{}</bdi>：{} 条消息的签名、证书或主题不符。请核对 <code>topic_urn</code> "
            "与主题；其余为伪造。</li>",
            VALUES(item->name, number_words(page, item->refused[REFUSAL_SIGNATURE])));
}

static void hint_of_delivery(struct page *page, const struct integration_summary *item)
{
    if (item->failing)
        put(page,
            "<li><bdi>{}</bdi>: its Flashduty key keeps failing; one delivery in 5 s tries whether "
            "it works again, and the rest follows by itself.</li>",
            "<li><bdi>{}</bdi>：其 Flashduty 密钥持续失败；每 5 "
            "秒用一条投递试探，恢复后其余自动发送。</li>",
            VALUES(item->name));
    if (item->subscriptions[SUBSCRIPTION_REMOVED])
        put(page,
            "<li><bdi>{}</bdi>: a subscription was removed in SMN’s console: the alarms of its "
            "topic "
            "come no more.</li>",
            "<li><bdi>{}</bdi>：SMN 控制台中删除了一个订阅：该主题的告警不会再来。</li>",
            VALUES(item->name));
    if (item->subscriptions[SUBSCRIPTION_GIVEN_UP])
        put(page,
            "<li><bdi>{}</bdi>: a subscription could not be confirmed in 48 hours. Choose "
            "<i>Request "
            "Confirmation</i> in SMN’s console.</li>",
            "<li><bdi>{}</bdi>：订阅在 48 小时内未能确认。请在 SMN 控制台选择“请求订阅”。</li>",
            VALUES(item->name));
}

static void hint_of_configuration(struct page *page, const struct config *config)
{
    if (config->refusal)
        put(page,
            "<li>The configuration is broken, and the last valid one is in force: "
            "<bdi>{}</bdi></li>",
            "<li>配置有误，目前使用最后一份有效的配置：<bdi>{}</bdi></li>",
            VALUES(config->refusal));
}

static void hint_of_draining(struct page *page, const struct outbox_figures *figures)
{
    int64_t now_ms = page->visit->now_ms;
    if (figures->waiting && figures->oldest_waiting_ms < now_ms - UNDRAINED_MS &&
        figures->drained_ms < now_ms - UNDRAINED_MS)
        put(page,
            "<li>Nothing drains the outbox: a FastCGI process does by itself, plain CGI needs the "
            "line <code>* * * * * flashduty-gateway drain</code> in cron.</li>",
            "<li>没有进程在发送发件箱：FastCGI 进程会自动发送，普通 CGI 需要在 cron 中加入 <code>* "
            "* "
            "* * * flashduty-gateway drain</code>。</li>",
            VALUES(NULL));
}

void put_hints(struct page *page, const struct summary *summary)
{
    struct page hints = *page;
    hints.out = (struct text){0};
    hint_of_configuration(&hints, page->visit->gateway->config);
    hint_of_draining(&hints, &summary->figures);
    for (size_t i = 0; i < summary->count; i++) {
        hint_of_delivery(&hints, &summary->items[i]);
        hint_of_vendor(&hints, &summary->items[i]);
        hint_of_refusals(&hints, &summary->items[i]);
    }
    page->out.failed |= hints.out.failed;
    if (hints.out.length)
        put(page,
            "<section aria-labelledby=\"hints\"><h2 id=\"hints\">Worth a look</h2><ul "
            "class=\"plain\">{!}</ul></section>",
            "<section aria-labelledby=\"hints\"><h2 id=\"hints\">值得一看</h2><ul "
            "class=\"plain\">{!}</ul></section>",
            VALUES(text_string(&hints.out)));
    text_clear(&hints.out);
}

/* ---- subscriptions ---- */

static bool put_confirmation(void *context, const struct confirmation_record *record)
{
    struct page *page = context;
    put_html(page, "<li>{!} <bdi>{}</bdi>, <bdi class=\"mono\">{}</bdi>, {!}: <bdi>{}</bdi></li>",
             VALUES(record->is_given_up ? say(page, "<span class=\"badge bad\">given up</span>",
                                              "<span class=\"badge bad\">已放弃</span>")
                                        : say(page, "<span class=\"badge warn\">tried again</span>",
                                              "<span class=\"badge warn\">重试中</span>"),
                    record->integration, record->topic, moment_words(page, record->received_ms),
                    record->reason));
    return true;
}

bool put_confirmations(struct page *page)
{
    struct visit *visit = page->visit;
    put(page,
        "<section aria-labelledby=\"subscriptions\"><h2 id=\"subscriptions\">Subscriptions that "
        "are "
        "not confirmed<small><code>flashduty-gateway confirm</code> shows the links to open by "
        "hand</small></h2><ul class=\"plain\">",
        "<section aria-labelledby=\"subscriptions\"><h2 "
        "id=\"subscriptions\">未确认的订阅<small><code>flashduty-gateway confirm</code> "
        "显示可手动打开的链接</small></h2><ul class=\"plain\">",
        VALUES(NULL));
    bool is_read = history_confirmations(visit->history, put_confirmation, page, &visit->error);
    text_puts(&page->out, "</ul></section>");
    return is_read;
}
