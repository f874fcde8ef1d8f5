#include "status/chart.h"

#include <math.h>
#include <time.h>

/* A drawing is so high in units of its own, and a step wide for each step. */
#define HEIGHT 100.0
#define BAR_WIDTH 0.8
/* Durations are drawn on a logarithmic scale from here on. */
#define SHORTEST_MS 10.0

struct chart {
    struct page *page;
    const struct timeline_step *steps;
    size_t count;
    int64_t from_ms, step_ms;
};

/* A line or a colour of bars. */
struct series {
    const char *class, *english, *chinese;
    int64_t (*value)(const struct timeline_step *step);
};

/* ---- what is drawn ---- */

#define VALUE(name, member)                               \
    static int64_t name(const struct timeline_step *step) \
    {                                                     \
        return step->member;                              \
    }
VALUE(received_critical, received[SEVERITY_CRITICAL])
VALUE(received_warning, received[SEVERITY_WARNING])
VALUE(received_info, received[SEVERITY_INFO])
VALUE(received_ok, received[SEVERITY_OK])
VALUE(delivered_critical, delivered[SEVERITY_CRITICAL])
VALUE(delivered_warning, delivered[SEVERITY_WARNING])
VALUE(delivered_info, delivered[SEVERITY_INFO])
VALUE(delivered_ok, delivered[SEVERITY_OK])
VALUE(depth, depth)
VALUE(median, median_ms)
VALUE(p99, p99_ms)

static const struct series received[] = {{"s-critical", "Critical", "Critical", received_critical},
                                         {"s-warning", "Warning", "Warning", received_warning},
                                         {"s-info", "Info", "Info", received_info},
                                         {"s-ok", "Ok", "Ok", received_ok},
                                         {0}},
                           delivered[] = {{"s-critical", "Critical", "Critical",
                                           delivered_critical},
                                          {"s-warning", "Warning", "Warning", delivered_warning},
                                          {"s-info", "Info", "Info", delivered_info},
                                          {"s-ok", "Ok", "Ok", delivered_ok},
                                          {0}},
                           waiting[] = {{"s-depth", "deliveries", "投递", depth}, {0}},
                           durations[] = {{"l-p50", "median", "中位数", median},
                                          {"l-p99", "99 of 100", "99%", p99},
                                          {0}};

/* ---- words ---- */

static const char *clock_words(struct chart *chart, int64_t ms)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm parts;
    if (!gmtime_r(&seconds, &parts))
        return "";
    bool is_long = chart->step_ms * (int64_t)chart->count > (int64_t)86400000;
    struct arena *arena = chart->page->visit->arena;
    return is_long ? arena_printf(arena, "%02d-%02d %02d:%02d", parts.tm_mon + 1, parts.tm_mday,
                                  parts.tm_hour, parts.tm_min)
                   : arena_printf(arena, "%02d:%02d", parts.tm_hour, parts.tm_min);
}

static const char *step_words(struct chart *chart, size_t step)
{
    return clock_words(chart, chart->from_ms + (int64_t)step * chart->step_ms);
}

static const char *series_name(const struct chart *chart, const struct series *series)
{
    return say(chart->page, series->english, series->chinese);
}

static const char *coordinate(struct chart *chart, double value)
{
    return arena_printf(chart->page->visit->arena, "%.2f", value);
}

/* ---- parts ---- */

/* summary: HTML. */
static void begin_figure(struct chart *chart, const char *title, const char *summary)
{
    put_html(
        chart->page,
        "<figure><figcaption><b>{}</b><span>{!}</span></figcaption><div class=\"plot\">"
        "<svg role=\"img\" aria-label=\"{}: {!}\" preserveAspectRatio=\"none\" viewBox=\"0 0 {} "
        "{}\">",
        VALUES(title, summary, title, summary, coordinate(chart, (double)chart->count),
               coordinate(chart, HEIGHT)));
}

static void end_figure(struct chart *chart, const char *top, const char *low,
                       const struct series *series)
{
    struct page *page = chart->page;
    put_html(page,
             "</svg><span class=\"top\">{}</span><span class=\"low\">{}</span></div><div "
             "class=\"axis\"><span>{}</span><span>{}</span><span>{}</span></div><ul class=\"key\">",
             VALUES(top, low, step_words(chart, 0), step_words(chart, chart->count / 2),
                    step_words(chart, chart->count)));
    for (; series->class; series++)
        put_html(
            page,
            "<li><svg aria-hidden=\"true\" width=\"9\" height=\"9\"><rect class=\"{}\" width=\"9\" "
            "height=\"9\"></rect></svg>{}</li>",
            VALUES(series->class, series_name(chart, series)));
    text_puts(&page->out, "</ul></figure>");
}

static void put_rectangle(struct chart *chart, const char *class, double x, double width, double y,
                          double height)
{
    put_html(chart->page, "<rect class=\"{}\" x=\"{}\" width=\"{}\" y=\"{}\" height=\"{}\"></rect>",
             VALUES(class, coordinate(chart, x), coordinate(chart, width), coordinate(chart, y),
                    coordinate(chart, height)));
}

/* What the pointer is told of a step, over its whole height. */
static void put_hint(struct chart *chart, size_t step, const char *words)
{
    put_html(chart->page,
             "<rect class=\"hit\" x=\"{}\" width=\"1\" y=\"0\" height=\"{}\"><title>{} "
             "{}</title></rect>",
             VALUES(coordinate(chart, (double)step), coordinate(chart, HEIGHT),
                    step_words(chart, step), words));
}

static void put_line(struct chart *chart, double y)
{
    put_html(chart->page, "<path class=\"grid\" d=\"M0 {}H{}\"></path>",
             VALUES(coordinate(chart, y), coordinate(chart, (double)chart->count)));
}

/* ---- bars ---- */

static int64_t sum_of(const struct timeline_step *step, const struct series *series)
{
    int64_t sum = 0;
    for (; series->class; series++)
        sum += series->value(step);
    return sum;
}

static const char *counts_words(struct chart *chart, const struct timeline_step *step,
                                const struct series *series)
{
    struct text words = {0};
    for (; series->class; series++) {
        int64_t count = series->value(step);
        if (count)
            text_printf(&words, "%s%lld %s", words.length ? ", " : "", (long long)count,
                        series_name(chart, series));
    }
    return text_into(&words, chart->page->visit->arena);
}

static void put_bars(struct chart *chart, const struct series *series, int64_t highest,
                     double width)
{
    put_line(chart, HEIGHT / 2);
    for (size_t i = 0; i < chart->count; i++) {
        const struct timeline_step *step = &chart->steps[i];
        double bottom = HEIGHT;
        if (!sum_of(step, series))
            continue;
        for (const struct series *one = series; one->class; one++) {
            double height = HEIGHT * (double)one->value(step) / (double)highest;
            bottom -= height;
            if (height > 0)
                put_rectangle(chart, one->class, (double)i + (1 - width) / 2, width, bottom,
                              height);
        }
        put_hint(chart, i, counts_words(chart, step, series));
    }
}

/* The highest sum of a step, and the sum of all. */
static int64_t highest_of(const struct chart *chart, const struct series *series, int64_t *total)
{
    int64_t highest = 0;
    *total = 0;
    for (size_t i = 0; i < chart->count; i++) {
        int64_t sum = sum_of(&chart->steps[i], series);
        highest = sum > highest ? sum : highest;
        *total += sum;
    }
    return highest;
}

static void put_counts(struct chart *chart, const char *title, const struct series *series)
{
    struct timeline_step all = {0};
    int64_t total, highest = highest_of(chart, series, &total);
    for (size_t i = 0; i < chart->count; i++) {
        for (int j = 0; j < SEVERITY_COUNT; j++) {
            all.received[j] += chart->steps[i].received[j];
            all.delivered[j] += chart->steps[i].delivered[j];
        }
    }
    const char *words = counts_words(chart, &all, series);
    begin_figure(chart, title, total ? words : say(chart->page, "none", "无"));
    put_bars(chart, series, highest ? highest : 1, BAR_WIDTH);
    end_figure(chart, number_words(chart->page, highest), "0", series);
}

static void put_depth(struct chart *chart)
{
    struct page *page = chart->page;
    int64_t total, highest = highest_of(chart, waiting, &total);
    struct text summary = {0};
    html_put(&summary, say(page, "{} now, at most {}", "现在 {}，最多 {}"),
             VALUES(number_words(page, chart->steps[chart->count - 1].depth),
                    number_words(page, highest)));
    begin_figure(chart, say(page, "In the outbox", "发件箱中"),
                 text_into(&summary, page->visit->arena));
    put_bars(chart, waiting, highest ? highest : 1, 1);
    end_figure(chart, number_words(page, highest), "0", waiting);
}

/* ---- lines ---- */

static double height_of(double ms, double longest_ms)
{
    double share = log(fmax(ms, SHORTEST_MS) / SHORTEST_MS) / log(longest_ms / SHORTEST_MS);
    return HEIGHT - share * HEIGHT;
}

/* A stair, broken where nothing was delivered. */
static void put_stair(struct chart *chart, const struct series *series, double longest_ms)
{
    struct text path = {0};
    bool is_drawing = false;
    for (size_t i = 0; i < chart->count; i++) {
        int64_t ms = series->value(&chart->steps[i]);
        double y = height_of((double)ms, longest_ms);
        if (ms >= 0 && is_drawing)
            text_printf(&path, "V%.2fH%zu", y, i + 1);
        else if (ms >= 0)
            text_printf(&path, "M%zu %.2fH%zu", i, y, i + 1);
        is_drawing = ms >= 0;
    }
    put_html(chart->page, "<path class=\"{}\" d=\"{}\"></path>",
             VALUES(series->class, text_into(&path, chart->page->visit->arena)));
}

static void put_durations(struct chart *chart)
{
    struct page *page = chart->page;
    struct text summary = {0};
    double longest_ms = 1000;
    int64_t last = -1;
    for (size_t i = 0; i < chart->count; i++) {
        longest_ms = fmax(longest_ms, (double)chart->steps[i].p99_ms);
        last = chart->steps[i].p99_ms >= 0 ? (int64_t)i : last;
    }
    if (last >= 0)
        html_put(&summary, say(page, "lately {}, 99 of 100 within {}", "最近 {}，99% 在 {} 以内"),
                 VALUES(duration_words(page, chart->steps[last].median_ms),
                        duration_words(page, chart->steps[last].p99_ms)));
    else
        text_puts(&summary, say(page, "nothing was delivered", "没有送达"));
    begin_figure(chart, say(page, "From received to accepted", "从收到到接受"),
                 text_into(&summary, page->visit->arena));
    put_line(chart, HEIGHT / 2);
    put_stair(chart, &durations[1], longest_ms);
    put_stair(chart, &durations[0], longest_ms);
    for (size_t i = 0; i < chart->count; i++) {
        const struct timeline_step *step = &chart->steps[i];
        if (step->p99_ms >= 0)
            put_hint(chart, i,
                     arena_printf(page->visit->arena, "%s / %s",
                                  duration_words(page, step->median_ms),
                                  duration_words(page, step->p99_ms)));
    }
    end_figure(chart, duration_words(page, (int64_t)longest_ms),
               duration_words(page, (int64_t)SHORTEST_MS), durations);
}

void chart_put_all(struct page *page, struct timeline *timeline)
{
    struct chart chart = {
        .page = page, .from_ms = timeline_from_ms(timeline), .step_ms = timeline_step_ms(timeline)};
    chart.steps = timeline_steps(timeline, &chart.count);
    text_puts(&page->out, "<div class=\"charts\">");
    put_counts(&chart, say(page, "Alerts received", "收到的告警"), received);
    put_counts(&chart, say(page, "Alerts delivered", "送达的告警"), delivered);
    put_durations(&chart);
    put_depth(&chart);
    text_puts(&page->out, "</div>");
}
