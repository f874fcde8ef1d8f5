#include "status/page.h"

#include <string.h>

#include "base/clock.h"
#include "status/style.h"

#define NONCE_BYTES 16

/* ---- words ---- */

const char *say(const struct page *page, const char *english, const char *chinese)
{
    return page->is_chinese ? chinese : english;
}

void put(struct page *page, const char *english, const char *chinese, const char *const *values)
{
    html_put(&page->out, say(page, english, chinese), values);
}

void put_html(struct page *page, const char *template, const char *const *values)
{
    html_put(&page->out, template, values);
}

/* 1234567 as 1,234,567. */
const char *number_words(struct page *page, int64_t number)
{
    const char *digits = arena_printf(page->visit->arena, "%lld", (long long)number);
    struct text words = {0};
    for (size_t left = strlen(digits); left > 0; left--) {
        text_putc(&words, *digits++);
        if (left > 1 && (left - 1) % 3 == 0 && digits[-1] != '-')
            text_putc(&words, ',');
    }
    return text_into(&words, page->visit->arena);
}

const char *duration_words(struct page *page, int64_t ms)
{
    static const struct {
        int64_t least_ms, unit_ms;
        const char *english, *chinese;
    } units[] = {
        {172800000, 86400000, "d", "天"},
        {5400000, 3600000, "h", "小时"},
        {90000, 60000, "min", "分钟"},
        {1000, 1000, "s", "秒"},
        {0, 1, "ms", "毫秒"},
    };
    struct arena *arena = page->visit->arena;
    size_t i = 0;
    ms = ms > 0 ? ms : 0;
    if (ms >= 1000 && ms < 10000 && ms % 1000)
        return arena_printf(arena, "%.1f %s", (double)ms / 1000, say(page, "s", "秒"));
    while (ms < units[i].least_ms)
        i++;
    return arena_printf(arena, "%lld %s", (long long)(ms / units[i].unit_ms),
                        say(page, units[i].english, units[i].chinese));
}

const char *moment_words(struct page *page, int64_t ms)
{
    int64_t ago_ms = page->visit->now_ms - ms;
    struct text out = {0};
    char moment[32];
    if (!ms)
        return "–";
    clock_rfc3339(ms / 1000, moment);
    const char *template =
        ago_ms >= 1000   ? say(page, "<time datetime=\"{}\" title=\"{}\">{} ago</time>",
                               "<time datetime=\"{}\" title=\"{}\">{}前</time>")
        : ago_ms > -1000 ? say(page, "<time datetime=\"{}\" title=\"{}\">just now</time>",
                               "<time datetime=\"{}\" title=\"{}\">刚刚</time>")
                         : say(page, "<time datetime=\"{}\" title=\"{}\">in {}</time>",
                               "<time datetime=\"{}\" title=\"{}\">{}后</time>");
    bool is_now = ago_ms < 1000 && ago_ms > -1000;
    const char *words = duration_words(page, (ago_ms < 0 ? -ago_ms : ago_ms) / 1000 * 1000);
    html_put(&out, template, is_now ? VALUES(moment, moment) : VALUES(moment, moment, words));
    return text_into(&out, page->visit->arena);
}

const char *state_words(const struct page *page, enum delivery_state state)
{
    static const char *const words[][2] = {
        [DELIVERY_WAITING] = {"waiting", "等待中"},
        [DELIVERY_SENDING] = {"being sent", "发送中"},
        [DELIVERY_REJECTED] = {"rejected", "被拒绝"},
        [DELIVERY_EXPIRED] = {"expired", "已过期"},
        [DELIVERY_DROPPED] = {"dropped", "已丢弃"},
        [DELIVERY_DELIVERED] = {"delivered", "已送达"},
        [DELIVERY_REFUSED] = {"refused", "未接收"},
    };
    return (unsigned)state > DELIVERY_REFUSED ? "?" : words[state][page->is_chinese];
}

static const char *badge(struct page *page, const char *class, const char *words)
{
    struct text out = {0};
    html_put(&out, "<span class=\"badge {}\">{}</span>", VALUES(class, words));
    return text_into(&out, page->visit->arena);
}

const char *state_badge(struct page *page, enum delivery_state state)
{
    bool is_known = (unsigned)state <= DELIVERY_REFUSED;
    return badge(page, is_known ? delivery_state_names[state] : "", state_words(page, state));
}

const char *severity_badge(struct page *page, enum severity severity)
{
    static const char *const classes[SEVERITY_COUNT] = {"critical", "warning", "info", "ok"};
    bool is_known = (unsigned)severity < SEVERITY_COUNT;
    return badge(page, is_known ? classes[severity] : "",
                 is_known ? severity_names[severity] : "?");
}

/* ---- the frame ---- */

static const char *nonce(struct page *page)
{
    char hex[2 * NONCE_BYTES + 1];
    if (!random_hex(NONCE_BYTES, hex))
        page->visit->arena->failed = true;
    return arena_string(page->visit->arena, hex);
}

void page_begin(struct page *page, const char *title)
{
    struct visit *visit = page->visit;
    const char *once = nonce(page);
    visit->response->type = "text/html; charset=utf-8";
    /* Nothing but this style sheet, an empty picture for the tab, and forms that come back here. */
    visit->response->headers = arena_printf(
        visit->arena,
        "Content-Security-Policy: default-src 'none'; style-src 'nonce-%s'; img-src data:; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'\r\n"
        "Referrer-Policy: no-referrer\r\n"
        "Vary: Accept-Language\r\n",
        once);
    put_html(page,
             "<!doctype html>\n<html lang=\"{}\"><head><meta charset=\"utf-8\">"
             "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
             "<meta name=\"robots\" content=\"noindex\">"
             "<link rel=\"icon\" href=\"data:,\"><title>{}</title><style nonce=\"{}\">",
             VALUES(say(page, "en", "zh-CN"), title, once));
    for (const char *const *part = status_style; *part; part++)
        text_puts(&page->out, *part);
    put_html(page,
             "</style></head><body><header><div><a class=\"name\" href=\"?\">flashduty-gateway</a>"
             "<span class=\"version\">{}</span></div>",
             VALUES(VERSION));
}

void page_end(struct page *page)
{
    const struct gateway *gateway = page->visit->gateway;
    char now[32];
    clock_rfc3339(page->visit->now_ms / 1000, now);
    put(page,
        "</main><footer>Times are UTC; this page was made at {} for {}. Configuration {}, store "
        "{}.</footer></body></html>\n",
        "</main><footer>时间均为 UTC；本页生成于 {}，访问者 {}。配置 {}，存储 "
        "{}。</footer></body></html>\n",
        VALUES(now, page->visit->visitor,
               *gateway->config->path ? gateway->config->path : say(page, "none", "无"),
               gateway->store ? store_name(gateway->store) : say(page, "none", "无")));
}

bool page_answer(struct page *page, int status)
{
    struct visit *visit = page->visit;
    bool is_whole = !page->out.failed || error_out_of_memory(&visit->error);
    visit->response->status = status;
    text_clear(&visit->response->body);
    visit->response->body = page->out;
    page->out = (struct text){0};
    return is_whole;
}
