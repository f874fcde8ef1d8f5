#include "status/views.h"

struct nodes {
    struct page *page;
    int64_t count;
};

/* ---- the table ---- */

static void put_head(struct page *page)
{
    put(page,
        "<section aria-labelledby=\"nodes\"><h2 id=\"nodes\">Nodes</h2><div class=\"scroll\" "
        "tabindex=\"0\" role=\"group\" aria-labelledby=\"nodes\"><table class=\"stack\"><thead><tr>"
        "<th scope=\"col\">Node</th><th scope=\"col\">Program</th><th scope=\"col\">State</th><th "
        "scope=\"col\">Last sign of life</th><th scope=\"col\">Running since</th><th "
        "scope=\"col\">Version</th><th scope=\"col\" class=\"n\">In its spool</th></tr></thead>"
        "<tbody>",
        "<section aria-labelledby=\"nodes\"><h2 id=\"nodes\">节点</h2><div class=\"scroll\" "
        "tabindex=\"0\" role=\"group\" aria-labelledby=\"nodes\"><table class=\"stack\"><thead><tr>"
        "<th scope=\"col\">节点</th><th scope=\"col\">程序</th><th scope=\"col\">状态</th><th "
        "scope=\"col\">最近一次报到</th><th scope=\"col\">运行自</th><th "
        "scope=\"col\">版本</th><th scope=\"col\" class=\"n\">本地暂存</th></tr></thead>"
        "<tbody>",
        VALUES(NULL));
}

static bool put_row(void *context, const struct node_record *record)
{
    struct nodes *nodes = context;
    struct page *page = nodes->page;
    if (nodes->count++ == 0)
        put_head(page);
    put_html(page,
             "<tr><th scope=\"row\"><bdi>{}</bdi><small>{}</small></th><td data-label=\"{}\">{}"
             "</td><td><span class=\"badge {}\">{}</span></td>",
             VALUES(record->host, record->node, say(page, "Program", "程序"), record->program,
                    record->is_silent ? "bad" : "good",
                    record->is_silent ? say(page, "silent", "失联") : say(page, "there", "在线")));
    put_html(page,
             "<td class=\"nw\" data-label=\"{}\">{!}</td><td class=\"nw\" data-label=\"{}\">{!}"
             "</td><td data-label=\"{}\">{}</td><td class=\"n\" data-label=\"{}\">{}</td></tr>",
             VALUES(say(page, "Last sign of life", "最近一次报到"),
                    moment_words(page, record->seen_ms), say(page, "Running since", "运行自"),
                    moment_words(page, record->since_ms), say(page, "Version", "版本"),
                    record->version, say(page, "In its spool", "本地暂存"),
                    record->spooled < 0 ? "–" : number_words(page, record->spooled)));
    return true;
}

bool put_nodes(struct page *page)
{
    struct nodes nodes = {.page = page};
    if (!history_nodes(page->visit->history, put_row, &nodes, &page->visit->error))
        return false;
    if (nodes.count > 0)
        text_puts(&page->out, "</tbody></table></div></section>");
    return true;
}

/* ---- who is silent ---- */

static bool put_silent(void *context, const struct node_record *record)
{
    struct nodes *nodes = context;
    struct page *page = nodes->page;
    if (!record->is_silent)
        return true;
    if (nodes->count++ == 0)
        put(page, "<div class=\"note\"><p>No sign of life from: ",
            "<div class=\"note\"><p>以下节点失联：", VALUES(NULL));
    else
        text_puts(&page->out, say(page, ", ", "、"));
    put_html(page, "<a href=\"#nodes\"><bdi>{}</bdi></a> ({}, {!})",
             VALUES(record->host, record->program, moment_words(page, record->seen_ms)));
    return true;
}

bool put_silent_nodes(struct page *page)
{
    struct nodes nodes = {.page = page};
    if (!history_nodes(page->visit->history, put_silent, &nodes, &page->visit->error))
        return false;
    if (nodes.count > 0)
        text_puts(&page->out, say(page, ".</p></div>", "。</p></div>"));
    return true;
}
